//! What was damaged, as values.

use crate::{
    model::{Offset, Partition},
    store::Path,
};

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    FlippedByte,
    WrongValue,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// A bit of a stored file is another.
    FlippedByte {
        /// The partition.
        partition: Partition,
        /// The file.
        path: Path,
        /// Where in it.
        at: usize,
        /// Its bytes.
        bytes: usize,
    },
    /// A stored result is another, and everything stored agrees with it.
    WrongValue {
        /// The partition.
        partition: Partition,
        /// The file that holds it.
        path: Path,
        /// The event.
        offset: Offset,
        /// The key of its result.
        key: String,
        /// What it was.
        was: String,
        /// What it is now.
        is: String,
    },
}

impl Damage {
    /// The partition, and the file that is wrong.
    pub(super) fn place(&self) -> (Partition, &Path) {
        match self {
            Damage::FlippedByte {
                partition, path, ..
            }
            | Damage::WrongValue {
                partition, path, ..
            } => (*partition, path),
        }
    }
}
