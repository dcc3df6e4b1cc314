//! Outcomes in memory become snapshots: buffer -> segment (Parquet) -> manifest (apply) -> chain.
//!
//! **In**: the outcomes of one partition, batch by batch, and what of them is committed ([`Buffer`]).
//! **Out**: immutable segments and manifests in the store, read back by recovery, audit and query.
//!
//! - [`Buffer`] holds what is in no snapshot yet; [`Taken`] is its committed part, so that whatever comes
//!   after it can only be true (I1).
//! - [`encode`] turns it into [`EncodedSegment`]s, Parquet files that say themselves what they are;
//!   [`read_segment`] reads them.
//! - Outcomes that replace published ones come with corrections, which [`next_corrections`] finds until they are published.
//! - [`apply`] makes the next [`Manifest`] from the last one and an [`Edit`]: pure, and the only way (I2, I4).
//! - [`Chain`] creates it if, and only if, nobody else has: what the store holds decides. [`write_snapshot`]
//!   does all of it, and makes room when another was faster.
//! - A [`Repair`] gives a range other outcomes than the chain holds, made with a [`Rewriter`]; [`write_repair`] brings it in,
//!   unless another edit has changed the range (I6).
//! - [`tidy`] brings the folders in line with the chain after a crash; nothing listed is ever deleted (I7).
//!
//! Segments are durable before a manifest lists them (I3). Times and random names come from a [`Clock`].

mod absent;
mod adopt;
mod apply;
mod buffer;
mod chain;
mod clock;
mod codec;
mod corrections;
mod facts;
mod layout;
mod manifest;
mod outbox;
mod place;
mod race;
mod read;
mod repair;
mod rewrite;
mod rows;
mod segment;
mod tail;
mod tidy;
mod validate;
mod write;

pub use absent::{Absent, AbsentBuilder, NotAbsent};
pub use apply::{ApplyError, Edit, Stamp, apply};
pub use buffer::{Buffer, BufferError, Taken};
pub use chain::{Appended, Chain};
pub use clock::Clock;
pub use codec::{MAX_MANIFEST_BYTES, ManifestError};
pub use corrections::{CorrectionKinds, correction_kinds, split_corrections};
pub use facts::{FactsError, Identity, SegmentFacts};
pub use layout::{Layout, LayoutError, NotASegmentId, SegmentId, SegmentKind, SegmentName};
pub use manifest::{
    Damaged, EditSummary, FORMAT_VERSION, Gap, GapReason, Link, Manifest, Pipeline, Segment,
};
pub use outbox::{CorrectionsProgress, PendingCorrections, next_corrections};
pub use place::{FetchError, Fetched, Place, Restored, fetch_segment, restore_segment};
pub use race::{Holder, Rebased, are_live, holder, is_overtaken, rebase};
pub use read::{SegmentReader, check_segment, read_segment};
pub use repair::{Repair, Repaired, write_repair};
pub use rewrite::{Changes, Rewriter, repair_memory};
pub(crate) use rows::rows_size;
pub use segment::{Encoded, EncodedSegment, SegmentError, SegmentWriter, encode};
pub use tail::{ChainError, ChainTail, Found, contains, list_manifests, load_manifest, load_tail};
pub use tidy::{Tidied, tidy};
pub use validate::Inconsistency;
pub use write::{Pending, SnapshotError, Written, write_snapshot};

#[cfg(test)]
mod golden;
#[cfg(test)]
mod testing;
