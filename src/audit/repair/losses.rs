//! Ranges that cannot be mended, because Kafka does not hold all of their events any more: an operator accepts that what is gone
//! is lost, and it becomes a gap.
//!
//! Nothing but exactly the range of one mend is accepted, one that would have to be made again from events alone: of
//! anything else, what is stored is right, or can be put right. Of this range, only what is out of the log is lost. The rest is
//! made again: it is read before anything is given up, and stored after.

use super::{Mend, Mended, Recalculator, RepairError, RepairPlan, Source, rest::Rest};
use crate::{
    audit::{AuditError, Outdated, check_segments, readable_events},
    calculation::Calculations,
    format::{EditSummary, Gap, GapReason, Layout, Manifest, Segment},
    history::{
        Chain, FetchError, Found, GivenUp, fetch_segment, give_up, load_manifest, load_tail,
    },
    kafka::Connection,
    model::{Counts, OffsetRange, Partition},
    recovery::Invocation,
    store::Store,
};

/// What the acceptance of a loss is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// A range that has to be made again from events. What of these is gone is lost.
    Range,
    /// A gap that is on record: of this range, or of what was lost of it.
    Gap(Gap),
    /// No such range; these of the partition could be accepted.
    Nothing(Vec<OffsetRange>),
}

/// What is lost of a range that cannot be mended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The offsets whose events Kafka has no more.
    pub lost: OffsetRange,
    /// The others, which are made again.
    pub kept: Option<OffsetRange>,
    /// What is on record of the whole range.
    pub counts: Counts,
    /// Files of the range that are whole. They give way with the others, and what they have of [`lost`](Loss::lost) is lost, too.
    pub whole: Vec<Segment>,
}

/// Judges what an operator has accepted as lost by what there is to mend.
///
/// # Errors
/// When the partition's chain cannot be read.
pub async fn judge_loss(
    store: &Store,
    layout: &Layout,
    plan: &RepairPlan,
    (partition, range): (Partition, OffsetRange),
) -> Result<Acceptance, RepairError> {
    let own = plan.mends.iter().filter(|mend| mend.partition == partition);
    let may_be_lost: Vec<OffsetRange> = own
        .filter(|mend| mend.source == Source::Kafka)
        .map(|mend| mend.range.range)
        .collect();
    if may_be_lost.contains(&range) {
        return Ok(Acceptance::Range);
    }
    let tail = load_tail(store, layout, partition).await?;
    let mut gaps = tail.newest.into_iter().flat_map(|newest| newest.gaps);
    let is_of_it = |gap: &Gap| {
        let begins_it = gap.range.start() == range.start() && gap.range.end() < range.end();
        gap.range == range || begins_it && gap.reason == GapReason::Damaged
    };
    Ok(match gaps.find(is_of_it) {
        Some(gap) => Acceptance::Gap(gap),
        None => Acceptance::Nothing(may_be_lost),
    })
}

/// What is lost of a range that could not be mended, by what Kafka and the store have now; or why nothing of it is.
///
/// # Errors
/// When the store, or Kafka, is away.
pub async fn find_loss(
    connection: &Connection,
    calculations: &Calculations,
    chain: &Chain,
    mend: &Mend,
) -> Result<Result<Loss, String>, RepairError> {
    let range = mend.range.range;
    let newest: Vec<Manifest> = chain.newest().cloned().into_iter().collect();
    let parts = match readable_events(connection, &newest).await {
        Ok(readable) => match readable.get(&mend.partition) {
            Some(readable) => parts(range, *readable),
            None => return Ok(Err("the partition has no manifest".to_owned())),
        },
        Err(AuditError::Source(error)) if error.is_gone() => Ok((range, None)),
        Err(error) => return Err(error.into()),
    };
    let (lost, kept) = match parts {
        Ok(parts) => parts,
        Err(why) => return Ok(Err(why)),
    };
    let whole = whole_files(calculations, chain, mend).await?;
    Ok(whole.map(|whole| Loss {
        lost,
        kept,
        counts: mend.range.counts(),
        whole,
    }))
}

