//! What a partition's manifests say by themselves, before any segment is opened.

use super::{
    Finding, FindingKind, Level,
    chain::Walked,
    groups::{Fault, Group, faults},
    instructions,
};
use crate::{
    calculation::Fingerprint,
    format::{Layout, Manifest, Segment, SegmentKind},
    model::{Offset, OffsetRange},
    store::{Entry, Store},
};

/// A partition whose chain has been walked.
pub(super) struct Examined<'a> {
    pub walked: &'a Walked,
    pub newest: &'a Manifest,
    /// The newest manifest's segments.
    pub groups: &'a [Group],
}

impl Examined<'_> {
    /// Ranges that do not cover the chain's offsets once, and segments of other calculations.
    pub fn findings(&self, store: &Store, level: Level, ours: &Fingerprint) -> Vec<Finding> {
        let mut findings = Vec::new();
        if level >= Level::Coverage {
            findings.extend(self.coverage(store));
        }
        if level >= Level::Semantic {
            findings.extend(self.others(ours));
        }
        findings
    }

    fn coverage(&self, store: &Store) -> Vec<Finding> {
        let silent = self
            .walked
            .complete
            .then_some(self.walked.silent.as_slice());
        let layout = Layout::new(&self.newest.pipeline.events_topic).ok();
        let location = layout.map(|layout| {
            store.locate(&layout.manifest(self.walked.partition, self.newest.sequence))
        });
        let remedy = instructions::rewritten(&location.unwrap_or_default());
        let faults = faults(self.newest, self.groups, silent).into_iter();
        let findings = faults.map(|fault| match fault {
            Fault::Both(range) => {
                let detail = format!("{range} is recorded as lost, and segments cover it too");
                Finding::new(
                    FindingKind::Overlap,
                    self.walked.partition,
                    range,
                    detail,
                    &remedy,
                )
            }
            Fault::Neither(range) => {
                let detail = format!(
                    "{range} is covered by no segment, no gap and no record of absent offsets"
                );
                Finding::new(
                    FindingKind::Hole,
                    self.walked.partition,
                    range,
                    detail,
                    &remedy,
                )
            }
        });
        findings.collect()
    }

    /// One finding for each run of segments with the same foreign fingerprint.
    fn others(&self, ours: &Fingerprint) -> Vec<Finding> {
        let segments = self.groups.iter().flat_map(|group| &group.segments);
        let counted = segments.filter(|segment| segment.kind != SegmentKind::Corrections);
        let mut runs: Vec<Vec<&Segment>> = Vec::new();
        let mut last = ours;
        for segment in counted {
            if segment.fingerprint != *ours {
                match runs.last_mut().filter(|_| *last == segment.fingerprint) {
                    Some(run) => run.push(segment),
                    None => runs.push(vec![segment]),
                }
            }
            last = &segment.fingerprint;
        }
        runs.iter()
            .filter_map(|run| self.other(run, ours))
            .collect()
    }

    fn other(&self, run: &[&Segment], ours: &Fingerprint) -> Option<Finding> {
        let first = run.first()?;
        let end = run.iter().map(|segment| segment.range.end()).max()?;
        let range = OffsetRange::new(first.range.start(), end).ok()?;
        let rows: u64 = run.iter().map(|segment| segment.rows).sum();
        let writer = self.walked.writers.get(&first.fingerprint);
        let by = writer.map(|(calculation, fields)| format!(" ({calculation} on {fields})"));
        let detail = format!(
            "{} segments with {rows} rows are of the calculation {}{}; their values were not compared with \
             the running one, {ours}",
            run.len(),
            first.fingerprint,
            by.unwrap_or_default()
        );
        let remedy = instructions::other_calculation(writer);
        let partition = self.walked.partition;
        let finding = Finding::new(
            FindingKind::OtherCalculation,
            partition,
            range,
            detail,
            remedy,
        );
        Some(match run {
            [only] => finding.of(&only.path),
            _ => finding,
        })
    }
}

/// The findings of a partition none of whose manifests can be read.
pub(super) fn without_manifest(
    store: &Store,
    layout: &Layout,
    walked: Walked,
    files: &[Entry],
) -> Vec<Finding> {
    let mut findings = walked.findings;
    if findings.is_empty() {
        let ranges = files
            .iter()
            .filter_map(|entry| layout.parse_segment(&entry.path));
        let range = ranges.map(|name| name.range).reduce(|a, b| {
            OffsetRange::new(a.start().min(b.start()), a.end().max(b.end())).unwrap_or(a)
        });
        let folder = store.locate(&layout.manifests(walked.partition));
        let detail = format!(
            "there is no manifest in {folder}, but there are {} files of segments",
            files.len()
        );
        let range = range.unwrap_or(OffsetRange::empty(Offset::ZERO));
        let remedy = instructions::no_manifest(&folder);
        findings.push(Finding::new(
            FindingKind::ManifestMissing,
            walked.partition,
            range,
            detail,
            remedy,
        ));
    }
    findings
}
