//! What to do, as a sentence and as commands.

use crate::recovery::{
    facts::ResumeFrom,
    invocation::Invocation,
    refusal::{Cause, Refusal, Remedy},
};

/// The largest batch that broker and client are made for, in bytes.
const LARGER_BATCHES: &str = "receive.message.max.bytes=2147483647";

/// What a remedy does.
pub(super) fn sentence(refusal: &Refusal, remedy: &Remedy) -> String {
    match remedy {
        Remedy::RightStore => {
            "If the history is in another store, name that one (in place of THE_RIGHT_STORE):".to_owned()
        }
        Remedy::Once { resume_from, accept_loss } => {
            let mut text = match resume_from {
                Some(side) => side_sentence(&refusal.cause, *side),
                None => String::new(),
            };
            if let Some(range) = accept_loss {
                if !text.is_empty() {
                    text.push(' ');
                }
                text.push_str(&loss_sentence(&refusal.cause, &range.to_string()));
            }
            text.push_str(" Needed once; leave it out afterwards:");
            text
        }
        Remedy::StoresPipeline { group, results } => {
            format!("To go on with the pipeline that this store belongs to (group {group}, results topic {results}):")
        }
        Remedy::Fresh { results: true, .. } => "Begin a new history beside this one. Every event that the topic still holds is \
            calculated and published again, so give it a results topic of its own (any unused names will do):"
            .to_owned(),
        Remedy::Fresh { group: true, .. } => {
            "Begin a new history beside this one, with a store and a group of its own (any unused names will do):".to_owned()
        }
        Remedy::Fresh { .. } => "Give this pipeline a store of its own (any unused name will do):".to_owned(),
        Remedy::NewerProgram { by } => format!(
            "Run the same command with the newer program ({}):",
            by.as_deref().unwrap_or("its version is not known")
        ),
        Remedy::LargerBatches => {
            "Let the client take larger batches. It unpacks one of this size in memory, besides --memory:".to_owned()
        }
        Remedy::AnotherReplica => "If another replica of the partition is whole, let its broker lead (kafka-leader-election.sh, or \
            stop the broker that leads now), then:"
            .to_owned(),
        Remedy::OtherRules => {
            "Change the settings of the topic so that it takes the message, with kafka-configs.sh or the program that keeps them, then:"
                .to_owned()
        }
        Remedy::LetRead => "Let the user of this process read it (owner and mode of files and folders), or bring it back from a backup, \
            then:"
            .to_owned(),
        Remedy::MoveAway => "Find out where the file comes from, move it out of the store, then:".to_owned(),
        Remedy::Restore => "Bring the damaged files back from a backup or an earlier object version, then:".to_owned(),
        Remedy::Report => "Report it, with the log of this run, to those who make snapback. A start with another version, or with more \
            --memory, tries again:"
            .to_owned(),
    }
}

fn side_sentence(cause: &Cause, side: ResumeFrom) -> String {
    match (cause, side) {
        (
            Cause::HeadUnknown {
                committed,
                newest: Some((_, frontier)),
                ..
            },
            ResumeFrom::Frontier,
        ) if committed < frontier => {
            format!(
                "Believe the store: go on at offset {frontier}, after everything that it holds."
            )
        }
        (
            Cause::HeadUnknown {
                committed,
                newest: Some((_, frontier)),
                ..
            },
            ResumeFrom::Frontier,
        ) => {
            format!(
                "Believe the store: publish from offset {frontier} on. What was published of {frontier}-{committed} appears twice."
            )
        }
        (
            Cause::HeadUnknown {
                committed,
                newest: None,
                ..
            },
            ResumeFrom::Committed,
        ) => format!(
            "Begin a new history here: go on at offset {committed}, publish nothing twice. What came before is not in this store."
        ),
        (
            Cause::HeadUnknown {
                committed,
                newest: Some((_, frontier)),
                ..
            },
            ResumeFrom::Committed,
        ) if committed == frontier => {
            format!("Both end at offset {committed}: go on there.")
        }
        (
            Cause::HeadUnknown {
                committed,
                newest: Some((_, frontier)),
                ..
            },
            ResumeFrom::Committed,
        ) => format!(
            "Believe the group: go on at offset {committed}, publish nothing twice. The store records {frontier}-{committed} as lost."
        ),
        (Cause::CommittedByOther { range }, ResumeFrom::Frontier) => {
            format!("Publish {range}, which may double what somebody else published of it.")
        }
        (Cause::CommittedByOther { range }, ResumeFrom::Committed) => {
            format!(
                "Skip {range}: go on at offset {}; the store records the range as lost.",
                range.end()
            )
        }
        (Cause::GroupReset { range }, _) => {
            format!(
                "Go on at offset {}, after what is stored. Nothing is published twice.",
                range.end()
            )
        }
        (Cause::CommittedMissing { frontier, .. }, _) => format!(
            "Go on at offset {frontier}. What was published after the last snapshot, if anything, appears twice."
        ),
        (_, ResumeFrom::Frontier) => "Go on at the store's frontier.".to_owned(),
        (_, ResumeFrom::Committed) => "Go on at the group's committed offset.".to_owned(),
    }
}

