//! Ranges that nothing has any more: an operator accepts that they are lost, and they become gaps.
//!
//! Nothing but exactly the range of one mend is accepted, one that would have to be made again from events alone: of
//! anything else, what is stored is right, or can be put right.

use super::{Mend, Mended, RepairError, RepairPlan, Source};
use crate::{
    format::{Gap, GapReason, Layout},
    history::{Chain, GivenUp, give_up, load_tail},
    model::{OffsetRange, Partition},
    store::Store,
};

/// What the acceptance of a loss is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// A range that has to be made again from events. It is lost if these are gone.
    Range,
    /// A gap that is on record.
    Gap(Gap),
    /// No such range; these of the partition could be accepted.
    Nothing(Vec<OffsetRange>),
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
    Ok(match gaps.find(|gap| gap.range == range) {
        Some(gap) => Acceptance::Gap(gap),
        None => Acceptance::Nothing(may_be_lost),
    })
}

/// Makes a gap of a range that nothing has any more, as an operator has accepted.
///
/// # Errors
/// When the store is away; call it again then.
pub async fn accept_loss(chain: &mut Chain, mend: &Mend) -> Result<Mended, RepairError> {
    let (range, segments) = (mend.range.range, &mend.range.segments);
    Ok(
        match give_up(chain, range, GapReason::Damaged, segments).await? {
            GivenUp::Done => Mended::Lost {
                offsets: range.len(),
            },
            GivenUp::Overtaken => Mended::Overtaken,
        },
    )
}
