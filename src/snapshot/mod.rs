//! Outcomes in memory become snapshots: buffer -> segment (Parquet) -> manifest -> chain.
mod apply;
mod clock;
mod codec;
mod layout;
mod manifest;
mod validate;

pub use apply::{ApplyError, Edit, Stamp, apply};
pub use clock::Clock;
pub use codec::{MAX_MANIFEST_BYTES, ManifestError};
pub use layout::{Layout, LayoutError, NotASegmentId, SegmentId, SegmentKind, SegmentName};
pub use manifest::{
    Damaged, EditSummary, FORMAT_VERSION, Gap, GapReason, Link, Manifest, Pipeline, Segment,
};
pub use validate::Inconsistency;
