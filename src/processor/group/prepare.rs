//! From the facts of a partition to one that is ready: the decision, the chain edits that must come first, and a look at what
//! was stored last.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::super::{keeper::append_until_done, shared::Shared};
use crate::{
    audit,
    failpoint::{self, Point},
    format::{Edit, Segment},
    history::{Appended, Chain},
    model::Partition,
    recovery::{self, Commit, Facts, Gathered, Plan, Refusal},
};

/// How long the newest segments are checked before work goes on.
const START_CHECK: Duration = Duration::from_millis(500);

/// What became of a plan.
pub(super) enum Prepared {
    /// The edits that must precede work are made.
    Ready {
        plan: Plan,
        commit: Option<Commit>,
        chain: Box<Chain>,
        facts: Box<Facts>,
    },
    /// The partition is to be held.
    Refused(Box<Refusal>),
    /// Another's edit came first, so the facts are others now.
    Overtaken,
}

pub(super) async fn prepare(shared: &Arc<Shared>, gathered: Gathered) -> Option<Prepared> {
    let Gathered {
        facts,
        chain,
        tidied,
    } = gathered;
    let partition = facts.partition;
    let decision = recovery::plan(&facts, &shared.settings.policy);
    failpoint::at(Point::Planned);
    for note in &decision.notes {
        tracing::warn!("partition {partition}: {note}");
    }
    if !tidied.retired.is_empty() || !tidied.adopted.is_empty() || !tidied.put_back.is_empty() {
        tracing::info!(
            "partition {partition}: what a crash left behind is in order: {} segments adopted, {} put back, {} moved to the attic",
            tidied.adopted.len(),
            tidied.put_back.len(),
            tidied.retired.len()
        );
    }
    let (plan, chain) = match (decision.plan, chain) {
        (Plan::Refuse(refusal), _) => return Some(Prepared::Refused(refusal)),
        (plan, Some(chain)) => (plan, chain),
        (plan, None) => unreachable!("a chain that cannot be read is refused, not {plan:?}"),
    };
    let mut chain = chain;
    let bind_at = match &plan {
        Plan::Start { at } | Plan::Adopt { at } => Some(*at),
        Plan::AcceptLoss(loss) if loss.bind => Some(loss.range.start()),
        _ => None,
    };
    match bind_at {
        Some(origin) => {
            let edit = Edit::Bind {
                pipeline: facts.ours.clone(),
                partition,
                origin,
            };
            failpoint::at(Point::BindBegun);
            if let Appended::Lost = append_until_done(&shared.store_side, &mut chain, edit).await? {
                return Some(Prepared::Overtaken);
            }
            failpoint::at(Point::Bound);
        }
        None => check_newest(shared, &chain, partition).await,
    }
    Some(Prepared::Ready {
        plan,
        commit: decision.commit,
        chain: Box::new(chain),
        facts: Box::new(facts),
    })
}

/// Reads back what the newest manifest added, for at most [`START_CHECK`]; what is wrong is said loudly.
async fn check_newest(shared: &Arc<Shared>, chain: &Chain, partition: Partition) {
    let Some(newest) = chain.newest() else {
        return;
    };
    let added: Vec<Segment> = newest.added().cloned().collect();
    if added.is_empty() {
        return;
    }
    let count = added.len();
    let mut read = added.clone();
    let since = Instant::now();
    let checked = audit::check_segments(
        &shared.store,
        &shared.calculations,
        &newest.calculations,
        &shared.settings.invocation,
        added,
        START_CHECK,
    )
    .await;
    for finding in &checked.findings {
        tracing::error!("partition {partition}: {finding}");
    }
    read.retain(|segment| !checked.unchecked.contains(segment));
    shared.store_side.findings.are(&read, &checked.findings);
    if let Some(error) = &checked.failure {
        tracing::warn!(
            "partition {partition}: the newest snapshot could not be read back yet: {error}"
        );
    }
    if checked.not_compared > 0 {
        tracing::warn!(
            "partition {partition}: {} outcomes of the newest snapshot were compared with nothing: they are of a calculation that this program does not have; `verify` of the program that wrote them checks them",
            checked.not_compared
        );
    }
    tracing::info!(
        "partition {partition}: verified {} of {count} segments of the newest snapshot in {:?}, {} findings",
        checked.checked,
        since.elapsed(),
        checked.findings.len()
    );
}
