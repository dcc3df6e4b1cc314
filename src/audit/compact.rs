//! Merging neighbours of stored history into one segment of each kind, with proof: what is read is verified like `verify` does
//! it, and so is what is made of it. Damage is never merged: it is a finding.
//!
//! In memory at a time: the files of one input, and the new ones.

use super::{
    AuditError, Finding,
    fetch::fetch,
    groups::Group,
    inspect::{Content, Evaluators, File, Inspected, Task, inspect},
    instructions::Commands,
    verification::Verification,
};
use crate::{
    calculation::Calculations,
    format::{Added, Encoded, Identity, Merger, Segment, SegmentError},
    history::{Chain, Merge, Repair},
    model::{Offset, OffsetRange, Partition},
    recovery::Invocation,
    store::Throttle,
};

/// Merges neighbours.
#[derive(Clone)]
pub struct Compactor {
    /// Those that this program has: rows of others are merged without their values being compared.
    pub calculations: Calculations,
    /// How the program was started, for the remedies of findings.
    pub invocation: Invocation,
    /// How fast it goes.
    pub throttle: Throttle,
}

/// What came of a merge.
#[derive(Debug)]
pub enum Merged {
    /// The new files, verified, which are to be brought into the chain.
    Ready(Box<Repair>),
    /// The input that starts there is damaged.
    Damaged(Offset, Vec<Finding>),
    /// The input that starts there has other columns or fields than those before.
    Apart(Offset),
}

/// Why nothing came of a merge.
#[derive(Debug, thiserror::Error)]
pub enum CompactError {
    /// The inputs, or what was written, could not be looked at.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The new files cannot be written.
    #[error("the segments of {range} cannot be merged: {source}")]
    Segment {
        /// The range.
        range: OffsetRange,
        /// Why.
        source: Box<SegmentError>,
    },
    /// The new files are not what was to be written: a defect. Nothing was stored.
    #[error("the merged segment of {range} is wrong: {finding}")]
    Wrong {
        /// The range.
        range: OffsetRange,
        /// The first thing that is wrong.
        finding: Box<Finding>,
    },
}

impl CompactError {
    /// Whether the store was away: the same merge may come out later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            CompactError::Audit(error) => error.is_retryable(),
            CompactError::Segment { .. } | CompactError::Wrong { .. } => false,
        }
    }
}

/// A merge under way.
struct Work<'c> {
    compactor: &'c Compactor,
    context: Verification,
    partition: Partition,
    evaluators: Evaluators,
}

impl Compactor {
    /// Verifies and merges neighbours, and verifies what comes of it. Nothing is stored.
    ///
    /// # Errors
    /// When the store is away, or the files cannot be made; nothing has changed then.
    pub async fn merge(&self, chain: &Chain, merge: &Merge) -> Result<Merged, CompactError> {
        let (store, layout) = (chain.store().clone(), chain.layout().clone());
        let context = Verification::semantic(store, layout, self.calculations.clone());
        let declared = chain
            .newest()
            .map_or(&[][..], |newest| &newest.calculations);
        let segments: Vec<Segment> = merge.segments().cloned().collect();
        let all = whole(merge.range, segments.clone());
        let work = Work {
            compactor: self,
            partition: chain.partition(),
            evaluators: context.evaluators(declared, &all),
            context,
        };
        let identity: Identity = chain.identity().clone();
        let mut merger = Merger::new(merge.range, identity);
        let mut silent = merge.silent.iter().peekable();
        for input in &merge.inputs {
            let Some(range) = input.first().map(|segment| segment.range) else {
                continue;
            };
            while let Some(before) = silent.next_if(|one| one.range.start() < range.start()) {
                merger.add_silent(before);
            }
            let (files, mut findings) = work.fetch(input).await?;
            let passed;
            (passed, merger) = work.add(whole(range, input.clone()), files, merger).await?;
            findings.extend(passed.findings);
            if findings.iter().any(Finding::is_damage) {
                let commands = Commands::of(&self.invocation);
                findings
                    .iter_mut()
                    .for_each(|finding| commands.complete(finding));
                return Ok(Merged::Damaged(range.start(), findings));
            }
            match passed.added {
                Some(Ok(Added::Whole)) => {}
                Some(Ok(Added::Different)) => return Ok(Merged::Apart(range.start())),
                Some(Err(source)) => return Err(unwritten(merge.range)(source)),
                None => return Ok(Merged::Damaged(range.start(), findings)),
            }
        }
        let encoded = self.throttle.compute_blocking(|| merger.finish()).await;
        let encoded = encoded.map_err(AuditError::from)?;
        let encoded = encoded.map_err(unwritten(merge.range))?;
        let mut repair = Repair::compacting(segments, encoded);
        let named = repair.named(chain).to_vec();
        let wrong = work.check(merge.range, named, repair.files()).await?;
        if let Some(finding) = wrong.into_iter().find(Finding::is_damage) {
            let (range, finding) = (merge.range, Box::new(finding));
            return Err(CompactError::Wrong { range, finding });
        }
        Ok(Merged::Ready(Box::new(repair)))
    }
}

