//! In what a manifest may contradict itself.

use super::layout::LayoutError;
use crate::model::{Counts, InvertedRange, Offset, OffsetRange, Sequence};

/// Members of a manifest that contradict each other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Inconsistency {
    /// A range ends before it starts.
    #[error(transparent)]
    Range(#[from] InvertedRange),
    /// The events topic cannot be a folder.
    #[error(transparent)]
    Topic(#[from] LayoutError),
    /// A segment's path leaves the root, or names another topic, partition, kind or range.
    #[error("the path {path:?} is not that of such a segment of this partition")]
    Path {
        /// The path.
        path: String,
    },
    /// A path is listed twice.
    #[error("the segment {path} is listed twice")]
    Twice {
        /// The path.
        path: String,
    },
    /// The manifest's end lies before its origin.
    #[error("the manifest ends at {end}, before its origin {origin}")]
    EndsBeforeOrigin {
        /// The stated origin.
        origin: Offset,
        /// The stated end.
        end: Offset,
    },
    /// Corrections lie outside `[origin, end)`.
    #[error("the range {range} lies outside of the manifest's {whole}")]
    Outside {
        /// Their range.
        range: OffsetRange,
        /// The manifest's.
        whole: OffsetRange,
    },
    /// The ranges of segments, silent ranges and gaps do not follow each other from the origin to the end (I4).
    #[error("offset {next} should come next, but {range} follows")]
    Order {
        /// The first offset that what came before does not cover.
        next: Offset,
        /// What comes next; empty at the manifest's end.
        range: OffsetRange,
    },
    /// Segments are not ascending, two of one range are of one kind, or they are corrections in the place of outcomes, or the
    /// other way round.
    #[error("{path} is in the wrong place of the list")]
    Place {
        /// The segment.
        path: String,
    },
    /// A segment does not say how many offsets of its range have no row as its twin does, or corrections say it.
    #[error("{path} says otherwise than it may how many offsets of its range have no row")]
    Rowless {
        /// The segment.
        path: String,
    },
    /// What a segment does not know is not of its rows.
    #[error("{path} cannot say that of the offsets of its range something is not known")]
    NotKnown {
        /// The segment.
        path: String,
    },
    /// A range without rows has a record of other offsets, or none; or events of it are filtered and it has no fingerprint, or
    /// the other way round.
    #[error(
        "the record of the silent range {range} is not of all its offsets, or lacks its fingerprint"
    )]
    SilentRecord {
        /// The range.
        range: OffsetRange,
    },
    /// The oldest manifest is not one that can be: it lies above the known commit's head, or that is not below this one.
    #[error("the history cannot begin with manifest {oldest}")]
    Oldest {
        /// What is stated.
        oldest: Sequence,
    },
    /// Corrections without a revision, with one that is not before this manifest or not theirs alone; or others with one.
    #[error("{path} cannot have the revision {revision:?}")]
    Revision {
        /// The segment.
        path: String,
        /// Its revision.
        revision: Option<Sequence>,
    },
    /// A segment states more rows than its range has offsets.
    #[error("{path} states {rows} rows for the {range} offsets")]
    TooManyRows {
        /// The segment.
        path: String,
        /// Its rows.
        rows: u64,
        /// Its range.
        range: OffsetRange,
    },
    /// A segment states a size that no file has.
    #[error("{path} states {bytes} bytes, which no file has")]
    TooManyBytes {
        /// The segment.
        path: String,
        /// Its size.
        bytes: u64,
    },
    /// The counts do not add up to the range (I4).
    #[error("{counts:?} do not add up to the {offsets} offsets of the range")]
    Sum {
        /// The stated counts.
        counts: Counts,
        /// The offsets of the range.
        offsets: u64,
    },
    /// The rows of the segments, or the offsets of the gaps, are not what the counts say (I4).
    #[error("{stated} {what} are stated, {listed} are listed")]
    Recount {
        /// `results`, `rejects`, `absent` or `lost`.
        what: &'static str,
        /// What the counts say.
        stated: u64,
        /// What the segments or gaps add up to.
        listed: u64,
    },
    /// What appends and losses recorded is more than there are offsets.
    #[error("appends and accepted losses cannot have recorded more than the {offsets} offsets")]
    Forward {
        /// The offsets of the range.
        offsets: u64,
    },
    /// What was given up is live, is not what can be given up, or is no gap.
    #[error("the loss of {range} does not fit: {detail}")]
    GivenUp {
        /// The range.
        range: OffsetRange,
        /// What does not fit.
        detail: &'static str,
    },
    /// What a backfill says about itself does not fit.
    #[error("the backfill of {range} does not fit: {detail}")]
    Backfill {
        /// The range.
        range: OffsetRange,
        /// What does not fit.
        detail: &'static str,
    },
    /// Outcomes cannot have been published as they came from an offset on that is not inside.
    #[error("outcomes cannot have been published as they came from offset {from} on")]
    PublishedFrom {
        /// The offset.
        from: Offset,
    },
    /// What a repair says that it replaced is live, or is not what it can replace, or its counts are not those of its range.
    #[error("the repair of {range} does not fit: {detail}")]
    Repair {
        /// The repair's range.
        range: OffsetRange,
        /// What does not fit.
        detail: &'static str,
    },
    /// What a compaction says about itself does not fit.
    #[error("the compaction of {range}: {detail}")]
    Compaction {
        /// The compaction's range.
        range: OffsetRange,
        /// What does not fit.
        detail: &'static str,
    },
    /// The calculations are not those of the segments and silent ranges, each once and ascending, or one is longer than any.
    #[error("the calculations that are declared are not those of the segments and silent ranges")]
    Calculations,
    /// What a manifest says of a page does not fit.
    #[error("the page of {range}: {detail}")]
    Page {
        /// The page's range.
        range: OffsetRange,
        /// What does not fit.
        detail: &'static str,
    },
    /// A page lists neither a segment nor a range of filtered events, or too many segments.
    #[error(
        "{files} files are listed: a page has a segment or filtered events, and at most {most} segments"
    )]
    Files {
        /// How many there are.
        files: usize,
        /// How many there may be.
        most: usize,
    },
    /// The number does not follow from the base and the numbers skipped (I2).
    #[error("number {sequence} does not follow from its base")]
    Number {
        /// The manifest's number.
        sequence: Sequence,
    },
}
