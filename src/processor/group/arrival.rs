//! From facts to plan to a partition that is ready: gathering, deciding, and the chain edits that must come first.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, mpsc::Sender},
    time::{Duration, Instant},
};

use super::super::{
    keeper::append_until_done,
    partition::Epoch,
    report::{News, Planned, Report, Reporter, Station},
    seats::Seat,
    shared::Shared,
    store_wait::StoreWait,
    watch::Reason,
};
use crate::{
    audit,
    failpoint::{self, Point},
    format::{Edit, Segment},
    history::{Appended, Chain},
    kafka::{KafkaError, Reader},
    model::{Offset, Partition},
    recovery::{
        self, Commit, Facts, GatherError, Gathered, Plan, Refusal, RefusedEvent, Step,
        UnreadableEvents,
    },
};

/// Gathering that takes longer is shown to those who watch.
const SLOW: Duration = Duration::from_secs(3);
/// How much longer than its time-out no transaction is open: Kafka ends it within 10 s.
const BEYOND: Duration = Duration::from_secs(45);
/// How long the newest segments are checked before work goes on.
const START_CHECK: Duration = Duration::from_millis(500);

/// A partition whose facts are wanted.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub partition: Partition,
    /// The ownership that asks.
    pub epoch: Epoch,
    /// From where on its events may not be readable.
    pub doubted: Option<Offset>,
    /// The event whose message no broker takes.
    pub refused: Option<RefusedEvent>,
}

/// Gathers the facts of `wanted` as soon as no earlier keeper has their chains, plans, makes the edits that must precede
/// work, and reports each partition.
pub async fn gather_and_plan(shared: Arc<Shared>, mut wanted: Vec<Wanted>, sender: Sender<Report>) {
    // In ascending order, like everybody: no two wait for each other.
    wanted.sort_by_key(|one| one.partition);
    let mut seats = BTreeMap::new();
    for one in &wanted {
        seats.insert(one.partition, shared.seats.take(one.partition).await);
    }
    let Some(gathered) = gather(&shared, &wanted).await else {
        return;
    };
    let ready = gathered.into_iter().filter_map(|gathered| {
        let partition = gathered.facts.partition;
        let one = wanted
            .iter()
            .find(|one| one.partition == partition)?
            .clone();
        let seat = seats.remove(&partition)?;
        let shared = Arc::clone(&shared);
        let reporter = Reporter {
            sender: sender.clone(),
            partition,
            epoch: one.epoch,
        };
        Some(async move {
            if let Some(planned) = plan_one(&shared, one, gathered, seat).await {
                reporter.tell(News::Planned(Box::new(planned)));
            }
        })
    });
    futures::future::join_all(ready).await;
}

/// Gathers facts, waiting out a store or a broker that is away; `None` when the processor stops first.
async fn gather(shared: &Shared, wanted: &[Wanted]) -> Option<Vec<Gathered>> {
    let partitions: Vec<Partition> = wanted.iter().map(|one| one.partition).collect();
    let mut wait = StoreWait::of_recovery(&shared.store_side, "recovery", &partitions);
    let since = Instant::now();
    let no_end = shared.transaction_timeout() + BEYOND;
    let says = |reason, text: &str| waits_for(reason, text, since.elapsed(), no_end);
    loop {
        let gathered = match gather_once(shared, &partitions, &wait, says).await {
            Ok(gathered) => look_at_doubted(shared, wanted, gathered).await,
            Err(error) => Err(error),
        };
        let error = match gathered {
            Ok(gathered) => return Some(gathered),
            Err(error) => error,
        };
        let reason = reason(&error);
        let text = says(reason, &format!("recovery waits: {error}"));
        if !wait.again(reason, true, &text).await {
            return None;
        }
    }
}

/// Adds to the facts which events cannot be read, of those that are doubted, and which are refused.
async fn look_at_doubted(
    shared: &Shared,
    wanted: &[Wanted],
    mut gathered: Vec<Gathered>,
) -> Result<Vec<Gathered>, GatherError> {
    for Gathered { facts, .. } in &mut gathered {
        let (partition, end) = (facts.partition, facts.log.stable_end);
        let one = wanted.iter().find(|one| one.partition == partition);
        facts.refused = one.and_then(|one| one.refused.clone());
        let doubted = one.and_then(|one| one.doubted);
        let Some(at) = doubted.filter(|at| *at >= facts.log.start && *at < end) else {
            continue;
        };
        let connection = shared.settings.connection.clone();
        let topic = shared.settings.pipeline.events.clone();
        let look = move || Reader::unreadable(&connection, &topic, partition, at, end);
        let found = tokio::task::spawn_blocking(look).await??;
        facts.unreadable = found.map(|(range, fault)| UnreadableEvents { range, fault });
    }
    Ok(gathered)
}

