//! Where a processor puts what others may see of it, and where they look.
//!
//! A worker replaces its view a few times a second and marks each turn of its loop; whoever waits for something says so as
//! long as it waits. Nobody holds a lock for longer than it takes to copy a pointer or a line of text.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::Utc;

use super::{
    super::Stop,
    scrubs::ScrubView,
    view::{About, Moment, ProcessView, Reason, RemovedView, TroubleView, WorkerView},
};
use crate::{config::RunConfig, history::Collected, model::Partition};

/// A question that the broker has not answered for so long is trouble.
const SILENCE: Duration = Duration::from_secs(5);

/// Shared by everything that has something to show, and by whoever shows it.
#[derive(Clone, Debug)]
pub struct Board(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    about: Mutex<Arc<About>>,
    stop: Stop,
    began: Instant,
    workers: Vec<Slot>,
    snapshot_failures: AtomicU64,
    removed: Mutex<RemovedView>,
    troubles: Mutex<BTreeMap<u64, TroubleView>>,
    next_trouble: AtomicU64,
    broker: Mutex<Contact>,
    group_said: Mutex<Option<String>>,
    scrub: Mutex<ScrubView>,
}

#[derive(Debug, Default)]
struct Slot {
    view: Mutex<Option<Arc<WorkerView>>>,
    /// Milliseconds since the beginning, and one; zero before the first.
    tick: AtomicU64,
}

/// What a question that is asked again and again tells about the broker.
#[derive(Debug, Default)]
struct Contact {
    /// Since when the last question has had no answer.
    asked: Option<Moment>,
    /// Since when questions have failed, and why the last one did.
    failed: Option<(Moment, String)>,
    /// What the clients said since the last answer.
    said: Option<String>,
}

impl Board {
    /// A board for a process that is about to run.
    #[must_use]
    pub fn new(settings: &RunConfig, instance: &str, stop: Stop) -> Board {
        let pipeline = &settings.pipeline;
        let calculation = &settings.calculation;
        let schema = calculation.fields.schema();
        let declared = calculation.evaluator().ok().map(|it| it.declaration());
        let (publish, carry) = declared.map_or((None, None), |it| (it.publish, it.carry));
        let about = About {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            instance: instance.to_owned(),
            calculation: calculation.calculation.text(&schema),
            condition: calculation.condition.as_ref().map(|it| it.text(&schema)),
            fields: calculation.fields.to_string(),
            publish,
            carry,
            group: pipeline.group.clone(),
            events: pipeline.events.clone(),
            results: pipeline.results.clone(),
            rejects: pipeline.rejects.clone(),
            brokers: settings.connection.brokers().to_owned(),
            store: settings.store.url.to_string(),
            memory: settings.memory,
        };
        Board::of(about, settings.workers, stop)
    }

    pub(in crate::processor) fn of(about: About, workers: usize, stop: Stop) -> Board {
        Board(Arc::new(Inner {
            about: Mutex::new(Arc::new(about)),
            stop,
            began: Instant::now(),
            workers: (0..workers).map(|_| Slot::default()).collect(),
            snapshot_failures: AtomicU64::default(),
            removed: Mutex::default(),
            troubles: Mutex::default(),
            next_trouble: AtomicU64::default(),
            broker: Mutex::default(),
            group_said: Mutex::default(),
            scrub: Mutex::default(),
        }))
    }

    /// The processor as it is now.
    #[must_use]
    pub fn look(&self) -> ProcessView {
        let now = self.now();
        let mut troubles: Vec<TroubleView> = lock(&self.0.troubles).values().cloned().collect();
        let about = self.about();
        troubles.extend(lock(&self.0.broker).trouble(now, &about.brokers));
        let workers = self.0.workers.iter();
        ProcessView {
            about,
            now,
            time: Utc::now(),
            stopping: self.0.stop.is_requested(),
            snapshot_failures: self.0.snapshot_failures.load(Ordering::Relaxed),
            removed: lock(&self.0.removed).clone(),
            workers: workers
                .clone()
                .map(|slot| lock(&slot.view).clone())
                .collect(),
            ticks: workers.map(Slot::tick).collect(),
            troubles,
            scrub: lock(&self.0.scrub).clone(),
        }
    }

    fn about(&self) -> Arc<About> {
        Arc::clone(&lock(&self.0.about))
    }

    /// The process takes another name, before any of its workers has joined.
    pub(in crate::processor) fn rename(&self, instance: &str) {
        let mut about = lock(&self.0.about);
        Arc::make_mut(&mut about).instance = instance.to_owned();
    }

    /// The scrub, or another check of what is stored, has something to show.
    pub(super) fn scrub(&self, change: impl FnOnce(&mut ScrubView)) {
        change(&mut lock(&self.0.scrub));
    }

    /// The moment that it is.
    pub(in crate::processor) fn now(&self) -> Moment {
        Moment(self.0.began.elapsed())
    }

    /// A worker lives.
    pub(in crate::processor) fn tick(&self, worker: usize) {
        let millis = u64::try_from(self.now().0.as_millis()).unwrap_or(u64::MAX - 1);
        self.0.workers[worker]
            .tick
            .store(millis + 1, Ordering::Relaxed);
    }

