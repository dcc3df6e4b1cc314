//! One group of segments, from their bytes to findings: the CPU's share of an audit. No I/O.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Instant,
};

use bytes::Bytes;

use super::{
    Finding, FindingKind, Level,
    coverage::{Coverage, Covered, Listed},
    groups::Group,
    instructions,
    parts::Parts,
    rows::{Rows, Subject},
    stated::misstated,
};
use crate::{
    calculation::{Evaluator, Fingerprint},
    format::{
        Segment, SegmentEnd, SegmentFacts, SegmentKind, SegmentReader, read_segment,
        read_segment_in_parts,
    },
    model::{OffsetRange, Partition},
};

/// A segment as it was fetched.
pub(super) struct File {
    pub segment: Segment,
    /// Where it was found, for people.
    pub location: String,
    /// `None` when there is nothing to inspect; the fetch has reported that.
    pub content: Option<Content>,
}

impl File {
    /// All of it, when that is in memory.
    pub fn bytes(&self) -> Option<Bytes> {
        match &self.content {
            Some(Content::Bytes(bytes)) => Some(bytes.clone()),
            Some(Content::Parts(..)) | None => None,
        }
    }
}

/// What is in a file.
pub(super) enum Content {
    /// All of it, which has the digest that its manifest lists.
    Bytes(Bytes),
    /// Its end; the rest comes part by part.
    Parts(Box<SegmentEnd>, Parts),
}

/// What to look for.
pub(super) struct Task<'a> {
    pub topic: &'a str,
    pub partition: Partition,
    pub level: Level,
    /// When to give up.
    pub until: Option<Instant>,
}

/// The calculations of a group's segments that this program has; none below the level semantic.
pub(super) type Evaluators = BTreeMap<Fingerprint, Arc<Evaluator>>;

/// What inspecting a group gave.
#[derive(Default)]
pub(super) struct Inspected {
    pub results: u64,
    pub rejects: u64,
    /// Those of both whose calculation this program does not have.
    pub not_compared: u64,
    /// Those of both whose timestamp readers cannot show.
    pub raw_timestamps: u64,
    /// Those of both that do not know the time or the key of their event.
    pub not_known: u64,
    pub findings: Vec<Finding>,
}

/// The rows of one kind: segment after segment.
#[derive(Default)]
struct Lane<'a> {
    rows: Vec<Rows<'a>>,
    current: usize,
}

impl Lane<'_> {
    #[inline]
    fn peek(&mut self) -> Option<i64> {
        while let Some(rows) = self.rows.get_mut(self.current) {
            if let Some(offset) = rows.peek() {
                return Some(offset);
            }
            self.current += 1;
        }
        None
    }

    #[inline]
    fn advance(&mut self) {
        if let Some(rows) = self.rows.get_mut(self.current) {
            rows.advance();
        }
    }

    fn count(&self) -> u64 {
        self.rows.iter().map(Rows::count).sum()
    }
}

/// Inspects the segments of `group`, `files` in the same order. `None` when the time was over before the
/// end.
pub(super) fn inspect(
    task: &Task<'_>,
    group: &Group,
    files: &mut [File],
    evaluators: &Evaluators,
) -> Option<Inspected> {
    let mut inspected = Inspected::default();
    let mut facts = Vec::new();
    let (mut results, mut rejects) = (Lane::default(), Lane::default());
    for file in files.iter_mut() {
        // Taken, so that the reader holds the only copy.
        let Some(content) = file.content.take() else {
            continue;
        };
        let subject = Subject {
            segment: &file.segment,
            partition: task.partition,
            location: &file.location,
        };
        match open(&subject, content) {
            Err(finding) => inspected.findings.push(*finding),
            Ok(reader) => {
                inspected
                    .findings
                    .extend(identity(task, &subject, reader.facts()));
                facts.push(reader.facts().clone());
                let evaluator = evaluators.get(&file.segment.fingerprint).cloned();
                let lane = match file.segment.kind {
                    SegmentKind::Results => &mut results,
                    // Corrections stand alone in their group.
                    SegmentKind::Rejects | SegmentKind::Corrections => &mut rejects,
                };
                lane.rows
                    .push(Rows::new(subject, reader, evaluator, task.until));
            }
        }
    }
    let stated = facts.first().filter(|_| group.is_one_append());
    let absent = stated.map(|facts| &facts.absent);
    let mut coverage = Coverage::new(group.range, absent);
    loop {
        let (a, b) = (results.peek(), rejects.peek());
        match (a, b) {
            (Some(a), b) if b.is_none_or(|b| a <= b) => {
                coverage.outcome(a);
                results.advance();
            }
            (_, Some(b)) => {
                coverage.outcome(b);
                rejects.advance();
            }
            _ => break,
        }
    }
    let lanes = || results.rows.iter().chain(&rejects.rows);
    if lanes().any(Rows::is_cut_short) {
        return None;
    }
    let complete = facts.len() == group.segments.len() && lanes().all(Rows::is_readable);
    let orderly = lanes().all(Rows::is_orderly);
    let corrections = group.of(SegmentKind::Corrections).next().is_some();
    if task.level >= Level::Semantic {
        inspected.not_compared = lanes().map(Rows::not_compared).sum();
    }
    if !corrections {
        (inspected.results, inspected.rejects) = (results.count(), rejects.count());
        inspected.raw_timestamps = lanes().map(Rows::raw_timestamps).sum();
        inspected.not_known = lanes().map(Rows::not_known).sum();
    }
    for rows in results.rows.iter_mut().chain(&mut rejects.rows) {
        inspected.findings.extend(rows.findings());
    }
    if complete && !corrections {
        let whole = group.whole || is_whole(group, &facts);
        if whole && group.is_one_append() {
            inspected
                .findings
                .extend(counts(task, group, &facts, &inspected));
        }
        if task.level >= Level::Coverage && orderly {
            let filtered = stated.map_or(0, |facts| facts.counts.filtered);
            let found = coverage.finish();
            let expected = Expected { whole, filtered };
            covered(task, group, files, found, expected, &mut inspected.findings);
        }
    }
    Some(inspected)
}