/// One attempt; says what it waits for when that takes long.
async fn gather_once(
    shared: &Shared,
    partitions: &[Partition],
    wait: &StoreWait,
    says: impl Fn(Reason, &str) -> String,
) -> Result<Vec<Gathered>, GatherError> {
    let step = Mutex::new(Step::Manifests);
    let now_at = |at| *step.lock().unwrap_or_else(PoisonError::into_inner) = at;
    let gathering = shared.gatherer.gather(partitions, now_at);
    tokio::pin!(gathering);
    loop {
        if let Ok(answer) = tokio::time::timeout(SLOW, &mut gathering).await {
            return answer;
        }
        let at = *step.lock().unwrap_or_else(PoisonError::into_inner);
        let (reason, text) = match at {
            Step::Manifests => (Reason::Store, "reading the manifests takes long".to_owned()),
            // The board says by itself that the broker does not answer.
            Step::Committed if !shared.board.is_broker_silent() => {
                let pipeline = &shared.settings.pipeline;
                let (group, topic) = (pipeline.group.clone(), pipeline.events.clone());
                let error = KafkaError::OpenTransaction { group, topic };
                (Reason::OpenTransaction, error.to_string())
            }
            Step::Committed => (Reason::Recovery, "the broker does not answer".to_owned()),
            Step::Rest => {
                let text = "finding the ends of the log and putting the store in order takes long";
                (Reason::Recovery, text.to_owned())
            }
        };
        wait.show(reason, &says(reason, &text));
    }
}

/// What recovery has waited for, for so long. A transaction that outlives its time-out has lost its end, and only an operator
/// can give it one.
fn waits_for(reason: Reason, text: &str, waited: Duration, no_end: Duration) -> String {
    if reason != Reason::OpenTransaction || waited < no_end {
        return text.to_owned();
    }
    format!(
        "{text}. It has been open for {} s, longer than a transaction may be: Kafka has lost its end. Look for it with `kafka-transactions.sh find-hanging` and end it with `kafka-transactions.sh abort`, as docs/recovery.md says under \"A transaction without an end\"",
        waited.as_secs()
    )
}

/// What kind of waiting it is.
fn reason(error: &GatherError) -> Reason {
    match error {
        GatherError::Chain { .. } => Reason::Store,
        GatherError::Kafka(KafkaError::OpenTransaction { .. }) => Reason::OpenTransaction,
        GatherError::Kafka(error) if error.is_denied() => Reason::Denied,
        GatherError::Kafka(_) => Reason::Broker,
        GatherError::NoTopic { .. } | GatherError::Interrupted(_) => Reason::Recovery,
    }
}

/// A partition's plan, made again when the store turns out to be bound meanwhile: by whom, and where, decides.
async fn plan_one(
    shared: &Arc<Shared>,
    wanted: Wanted,
    mut gathered: Gathered,
    seat: Seat,
) -> Option<Planned> {
    let partition = wanted.partition;
    loop {
        match prepare(shared, gathered).await? {
            Prepared::Refused(refusal) => return Some(Planned::Refused(refusal)),
            Prepared::Ready {
                plan,
                commit,
                chain,
                facts,
            } => {
                return Some(Planned::Go {
                    plan,
                    commit,
                    facts,
                    station: Station { chain, seat },
                });
            }
            Prepared::Overtaken => {
                tracing::warn!("partition {partition} was bound to the store meanwhile");
                gathered = gather(shared, std::slice::from_ref(&wanted)).await?.pop()?;
            }
        }
    }
}

/// What became of a plan.
enum Prepared {
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

async fn prepare(shared: &Arc<Shared>, gathered: Gathered) -> Option<Prepared> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_transaction_that_outlives_every_time_out_needs_an_operator() {
        let text = "a transaction is open";
        let seconds = Duration::from_secs;
        let says = |reason, waited| waits_for(reason, text, seconds(waited), seconds(60));
        assert_eq!(says(Reason::OpenTransaction, 59), text);
        assert_eq!(says(Reason::Broker, 600), text);
        let long = says(Reason::OpenTransaction, 61);
        assert!(long.starts_with(text), "{long}");
        for part in ["open for 61 s", "find-hanging", "abort", "docs/recovery.md"] {
            assert!(long.contains(part), "{long}");
        }
    }
}
