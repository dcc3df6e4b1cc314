//! The members of a manifest's JSON document, and what becomes of them.

use serde::{Deserialize, Serialize};

use super::lines::{GapLine, PageLine, SegmentLine, SilentLine, Time, range};
use crate::{
    calculation::Declaration,
    format::{
        EditSummary, Forward, Gap, GapReason, Inconsistency, KnownCommit, Link, Manifest, OpenList,
        PageLink, Pipeline, Segment, SilentRange,
    },
    model::{Counts, Digest, Offset, Partition, Sequence},
};

/// All members of a manifest.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    #[serde(rename = "format_version")]
    _format_version: u32,
    pipeline: Pipeline,
    partition: Partition,
    sequence: Sequence,
    base: Option<Link>,
    oldest: Sequence,
    committed: Option<KnownCommit>,
    origin: Offset,
    #[serde(default)]
    published_from: Option<Offset>,
    end: Offset,
    counts: Counts,
    #[serde(default)]
    forward: Option<Forward>,
    gaps: Vec<GapLine>,
    silent: Vec<SilentLine>,
    calculations: Vec<Declaration>,
    calculation: String,
    fields: String,
    edit: EditLine,
    writer: String,
    created_at: Time,
    /// Only where there are some.
    #[serde(default)]
    pages: Vec<PageLine<String>>,
    segments: Vec<SegmentLine<String>>,
    corrections: Vec<SegmentLine<String>>,
    #[serde(rename = "digest")]
    _digest: Digest,
}

impl Document {
    pub(super) fn into_manifest(self, digest: Digest) -> Result<Manifest, Inconsistency> {
        let segments = self.segments.into_iter().map(Segment::try_from);
        let corrections = self.corrections.into_iter().map(Segment::try_from);
        let silent = self.silent.into_iter().map(SilentRange::try_from);
        let pages = self.pages.into_iter().map(PageLink::try_from);
        Ok(Manifest {
            pipeline: self.pipeline,
            partition: self.partition,
            sequence: self.sequence,
            base: self.base,
            oldest: self.oldest,
            committed: self.committed,
            origin: self.origin,
            published_from: self.published_from,
            end: self.end,
            pages: pages.collect::<Result<_, _>>()?,
            open: OpenList {
                silent: silent.collect::<Result<_, _>>()?,
                segments: segments.collect::<Result<_, _>>()?,
                corrections: corrections.collect::<Result<_, _>>()?,
            },
            counts: self.counts,
            forward: self.forward,
            gaps: self
                .gaps
                .into_iter()
                .map(Gap::try_from)
                .collect::<Result<_, _>>()?,
            calculations: self.calculations,
            calculation: self.calculation,
            fields: self.fields,
            edit: self.edit.try_into()?,
            writer: self.writer,
            created_at: self.created_at.0,
            digest,
        })
    }
}

fn segments(lines: Vec<SegmentLine<String>>) -> Result<Vec<Segment>, Inconsistency> {
    lines.into_iter().map(Segment::try_from).collect()
}

/// The edit, with its name as the member `kind`.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum EditLine {
    Bind,
    Append {
        start: Offset,
        end: Offset,
        counts: Counts,
    },
    AcceptLoss {
        start: Offset,
        end: Offset,
        reason: GapReason,
    },
    GiveUp {
        start: Offset,
        end: Offset,
        reason: GapReason,
        replaced: Vec<SegmentLine<String>>,
    },
    Backfill {
        start: Offset,
        end: Offset,
        counts: Counts,
    },
    Repair {
        start: Offset,
        end: Offset,
        counts: Counts,
        replaced: Vec<SegmentLine<String>>,
    },
    Compact {
        start: Offset,
        end: Offset,
        replaced: Vec<SegmentLine<String>>,
    },
    Retire {
        oldest: Sequence,
    },
    Seal {
        page: PageLine<String>,
    },
    Reopen {
        page: PageLine<String>,
    },
}

impl From<&EditSummary> for EditLine {
    fn from(edit: &EditSummary) -> Self {
        match *edit {
            EditSummary::Bind => EditLine::Bind,
            EditSummary::Append { range, counts } => EditLine::Append {
                start: range.start(),
                end: range.end(),
                counts,
            },
            EditSummary::AcceptLoss { range, reason } => EditLine::AcceptLoss {
                start: range.start(),
                end: range.end(),
                reason,
            },
            EditSummary::GiveUp {
                range,
                reason,
                ref replaced,
            } => EditLine::GiveUp {
                start: range.start(),
                end: range.end(),
                reason,
                replaced: replaced.iter().map(SegmentLine::from).collect(),
            },
            EditSummary::Backfill { range, counts } => EditLine::Backfill {
                start: range.start(),
                end: range.end(),
                counts,
            },
            EditSummary::Repair {
                range,
                counts,
                ref replaced,
            } => EditLine::Repair {
                start: range.start(),
                end: range.end(),
                counts,
                replaced: replaced.iter().map(SegmentLine::from).collect(),
            },
            EditSummary::Compact {
                range,
                ref replaced,
            } => EditLine::Compact {
                start: range.start(),
                end: range.end(),
                replaced: replaced.iter().map(SegmentLine::from).collect(),
            },
            EditSummary::Retire { oldest } => EditLine::Retire { oldest },
            EditSummary::Seal { ref page } => EditLine::Seal { page: page.into() },
            EditSummary::Reopen { ref page } => EditLine::Reopen { page: page.into() },
        }
    }
}

impl TryFrom<EditLine> for EditSummary {
    type Error = Inconsistency;

    fn try_from(line: EditLine) -> Result<EditSummary, Inconsistency> {
        Ok(match line {
            EditLine::Bind => EditSummary::Bind,
            EditLine::Append { start, end, counts } => EditSummary::Append {
                range: range(start, end)?,
                counts,
            },
            EditLine::AcceptLoss { start, end, reason } => EditSummary::AcceptLoss {
                range: range(start, end)?,
                reason,
            },
            EditLine::GiveUp {
                start,
                end,
                reason,
                replaced,
            } => EditSummary::GiveUp {
                range: range(start, end)?,
                reason,
                replaced: segments(replaced)?,
            },
            EditLine::Backfill { start, end, counts } => EditSummary::Backfill {
                range: range(start, end)?,
                counts,
            },
            EditLine::Repair {
                start,
                end,
                counts,
                replaced,
            } => EditSummary::Repair {
                range: range(start, end)?,
                counts,
                replaced: segments(replaced)?,
            },
            EditLine::Compact {
                start,
                end,
                replaced,
            } => EditSummary::Compact {
                range: range(start, end)?,
                replaced: segments(replaced)?,
            },
            EditLine::Retire { oldest } => EditSummary::Retire { oldest },
            EditLine::Seal { page } => EditSummary::Seal {
                page: page.try_into()?,
            },
            EditLine::Reopen { page } => EditSummary::Reopen {
                page: page.try_into()?,
            },
        })
    }
}
