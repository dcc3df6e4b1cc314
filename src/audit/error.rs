//! Why verifying could not be finished; what it finds is a [`Finding`](super::Finding) instead.

use crate::{
    calculation::CalculationError, history::ChainError, query::TopicError, store::StoreError,
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
    /// The calculation and the fields do not fit together.
    #[error(transparent)]
    Calculation(#[from] CalculationError),
    /// A task of the audit itself failed.
    #[error("the audit failed, which is a defect of snapback: {0}")]
    Task(#[from] tokio::task::JoinError),
}

impl From<ChainError> for AuditError {
    fn from(error: ChainError) -> AuditError {
        match error {
            ChainError::Store(error) => AuditError::Store(*error),
            error => AuditError::Chain(error),
        }
    }
}