/// The part of a range that begins below what Kafka can give, and the rest.
pub(super) fn parts(
    range: OffsetRange,
    readable: OffsetRange,
) -> Result<(OffsetRange, Option<OffsetRange>), String> {
    let gone = readable.start().min(range.end());
    let lost = OffsetRange::new(range.start(), gone).ok();
    let Some(lost) = lost.filter(|lost| !lost.is_empty()) else {
        return Err(format!(
            "the log holds offsets from {} on",
            readable.start()
        ));
    };
    let kept = OffsetRange::new(gone, range.end()).ok();
    let kept = kept.filter(|kept| !kept.is_empty());
    match kept {
        Some(kept) if readable.end() < kept.end() => Err(format!(
            "what can be read of the log ends at {} now, within what is stored",
            readable.end()
        )),
        kept => Ok((lost, kept)),
    }
}

/// The files of a range that are whole, as they are now; or why none of it is to be given up.
pub(super) async fn whole_files(
    calculations: &Calculations,
    chain: &Chain,
    mend: &Mend,
) -> Result<Result<Vec<Segment>, String>, RepairError> {
    let (store, segments) = (chain.store(), &mend.range.segments);
    let mut whole = Vec::new();
    for segment in segments {
        match fetch_segment(store, chain.layout(), segment).await {
            Ok(_) => whole.push(segment.clone()),
            Err(FetchError::Store(error)) if error.concerns_the_object() => {
                return Ok(Err(format!(
                    "that a file cannot be read does not say that it is damaged: {error}"
                )));
            }
            Err(FetchError::Store(error)) => return Err(error.into()),
            Err(
                FetchError::Missing { .. }
                | FetchError::Damaged { .. }
                | FetchError::TooLarge { .. },
            ) => {}
        }
    }
    // A file that is what its manifest lists may have been written wrong.
    let (declared, invocation) = ([mend.declaration.clone()], Invocation::new("repair"));
    let limit = super::CHECK;
    let (own, all) = (segments.clone(), calculations);
    let checked = check_segments(store, all, &declared, &invocation, own, limit).await;
    if let Some(error) = checked.failure {
        return Err(error.into());
    }
    let damage: Vec<_> = checked
        .findings
        .iter()
        .filter(|one| one.is_damage())
        .collect();
    if damage.is_empty() && whole.len() == segments.len() {
        return Ok(Err("its files are whole now".to_owned()));
    }
    whole.retain(|segment| {
        let path = Some(segment.path.as_str());
        let is_damaged = damage
            .iter()
            .any(|finding| finding.segment.as_deref() == path);
        !is_damaged && !checked.unchecked.contains(segment)
    });
    Ok(Ok(whole))
}

/// Makes a gap of what is lost of a range, as an operator has accepted, and makes the rest again. What is damaged is looked at
/// once more right before.
///
/// # Errors
/// When the store, or Kafka, is away; call it again then.
pub async fn accept_loss(
    recalculator: Option<&Recalculator>,
    calculations: &Calculations,
    chain: &mut Chain,
    mend: &Mend,
    loss: &Loss,
) -> Result<Mended, RepairError> {
    let mut rest = match (loss.kept, recalculator) {
        (None, _) => None,
        (Some(kept), Some(recalculator)) => Some(Rest::new(recalculator, mend, kept)),
        (Some(kept), None) => {
            return Ok(Mended::Left(format!(
                "Kafka has {kept}, which this program cannot calculate: it would be lost with the rest"
            )));
        }
    };
    if let Some(rest) = &mut rest {
        match rest.make(chain).await {
            Err(error) if error.is_retryable() => return Err(RepairError::Read(error)),
            Err(error) => return Ok(Mended::Left(error.to_string())),
            Ok(()) => {}
        }
        if let Some(why) = rest.exceeds(loss.counts) {
            return Ok(Mended::Left(why));
        }
    }
    if let Err(why) = whole_files(calculations, chain, mend).await? {
        return Ok(Mended::Left(why));
    }
    let (range, segments) = (mend.range.range, &mend.range.segments);
    match give_up(chain, range, GapReason::Damaged, segments).await? {
        GivenUp::Done => {}
        GivenUp::Overtaken => return Ok(Mended::Overtaken),
    }
    let corrections = match &mut rest {
        None => 0,
        Some(rest) => match rest.store(calculations, chain, mend).await? {
            Mended::Done { corrections, .. } => corrections,
            mended => return Ok(mended),
        },
    };
    Ok(Mended::Lost {
        lost: loss.lost,
        kept: loss.kept,
        corrections,
    })
}

