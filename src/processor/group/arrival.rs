//! From an assignment to plans: gathering the facts of new partitions, each by itself where it must be, and having them planned.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::Sender,
    },
    time::{Duration, Instant},
};

use super::{
    super::{
        panics::start_task,
        partition::Epoch,
        report::{News, Planned, Report, Reporter, Station},
        seats::Seat,
        shared::Shared,
        store_wait::{StoreWait, Until},
        watch::Reason,
    },
    prepare::{Prepared, prepare},
};
use crate::{
    kafka::{KafkaError, Reader},
    model::{Offset, Partition},
    recovery::{
        Cause, GatherError, Gathered, Refusal, RefusedEvent, Remedy, Step, UnreadableEvents,
    },
};

/// Gathering that takes longer is shown to those who watch.
const SLOW: Duration = Duration::from_secs(3);
/// How much longer than its time-out no transaction is open: Kafka ends it within 10 s.
const BEYOND: Duration = Duration::from_secs(45);
/// How long something stored of a partition must not be readable before the partition is held.
const HELD_AFTER: Duration = Duration::from_secs(2);

/// A partition whose facts are wanted.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub partition: Partition,
    /// The ownership that asks.
    pub epoch: Epoch,
    /// Whether it asks no more.
    pub is_over: Arc<AtomicBool>,
    /// From where on its events may not be readable.
    pub doubted: Option<Offset>,
    /// The event whose message no broker takes.
    pub refused: Option<RefusedEvent>,
}

/// One that no keeper works on.
struct Seated {
    wanted: Wanted,
    seat: Seat,
}

impl Seated {
    fn partition(&self) -> Partition {
        self.wanted.partition
    }
}

/// Gathers the facts of `wanted` as soon as no earlier keeper has their chains, plans, makes the edits that must precede
/// work, and reports each partition.
///
/// Those that nobody works on are asked about together, since a broker answers for many as fast as for one. One whose seat is
/// taken, and one of which something stored cannot be read, goes on by itself: it keeps no other.
pub fn gather_and_plan(shared: &Arc<Shared>, wanted: Vec<Wanted>, sender: &Sender<Report>) {
    let mut free = Vec::new();
    for wanted in wanted {
        match shared.seats.take_free(wanted.partition) {
            Some(seat) => free.push(Seated { wanted, seat }),
            None => {
                let (waiting, sender) = (Arc::clone(shared), sender.clone());
                let one = [wanted.clone()];
                start(shared, &one, &sender.clone(), async move {
                    let seat = waiting.seats.take(wanted.partition).await;
                    start_gathering(&waiting, vec![Seated { wanted, seat }], &sender);
                });
            }
        }
    }
    if !free.is_empty() {
        start_gathering(shared, free, sender);
    }
}

/// Starts a task for these partitions; that it dies is reported of each.
fn start<'w>(
    shared: &Shared,
    wanted: impl IntoIterator<Item = &'w Wanted>,
    sender: &Sender<Report>,
    task: impl Future<Output = ()> + Send + 'static,
) {
    let reporters: Vec<Reporter> = wanted
        .into_iter()
        .map(|one| reporter(one, sender))
        .collect();
    start_task(&shared.runtime, task, move |message| {
        for reporter in reporters {
            let message = message.clone();
            reporter.tell(News::GatheringDied { message });
        }
    });
}

fn start_gathering(shared: &Arc<Shared>, batch: Vec<Seated>, sender: &Sender<Report>) {
    let wanted: Vec<Wanted> = batch.iter().map(|one| one.wanted.clone()).collect();
    let task = gather(Arc::clone(shared), batch, sender.clone());
    start(shared, &wanted, sender, task);
}

fn start_planning(
    shared: &Arc<Shared>,
    seated: Seated,
    gathered: Gathered,
    sender: &Sender<Report>,
) {
    let wanted = seated.wanted.clone();
    let task = plan(Arc::clone(shared), seated, gathered, sender.clone());
    start(shared, [&wanted], sender, task);
}

