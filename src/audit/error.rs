//! Why verifying could not be finished; what it finds is a [`Finding`](super::Finding) instead.

use super::source::SourceError;
use crate::{
    calculation::CalculationError,
    history::ChainError,
    kafka::KafkaError,
    query::TopicError,
    store::{Path, StoreError},
};

/// Why verifying could not be finished.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The store has no such topic or partition.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// A newer snapback wrote a manifest, so that this one cannot judge it; or the store did not answer.
    #[error(transparent)]
    Chain(ChainError),
    /// The store did not answer, or this process could not ask: nothing can be said about what it holds.
    #[error("it could not be checked, so nothing is said about it: {0}")]
    Store(#[from] StoreError),
    /// A file that rows are needed of is not what its manifest says.
    #[error("{path} cannot be read: {why}; `snapback verify` says what can be done about it")]
    Unreadable {
        /// The file.
        path: Path,
        /// Why.
        why: String,
    },
    /// The calculation and the fields do not fit together.
    #[error(transparent)]
    Calculation(#[from] CalculationError),
    /// Kafka did not answer: nothing can be said about what is published.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The store belongs to a pipeline with other output topics.
    #[error(
        "the store's results are published to the topic {stored}, not to {given}; check --results, --brokers and --store"
    )]
    OtherTopics {
        /// The topic that the store is bound to.
        stored: String,
        /// The one that was to be compared with it.
        given: String,
    },
    /// The store was made from other topics than those that Kafka has.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A task of the audit itself failed.
    #[error("the audit failed, which is a defect of snapback: {0}")]
    Task(#[from] tokio::task::JoinError),
}

impl AuditError {
    /// Whether the store was away, so that the same may be tried again.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            AuditError::Store(error) => error.is_retryable(),
            AuditError::Chain(error) => error.is_retryable(),
            _ => false,
        }
    }
}

impl AuditError {
    /// Whether it keeps no other partition: it lies at what is stored of this one, and the store answers.
    #[must_use]
    pub fn keeps_no_other(&self) -> bool {
        match self {
            AuditError::Unreadable { .. } => true,
            AuditError::Store(error) => error.concerns_the_object(),
            AuditError::Chain(error) => error.keeps_no_other(),
            _ => false,
        }
    }
}

impl From<ChainError> for AuditError {
    fn from(error: ChainError) -> AuditError {
        match error {
            ChainError::Store(error) => AuditError::Store(*error),
            error => AuditError::Chain(error),
        }
    }
}
