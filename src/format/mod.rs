//! What is stored, as values and bytes: segments (Parquet), manifests (JSON), and the names of both.
//!
//! **In**: the committed outcomes of one partition, batch by batch ([`RangeOutcomes`]); bytes from the store.
//! **Out**: files to store and their facts ([`EncodedSegment`]), the manifest that lists them ([`apply`]), and back: batches
//! and manifests from bytes, or what is wrong with them.
//!
//! - [`Layout`] knows every path, and reads a path back.
//! - An [`Accumulation`] encodes what is in no snapshot yet, as it comes; only what is committed is ever added, so that
//!   whatever follows can only be true (I1). It ends as [`EncodedSegment`]s, Parquet files that say themselves what they are
//!   ([`SegmentFacts`]); [`read_segment`] reads them. Outcomes that replace published ones come with corrections; a
//!   [`Rewriter`] makes them of stored ones.
//! - A [`Page`] is what manifests list of a range that is sealed, apart from them; [`Listed`] is a manifest with its pages.
//! - [`apply`] makes the next [`Manifest`] from the last one and an [`Edit`]: the only way (I2, I4).
//!
//! Nothing here does I/O, looks at a clock or draws a random number: the same values give the same bytes.

mod absent;
mod absent_runs;
mod accumulation;
mod apply;
mod changes;
mod codec;
mod column_types;
mod corrections;
mod edit;
mod entries;
mod facts;
mod file_name;
mod forward;
mod gaps;
mod inconsistency;
mod known_commit;
mod layout;
mod listed;
mod manifest;
mod merge;
mod not_known;
mod open_files;
mod open_list;
mod outcomes;
mod own_digest;
mod page;
mod page_index;
mod paging;
mod read;
mod rewrite;
mod row_groups;
mod rowless;
mod rows;
mod rows_by_offset;
mod sealing;
mod segment;
mod silence;
mod silent;
mod validate;
mod verified;

pub use absent::{Absent, AbsentBuilder, NotAbsent};
pub(crate) use absent_runs::without_row;
pub use accumulation::Accumulation;
pub use apply::{apply, apply_and_encode};
pub use changes::{ChangedRows, Changes, OutcomeKind, OutcomeText};
pub use codec::{ManifestError, NotAPage};
pub use column_types::{ColumnTypes, MixedColumn};
pub use corrections::{
    Change, Corrected, CorrectionKinds, correction_kinds, each_change, split_corrections,
};
pub use edit::{ApplyError, Edit, Stamp};
pub use entries::{Gap, GapReason, Segment};
pub use facts::{FactsError, Identity, MadeFor, SegmentFacts};
pub use file_name::{FileName, NotASegmentId, PageName, SegmentId, SegmentKind, SegmentName};
pub use forward::Forward;
pub use inconsistency::Inconsistency;
pub use known_commit::{CorrectionsProgress, Head, KnownCommit};
pub use layout::{Layout, LayoutError};
pub use listed::{Listed, UnreadPage};
pub use manifest::{
    Damaged, EditSummary, FORMAT_VERSION, Link, MAX_MANIFEST_BYTES, Manifest, Pipeline,
};
pub use merge::{Added, Merger};
pub use not_known::{NotKnown, NotNotKnown};
pub use open_list::OpenList;
pub use outcomes::{OutcomesError, RangeOutcomes};
pub use page::{Page, PageLink};
pub use page_index::READ_WHOLE;
pub use read::{SegmentReader, check_segment, read_segment, read_segment_in_parts};
pub use rewrite::{Rewriter, repair_memory};
pub use row_groups::{ReadPart, RowsPlace};
pub use rowless::{Rowless, RowlessRecord};
pub(crate) use rows::{rows_size, within as rows_within};
pub use rows_by_offset::{RowPlace, SegmentEnd};
pub use sealing::PageError;
pub(crate) use segment::ROW_GROUP_ROWS;
pub use segment::{Encoded, EncodedSegment, SegmentError, SegmentWriter};
pub use silence::{MOST_DIGESTED, same_silence_outside};
pub use silent::SilentRange;
pub use verified::{LastVerified, OpenPage, Verified};

#[cfg(test)]
mod golden;
#[cfg(test)]
pub(crate) mod testing;
