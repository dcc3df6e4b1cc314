//! What there is of a reject, until it is known whether its offset has a result. Pure.

use crate::model::{Offset, Reject};

/// See the module.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// A file of the range has it.
    Stored(Reject),
    /// A dead letter has all of it.
    Letter(Reject),
    /// Its dead letter was cut to the size that its topic takes.
    Cut,
    /// There are dead letters of its offset which differ.
    Differing,
}

impl Kept {
    /// Takes in another dead letter of the offset.
    pub fn and(&mut self, other: Kept) {
        if *self != other {
            *self = Kept::Differing;
        }
    }

    /// The memory that it takes, with its offset.
    pub fn bytes(&self) -> usize {
        let bytes = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        let reject = match self {
            Kept::Stored(reject) | Kept::Letter(reject) => {
                bytes(&reject.key) + bytes(&reject.payload) + reject.reason.len()
            }
            Kept::Cut | Kept::Differing => 0,
        };
        size_of::<(Offset, Kept)>() + reject
    }

    /// The reject of `offset`, `None` where it is none: where a result proves itself, dead letters are not of this pipeline, or
    /// of the topic that had this name before. They name neither, and the counts decide.
    ///
    /// # Errors
    /// Why it is not to be had.
    pub fn reject(self, offset: Offset, has_result: bool) -> Result<Option<Reject>, Lack> {
        match (self, has_result) {
            (Kept::Stored(_), true) => Err(Lack::NotTaken(format!(
                "offset {offset} has a result, and the file of the rejects has it as well"
            ))),
            (Kept::Letter(_) | Kept::Cut | Kept::Differing, true) => Ok(None),
            (Kept::Stored(reject) | Kept::Letter(reject), false) => Ok(Some(reject)),
            (Kept::Cut, false) => Err(Lack::NotPublished(format!(
                "the dead letter of offset {offset} was cut to the size that its topic takes"
            ))),
            (Kept::Differing, false) => Err(Lack::NotTaken(format!(
                "there are two dead letters of offset {offset}, which differ"
            ))),
        }
    }
}

/// Why a reject is not to be had.
pub(super) enum Lack {
    /// The topic does not have it.
    NotPublished(String),
    /// What there is contradicts itself.
    NotTaken(String),
}
