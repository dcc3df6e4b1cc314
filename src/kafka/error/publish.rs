//! Why something could not be published, and what may be done then.

use std::time::Duration;

use rdkafka::error::RDKafkaErrorCode as Code;

use super::{
    super::codes::{is_denied, is_membership, is_passing},
    Failure, KafkaError,
};

/// Answers about permissions or topics: somebody has to change something first.
fn needs_an_operator(code: Code) -> bool {
    is_denied(code)
        || matches!(
            code,
            Code::UnknownTopic
                | Code::UnknownPartition
                | Code::UnknownTopicOrPartition
                | Code::InvalidTransactionTimeout
                | Code::UnsupportedFeature
                | Code::UnsupportedVersion
        )
}

/// What a caller may do after a [`PublishError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// The same call again, with the same arguments: it goes on where it was.
    Retry,
    /// Abort the transaction (at-least-once: nothing to abort), rewind, and go on with the same publisher.
    Abort,
    /// The publisher is of no more use (fenced, timed out by the broker, or in an unknown state): drop it, make a new
    /// one, initialise it, and read the committed offsets from the broker.
    Rebuild,
    /// Nothing helps but a person: no permission, no such topic.
    Fatal,
}

/// Why something could not be published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// A call of the transaction protocol failed.
    #[error("{publisher}: cannot {doing}: {source}{}", .why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default())]
    Transaction {
        /// Which publisher.
        publisher: String,
        /// What was tried.
        doing: &'static str,
        /// The client's last error text, when it has a recent one.
        why: Option<String>,
        /// Kafka's answer.
        source: Failure,
    },
    /// The client refused a message.
    #[error("{publisher}: cannot publish to {topic:?} partition {partition}: {source}")]
    Refused {
        /// Which publisher.
        publisher: String,
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// Kafka's answer.
        source: Failure,
    },
    /// The send queue stayed full.
    #[error("{publisher}: the send queue stayed full for {waited:?} on the way to {topic:?} partition {partition}: the brokers do not take messages{}", .why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default())]
    Full {
        /// Which publisher.
        publisher: String,
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// How long it was waited for.
        waited: Duration,
        /// The client's last error text, when it has a recent one.
        why: Option<String>,
    },
    /// Messages that the brokers did not take.
    #[error(
        "{publisher}: {count} messages were not delivered, the first to {topic:?} partition {partition}: {source}"
    )]
    Undelivered {
        /// Which publisher.
        publisher: String,
        /// How many.
        count: u64,
        /// The first one's topic.
        topic: String,
        /// The first one's partition.
        partition: i32,
        /// Kafka's answer for the first one.
        source: Failure,
        /// Whether it happened in a transaction. The next one would then fail as well (their sequence numbers are
        /// missing), so the publisher has to be rebuilt.
        in_transaction: bool,
    },
    /// Offsets were to be committed without being a member of the group.
    #[error("{publisher}: no offsets can be committed: not a member of group {group:?} at present")]
    NotAMember {
        /// Which publisher.
        publisher: String,
        /// The group.
        group: String,
    },
    /// The publisher could not be made.
    #[error(transparent)]
    Client(#[from] KafkaError),
}

