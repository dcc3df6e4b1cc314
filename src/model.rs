//! The words of the product as types: partitions, offsets, ranges, counts, digests.
//!
//! Everything here is a value without I/O. Ranges are half-open, nothing is a sentinel.

mod digest;

use std::{fmt, iter::Sum, ops::Add, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize};

pub use digest::{Digest, Digester, NotADigest};

/// A partition number of the events topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Partition(pub i32);

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A position in a partition of the events topic; never negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Offset(i64);

impl Offset {
    /// The first offset of every partition.
    pub const ZERO: Offset = Offset(0);

    /// An offset that no event has: it comes after all.
    pub const MAX: Offset = Offset(i64::MAX);

    /// An offset, or `None` when `value` is negative (Kafka's special values are not offsets).
    #[must_use]
    pub const fn new(value: i64) -> Option<Offset> {
        if value < 0 { None } else { Some(Offset(value)) }
    }

    /// The offset as Kafka counts it.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The offset `count` further on, saturating at the largest offset.
    #[must_use]
    pub const fn plus(self, count: u64) -> Offset {
        Offset(self.0.saturating_add_unsigned(count))
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for Offset {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = i64::deserialize(deserializer)?;
        Offset::new(value).ok_or_else(|| {
            serde::de::Error::custom(format_args!("an offset cannot be negative: {value}"))
        })
    }
}

/// A half-open range of offsets `[start, end)`; `start <= end` always holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct OffsetRange {
    start: Offset,
    end: Offset,
}

/// A range whose end lies before its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the range {start}-{end} ends before it starts")]
pub struct InvertedRange {
    /// The start that was given.
    pub start: Offset,
    /// The end that was given.
    pub end: Offset,
}

impl OffsetRange {
    /// `[start, end)`.
    ///
    /// # Errors
    /// When `end < start`.
    pub fn new(start: Offset, end: Offset) -> Result<OffsetRange, InvertedRange> {
        if end < start {
            return Err(InvertedRange { start, end });
        }
        Ok(OffsetRange { start, end })
    }

    /// Every offset from `start` on.
    #[must_use]
    pub const fn everything_from(start: Offset) -> OffsetRange {
        let end = Offset(i64::MAX);
        OffsetRange { start, end }
    }

    /// The empty range at `at`.
    #[must_use]
    pub const fn empty(at: Offset) -> OffsetRange {
        OffsetRange { start: at, end: at }
    }

    /// The first offset of the range.
    #[must_use]
    pub const fn start(self) -> Offset {
        self.start
    }

    /// The first offset after the range.
    #[must_use]
    pub const fn end(self) -> Offset {
        self.end
    }

    /// How many offsets the range spans.
    #[must_use]
    pub const fn len(self) -> u64 {
        self.end.0.abs_diff(self.start.0)
    }

    /// Whether the range spans no offset.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.start.0 == self.end.0
    }

    /// Whether `offset` lies inside.
    #[must_use]
    pub fn contains(self, offset: Offset) -> bool {
        self.start <= offset && offset < self.end
    }

    /// Whether the two ranges share an offset.
    #[must_use]
    pub fn overlaps(self, other: OffsetRange) -> bool {
        self.start < other.end && other.start < self.end
    }

    /// Whether all of `inner` lies inside; an empty range does where it lies between the ends.
    #[must_use]
    pub fn includes(self, inner: OffsetRange) -> bool {
        self.start <= inner.start && inner.end <= self.end
    }

    /// What the two ranges have in common; `None` when that is nothing.
    #[must_use]
    pub fn common(self, other: OffsetRange) -> Option<OffsetRange> {
        self.overlaps(other).then(|| OffsetRange {
            start: self.start.max(other.start),
            end: self.end.min(other.end),
        })
    }
}

impl fmt::Display for OffsetRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.start, self.end)
    }
}

/// Text that is no range of offsets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotARange {
    /// Other characters.
    #[error("a range is START-END with two offsets, like 1000-1200")]
    Shape,
    /// It ends before it starts.
    #[error(transparent)]
    Inverted(#[from] InvertedRange),
}

impl FromStr for OffsetRange {
    type Err = NotARange;