    /// What a partition's history did not need any more is removed, as far as it goes.
    pub(in crate::processor) fn collected(&self, partition: Partition, collected: &Collected) {
        let mut removed = lock(&self.0.removed);
        removed.manifests += collected.manifests;
        removed.segments += collected.files;
        removed.bytes += collected.bytes;
        removed.last = Some(Utc::now());
        match collected.blocked {
            Some(_) => removed.stopped.insert(partition),
            None => removed.stopped.remove(&partition),
        };
    }

    /// A worker as it is now.
    pub(in crate::processor) fn show(&self, worker: usize, mut view: WorkerView) {
        let slot = &self.0.workers[worker].view;
        let before = lock(slot).clone();
        if let Some(before) = before {
            view.carry(&before);
        }
        *lock(slot) = Some(Arc::new(view));
    }

    /// An attempt to store a snapshot failed.
    pub(in crate::processor) fn snapshot_failed(&self) {
        self.0.snapshot_failures.fetch_add(1, Ordering::Relaxed);
    }

    /// For work that may have to wait; says nothing yet.
    pub(in crate::processor) fn trouble(&self, partitions: &[Partition]) -> Trouble {
        Trouble {
            board: self.clone(),
            id: self.0.next_trouble.fetch_add(1, Ordering::Relaxed),
            partitions: partitions.to_vec(),
        }
    }

    /// The broker is asked something that it should answer at once.
    pub(in crate::processor) fn ask_broker(&self) {
        let now = self.now();
        lock(&self.0.broker).asked = Some(now);
    }

    /// It has answered, or not; then `failure` says why.
    pub(in crate::processor) fn broker_answered(&self, failure: Option<String>) {
        let now = self.now();
        lock(&self.0.broker).answered(failure, now);
    }

    /// Whether it has been asked for a while, and has not answered.
    pub(in crate::processor) fn is_broker_silent(&self) -> bool {
        let brokers = &self.about().brokers;
        lock(&self.0.broker).trouble(self.now(), brokers).is_some()
    }

    /// What a client says about the group.
    pub(in crate::processor) fn group_said(&self, text: &str) {
        *lock(&self.0.group_said) = Some(text.to_owned());
    }

    /// What a client last said about the group.
    pub(in crate::processor) fn said_by_group(&self) -> Option<String> {
        lock(&self.0.group_said).clone()
    }

    /// What a client says about its broker.
    pub(in crate::processor) fn broker_said(&self, text: &str) {
        lock(&self.0.broker).said = Some(text.to_owned());
    }
}

impl Slot {
    fn tick(&self) -> Option<Moment> {
        let millis = self.tick.load(Ordering::Relaxed).checked_sub(1)?;
        Some(Moment(Duration::from_millis(millis)))
    }
}

impl Contact {
    fn answered(&mut self, failure: Option<String>, now: Moment) {
        let asked = self.asked.take().unwrap_or(now);
        match failure {
            None => *self = Contact::default(),
            Some(text) => {
                let since = self.failed.take().map_or(asked, |(since, _)| since);
                self.failed = Some((since, text));
            }
        }
    }

    fn trouble(&self, now: Moment, brokers: &str) -> Option<TroubleView> {
        let silent = self.asked.filter(|asked| asked.age(now) >= SILENCE);
        let (since, text) = match (&self.failed, silent) {
            (Some((since, text)), _) => (*since, text.clone()),
            (None, Some(asked)) => {
                let why = match &self.said {
                    Some(said) => format!(": {said}"),
                    None => String::new(),
                };
                (asked, format!("no answer from Kafka at {brokers}{why}"))
            }
            (None, None) => return None,
        };
        Some(TroubleView {
            reason: Reason::Broker,
            since,
            partitions: Vec::new(),
            text,
        })
    }
}

/// What one piece of work waits for. Nothing any more, as soon as it is dropped.
#[derive(Debug)]
pub(in crate::processor) struct Trouble {
    board: Board,
    id: u64,
    partitions: Vec<Partition>,
}

impl Trouble {
    /// It waits, for this reason.
    pub(in crate::processor) fn is(&self, reason: Reason, text: impl Into<String>) {
        let now = self.board.now();
        let mut troubles = lock(&self.board.0.troubles);
        let before = troubles.get(&self.id).filter(|one| one.reason == reason);
        let since = before.map_or(now, |before| before.since);
        let trouble = TroubleView {
            reason,
            since,
            partitions: self.partitions.clone(),
            text: text.into(),
        };
        troubles.insert(self.id, trouble);
    }

    /// These partitions wait for it still.
    pub(in crate::processor) fn is_for(&mut self, partitions: &[Partition]) {
        self.partitions = partitions.to_vec();
        if let Some(shown) = lock(&self.board.0.troubles).get_mut(&self.id) {
            shown.partitions = partitions.to_vec();
        }
    }

    /// It waits no more.
    pub(in crate::processor) fn is_over(&self) {
        lock(&self.board.0.troubles).remove(&self.id);
    }
}

impl Drop for Trouble {
    fn drop(&mut self) {
        self.is_over();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
pub(in crate::processor) mod tests;
