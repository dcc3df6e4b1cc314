//! The decision table: each function is a row of the protocol, tried from the top.

use std::time::Duration;

use super::{
    counts::Expected,
    decision::{AcceptLoss, LossReason, Plan, Replay},
    facts::{Facts, GoodChain, Policy, ResumeFrom, Start},
    identity,
    losses::{Judgement, Position, accepted, commit, expired, range, refused, skip, unreadable},
    metadata::{Authored, CommitMetadata},
    refusal::Cause,
};
use crate::model::{Offset, OffsetRange};

/// A partition bound to the store less than this ago cannot have lost its group offsets to expiry (brokers keep those of an
/// empty group for a week by default): its first commit simply did not happen.
const FRESHLY_BOUND: Duration = Duration::from_secs(24 * 60 * 60);

/// The rows, in the protocol's order: what to do and what to commit first, or why not.
pub(super) fn judge(facts: &Facts, policy: &Policy) -> Judgement {
    identity::same_pipeline(facts)?;
    let chain = identity::readable(facts)?;
    let position = committed(facts, policy, chain)?;
    within_the_log(facts, chain)?;
    let (plan, commit) = match (chain, position) {
        (None, None) => {
            let at = start(facts, policy.start);
            (Plan::Start { at }, commit(at, 0))
        }
        (None, Some(position)) => adopt(facts, policy, position)?,
        (Some(chain), None) => without_committed(facts, policy, chain)?,
        (Some(chain), Some(position)) => resume(facts, policy, chain, position)?,
    };
    if let Some((range, found)) = unreadable(facts, &plan) {
        let cause = || Cause::UnreadableEvents {
            range,
            at: found.range.start(),
            fault: found.fault.clone(),
            given: policy.accepted_losses(facts.partition),
        };
        return skip(
            facts,
            policy,
            range,
            LossReason::Unreadable,
            (chain, position),
            cause,
        );
    }
    if let Some((range, found)) = refused(facts, &plan) {
        let cause = || Cause::RefusedEvent {
            range,
            event: found.clone(),
            given: policy.accepted_losses(facts.partition),
        };
        return skip(
            facts,
            policy,
            range,
            LossReason::Refused,
            (chain, position),
            cause,
        );
    }
    Ok((plan, commit))
}

/// Row: the head that the commit names is not in the chain. Told which side to believe, the commit counts as a stranger's:
/// its counts say nothing about this chain.
fn committed<'a>(
    facts: &'a Facts,
    policy: &Policy,
    chain: Option<&GoodChain>,
) -> Result<Option<Position<'a>>, Cause> {
    let Some(committed) = &facts.committed else {
        return Ok(None);
    };
    let offset = committed.offset;
    let Authored::Ours(metadata) = &committed.authored else {
        return Ok(Some(Position { offset, ours: None }));
    };
    if chain.is_some_and(|chain| chain.head_known) {
        return Ok(Some(Position {
            offset,
            ours: Some(metadata),
        }));
    }
    match policy.resume_from {
        Some(ResumeFrom::Committed) => Ok(Some(Position { offset, ours: None })),
        Some(ResumeFrom::Frontier) if chain.is_some() => Ok(Some(Position { offset, ours: None })),
        _ => Err(Cause::HeadUnknown {
            head: metadata.head,
            by: metadata.by.clone(),
            committed: offset,
            newest: chain.map(|chain| (chain.sequence, chain.end)),
        }),
    }
}

/// Row: the log ends before what was processed. Its offsets will be given to other events: nothing that follows could be
/// told apart from what the store and the results topic hold under the same offsets, so there is no loss to accept.
fn within_the_log(facts: &Facts, chain: Option<&GoodChain>) -> Result<(), Cause> {
    let committed = facts.committed.as_ref().map(|committed| committed.offset);
    let frontier = chain.map(|chain| chain.end);
    if committed
        .max(frontier)
        .is_some_and(|known| known > facts.log.end)
    {
        return Err(Cause::Truncated {
            committed,
            frontier,
            log_end: facts.log.end,
        });
    }
    Ok(())
}

/// Row: nothing stored, nothing committed.
fn start(facts: &Facts, start: Start) -> Offset {
    let log = facts.log;
    let at_first = facts.ours.events_partitions;
    let is_added = at_first.is_some_and(|count| facts.partition.0.unsigned_abs() >= count);
    let wanted = match start {
        // Where the topic begins is decided: this partition has come later, with all that is in it.
        _ if is_added => log.start,
        Start::Earliest => log.start,
        Start::Latest => log.stable_end,
        Start::Time(_) => log.since.unwrap_or(log.stable_end),
    };
    wanted.max(log.start).min(log.end)
}

/// Row: no manifest, committed by somebody else (the old script), or by us into a store that was given up.
fn adopt(facts: &Facts, policy: &Policy, position: Position<'_>) -> Judgement {
    let at = position.offset;
    if let Some(range) = range(at, facts.log.start) {
        let loss = expired(facts, policy, range, Some(position), None)?;
        return Ok((loss, commit(range.end(), 0)));
    }
    Ok((Plan::Adopt { at }, commit(at, 0)))
}

