//! Why no declaration is proposed.

/// Nothing can be proposed.
#[derive(Debug, thiserror::Error)]
pub enum NoProposal {
    #[error("no event of the topic {topic} came within {seconds} s; is it empty?")]
    NoEvents { topic: String, seconds: u64 },
    #[error(
        "none of the {sampled} sampled events of the topic {topic} is a JSON object with a number, a text or a boolean in it: there is nothing to declare"
    )]
    NoMembers { topic: String, sampled: usize },
}
