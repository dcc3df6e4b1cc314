//! What can go wrong with Kafka, and what the caller may do about it.

use std::{fmt, time::Duration};

use rdkafka::error::{KafkaError as NativeError, RDKafkaErrorCode as Code};

use crate::model::{Offset, OffsetRange, Partition};

/// Kafka's own answer to a call: the source of the errors of this module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub(super) code: Code,
    pub(super) text: String,
    pub(super) fatal: bool,
    pub(super) retriable: bool,
    pub(super) requires_abort: bool,
}

impl Failure {
    pub(super) fn of(code: Code) -> Failure {
        Failure {
            code,
            text: code.to_string(),
            fatal: code == Code::Fatal,
            retriable: false,
            requires_abort: false,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}

impl From<NativeError> for Failure {
    fn from(error: NativeError) -> Failure {
        match &error {
            NativeError::Transaction(inner) => Failure {
                code: inner.code(),
                text: inner.string(),
                fatal: inner.is_fatal(),
                retriable: inner.is_retriable(),
                requires_abort: inner.txn_requires_abort(),
            },
            other => Failure {
                code: other.rdkafka_error_code().unwrap_or(Code::Fail),
                text: match other.rdkafka_error_code() {
                    Some(code) => code.to_string(),
                    None => other.to_string(),
                },
                fatal: matches!(
                    other,
                    NativeError::MessageConsumptionFatal(_)
                        | NativeError::MessageProduction(Code::Fatal)
                ),
                retriable: false,
                requires_abort: false,
            },
        }
    }
}

/// What went wrong with a cluster, a topic or a group.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KafkaError {
    /// A `-X` property that snapback sets itself.
    #[error("-X {property} cannot be set: {instead}")]
    OwnedProperty {
        /// The property's name.
        property: String,
        /// What to use instead.
        instead: &'static str,
    },
    /// A `-X` argument that is not `key=value`.
    #[error("-X expects key=value; there is no '=' in the argument that begins with {begin:?}")]
    NotAProperty {
        /// Its first characters (the rest might be a secret).
        begin: String,
    },
    /// A property that librdkafka refuses.
    #[error("-X {property} is refused: {reason}")]
    Property {
        /// The property's name.
        property: String,
        /// librdkafka's reason, without the value of a secret.
        reason: String,
    },
    /// A client could not be created from its properties.
    #[error("cannot create a Kafka client: {reason}")]
    Client {
        /// librdkafka's reason.
        reason: String,
    },
    /// No answer from any broker.
    #[error(
        "no answer from Kafka at {brokers} (--brokers) while trying to {doing}: {}",
        .why.as_deref().unwrap_or("no reason was given; is it a Kafka port, and does it expect TLS or SASL (-X security.protocol=...)?")
    )]
    Unreachable {
        /// The brokers that were tried.
        brokers: String,
        /// What was tried.
        doing: String,
        /// The client's last error text.
        why: Option<String>,
        /// Kafka's answer.
        source: Failure,
    },
    /// A call that failed.
    #[error("cannot {doing}: {source}{}", .why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default())]
    Call {
        /// What was tried.
        doing: String,
        /// The client's last error text, when it has a recent one.
        why: Option<String>,
        /// Kafka's answer.
        source: Failure,
    },
    /// A topic that does not exist.
    #[error("the topic {topic:?} does not exist")]
    MissingTopic {
        /// The topic.
        topic: String,
    },
    /// The committed offsets cannot be told because a transaction that changes them is still open.
    #[error(
        "the committed offsets of group {group:?} in {topic:?} are not known yet: a transaction that changes them is open (it ends by itself after its transaction.timeout.ms)"
    )]
    OpenTransaction {
        /// The group.
        group: String,
        /// The topic.
        topic: String,
    },
    /// The consumer is not a member of its group at present.
    #[error("not a member of group {group:?} at present")]
    NotAMember {
        /// The group.
        group: String,
    },
    /// A rebalance waits for [`Source::assign`](super::Source::assign) or
    /// [`Source::unassign`](super::Source::unassign).
    #[error("{topic:?} partition {partition}: a rebalance has to be answered first")]
    RebalancePending {
        /// The topic.
        topic: String,
        /// The partition that the call was about.
        partition: Partition,
    },
    /// A partition that is not assigned.
    #[error("{topic:?} partition {partition} is not assigned")]
    NotAssigned {
        /// The topic.
        topic: String,
        /// The partition.
        partition: Partition,
    },
    /// Offsets that are no longer, or not yet, in the log.
    #[error("{topic:?} partition {partition}: offset {offset} is not in the log")]
    OutOfRange {
        /// The topic.
        topic: String,
        /// The partition.
        partition: Partition,
        /// The offset that was asked for.
        offset: Offset,
    },
    /// A range that was not delivered completely in time.
    #[error(
        "{topic:?} partition {partition}: reading {range} came to {position} and then nothing for {waited:?}{}",
        .why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default()
    )]
    Idle {
        /// The topic.
        topic: String,
        /// The partition.
        partition: Partition,
        /// What was to be read.
        range: OffsetRange,
        /// How far it came.
        position: Offset,
        /// How long nothing came.
        waited: Duration,
        /// The client's last error text, when it has a recent one.
        why: Option<String>,
    },
}