fn loss_sentence(cause: &Cause, range: &str) -> String {
    match cause {
        Cause::ReplayMismatch { .. } => format!(
            "Accept that {range} is not stored: it becomes a recorded gap, its results stay in the results topic."
        ),
        Cause::Gone { .. } => format!(
            "Accept it: {range} becomes a recorded gap, and everything after it is processed. (While retention deletes on, the log's \
             start moves, and with it the range: do not wait.)"
        ),
        Cause::UnreadableEvents { .. } | Cause::RefusedEvent { .. } => {
            format!(
                "Accept it: {range} becomes a recorded gap, and everything after it is processed."
            )
        }
        _ => format!("{range} is gone from Kafka and becomes a recorded gap."),
    }
}

/// The commands, in the order in which to run them.
pub(super) fn commands(
    refusal: &Refusal,
    remedy: &Remedy,
    invocation: &Invocation,
) -> Vec<Invocation> {
    let again = invocation.clone();
    match remedy {
        Remedy::RightStore => vec![again.set("--store", "THE_RIGHT_STORE")],
        Remedy::Once {
            resume_from,
            accept_loss,
        } => {
            let mut command = again;
            if let Some(side) = resume_from {
                command = command.set("--resume-from", side.as_str());
            }
            if let Some(range) = accept_loss {
                command = command.accepting(refusal.partition, *range);
            }
            vec![command]
        }
        Remedy::StoresPipeline { group, results } => {
            let mut command = again;
            if *group != refusal.pipeline.group {
                command = command.set("--group", group);
            }
            if *results != refusal.pipeline.results_topic {
                command = command.set("--results", results);
            }
            vec![command]
        }
        Remedy::Fresh { group, results } => {
            let mut command = again.without("--resume-from").without("--accept-loss");
            command = command.set("--store", another(&refusal.store));
            if *group {
                command = command.set("--group", another(&refusal.pipeline.group));
            }
            if *results {
                command = command.set("--results", another(&refusal.pipeline.results_topic));
            }
            vec![command]
        }
        Remedy::LargerBatches => vec![again.with("-X", LARGER_BATCHES)],
        Remedy::NewerProgram { .. }
        | Remedy::Restore
        | Remedy::AnotherReplica
        | Remedy::OtherRules
        | Remedy::MoveAway
        | Remedy::LetRead
        | Remedy::Report => {
            vec![again]
        }
    }
}

/// The next name: `results` -> `results-2` -> `results-3`.
#[must_use]
pub fn another(name: &str) -> String {
    let name = name.trim_end_matches('/');
    if name
        .strip_prefix("s3://")
        .is_some_and(|bucket| !bucket.contains('/'))
    {
        return format!("{name}/snapback-2");
    }
    let numbered = name.rsplit_once('-').and_then(|(stem, number)| {
        Some((
            stem,
            number
                .parse::<u32>()
                .ok()
                .filter(|n| *n >= 2)?
                .checked_add(1)?,
        ))
    });
    match numbered {
        Some((stem, number)) => format!("{stem}-{number}"),
        None => format!("{name}-2"),
    }
}

#[cfg(test)]
mod tests {
    use super::another;

    #[test]
    fn names_are_counted_up() {
        let table = [
            ("results", "results-2"),
            ("results-2", "results-3"),
            ("./snapshots/", "./snapshots-2"),
            ("s3://bucket/prefix", "s3://bucket/prefix-2"),
            ("s3://bucket", "s3://bucket/snapback-2"),
            ("topic-0", "topic-0-2"),
            ("", "-2"),
        ];
        for (name, expected) in table {
            assert_eq!(another(name), expected);
        }
    }
}
