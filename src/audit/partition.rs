//! What a partition's manifests say by themselves, before any segment is opened.

use super::{
    Finding, FindingKind, Level, chain::Walked, groups::Group, instructions,
    recalculate::filtered_otherwise, report::ComparedWith, verification::Verification,
};
use crate::{
    format::{Layout, Listed, Segment, SegmentKind, SilentRange},
    model::{Offset, OffsetRange},
    store::{Entry, Store},
};

/// A partition whose chain has been walked.
pub(super) struct Examined<'a> {
    pub walked: &'a Walked,
    pub newest: &'a Listed,
    /// The newest manifest's segments.
    pub groups: &'a [Group],
}

impl Examined<'_> {
    /// Segments whose values are not compared or are of another
    /// calculation than the one that was given.
    pub fn findings(&self, context: &Verification) -> Vec<Finding> {
        let mut findings = Vec::new();
        if context.level >= Level::Semantic {
            findings.extend(self.others(context));
            findings.extend(self.filtered_otherwise(context));
        }
        findings
    }

    /// The calculations with which its outcomes are compared.
    pub fn compared_with(&self, context: &Verification) -> Vec<ComparedWith> {
        let mut compared = Vec::new();
        for declared in &self.newest.calculations {
            let of = |segment: &&Segment| segment.fingerprint == declared.fingerprint;
            let segments = self.newest.segments().iter().filter(of);
            let outcomes = segments.map(|segment| segment.rows).sum();
            if outcomes > 0
                && context.level >= Level::Semantic
                && context.calculations.evaluator(declared).is_ok()
            {
                compared.push(ComparedWith {
                    declaration: declared.clone(),
                    outcomes,
                });
            }
        }
        compared
    }

    /// One finding for each run of segments with the same fingerprint, if there is one to be made.
    fn others(&self, context: &Verification) -> Vec<Finding> {
        let segments = self.groups.iter().flat_map(|group| &group.segments);
        let counted = segments.filter(|segment| segment.kind != SegmentKind::Corrections);
        let mut runs: Vec<Vec<&Segment>> = Vec::new();
        for segment in counted {
            let same = |run: &&mut Vec<&Segment>| run[0].fingerprint == segment.fingerprint;
            match runs.last_mut().filter(same) {
                Some(run) => run.push(segment),
                None => runs.push(vec![segment]),
            }
        }
        let finding = |run: &Vec<&Segment>| self.other(run, context);
        runs.iter().filter_map(finding).collect()
    }

    /// One for each range without a row whose events another condition left out than the one that was given.
    fn filtered_otherwise(&self, context: &Verification) -> Vec<Finding> {
        let Some(given) = &context.given else {
            return Vec::new();
        };
        let finding = |silent: &SilentRange| {
            let declared = self.newest.declaration(silent.fingerprint.as_ref()?)?;
            let detail = format!(
                "{} events were filtered by the condition of the calculation {} ({declared}), not by that of {} that was given; nothing of them is stored",
                silent.record.filtered, declared.fingerprint, given.fingerprint
            );
            let (kind, remedy) = (
                FindingKind::OtherCalculation,
                instructions::other_calculation(),
            );
            let partition = self.walked.partition;
            Some(Finding::new(kind, partition, silent.range, detail, remedy))
        };
        let silent = filtered_otherwise(self.newest, given);
        silent.filter_map(finding).collect()
    }

    fn other(&self, run: &[&Segment], context: &Verification) -> Option<Finding> {
        let first = run.first()?;
        let end = run.iter().map(|segment| segment.range.end()).max()?;
        let range = OffsetRange::new(first.range.start(), end).ok()?;
        let declared = self.newest.declaration(&first.fingerprint)?;
        let (kind, why, remedy) = match context.calculations.evaluator(declared) {
            Err(error) => (
                FindingKind::NotCompared,
                format!("their values were compared with nothing: {error}"),
                instructions::not_compared(declared),
            ),
            Ok(_) => {
                let given = context.given.as_ref()?;
                if given.fingerprint == first.fingerprint {
                    return None;
                }
                (
                    FindingKind::OtherCalculation,
                    format!(
                        "their values were compared with what it gives, not with the calculation {} that was given",
                        given.fingerprint
                    ),
                    instructions::other_calculation(),
                )
            }
        };
        let rows: u64 = run.iter().map(|segment| segment.rows).sum();
        let detail = format!(
            "{} segments with {rows} rows are of the calculation {} ({declared}); {why}",
            run.len(),
            first.fingerprint,
        );
        let finding = Finding::new(kind, self.walked.partition, range, detail, remedy);
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
