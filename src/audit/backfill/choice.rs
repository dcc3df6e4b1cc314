//! What a history does not have, and what of that Kafka has: a pure choice.

use std::fmt;

use crate::{
    format::{GapReason, Manifest},
    model::{Offset, OffsetRange, Partition},
};

/// Why a range is not in the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// It is a gap.
    Gap(GapReason),
    /// The history begins after it.
    BeforeOrigin,
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lack::Gap(reason) => write!(f, "a gap ({reason})"),
            Lack::BeforeOrigin => f.write_str("before the origin"),
        }
    }
}

/// A range that can be filled from Kafka.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// The partition.
    pub partition: Partition,
    /// The offsets.
    pub range: OffsetRange,
    /// Why they are not there.
    pub lack: Lack,
}

/// A range that cannot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfilled {
    /// The partition.
    pub partition: Partition,
    /// The offsets.
    pub range: OffsetRange,
    /// Why they are not there.
    pub lack: Lack,
    /// Why they stay away.
    pub why: String,
}

/// What can be filled of one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackfillPlan {
    /// What can be, in the order in which it is.
    pub fills: Vec<Fill>,
    /// What cannot be.
    pub left: Vec<Unfilled>,
}

impl BackfillPlan {
    /// Plans for the partition of a manifest, of whose topic Kafka can give out `readable`; of all offsets, or of those `wanted`.
    #[must_use]
    pub fn of(newest: &Manifest, readable: OffsetRange, wanted: Option<OffsetRange>) -> Self {
        let mut plan = BackfillPlan::default();
        let partition = newest.partition;
        let wanted = |range: OffsetRange| match wanted {
            Some(wanted) => range.common(wanted),
            None => Some(range),
        };
        let before = OffsetRange::new(Offset::ZERO, newest.origin).ok();
        let before = before.filter(|before| !before.is_empty());
        if let Some(range) = before.and_then(wanted) {
            plan.before_origin(partition, range, newest.origin, readable);
        }
        for gap in &newest.gaps {
            let Some(range) = wanted(gap.range) else {
                continue;
            };
            let lack = Lack::Gap(gap.reason);
            if let Some(why) = stays(gap.reason) {
                plan.leave(partition, Some(range), lack, why);
                continue;
            }
            let found = range.common(readable);
            let (start, end) = match found {
                Some(found) => (found.start(), found.end()),
                None => (range.end(), range.end()),
            };
            for gone in [(range.start(), start), (end, range.end())] {
                let gone = OffsetRange::new(gone.0, gone.1).ok();
                plan.leave(partition, gone, lack, "Kafka does not hold them any more");
            }
            plan.fills.extend(found.map(|range| Fill {
                partition,
                range,
                lack,
            }));
        }
        plan
    }

    /// Only what ends at the origin can be added before it: a history has no hole.
    fn before_origin(
        &mut self,
        partition: Partition,
        range: OffsetRange,
        origin: Offset,
        readable: OffsetRange,
    ) {
        let lack = Lack::BeforeOrigin;
        if range.end() < origin {
            let why = format!("a history has no hole: what is added before it ends at {origin}");
            return self.leave(partition, Some(range), lack, &why);
        }
        let start = range.start().max(readable.start()).min(origin);
        let gone = OffsetRange::new(range.start(), start).ok();
        self.leave(partition, gone, lack, "Kafka does not hold them any more");
        let found = OffsetRange::new(start, origin).ok();
        let found = found.filter(|found| !found.is_empty());
        self.fills.extend(found.map(|range| Fill {
            partition,
            range,
            lack,
        }));
    }

    fn leave(&mut self, partition: Partition, range: Option<OffsetRange>, lack: Lack, why: &str) {
        let range = range.filter(|range| !range.is_empty());
        self.left.extend(range.map(|range| Unfilled {
            partition,
            range,
            lack,
            why: why.to_owned(),
        }));
    }
}

impl Fill {
    /// Whether its outcomes are published, as corrections: those of gaps always are; what lies before the origin was, if at
    /// all, by somebody else.
    #[must_use]
    pub const fn is_published(&self, before_origin: bool) -> bool {
        matches!(self.lack, Lack::Gap(_)) || before_origin
    }

    /// The parts in which it is filled, none of more than `at_a_time` offsets, the first one last: what lies before the origin grows
    /// down from there.
    pub(super) fn parts(&self, at_a_time: u64) -> Vec<OffsetRange> {
        let (mut at, end) = (self.range.start(), self.range.end());
        let mut parts = Vec::new();
        while at < end {
            let step = at_a_time - at.get().unsigned_abs() % at_a_time;
            let border = at.plus(step).min(end);
            parts.extend(OffsetRange::new(at, border).ok());
            at = border;
        }
        if self.lack != Lack::BeforeOrigin {
            parts.reverse();
        }
        parts
    }

    /// A part in two, in the same order; `None` when it cannot be cut.
    pub(super) fn halves(&self, part: OffsetRange) -> Option<[OffsetRange; 2]> {
        let middle = part.start().plus(part.len() / 2);
        let lower = OffsetRange::new(part.start(), middle).ok()?;
        let upper = OffsetRange::new(middle, part.end()).ok()?;
        if lower.is_empty() {
            return None;
        }
        Some(match self.lack {
            Lack::BeforeOrigin => [lower, upper],
            Lack::Gap(_) => [upper, lower],
        })
    }
}

/// Why a gap stays a gap whatever Kafka holds of it; `None` when it may be filled.
const fn stays(reason: GapReason) -> Option<&'static str> {
    match reason {
        GapReason::Expired | GapReason::Truncated | GapReason::Foreign | GapReason::Unreadable => {
            None
        }
        // Of an event that is gone from the log nothing would say that it had an outcome.
        GapReason::Compacted => Some("compaction has removed events that had outcomes"),
        GapReason::Damaged => Some("what outcomes they had is not known any more"),
        GapReason::Refused => Some("no output topic took what was to be published of them"),
    }
}