impl KafkaError {
    /// Whether the cluster may answer later: no broker reachable, a time-out, an open transaction.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            KafkaError::Unreachable { source, .. } => !is_definite(source.code),
            KafkaError::OpenTransaction { .. }
            | KafkaError::NotAMember { .. }
            | KafkaError::RebalancePending { .. }
            | KafkaError::Idle { .. } => true,
            KafkaError::Call { source, .. } => source.retriable || is_passing(source.code),
            _ => false,
        }
    }
}

/// Answers that waiting does not change.
pub(super) fn is_definite(code: Code) -> bool {
    matches!(
        code,
        Code::Authentication | Code::SSL | Code::SaslAuthenticationFailed
    )
}

/// Answers that are about the network or a broker that is moving.
pub(super) fn is_passing(code: Code) -> bool {
    matches!(
        code,
        Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::Resolve
            | Code::OperationTimedOut
            | Code::RequestTimedOut
            | Code::WaitingForCoordinator
            | Code::NotCoordinator
            | Code::CoordinatorNotAvailable
            | Code::CoordinatorLoadInProgress
            | Code::NotLeaderForPartition
            | Code::LeaderNotAvailable
            | Code::RebalanceInProgress
            | Code::NetworkException
    )
}

/// Answers about permissions or topics: somebody has to change something first.
fn needs_an_operator(code: Code) -> bool {
    is_definite(code)
        || matches!(
            code,
            Code::TopicAuthorizationFailed
                | Code::GroupAuthorizationFailed
                | Code::ClusterAuthorizationFailed
                | Code::TransactionalIdAuthorizationFailed
                | Code::UnknownTopic
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
            PublishError::Transaction { source, .. } => disposition(source),
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
mod tests {
    use super::*;

    fn failure(code: Code, fatal: bool, retriable: bool, requires_abort: bool) -> Failure {
        Failure {
            code,
            text: code.to_string(),
            fatal,
            retriable,
            requires_abort,
        }
    }

    #[test]
    fn a_failure_of_the_transaction_protocol_says_what_to_do_next() {
        for (code, fatal, retriable, abort, expected) in [
            (
                Code::OperationTimedOut,
                false,
                true,
                false,
                Disposition::Retry,
            ),
            (
                Code::ConcurrentTransactions,
                false,
                true,
                false,
                Disposition::Retry,
            ),
            (
                Code::UnknownMemberId,
                false,
                false,
                true,
                Disposition::Abort,
            ),
            (
                Code::OffsetMetadataTooLarge,
                false,
                false,
                true,
                Disposition::Abort,
            ),
            (
                Code::MessageSizeTooLarge,
                false,
                false,
                true,
                Disposition::Abort,
            ),
            (Code::Fenced, true, false, false, Disposition::Rebuild),
            (Code::Fenced, true, true, true, Disposition::Rebuild),
            (Code::State, false, false, false, Disposition::Rebuild),
            (Code::Conflict, false, false, false, Disposition::Rebuild),
            (
                Code::TopicAuthorizationFailed,
                false,
                false,
                true,
                Disposition::Fatal,
            ),
            (
                Code::TransactionalIdAuthorizationFailed,
                true,
                false,
                false,
                Disposition::Fatal,
            ),
            (
                Code::UnknownTopicOrPartition,
                false,
                false,
                true,
                Disposition::Fatal,
            ),
        ] {
            let found = disposition(&failure(code, fatal, retriable, abort));
            assert_eq!(found, expected, "{code:?}");
        }
    }

    #[test]
    fn a_refused_message_is_never_simply_sent_again() {
        for (code, fatal, expected) in [
            (Code::MessageSizeTooLarge, false, Disposition::Abort),
            (Code::MessageTimedOut, false, Disposition::Abort),
            (Code::PurgeQueue, false, Disposition::Abort),
            (Code::InvalidProducerEpoch, false, Disposition::Rebuild),
            (Code::Fatal, true, Disposition::Rebuild),
            (Code::UnknownPartition, false, Disposition::Fatal),
        ] {
            let error = PublishError::Refused {
                publisher: "p".into(),
                topic: "t".into(),
                partition: 0,
                source: failure(code, fatal, false, false),
            };
            assert_eq!(error.disposition(), expected, "{code:?}");
        }
    }
}