impl PublishError {
    /// What the caller may do now.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        match self {
            _ if self.has_group_moved_on() => Disposition::Abort,
            PublishError::Transaction { source, .. } => disposition(source),
            PublishError::Undelivered {
                source,
                in_transaction: true,
                ..
            } => match disposition(source) {
                Disposition::Fatal => Disposition::Fatal,
                _ => Disposition::Rebuild,
            },
            PublishError::Refused { source, .. } | PublishError::Undelivered { source, .. } => {
                match disposition(source) {
                    // The call cannot simply be repeated: other messages of it are on their way.
                    Disposition::Retry => Disposition::Abort,
                    Disposition::Rebuild if !source.fatal && !is_fenced(source.code) => {
                        Disposition::Abort
                    }
                    other => other,
                }
            }
            PublishError::Full { .. } | PublishError::NotAMember { .. } => Disposition::Abort,
            PublishError::Client(error) if error.is_transient() => Disposition::Rebuild,
            PublishError::Client(_) => Disposition::Fatal,
        }
    }

    /// Whether the offsets could not be committed because the group has moved on: it divides its partitions anew, or has
    /// given this member up. That refuses nothing; what follows is an assignment, a revocation or a loss of partitions.
    #[must_use]
    pub fn has_group_moved_on(&self) -> bool {
        match self {
            PublishError::Transaction { source, .. } => !source.fatal && is_membership(source.code),
            PublishError::NotAMember { .. } => true,
            PublishError::Client(error) => error.has_group_moved_on(),
            PublishError::Refused { .. }
            | PublishError::Undelivered { .. }
            | PublishError::Full { .. } => false,
        }
    }

    /// Whether a broker refuses who we are, or what we may do.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        match self {
            PublishError::Transaction { source, .. }
            | PublishError::Refused { source, .. }
            | PublishError::Undelivered { source, .. } => is_denied(source.code),
            PublishError::Client(error) => error.is_denied(),
            PublishError::Full { .. } | PublishError::NotAMember { .. } => false,
        }
    }

    /// Whether nothing changes until a person acts.
    #[must_use]
    pub fn needs_a_person(&self) -> bool {
        match self {
            PublishError::Client(error) => error.needs_a_person(),
            other => other.is_denied(),
        }
    }

    /// Whether no broker has refused anything: one is away or busy.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        match self {
            PublishError::Transaction { source, .. }
            | PublishError::Refused { source, .. }
            | PublishError::Undelivered { source, .. } => {
                is_passing(source.code)
                    || matches!(
                        source.code,
                        Code::MessageTimedOut | Code::PurgeQueue | Code::PurgeInflight
                    )
            }
            PublishError::Full { .. } => true,
            PublishError::NotAMember { .. } => false,
            PublishError::Client(error) => error.is_transient() && !error.has_group_moved_on(),
        }
    }

    /// The topic and the partition whose broker refuses a message for what it is, so that sending it again is of no use.
    #[must_use]
    pub fn refused_at(&self) -> Option<(&str, i32)> {
        match self {
            PublishError::Refused {
                topic,
                partition,
                source,
                ..
            }
            | PublishError::Undelivered {
                topic,
                partition,
                source,
                ..
            } if is_refusal(source.code) => Some((topic, *partition)),
            _ => None,
        }
    }

    /// Whether a broker refuses a message for its time.
    #[must_use]
    pub fn refuses_a_time(&self) -> bool {
        match self {
            PublishError::Refused { source, .. } | PublishError::Undelivered { source, .. } => {
                source.code == Code::InvalidTimestamp
            }
            _ => false,
        }
    }

    /// Whether it only says that the client threw messages away, after another error.
    pub(in crate::kafka) fn is_purged(&self) -> bool {
        matches!(
            self,
            PublishError::Undelivered { source, .. }
                if matches!(source.code, Code::PurgeQueue | Code::PurgeInflight)
        )
    }

    /// Whether a message, or the batch that it was in, is larger than the topic or the client allows.
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        matches!(
            self,
            PublishError::Transaction { source, .. }
            | PublishError::Refused { source, .. }
            | PublishError::Undelivered { source, .. }
                if matches!(source.code, Code::MessageSizeTooLarge | Code::InvalidMessageSize)
        )
    }
}

/// Answers about a message itself, or about the batch that it was in.
fn is_refusal(code: Code) -> bool {
    matches!(
        code,
        Code::MessageSizeTooLarge
            | Code::MessageBatchTooLarge
            | Code::InvalidMessageSize
            | Code::InvalidMessage
            | Code::InvalidRecord
            | Code::InvalidTimestamp
            | Code::PolicyViolation
            | Code::UnsupportedForMessageFormat
    )
}

fn is_fenced(code: Code) -> bool {
    matches!(
        code,
        Code::Fenced
            | Code::ProducerFenced
            | Code::InvalidProducerEpoch
            | Code::InvalidProducerIdMapping
            | Code::UnknownProducerId
            | Code::Fatal
    )
}

fn disposition(failure: &Failure) -> Disposition {
    if needs_an_operator(failure.code) {
        Disposition::Fatal
    } else if failure.fatal {
        Disposition::Rebuild
    } else if failure.retriable {
        Disposition::Retry
    } else if failure.requires_abort {
        Disposition::Abort
    } else {
        Disposition::Rebuild
    }
}

#[cfg(test)]
mod tests;