fn reporter(wanted: &Wanted, sender: &Sender<Report>) -> Reporter {
    Reporter {
        sender: sender.clone(),
        partition: wanted.partition,
        epoch: wanted.epoch,
    }
}

/// Gathers facts, waiting out a store or a broker that is away, until each of the batch is on its way to a plan, nobody wants
/// it any more, or the processor stops.
async fn gather(shared: Arc<Shared>, mut batch: Vec<Seated>, sender: Sender<Report>) {
    let partitions = |batch: &[Seated]| batch.iter().map(Seated::partition).collect::<Vec<_>>();
    let over = match &batch[..] {
        [only] => Until::Leave(Arc::clone(&only.wanted.is_over)),
        _ => Until::Stop,
    };
    let mut wait =
        StoreWait::of_recovery(&shared.store_side, "recovery", &partitions(&batch), over);
    let since = Instant::now();
    let no_end = shared.transaction_timeout() + BEYOND;
    let says = |reason, text: &str| waits_for(reason, text, since.elapsed(), no_end);
    let mut closed: Option<Closed> = None;
    while !batch.is_empty() {
        let is_alone = batch.len() == 1;
        let error = match gather_once(&shared, &batch, &wait, says).await {
            Err(error) => error,
            Ok(answers) => {
                let mut failure = None;
                for (seated, answer) in std::mem::take(&mut batch).into_iter().zip(answers) {
                    match answer {
                        Ok(gathered) => start_planning(&shared, seated, gathered, &sender),
                        Err(error) if error.lies_at_the_partition() && !is_alone => {
                            start_gathering(&shared, vec![seated], &sender);
                        }
                        Err(error) => {
                            batch.push(seated);
                            failure.get_or_insert(error);
                        }
                    }
                }
                let Some(error) = failure else { return };
                error
            }
        };
        let goes_on = match &batch[..] {
            [only] if error.lies_at_the_partition() => {
                let closed = closed.get_or_insert_with(Closed::begin);
                if closed.is_news(&error.to_string()) {
                    let refusal = Box::new(closed_to_us(&shared, only.partition(), &error));
                    let planned = Box::new(Planned::Refused(refusal));
                    reporter(&only.wanted, &sender).tell(News::Planned(planned));
                }
                // Who holds it says why.
                match closed.told {
                    Some(_) => wait.shows_nothing(),
                    None => wait.show(reason(&error), &format!("recovery waits: {error}")),
                }
                wait.quietly().await
            }
            _ => {
                closed = None;
                let reason = reason(&error);
                let text = says(reason, &format!("recovery waits: {error}"));
                let passes = !error.lies_at_the_partition();
                wait.again(reason, passes, &text).await
            }
        };
        if !goes_on {
            return;
        }
        batch.retain(|one| !one.wanted.is_over.load(Ordering::SeqCst));
        wait.is_for(&partitions(&batch));
    }
}

/// Something stored of a partition cannot be read: the partition is held when that lasts, and again when it is something else.
struct Closed {
    since: Instant,
    /// What the one that holds it was told.
    told: Option<String>,
}

impl Closed {
    fn begin() -> Closed {
        Closed {
            since: Instant::now(),
            told: None,
        }
    }

    /// Whether this is to be told; it is told once.
    fn is_news(&mut self, error: &str) -> bool {
        if self.since.elapsed() < HELD_AFTER || self.told.as_deref() == Some(error) {
            return false;
        }
        self.told = Some(error.to_owned());
        true
    }
}

/// Why a partition is held of which something stored cannot be read.
fn closed_to_us(shared: &Shared, partition: Partition, error: &GatherError) -> Refusal {
    let gatherer = &shared.gatherer;
    Refusal {
        partition,
        pipeline: gatherer.identity.clone(),
        store: gatherer.store.uri().to_owned(),
        cause: Cause::Closed {
            error: error.to_string(),
        },
        remedies: vec![Remedy::LetRead],
    }
}