/// Opens a segment.
fn open(subject: &Subject<'_>, content: Content) -> Result<SegmentReader, Box<Finding>> {
    let read = || match content {
        Content::Bytes(bytes) => read_segment(bytes),
        Content::Parts(end, parts) => {
            read_segment_in_parts(*end, Box::new(move |part| parts.read(part)))
        }
    };
    // Where the digest agrees, only a writer's mistake (or malice) can bring the decoder to panic.
    let why = match catch_unwind(AssertUnwindSafe(read)) {
        Ok(Ok(reader)) => return Ok(reader),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "the Parquet decoder panicked".to_owned(),
    };
    let remedy = instructions::restore(subject.segment, subject.location);
    Err(Box::new(subject.finding(
        FindingKind::Unreadable,
        subject.segment.range,
        why,
        remedy,
    )))
}

/// Whether the file is the segment that its manifest lists.
fn identity(task: &Task<'_>, subject: &Subject<'_>, facts: &SegmentFacts) -> Option<Finding> {
    let segment = subject.segment;
    let stated = (
        segment.kind,
        task.topic,
        task.partition,
        segment.range,
        &segment.fingerprint,
    );
    let own = (
        facts.kind,
        facts.topic.as_str(),
        facts.partition,
        facts.range,
        &facts.declaration.fingerprint,
    );
    let describe = |(kind, topic, partition, range, fingerprint): (
        SegmentKind,
        &str,
        Partition,
        OffsetRange,
        &_,
    )| {
        format!("{kind} of {topic}, partition {partition}, {range}, calculation {fingerprint}")
    };
    (stated != own).then(|| {
        let detail = format!(
            "the file says that it is {}; its manifest lists it as {}",
            describe(own),
            describe(stated)
        );
        let remedy = instructions::restore(segment, subject.location);
        subject.finding(FindingKind::MisplacedSegment, segment.range, detail, remedy)
    })
}

/// Whether the segments at hand are all that their append has, by their own account.
fn is_whole(group: &Group, facts: &[SegmentFacts]) -> bool {
    let has = |kind| group.of(kind).next().is_some();
    group.is_one_append()
        && facts.iter().all(|facts| {
            (facts.counts.results == 0 || has(SegmentKind::Results))
                && (facts.counts.rejects == 0 || has(SegmentKind::Rejects))
        })
}

/// Whether each segment's account of its append is what the append's segments hold.
fn counts(
    task: &Task<'_>,
    group: &Group,
    facts: &[SegmentFacts],
    inspected: &Inspected,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (segment, facts) in group.segments.iter().zip(facts) {
        let (results, rejects) = (inspected.results, inspected.rejects);
        let rows = if segment.kind == SegmentKind::Rejects {
            rejects
        } else {
            results
        };
        let read = (rows, results, rejects);
        let Some(detail) = misstated(segment, facts, read) else {
            continue;
        };
        let remedy = instructions::rewritten(segment.path.as_str());
        let finding = Finding::new(
            FindingKind::WrongCount,
            task.partition,
            segment.range,
            detail,
            remedy,
        );
        findings.push(finding.of(&segment.path));
    }
    findings
}

fn covered(
    task: &Task<'_>,
    group: &Group,
    files: &[File],
    covered: Covered,
    Expected { whole, filtered }: Expected,
    findings: &mut Vec<Finding>,
) {
    let Some(file) = files.first() else { return };
    let without = covered.unrecorded;
    let remedy = instructions::rewritten(&file.location);
    let mut add = |kind, range, detail: String| {
        let finding = Finding::new(kind, task.partition, range, detail, remedy.clone());
        findings.push(finding.of(&file.segment.path));
    };
    let mut list = |kind, listed: Listed, what: &str| {
        for range in &listed.ranges {
            add(kind, *range, format!("{} {what}", offsets(*range)));
        }
        if listed.more > 0 {
            let range = listed.hull.unwrap_or(group.range);
            add(
                kind,
                range,
                format!(
                    "{} more places in this range where offsets {what}",
                    listed.more
                ),
            );
        }
    };
    if whole && without != filtered {
        list(
            FindingKind::Hole,
            covered.holes,
            "without an outcome, and not recorded as absent",
        );
    }
    list(
        FindingKind::Overlap,
        covered.doubled,
        "with more than one outcome",
    );
    list(
        FindingKind::Overlap,
        covered.unexpected,
        "with an outcome, but recorded as absent",
    );
    if whole && filtered > 0 && without > 0 && without != filtered {
        let detail = format!(
            "{without} offsets of {} have no outcome and are not recorded as absent; {filtered} are recorded as filtered",
            group.range
        );
        add(FindingKind::Hole, group.range, detail);
    }
    if whole && covered.not_as_recorded && filtered == 0 {
        let detail = format!(
            "{} offsets of {} have no outcome, but they are not those that were recorded as absent",
            covered.missing, group.range
        );
        add(FindingKind::Hole, group.range, detail);
    }
}

/// What is known of the offsets of a group without a row.
struct Expected {
    /// All of its files are there.
    whole: bool,
    /// So many of them are filtered; the others are recorded as absent.
    filtered: u64,
}

fn offsets(range: OffsetRange) -> String {
    if range.len() == 1 {
        format!("offset {}", range.start())
    } else {
        format!("offsets {} to {}", range.start(), range.end().get() - 1)
    }
}