/// The range of which `gap` is what was given up, or what is left of it: whoever gave it up may have stopped before it made the
/// rest again. `None` when that is so long ago that no manifest says it any more.
///
/// # Errors
/// When the store is away.
pub async fn unfinished_loss(chain: &Chain, gap: &Gap) -> Result<Option<Mend>, RepairError> {
    let (store, layout) = (chain.store(), chain.layout());
    let load = async |number| {
        let found = load_manifest(store, layout, chain.partition(), number).await?;
        Ok::<_, RepairError>(match found {
            Found::Good(manifest) => Some(*manifest),
            Found::Damaged { .. } | Found::Missing => None,
        })
    };
    let mut next = chain.newest().cloned();
    while let Some(manifest) = next {
        let mut gaps = manifest.gaps.iter();
        if !gaps.any(|one| one.range.includes(gap.range)) {
            return Ok(None);
        }
        let Some(number) = manifest.base.as_ref().map(|base| base.sequence) else {
            return Ok(None);
        };
        next = load(number).await?;
        if let EditSummary::GiveUp {
            range, replaced, ..
        } = &manifest.edit
            && range.start() == gap.range.start()
            && range.includes(gap.range)
        {
            // A calculation without outcomes is forgotten: the last manifest that had some of it knows it.
            let fingerprint = replaced.first().map(|segment| &segment.fingerprint);
            let mut knowing = [Some(&manifest), next.as_ref()].into_iter().flatten();
            let declaration = knowing.find_map(|one| one.declaration(fingerprint?).cloned());
            return Ok(declaration.map(|declaration| Mend {
                partition: manifest.partition,
                range: Outdated {
                    range: *range,
                    segments: replaced.clone(),
                    silent: None,
                },
                declaration,
                source: Source::Kafka,
                findings: Vec::new(),
            }));
        }
    }
    tracing::warn!(
        "partition {}: the manifest that gave {} up is gone: whether a part of the range could have been made again is not known",
        chain.partition(),
        gap.range
    );
    Ok(None)
}

/// Makes what Kafka still has of an unfinished loss again, as far as that is still a `gap`, and moves what is left of its files to
/// the attic.
///
/// # Errors
/// When the store, or Kafka, is away; call it again then.
pub async fn keep_rest(
    recalculator: &Recalculator,
    calculations: &Calculations,
    connection: &Connection,
    chain: &mut Chain,
    (mend, gap): (&Mend, &Gap),
) -> Result<Option<Mended>, RepairError> {
    let (range, segments) = (gap.range, &mend.range.segments);
    if range == mend.range.range
        && give_up(chain, range, GapReason::Damaged, segments).await? == GivenUp::Overtaken
    {
        return Ok(Some(Mended::Overtaken));
    }
    let newest: Vec<Manifest> = chain.newest().cloned().into_iter().collect();
    let readable = readable_events(connection, &newest).await?;
    let readable = readable.get(&mend.partition).copied();
    let Some(Ok((lost, Some(kept)))) = readable.map(|readable| parts(range, readable)) else {
        return Ok(None);
    };
    let mut rest = Rest::new(recalculator, mend, kept);
    match rest.make(chain).await {
        Err(error) if error.is_retryable() => return Err(RepairError::Read(error)),
        Err(error) => return Ok(Some(Mended::Left(error.to_string()))),
        Ok(()) => {}
    }
    Ok(Some(match rest.store(calculations, chain, mend).await? {
        Mended::Done { corrections, .. } => Mended::Lost {
            lost,
            kept: Some(kept),
            corrections,
        },
        mended => mended,
    }))
}