/// An input that was inspected.
struct Passed {
    findings: Vec<Finding>,
    /// `None` when it was not complete.
    added: Option<Result<Added, SegmentError>>,
}

impl Work<'_> {
    async fn fetch(&self, segments: &[Segment]) -> Result<(Vec<File>, Vec<Finding>), AuditError> {
        let bytes = segments.iter().map(|segment| segment.bytes).sum();
        self.compactor.throttle.take(bytes).await;
        let (mut files, mut findings) = (Vec::new(), Vec::new());
        for segment in segments {
            let (file, finding) = fetch(&self.context, self.partition, segment).await?;
            files.push(file);
            findings.extend(finding);
        }
        Ok((files, findings))
    }

    /// Inspects an input, and writes its rows when nothing is wrong with it.
    async fn add(
        &self,
        group: Group,
        mut files: Vec<File>,
        mut merger: Merger,
    ) -> Result<(Passed, Merger), AuditError> {
        let (context, partition) = (self.context.clone(), self.partition);
        let evaluators = self.evaluators.clone();
        let work = move || {
            let bytes: Option<Vec<_>> = files.iter().map(File::bytes).collect();
            let inspected = look(&context, partition, &group, &mut files, &evaluators);
            let is_damaged = inspected.findings.iter().any(Finding::is_damage);
            let added = bytes.filter(|_| !is_damaged).map(|bytes| merger.add(bytes));
            let findings = inspected.findings;
            (Passed { findings, added }, merger)
        };
        Ok(self.compactor.throttle.compute_blocking(work).await?)
    }

    /// What is wrong with the new files.
    async fn check(
        &self,
        range: OffsetRange,
        segments: Vec<Segment>,
        encoded: &Encoded,
    ) -> Result<Vec<Finding>, AuditError> {
        let files = segments.iter().zip(encoded.segments());
        let files = files.map(|(segment, file)| File {
            segment: segment.clone(),
            location: self.context.store.locate(&segment.path),
            content: Some(Content::Bytes(file.bytes.clone())),
        });
        let mut files: Vec<File> = files.collect();
        let (context, partition) = (self.context.clone(), self.partition);
        let evaluators = self.evaluators.clone();
        let group = whole(range, segments);
        let work = move || look(&context, partition, &group, &mut files, &evaluators);
        Ok(self
            .compactor
            .throttle
            .compute_blocking(work)
            .await?
            .findings)
    }
}

/// All segments of a range.
fn whole(range: OffsetRange, segments: Vec<Segment>) -> Group {
    Group {
        range,
        segments,
        whole: true,
    }
}

fn look(
    context: &Verification,
    partition: Partition,
    group: &Group,
    files: &mut [File],
    evaluators: &Evaluators,
) -> Inspected {
    let task = Task {
        topic: context.layout.topic(),
        partition,
        level: context.level,
        until: context.until,
    };
    inspect(&task, group, files, evaluators).unwrap_or_default()
}

fn unwritten(range: OffsetRange) -> impl FnOnce(SegmentError) -> CompactError {
    move |source| CompactError::Segment {
        range,
        source: Box::new(source),
    }
}
