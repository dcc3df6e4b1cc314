//! The corrections outbox: which corrections are still to be published, by a manifest and what the group committed.
//!
//! Corrections are published strictly in the order of their revisions, and within one in the order of their rows. How far
//! that got is committed with the offsets, in the same transaction, so that each becomes visible once (I6).

pub use crate::format::CorrectionsProgress;
use crate::{format::Segment, model::Sequence};

/// Corrections of one revision that are to be published next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingCorrections {
    /// The revision: the manifest that introduced them.
    pub sequence: Sequence,
    /// Where they are.
    pub segment: Segment,
    /// The rows before this one are published.
    pub from: u64,
}

/// The first corrections among the `segments` of a manifest that are not published; without progress, none are.
#[must_use]
pub fn next_corrections<'s>(
    segments: impl IntoIterator<Item = &'s Segment>,
    progress: Option<CorrectionsProgress>,
) -> Option<PendingCorrections> {
    let pending = segments.into_iter().filter_map(|segment| {
        let sequence = segment.revision?;
        let from = match progress {
            Some(done) if sequence < done.sequence => return None,
            Some(done) if sequence == done.sequence => done.rows,
            _ => 0,
        };
        (from < segment.rows).then_some((sequence, from, segment))
    });
    let (sequence, from, segment) = pending.min_by_key(|(sequence, ..)| *sequence)?;
    Some(PendingCorrections {
        sequence,
        segment: segment.clone(),
        from,
    })
}

impl PendingCorrections {
    /// The progress once `rows` more of them are published.
    #[must_use]
    pub fn published(&self, rows: u64) -> CorrectionsProgress {
        CorrectionsProgress {
            sequence: self.sequence,
            rows: self.from + rows,
        }
    }
}

#[cfg(test)]
mod tests;
