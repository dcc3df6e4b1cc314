//! What must be accepted before a partition goes on: events that are gone, that cannot be read, or that no topic takes.

use super::{
    decision::{AcceptLoss, Commit, LossReason, Plan},
    facts::{Facts, GoodChain, Policy, RefusedEvent, UnreadableEvents},
    metadata::CommitMetadata,
    refusal::{Cause, Published},
};
use crate::model::{Offset, OffsetRange};

/// The committed offset, and its metadata when that is ours and fits this chain.
#[derive(Clone, Copy)]
pub(super) struct Position<'a> {
    pub offset: Offset,
    pub ours: Option<&'a CommitMetadata>,
}

/// What to do and what to commit first, or why the partition is held.
pub(super) type Judgement = Result<(Plan, Option<Commit>), Cause>;

/// Row: no broker takes what would be published of the next event.
pub(super) fn refused<'a>(
    facts: &'a Facts,
    plan: &Plan,
) -> Option<(OffsetRange, &'a RefusedEvent)> {
    let found = facts.refused.as_ref()?;
    let next = match plan {
        Plan::Start { at }
        | Plan::Adopt { at }
        | Plan::Continue { at, .. }
        | Plan::Republish { at, .. } => *at,
        Plan::Replay(_) | Plan::AcceptLoss(_) | Plan::Refuse(_) => return None,
    };
    let lost = range(found.offset, found.offset.plus(1))?;
    (next == found.offset).then_some((lost, found))
}

/// Row: the log holds events that cannot be read. What is lost begins where `plan` would begin to read: what was published
/// before them and is not stored can only be counted together with them.
pub(super) fn unreadable<'a>(
    facts: &'a Facts,
    plan: &Plan,
) -> Option<(OffsetRange, &'a UnreadableEvents)> {
    let found = facts.unreadable.as_ref()?;
    let (begin, end) = match plan {
        Plan::Start { at }
        | Plan::Adopt { at }
        | Plan::Continue { at, .. }
        | Plan::Republish { at, .. } => (*at, None),
        Plan::Replay(replay) => (replay.range.start(), Some(replay.range.end())),
        Plan::AcceptLoss(_) | Plan::Refuse(_) => return None,
    };
    let comes_first = match end {
        Some(end) => found.range.start() < end,
        // What can be read before them is processed first.
        None => found.range.start() <= begin,
    };
    let lost = range(begin, found.range.end()).filter(|_| comes_first)?;
    Some((lost, found))
}

/// Once the loss of events that stand in the way is accepted, it becomes a recorded gap.
pub(super) fn skip(
    facts: &Facts,
    policy: &Policy,
    range: OffsetRange,
    reason: LossReason,
    (chain, position): (Option<&GoodChain>, Option<Position<'_>>),
    cause: impl FnOnce() -> Cause,
) -> Judgement {
    accepted(facts, policy, range, cause)?;
    let loss = Plan::AcceptLoss(AcceptLoss {
        range,
        reason,
        bind: chain.is_none(),
    });
    if position.is_some_and(|position| position.offset >= range.end()) {
        return Ok((loss, None));
    }
    // What was published up to the committed offset stays in the count until the gap is recorded.
    let published = position.and_then(|position| position.ours);
    let outcomes = published.map(|metadata| metadata.outcomes);
    let stored = chain.map_or(0, |chain| chain.outcomes());
    Ok((loss, commit(range.end(), outcomes.unwrap_or(stored))))
}

/// The events of `range` are gone from Kafka: once that is accepted, it becomes a recorded gap, of a partition that is bound
/// with it when there is no chain yet.
pub(super) fn expired(
    facts: &Facts,
    policy: &Policy,
    range: OffsetRange,
    position: Option<Position<'_>>,
    chain: Option<&GoodChain>,
) -> Result<Plan, Cause> {
    accepted(facts, policy, range, || {
        gone(facts, policy, range, position, chain)
    })?;
    Ok(Plan::AcceptLoss(AcceptLoss {
        range,
        reason: LossReason::Expired,
        bind: chain.is_none(),
    }))
}

/// Nothing but exactly the range that the refusal names is accepted.
pub(super) fn accepted(
    facts: &Facts,
    policy: &Policy,
    range: OffsetRange,
    otherwise: impl FnOnce() -> Cause,
) -> Result<(), Cause> {
    if policy.accept_loss.contains(&(facts.partition, range)) {
        Ok(())
    } else {
        Err(otherwise())
    }
}

fn gone(
    facts: &Facts,
    policy: &Policy,
    range: OffsetRange,
    position: Option<Position<'_>>,
    chain: Option<&GoodChain>,
) -> Cause {
    let published = position.zip(chain).and_then(|(position, chain)| {
        Some(Published {
            range: self::range(range.start(), range.end().min(position.offset))?,
            outcomes: position
                .ours
                .map(|metadata| metadata.outcomes.saturating_sub(chain.outcomes())),
            exact: position.offset <= range.end(),
        })
    });
    Cause::Gone {
        range,
        committed: position.map(|position| position.offset),
        published,
        damage: chain.map(|chain| chain.damage.clone()).unwrap_or_default(),
        given: policy.accepted_losses(facts.partition),
    }
}

#[allow(clippy::unnecessary_wraps, reason = "it is what a judgement holds")]
pub(super) fn commit(offset: Offset, outcomes: u64) -> Option<Commit> {
    Some(Commit { offset, outcomes })
}

/// `[start, end)` when it holds anything.
pub(super) fn range(start: Offset, end: Offset) -> Option<OffsetRange> {
    OffsetRange::new(start, end)
        .ok()
        .filter(|range| !range.is_empty())
}
