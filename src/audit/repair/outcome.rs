//! What becomes of a repair, and why it may not go on.

use super::super::{AuditError, RecalculateError};
use crate::{
    history::{ChainError, SnapshotError},
    model::OffsetRange,
    store::StoreError,
};

/// What became of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mended {
    /// It is right again.
    Done {
        /// The outcomes of the range.
        rows: u64,
        /// Those of them that are to be published as corrections.
        corrections: u64,
    },
    /// What nothing has of it is a gap, as an operator has accepted; the rest was made again.
    Lost {
        /// The gap.
        lost: OffsetRange,
        /// What was made again.
        kept: Option<OffsetRange>,
        /// Outcomes of it that are to be published as corrections.
        corrections: u64,
    },
    /// Another edit has changed the range meanwhile: it has to be looked at again.
    Overtaken,
    /// It is as it was, and this is why.
    Left(String),
    /// It is as it was, and not all events that it would have to be made of are in the log: why.
    Gone(String),
}

/// Why nothing was made that mends a range.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(untagged)]
pub enum Unmade {
    /// It cannot be made as things are.
    Left(String),
    /// Not all events that it would have to be made of are in the log.
    Gone(String),
    /// Nor is what was published of it taken as it is. Nobody offers to give it up; an operator who knows better may.
    NotTaken(String),
}

/// Why a repair could not go on.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// The chain cannot be read.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A file cannot be put back.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The edit cannot be made.
    #[error(transparent)]
    Write(#[from] SnapshotError),
    /// The range cannot be read now.
    #[error(transparent)]
    Read(RecalculateError),
    /// What was mended cannot be read back.
    #[error(transparent)]
    Audit(#[from] AuditError),
}
