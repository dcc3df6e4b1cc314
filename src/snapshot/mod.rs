//! Outcomes in memory become snapshots: buffer -> segment (Parquet) -> manifest -> chain.
mod absent;
mod apply;
mod buffer;
mod clock;
mod codec;
mod facts;
mod layout;
mod manifest;
mod read;
mod rows;
mod segment;
mod validate;

pub use absent::{Absent, AbsentBuilder, NotAbsent};
pub use apply::{ApplyError, Edit, Stamp, apply};
pub use buffer::{Buffer, BufferError, Taken};
pub use clock::Clock;
pub use codec::{MAX_MANIFEST_BYTES, ManifestError};
pub use facts::{FactsError, Identity, SegmentFacts};
pub use layout::{Layout, LayoutError, NotASegmentId, SegmentId, SegmentKind, SegmentName};
pub use manifest::{
    Damaged, EditSummary, FORMAT_VERSION, Gap, GapReason, Link, Manifest, Pipeline, Segment,
};
pub use read::{SegmentReader, check_segment, read_segment};
pub use segment::{Encoded, EncodedSegment, SegmentError, SegmentWriter, encode};
pub use validate::Inconsistency;