/// Row: a manifest, and no committed offset.
fn without_committed(facts: &Facts, policy: &Policy, chain: &GoodChain) -> Judgement {
    let at = chain.end;
    let outcomes = chain.outcomes();
    // frontier <= committed (I1) <= log end: where the two meet, what was committed is known.
    let nothing_follows = facts.log.end == at;
    let never_committed = chain.bound.is_some_and(|age| age < FRESHLY_BOUND);
    let expired = range(at, facts.log.start);
    if nothing_follows || (never_committed && expired.is_none()) {
        return Ok((Plan::Continue { at, outcomes }, commit(at, outcomes)));
    }
    if never_committed || policy.resume_from == Some(ResumeFrom::Frontier) {
        return republish(facts, policy, chain, None);
    }
    Err(Cause::CommittedMissing {
        frontier: at,
        log_end: facts.log.stable_end,
    })
}

/// Rows: a manifest and a committed offset.
fn resume(facts: &Facts, policy: &Policy, chain: &GoodChain, position: Position<'_>) -> Judgement {
    let (frontier, committed) = (chain.end, position.offset);
    let outcomes = chain.outcomes();
    if let Some(range) = range(frontier.max(committed), facts.log.start)
        .and_then(|_| range(frontier, facts.log.start))
    {
        let loss = expired(facts, policy, range, Some(position), Some(chain))?;
        // What was published up to the committed offset stays in the count until the gap is recorded.
        let outcomes = position.ours.map_or(outcomes, |metadata| metadata.outcomes);
        return Ok((loss, commit(range.end(), outcomes)));
    }
    if let Some(reset) = range(committed, frontier) {
        if policy.resume_from == Some(ResumeFrom::Frontier) {
            return Ok((
                Plan::Republish {
                    at: frontier,
                    outcomes,
                },
                commit(frontier, outcomes),
            ));
        }
        return Err(Cause::GroupReset { range: reset });
    }
    let Some(ahead) = range(frontier, committed) else {
        let plan = Plan::Continue {
            at: frontier,
            outcomes,
        };
        let settled = position.ours.is_some();
        return Ok((plan, commit(frontier, outcomes).filter(|_| !settled)));
    };
    let Some(metadata) = position.ours else {
        return match policy.resume_from {
            None => Err(Cause::CommittedByOther { range: ahead }),
            Some(ResumeFrom::Frontier) => republish(facts, policy, chain, Some(position)),
            Some(ResumeFrom::Committed) => {
                let loss = AcceptLoss {
                    range: ahead,
                    reason: LossReason::Foreign,
                    bind: false,
                };
                Ok((Plan::AcceptLoss(loss), None))
            }
        };
    };
    replay(facts, policy, chain, ahead, metadata)
}

/// Rows: committed by us beyond the frontier; all of it, part of it or nothing of it can be replayed.
fn replay(
    facts: &Facts,
    policy: &Policy,
    chain: &GoodChain,
    ahead: OffsetRange,
    metadata: &CommitMetadata,
) -> Judgement {
    let due = metadata.outcomes.saturating_sub(chain.outcomes());
    let other = Some(&metadata.fingerprint)
        .filter(|published| due > 0 && **published != facts.calculation.fingerprint);
    let carried = other.and_then(|published| facts.carry_choices.find(published));
    let replaces = other.filter(|_| carried.is_none());
    // Another calculation decides otherwise, and corrections have changed what the store counts.
    let is_comparable = replaces.is_none()
        && chain
            .revision
            .is_none_or(|revision| revision <= metadata.head.sequence);
    let kinds = metadata.kinds.filter(|_| is_comparable);
    let expected = match kinds.and_then(|kinds| kinds.since(chain.counts)) {
        _ if chain.lost > metadata.lost => Expected::AtMost(due),
        Some(kinds) if kinds.outcomes() == due => Expected::OfEachKind(kinds),
        _ => Expected::Exactly(due),
    };
    if let Some(range) = range(ahead.start(), facts.log.start) {
        let position = Position {
            offset: ahead.end(),
            ours: Some(metadata),
        };
        let loss = expired(facts, policy, range, Some(position), Some(chain))?;
        return Ok((loss, None));
    }
    if let Some(found) = facts.replayed.filter(|found| !expected.admits(*found)) {
        accepted(facts, policy, ahead, || Cause::ReplayMismatch {
            range: ahead,
            expected,
            found,
            given: policy.accepted_losses(facts.partition),
        })?;
        let loss = AcceptLoss {
            range: ahead,
            reason: LossReason::Changed,
            bind: false,
        };
        return Ok((Plan::AcceptLoss(loss), None));
    }
    Ok((
        Plan::Replay(Replay {
            range: ahead,
            expected,
            at_start: chain.counts,
            limits: replaces.is_none().then_some(metadata.limits),
            replaces: replaces.cloned(),
            carried,
        }),
        None,
    ))
}

/// `--resume-from frontier`: from the frontier, or from the log's start when what lies before is gone and accepted.
fn republish(
    facts: &Facts,
    policy: &Policy,
    chain: &GoodChain,
    position: Option<Position<'_>>,
) -> Judgement {
    if let Some(range) = range(chain.end, facts.log.start) {
        let loss = expired(facts, policy, range, position, Some(chain))?;
        return Ok((loss, commit(range.end(), chain.outcomes())));
    }
    Ok((
        Plan::Republish {
            at: chain.end,
            outcomes: chain.outcomes(),
        },
        commit(chain.end, chain.outcomes()),
    ))
}
