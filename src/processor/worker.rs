//! A worker: one thread, one group member, one producer, and the partitions that Kafka gives it.
//!
//! The loop polls for group events, takes what other threads report (facts gathered, snapshots stored), moves every
//! active partition one batch forward, commits on its cadence and starts snapshots. It waits for nothing else: store
//! and recovery work runs on the runtime and answers through a channel.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
    time::{Duration, Instant},
};

use super::{
    Context, WorkerError,
    context::INIT,
    memory::Budget,
    partition::{Epoch, Owned, Phase},
    recalculation,
    report::Report,
    transaction::Cadence,
    view::Counters,
    written::Written,
};
use crate::{
    audit::Recalculator,
    calculation::Evaluator,
    events::{MessageBuffer, ResultEncoder},
    failpoint::{self, Point},
    kafka::{Publisher, Source, SourceEvent},
    model::{Offset, Partition},
};

/// How long the loop sleeps in the consumer when nothing is there to do.
const IDLE_WAIT: Duration = Duration::from_millis(5);
/// How often a long run says what it rejected.
const TALLY_EVERY: Duration = Duration::from_secs(60);

/// What a worker did, told when it has ended.
#[derive(Debug, Default)]
pub struct WorkerSummary {
    /// Everything that is counted.
    pub counters: Counters,
    /// Segments written, to be verified at shutdown.
    pub written: Written,
    /// Stored outcomes brought under the running calculation.
    pub recalculated: u64,
    /// Partitions whose outcomes could not be stored before the shutdown time-out; they are replayed by the next start.
    pub unsaved: Vec<Partition>,
}

/// See the module.
pub(super) struct Worker {
    pub(super) context: Arc<Context>,
    pub(super) index: usize,
    /// `group.instance.id` and `transactional.id`.
    pub(super) name: String,
    pub(super) budget: Budget,
    pub(super) source: Source,
    /// How often the source was replaced by a new one.
    pub(super) joined: u64,
    pub(super) publisher: Publisher,
    pub(super) evaluator: Evaluator,
    pub(super) encoder: ResultEncoder,
    pub(super) messages: MessageBuffer,
    /// Brings stored history under the running calculation, when that is asked for.
    pub(super) recalculator: Option<Recalculator>,
    pub(super) owned: BTreeMap<Partition, Owned>,
    /// Newly assigned partitions whose assignment is answered when their facts are there.
    pub(super) arriving: Option<Arriving>,
    pub(super) cadence: Cadence,
    pub(super) epochs: u64,
    pub(super) sender: Sender<Report>,
    pub(super) reports: Receiver<Report>,
    /// Bytes of outcomes of partitions that were revoked while their last snapshot was under way.
    pub(super) leaving: BTreeMap<(Partition, Epoch), usize>,
    pub(super) summary: WorkerSummary,
    /// Consumption waits for snapshots.
    pub(super) paused: bool,
    /// The group has given it partitions, possibly none.
    pub(super) assigned: bool,
    last_tally: Instant,
    /// When it last put itself on the board.
    pub(super) shown: Option<Instant>,
}

/// An assignment that the group waits for us to answer.
pub(super) struct Arriving {
    pub partitions: Vec<Partition>,
    pub since: Instant,
}

impl Worker {
    /// Joins the group and ends whatever transaction a dead predecessor of the same name left open.
    pub(super) fn start(context: Arc<Context>, index: usize) -> Result<Worker, WorkerError> {
        let settings = &context.settings;
        let name = context.worker_name(index);
        context.board.tick(index);
        let budget = Budget::of_worker(settings.memory, settings.workers);
        let source = Source::join(
            &settings.connection,
            &context.source_config(&name, budget.fetch_queue),
        )?;
        failpoint::at(Point::Joined);
        let publisher = context.new_publisher(&name, budget.publish_queue, INIT)?;
        failpoint::at(Point::ProducerReady);
        let evaluator = Evaluator::new(
            settings.calculation.fields.clone(),
            Arc::clone(&settings.calculation.calculation),
        )?;
        let encoder = ResultEncoder::new(&settings.pipeline.events, &evaluator.results_schema())?;
        let (sender, reports) = channel();
        Ok(Worker {
            cadence: Cadence::new(settings.commit_interval),
            recalculator: recalculation::recalculator(&context)?,
            context,
            index,
            name,
            budget,
            source,
            joined: 0,
            publisher,
            evaluator,
            encoder,
            messages: MessageBuffer::default(),
            owned: BTreeMap::new(),
            arriving: None,
            epochs: 0,
            sender,
            reports,
            leaving: BTreeMap::new(),
            summary: WorkerSummary::default(),
            paused: false,
            assigned: false,
            last_tally: Instant::now(),
            shown: None,
        })
    }

