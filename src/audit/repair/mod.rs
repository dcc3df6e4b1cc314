//! `repair`: from what [`verify`](super::verify) found to stored outcomes that are right again.
//!
//! In flow a [`Report`] and, to act on it, a [`Recalculator`]; out flow a [`RepairPlan`] and, for each range that was mended,
//! one edit of the partition's chain. A repair replaces the files of one append by new ones of exactly the same offsets, as
//! many results and rejects (I4); outcomes that were published otherwise become corrections, which the partition's owner
//! publishes once (I6). The files that are replaced go to the attic. Everything else stays as it is: whoever stops in
//! between leaves ranges that are mended and ranges that are not, and the next repair goes on.
//!
//! Memory: the files of one range, their successors, and a batch of rows of each.

mod losses;
mod manifests;
mod outcome;
mod plan;
mod rest;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

pub use losses::{
    Acceptance, Loss, accept_loss, find_loss, judge_loss, keep_rest, unfinished_loss,
};
pub use manifests::{ManifestMend, ManifestRemedy, mend_manifests};
pub use outcome::{Mended, RepairError, Unmade};
pub use plan::{Mend, RepairPlan, Source};

use super::{Finding, FindingKind, Outdated, Recalculator, Report, check_segments};
use crate::{
    calculation::{Calculations, Declaration},
    format::{Layout, Listed, Segment, SegmentKind},
    history::{
        Chain, ChainTail, Repair, Repaired, Restored, load_tail, read_listed, restore_segment,
        seal_when_long, write_repair,
    },
    model::Partition,
    recovery::Invocation,
    store::{Store, StoreError},
};

/// How long what was mended is read back.
const CHECK: Duration = Duration::from_secs(600);

/// Plans what to do about what was found.
///
/// # Errors
/// When the chain of a partition with findings cannot be read.
pub async fn plan_repair(
    store: &Store,
    layout: &Layout,
    report: &Report,
) -> Result<RepairPlan, RepairError> {
    let mut by_partition: BTreeMap<Partition, Vec<Finding>> = BTreeMap::new();
    for finding in report.findings.iter().filter(|finding| finding.is_damage()) {
        let findings = by_partition.entry(finding.partition).or_default();
        findings.push(finding.clone());
    }
    let mut plan = RepairPlan::default();
    for (partition, findings) in by_partition {
        let tail = match load_tail(store, layout, partition).await {
            // A finding says so; the other partitions can be mended.
            Err(error) if error.keeps_no_other() => {
                plan.closed.push(partition);
                ChainTail::default()
            }
            tail => tail?,
        };
        match tail.newest {
            Some(newest) => {
                let (about, findings) = findings
                    .into_iter()
                    .partition(|finding| finding.manifest.is_some());
                let (mends, left) = manifests::plan(&newest, about);
                plan.manifests.extend(mends);
                plan.left.extend(left);
                let newest = read_listed(store, layout, newest).await?;
                let in_attic = in_attic(store, &newest, &findings).await?;
                let part = RepairPlan::of(&newest, partition, findings, &in_attic);
                plan.mends.extend(part.mends);
                plan.pages.extend(part.pages);
                plan.left.extend(part.left);
            }
            None => plan.left.extend(findings),
        }
    }
    Ok(plan)
}

/// The paths of misplaced segments that lie in the attic, and not at their own.
pub(super) async fn in_attic(
    store: &Store,
    newest: &Listed,
    findings: &[Finding],
) -> Result<BTreeSet<String>, StoreError> {
    let misplaced = |segment: &&Segment| {
        let path = segment.path.as_str();
        findings.iter().any(|finding| {
            finding.kind == FindingKind::MisplacedSegment
                && finding.segment.as_deref() == Some(path)
        })
    };
    let mut found = BTreeSet::new();
    for segment in newest.files().filter(misplaced) {
        if store.head(&segment.path).await?.is_none() {
            found.insert(segment.path.to_string());
        }
    }
    Ok(found)
}