    /// Reads what [`Display`](fmt::Display) writes: `1000-1200`.
    fn from_str(text: &str) -> Result<OffsetRange, NotARange> {
        let offset = |text: &str| text.parse().ok().and_then(Offset::new);
        let ends = text.split_once('-');
        let ends = ends.and_then(|(start, end)| offset(start).zip(offset(end)));
        let (start, end) = ends.ok_or(NotARange::Shape)?;
        Ok(OffsetRange::new(start, end)?)
    }
}

impl<'de> Deserialize<'de> for OffsetRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Raw {
            start: Offset,
            end: Offset,
        }
        let raw = Raw::deserialize(deserializer)?;
        OffsetRange::new(raw.start, raw.end).map_err(serde::de::Error::custom)
    }
}

/// The number of a manifest in its partition's chain; the first is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sequence(pub u64);

impl Sequence {
    /// The number of the manifest that binds a partition to its store.
    pub const FIRST: Sequence = Sequence(1);

    /// The number that follows; nothing follows the largest, which only a forged file name can have.
    #[must_use]
    pub const fn next(self) -> Sequence {
        Sequence(self.0.saturating_add(1))
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What became of a range of offsets (I4): every offset is exactly one of the five.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Offsets with a result.
    pub results: u64,
    /// Offsets whose event could not be decoded or calculated.
    pub rejects: u64,
    /// Offsets whose event `--where` leaves out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub filtered: u64,
    /// Offsets that the log never delivers: markers, aborted or compacted records.
    pub absent: u64,
    /// Offsets that were gone before they were read, accepted by an operator.
    pub lost: u64,
}

impl Counts {
    /// The parts, each of which adds up by itself.
    #[must_use]
    pub const fn parts(self) -> [u64; 5] {
        [
            self.results,
            self.rejects,
            self.filtered,
            self.absent,
            self.lost,
        ]
    }

    /// The offsets accounted for: the sum of all parts.
    #[must_use]
    pub const fn offsets(self) -> u64 {
        self.outcomes() + self.absent + self.lost
    }

    /// Results, rejects and filtered events: as many as the log delivered.
    #[must_use]
    pub const fn outcomes(self) -> u64 {
        self.stored() + self.filtered
    }

    /// Results and rejects: the outcomes that have a row in a segment.
    #[must_use]
    pub const fn stored(self) -> u64 {
        self.results + self.rejects
    }
}

impl Add for Counts {
    type Output = Counts;

    fn add(self, other: Counts) -> Counts {
        Counts {
            results: self.results + other.results,
            rejects: self.rejects + other.rejects,
            filtered: self.filtered + other.filtered,
            absent: self.absent + other.absent,
            lost: self.lost + other.lost,
        }
    }
}

impl Sum for Counts {
    fn sum<I: Iterator<Item = Counts>>(iter: I) -> Counts {
        iter.fold(Counts::default(), Add::add)
    }
}

/// For counts that are left out of JSON where they are zero.
#[must_use]
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks like this")]
pub(crate) fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// One message of the events topic, borrowed from the batch that delivered it.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// Its offset in its partition.
    pub offset: Offset,
    /// Its timestamp in milliseconds since the epoch, when the log has one.
    pub timestamp: Option<i64>,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its payload; `None` is a tombstone.
    pub payload: Option<&'a [u8]>,
}

/// An event that could not be decoded or calculated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// The event's offset.
    pub offset: Offset,
    /// The event's timestamp in milliseconds since the epoch.
    pub timestamp: Option<i64>,
    /// The event's key.
    pub key: Option<Vec<u8>>,
    /// The event's payload.
    pub payload: Option<Vec<u8>>,
    /// `code: what was found and what to declare instead`; the code is one of a closed list.
    pub reason: String,
}

impl Reject {
    /// The whole event, with the reason why it is rejected.
    #[must_use]
    pub fn of(event: &Event<'_>, reason: String) -> Reject {
        Reject {
            offset: event.offset,
            timestamp: event.timestamp,
            key: event.key.map(<[u8]>::to_vec),
            payload: event.payload.map(<[u8]>::to_vec),
            reason,
        }
    }
}