    /// Works until it is asked to stop.
    pub(super) fn run(mut self) -> Result<WorkerSummary, WorkerError> {
        let mut wait = Duration::ZERO;
        while !self.context.stop.is_requested() {
            self.poll(wait)?;
            if self.context.is_to_join_anew(self.index) {
                self.join_anew()?;
            }
            let moved = self.advance_all()?;
            self.publish_corrections()?;
            self.commit_if_due()?;
            self.start_due_snapshots();
            self.recalculate();
            self.tell();
            wait = if moved == 0 {
                IDLE_WAIT
            } else {
                Duration::ZERO
            };
        }
        self.shut_down()
    }

    /// Serves the group and takes the reports of other threads.
    pub(super) fn poll(&mut self, wait: Duration) -> Result<(), WorkerError> {
        self.show();
        let joined = self.joined;
        for event in self.source.poll(wait) {
            self.handle(event)?;
            // What is left is of a member that we are no more.
            if self.joined != joined {
                break;
            }
        }
        while let Ok(report) = self.reports.try_recv() {
            self.take_report(report)?;
        }
        self.answer_assignment()?;
        self.start_waiting()
    }

    fn handle(&mut self, event: SourceEvent) -> Result<(), WorkerError> {
        match event {
            SourceEvent::Assigned(partitions) => {
                self.assigned = true;
                self.assigned(partitions)
            }
            SourceEvent::Revoked(partitions) => self.revoked(&partitions),
            SourceEvent::Lost(partitions) => self.lost(&partitions),
            SourceEvent::OutOfRange { partition, offset } => self.dead(
                partition,
                &format!("the log does not hold offset {offset} any more"),
            ),
            SourceEvent::Unreadable {
                partition,
                offset,
                text,
            } => self.dead(
                partition,
                &format!("offset {offset} cannot be read: {text}"),
            ),
            SourceEvent::Fenced { .. } => self.fenced(),
            SourceEvent::Trouble { text } => {
                tracing::warn!("Kafka: {text}; the client goes on trying");
                self.context.board.broker_said(&text);
                Ok(())
            }
            SourceEvent::Fatal(source) => Err(WorkerError::Kafka(source)),
        }
    }

    /// Moves every active partition by at most one batch; returns the events taken.
    fn advance_all(&mut self) -> Result<usize, WorkerError> {
        if self.is_full() {
            return Ok(0);
        }
        let active: Vec<Partition> = self
            .owned
            .values()
            .filter(|owned| owned.fetching && owned.is_active())
            .map(|owned| owned.partition)
            .collect();
        let mut moved = 0;
        for partition in active {
            moved += self.advance(partition)?;
            self.commit_if_due()?;
        }
        Ok(moved)
    }

    /// Whether consumption must wait for snapshots; says so when that changes.
    fn is_full(&mut self) -> bool {
        let held = self.bytes();
        let full = held > self.budget.pause_above;
        if full && !self.paused {
            tracing::warn!(
                "consumption pauses: {} MiB of outcomes wait to be stored, which is what --memory allows; it resumes by itself",
                held >> 20
            );
        } else if self.paused && !full {
            tracing::info!("consumption resumes: outcomes are being stored again");
        }
        self.paused = full;
        full
    }

    /// Bytes of outcomes held: buffers, and snapshots under way.
    pub(super) fn bytes(&self) -> u64 {
        let held: usize = self.owned.values().map(Owned::bytes).sum();
        let leaving: usize = self.leaving.values().sum();
        (held + leaving) as u64
    }

    pub(super) fn next_epoch(&mut self) -> Epoch {
        self.epochs += 1;
        Epoch(self.epochs)
    }

    /// Publishes what others ask for: progress for the coordinator, and now and then a line for people.
    fn tell(&mut self) {
        let reached = self.owned.values().all(|owned| match owned.phase {
            Phase::Held(_) => true,
            Phase::Running => {
                let target = self.context.target(owned.partition);
                owned.outbox.is_done()
                    && self.is_recalculated(owned)
                    && target.is_none_or(|target: Offset| owned.buffer.committed() >= target)
            }
            _ => false,
        });
        self.context
            .progress
            .set(self.index, reached && self.arriving.is_none(), &self.owned);
        if self.last_tally.elapsed() >= TALLY_EVERY {
            self.last_tally = Instant::now();
            if let Some(line) = self.context.reject_line(&self.summary.counters.rejects) {
                tracing::warn!("{line}");
            }
        }
    }
}
