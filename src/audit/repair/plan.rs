//! What can be mended, and from what: a pure choice.

use std::collections::BTreeSet;

use super::{
    super::{
        finding::{Finding, FindingKind},
        groups::{Group, group},
    },
    Outdated,
    manifests::ManifestMend,
};
use crate::{
    calculation::Declaration,
    format::{Listed, SegmentKind},
    model::{OffsetRange, Partition},
};

/// Where the right values come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The file lies in the attic, whole.
    Attic,
    /// The fields, or the payload, stored beside the wrong value: the file's digest holds.
    StoredInputs,
    /// The rows, and the events that have none, which Kafka must still hold.
    Events,
    /// The events alone, which Kafka must still hold.
    Kafka,
}

/// A range to be mended: the unit of an edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mend {
    /// The partition.
    pub partition: Partition,
    /// The offsets, with the segments that are replaced.
    pub range: Outdated,
    /// The calculation that the range is of.
    pub declaration: Declaration,
    /// Where the right values come from.
    pub source: Source,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
}

impl Mend {
    /// Whether what was published may be others than what a rebuild gives: the files were written as they are, or nobody knows.
    /// Files that are only damaged or gone were right when their outcomes were published.
    #[must_use]
    pub fn may_have_been_published_wrong(&self) -> bool {
        let was_right = |finding: &Finding| {
            matches!(
                finding.kind,
                FindingKind::DigestMismatch | FindingKind::MissingSegment
            ) || finding.not_given
        };
        !self.findings.iter().all(was_right)
    }
}

/// What to do about findings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepairPlan {
    /// Manifests that can be mended, by partition.
    pub manifests: Vec<ManifestMend>,
    /// What can be mended, by partition and offset.
    pub mends: Vec<Mend>,
    /// Pages that cannot be read, which may be put together again.
    pub pages: Vec<Finding>,
    /// What cannot: the finding says what else can be done.
    pub left: Vec<Finding>,
    /// Partitions whose newest manifest the store does not let read.
    pub closed: Vec<Partition>,
}

/// From what a finding within the files of a range can be mended; `None` when it is not about them. `is_in_attic`: its file is
/// not at its own path.
const fn source(kind: FindingKind, is_in_attic: bool) -> Option<Source> {
    match kind {
        FindingKind::MisplacedSegment if is_in_attic => Some(Source::Attic),
        // The file at its path says that it is another.
        FindingKind::MisplacedSegment => Some(Source::Kafka),
        FindingKind::WrongResult | FindingKind::WrongReject => Some(Source::StoredInputs),
        FindingKind::WrongFiltered => Some(Source::Events),
        FindingKind::DigestMismatch
        | FindingKind::Unreadable
        | FindingKind::MissingSegment
        | FindingKind::WrongCount
        | FindingKind::Unsorted
        | FindingKind::Overlap
        | FindingKind::Hole => Some(Source::Kafka),
        _ => None,
    }
}

impl RepairPlan {
    /// Plans for the findings of one partition, whose newest manifest is `newest`. `in_attic` are the paths of segments that
    /// are not at their own.
    pub(in crate::audit) fn of(
        newest: &Listed,
        partition: Partition,
        findings: Vec<Finding>,
        in_attic: &BTreeSet<String>,
    ) -> Self {
        let mut mends: Vec<Mend> = ranges(newest)
            .filter_map(|range| {
                let declaration = newest.declaration(range.fingerprint()?)?;
                Some(Mend {
                    partition,
                    declaration: declaration.clone(),
                    range,
                    source: Source::Attic,
                    findings: Vec::new(),
                })
            })
            .collect();
        let (mut left, mut pages) = (Vec::new(), Vec::new());
        for finding in findings {
            if finding.is_about_a_page() {
                pages.push(finding);
                continue;
            }
            let path = finding.segment.as_ref();
            let is_in_attic = path.is_some_and(|path| in_attic.contains(path));
            let chosen = source(finding.kind, is_in_attic).and_then(|source| {
                let mend = mends
                    .iter_mut()
                    .find(|mend| mend.range.concerns(&finding))?;
                Some((mend, source))
            });
            match chosen {
                Some((mend, source)) => {
                    // The worst of them decides.
                    mend.source = mend.source.max(source);
                    mend.findings.push(finding);
                }
                None => left.push(finding),
            }
        }
        mends.retain(|mend| !mend.findings.is_empty());
        RepairPlan {
            mends,
            pages,
            left,
            ..RepairPlan::default()
        }
    }
}

/// The ranges of a manifest whose results and rejects an edit may replace: those of one append.
fn ranges(newest: &Listed) -> impl Iterator<Item = Outdated> {
    let groups = group(newest.segments(), true).into_iter();
    let whole = groups.filter(|group: &Group| {
        group.is_one_append() && group.of(SegmentKind::Corrections).next().is_none()
    });
    let stored = whole.map(|group| Outdated {
        range: group.range,
        segments: group.segments,
        silent: None,
    });
    stored.chain(Outdated::silent_ranges(newest))
}

impl Outdated {
    /// Whether a finding is about these files.
    fn concerns(&self, finding: &Finding) -> bool {
        if let Some(path) = &finding.segment {
            let mut paths = self.segments.iter().map(|segment| segment.path.to_string());
            return paths.any(|own| own == *path);
        }
        let range = OffsetRange::new(finding.start, finding.end);
        range.is_ok_and(|range| {
            !range.is_empty()
                && range.start() >= self.range.start()
                && range.end() <= self.range.end()
        })
    }
}