/// Mends one range of the chain's partition, and reads back what it stored.
///
/// # Errors
/// When the store, or Kafka, is away; call it again then. A range that cannot be mended is [`Mended::Left`].
pub async fn mend(
    recalculator: &Recalculator,
    calculations: &Calculations,
    chain: &mut Chain,
    mend: &Mend,
) -> Result<Mended, RepairError> {
    if mend.source == Source::Attic {
        return put_back(calculations, chain, mend).await;
    }
    let mut repair = match make(recalculator, chain, mend).await? {
        Ok(repair) => repair,
        Err(Unmade::Left(why) | Unmade::NotTaken(why)) => return Ok(Mended::Left(why)),
        Err(Unmade::Gone(why)) => return Ok(Mended::Gone(why)),
    };
    let segments = match write_repair(chain, &mut repair).await? {
        Repaired::Done(segments) => {
            seal_when_long(chain).await?;
            segments
        }
        Repaired::Overtaken => return Ok(Mended::Overtaken),
    };
    read_back(calculations, chain, mend, segments).await
}

/// Makes the files that mend a range, from its stored inputs or from Kafka; or says why it stays as it is.
pub(super) async fn make(
    recalculator: &Recalculator,
    chain: &Chain,
    mend: &Mend,
) -> Result<Result<Repair, Unmade>, RepairError> {
    let made = match mend.source {
        Source::Attic | Source::StoredInputs => recalculator.recalculate(chain, &mend.range).await,
        Source::Events => recalculator.reread(chain, &mend.range).await,
        Source::Kafka => {
            let corrects = mend.may_have_been_published_wrong();
            recalculator.rebuild(chain, &mend.range, corrects).await
        }
    };
    match made {
        Ok(repair) => Ok(Ok(repair)),
        Err(error) if error.is_retryable() => Err(RepairError::Read(error)),
        // Where it was to be made of its events alone, nothing else has it.
        Err(error) if error.is_for_good() && mend.source == Source::Kafka => {
            Ok(Err(Unmade::Gone(error.to_string())))
        }
        Err(error) => Ok(Err(Unmade::Left(error.to_string()))),
    }
}

/// Whether what mended a range, or lies there again, is right.
///
/// # Errors
/// When it cannot be read now.
pub async fn read_back(
    calculations: &Calculations,
    chain: &Chain,
    mend: &Mend,
    segments: Vec<Segment>,
) -> Result<Mended, RepairError> {
    let corrections = corrections(&segments);
    let declared = mend.declaration.clone();
    let damage = first_damage(calculations, chain, (declared, "repair"), segments).await?;
    Ok(match damage {
        Some(finding) => Mended::Left(format!("what is stored now is not right either: {finding}")),
        None => Mended::Done {
            rows: mend.range.outcomes(),
            corrections,
        },
    })
}

/// How many outcomes the segments have to publish.
pub(super) fn corrections(segments: &[Segment]) -> u64 {
    let corrections = segments.iter();
    let corrections = corrections.filter(|segment| segment.kind == SegmentKind::Corrections);
    corrections.map(|segment| segment.rows).sum()
}

/// What is wrong with segments that were stored for a command, if anything is.
pub(super) async fn first_damage(
    calculations: &Calculations,
    chain: &Chain,
    (declared, command): (Declaration, &str),
    segments: Vec<Segment>,
) -> Result<Option<Finding>, RepairError> {
    let (store, invocation) = (chain.store(), Invocation::new(command));
    let checked = check_segments(
        store,
        calculations,
        &[declared],
        &invocation,
        segments,
        CHECK,
    )
    .await;
    if let Some(error) = checked.failure {
        return Err(error.into());
    }
    Ok(checked.findings.into_iter().find(Finding::is_damage))
}

pub(super) async fn put_back(
    calculations: &Calculations,
    chain: &Chain,
    mend: &Mend,
) -> Result<Mended, RepairError> {
    let segments = &mend.range.segments;
    for segment in segments {
        let path = &segment.path;
        if restore_segment(chain.store(), chain.layout(), path).await? == Restored::Missing {
            let text = format!("{} is gone from the attic", chain.store().locate(path));
            return Ok(Mended::Left(text));
        }
    }
    read_back(calculations, chain, mend, segments.clone()).await
}

#[cfg(test)]
mod loss_tests;
#[cfg(test)]
mod tests;
