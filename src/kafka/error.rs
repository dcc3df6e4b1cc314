//! What can go wrong with Kafka, and what the caller may do about it.

mod publish;

use std::{fmt, time::Duration};

use rdkafka::error::{KafkaError as NativeError, RDKafkaErrorCode as Code};

pub use publish::{Disposition, PublishError};

use super::{
    codes::{is_definite, is_denied, is_membership, is_passing, is_refusal},
    fault::Fault,
};
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
    /// A mechanism of authentication that this build does not have.
    #[error("sasl.mechanism cannot be {mechanism}: {instead}")]
    Mechanism {
        /// The mechanism.
        mechanism: String,
        /// What to use instead.
        instead: &'static str,
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
    /// Messages that the log holds and that cannot be read.
    #[error(
        "{topic:?} partition {partition}: the messages from offset {offset} on cannot be read: {}",
        .fault.text
    )]
    Unreadable {
        /// The topic.
        topic: String,
        /// The partition.
        partition: Partition,
        /// The first of them.
        offset: Offset,
        /// What is wrong with them.
        fault: Fault,
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
            KafkaError::Call { source, .. } => {
                source.retriable || is_passing(source.code) || is_membership(source.code)
            }
            _ => false,
        }
    }

    /// Whether the group has moved on without this member, or is about to; see [`PublishError::has_group_moved_on`].
    #[must_use]
    pub fn has_group_moved_on(&self) -> bool {
        match self {
            KafkaError::NotAMember { .. } | KafkaError::RebalancePending { .. } => true,
            KafkaError::Call { source, .. } => is_membership(source.code),
            _ => false,
        }
    }

    /// Whether a broker refuses who we are, or what we may do.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        match self {
            KafkaError::Unreachable { source, .. } | KafkaError::Call { source, .. } => {
                is_denied(source.code)
            }
            _ => false,
        }
    }

    /// Whether nothing changes until somebody changes the configuration, the credentials, rights or a topic.
    #[must_use]
    pub fn needs_a_person(&self) -> bool {
        match self {
            KafkaError::OwnedProperty { .. }
            | KafkaError::NotAProperty { .. }
            | KafkaError::Property { .. }
            | KafkaError::Mechanism { .. }
            | KafkaError::Client { .. }
            | KafkaError::MissingTopic { .. } => true,
            KafkaError::Unreachable { source, .. } | KafkaError::Call { source, .. } => {
                is_denied(source.code) || is_refusal(source.code)
            }
            _ => false,
        }
    }
}