/// A partition's plan; its facts are gathered again when the store turns out to be bound meanwhile: by whom, and where, decides.
async fn plan(shared: Arc<Shared>, seated: Seated, gathered: Gathered, sender: Sender<Report>) {
    let partition = seated.partition();
    let planned = match prepare(&shared, gathered).await {
        None => return,
        Some(Prepared::Refused(refusal)) => Planned::Refused(refusal),
        Some(Prepared::Ready {
            plan,
            commit,
            chain,
            facts,
        }) => Planned::Go {
            plan,
            commit,
            facts,
            station: Station {
                chain,
                seat: seated.seat,
            },
        },
        Some(Prepared::Overtaken) => {
            tracing::warn!("partition {partition} was bound to the store meanwhile");
            return start_gathering(&shared, vec![seated], &sender);
        }
    };
    reporter(&seated.wanted, &sender).tell(News::Planned(Box::new(planned)));
}

/// Adds to the facts which events cannot be read, if they are doubted, and which is refused.
async fn look_at_doubted(
    shared: &Shared,
    wanted: &Wanted,
    mut gathered: Gathered,
) -> Result<Gathered, GatherError> {
    let facts = &mut gathered.facts;
    facts.refused.clone_from(&wanted.refused);
    let (partition, end) = (facts.partition, facts.log.stable_end);
    let doubted = wanted.doubted;
    let Some(at) = doubted.filter(|at| *at >= facts.log.start && *at < end) else {
        return Ok(gathered);
    };
    let connection = shared.settings.connection.clone();
    let topic = shared.settings.pipeline.events.clone();
    let look = move || Reader::unreadable(&connection, &topic, partition, at, end);
    let found = tokio::task::spawn_blocking(look).await??;
    facts.unreadable = found.map(|(range, fault)| UnreadableEvents { range, fault });
    Ok(gathered)
}

/// One attempt; says what it waits for when that takes long.
async fn gather_once(
    shared: &Shared,
    batch: &[Seated],
    wait: &StoreWait,
    says: impl Fn(Reason, &str) -> String,
) -> Result<Vec<Result<Gathered, GatherError>>, GatherError> {
    let partitions: Vec<Partition> = batch.iter().map(Seated::partition).collect();
    let step = Mutex::new(Step::Manifests);
    let now_at = |at| *step.lock().unwrap_or_else(PoisonError::into_inner) = at;
    let gathering = shared.gatherer.gather(&partitions, now_at);
    tokio::pin!(gathering);
    let answers = loop {
        if let Ok(answers) = tokio::time::timeout(SLOW, &mut gathering).await {
            break answers?;
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
    };
    let mut looked_at = Vec::with_capacity(answers.len());
    for (one, answer) in batch.iter().zip(answers) {
        looked_at.push(match answer {
            Ok(gathered) => look_at_doubted(shared, &one.wanted, gathered).await,
            Err(error) => Err(error),
        });
    }
    Ok(looked_at)
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
        // The store answers; it is this partition that cannot be read.
        error if error.lies_at_the_partition() => Reason::Recovery,
        GatherError::Chain { .. } => Reason::Store,
        GatherError::Kafka(KafkaError::OpenTransaction { .. }) => Reason::OpenTransaction,
        GatherError::Kafka(error) if error.is_denied() => Reason::Denied,
        GatherError::Kafka(_) => Reason::Broker,
        GatherError::NoLog { .. } => Reason::Broker,
        GatherError::NoTopic { .. } | GatherError::Interrupted(_) => Reason::Recovery,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_told_when_it_lasts_and_again_only_when_it_is_something_else() {
        let mut closed = Closed::begin();
        assert!(!closed.is_news("a link to itself"), "it may pass");
        closed.since -= HELD_AFTER;
        let told = ["a link", "a link", "a link", "no right", "no right"];
        assert_eq!(
            told.map(|error| closed.is_news(error)),
            [true, false, false, true, false]
        );
    }

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
