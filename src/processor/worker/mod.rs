//! The Kafka half of the processor: one thread, one group member, one producer, and the partitions that Kafka gives it.
//!
//! In: events, and what recovery and keepers report. Out: published results, and committed outcomes for the keepers.
//! The loop serves the group, takes reports, moves every active partition one batch forward
//! (fetch -> decode -> calculate -> publish), commits on its cadence, and hands over what that has committed. It waits for
//! nothing else: whatever asks the store happens in keepers and in recovery, and answers through a channel.

mod batch_size;
mod cadence;
mod carrying;
mod commit;
mod corrections;
mod denial;
mod failure;
mod fencing;
mod forward;
mod kept;
mod limits;
mod mending;
mod ownership;
mod refusals;
mod regrouping;
mod relief;
mod replay;
mod reports;
mod same_topic;
mod show;
mod shutdown;
mod without_rights;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
    time::{Duration, Instant},
};

use super::{
    WorkerError,
    keeper::KeeperHandle,
    memory::{Budget, Entry, Ledger, Part},
    partition::{Epoch, Owned},
    report::Report,
    shared::{INIT, Shared},
    watch::{Counters, Written},
};
use crate::{
    calculation::Evaluator,
    events::{MessageBuffer, ResultEncoder},
    failpoint::{self, Point},
    kafka::{Publisher, Source, SourceEvent},
    model::Partition,
};
use batch_size::BatchSize;
use cadence::Cadence;
use denial::Denial;
use kept::SaidKept;
use regrouping::Regrouping;

/// How long the loop sleeps in the consumer when nothing is there to do.
const IDLE_WAIT: Duration = Duration::from_millis(5);
/// How long an attempt to initialise a worker's first producer may take.
const INIT_SLICE: Duration = Duration::from_secs(30);
/// Between repetitions of a call that the broker asked to repeat.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

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
pub struct Worker {
    shared: Arc<Shared>,
    index: usize,
    /// `group.instance.id` and `transactional.id`.
    name: String,
    budget: Budget,
    source: Source,
    /// How often the source was replaced by a new one.
    joined: u64,
    /// The group has given it partitions, possibly none.
    assigned: bool,
    /// Newly assigned partitions whose assignment is answered when their facts are there.
    arriving: Option<Arriving>,
    publisher: Publisher,
    cadence: Cadence,
    /// A failed transaction is being settled: nothing is committed before that is done.
    settling: bool,
    /// Commits fail because the group divides its partitions anew.
    regrouping: Option<Regrouping>,
    /// A broker refuses something that it has granted before.
    denial: Option<Denial>,
    batch_size: BatchSize,
    evaluator: Evaluator,
    encoder: ResultEncoder,
    messages: MessageBuffer,
    owned: BTreeMap<Partition, Owned>,
    /// The keepers of those whose facts are known.
    keepers: BTreeMap<Partition, KeeperHandle>,
    /// Keepers of partitions that were given up, which store what is left.
    leaving: Vec<(Partition, Epoch, KeeperHandle)>,
    epochs: u64,
    sender: Sender<Report>,
    reports: Receiver<Report>,
    /// The outcomes that it and its keepers hold.
    ledger: Arc<Ledger>,
    uncommitted: Entry,
    /// Consumption waits for snapshots.
    paused: bool,
    summary: WorkerSummary,
    said_kept: SaidKept,
    last_tally: Instant,
    /// When it last put itself on the board.
    shown: Option<Instant>,
}

/// A producer that is ready to publish. A cluster that coordinates no transactions yet is waited for, but by a run to the end
/// of the topic not for ever; see `group::joining` for what is said meanwhile.
fn first_publisher(
    shared: &Shared,
    index: usize,
    name: &str,
    queue: u64,
) -> Result<Publisher, WorkerError> {
    let since = Instant::now();
    loop {
        shared.board.tick(index);
        match shared.new_publisher(name, queue, INIT_SLICE) {
            Err(error)
                if error.is_outage()
                    && !shared.stop.is_requested()
                    && !(shared.settings.exit_at_end && since.elapsed() >= INIT) =>
            {
                tracing::debug!("{error}");
            }
            ready => return ready,
        }
    }
}

/// An assignment that the group waits for us to answer.
struct Arriving {
    partitions: Vec<Partition>,
    since: Instant,
}

impl Worker {
    /// Joins the group and ends whatever transaction a dead predecessor of the same name left open.
    pub fn start(shared: Arc<Shared>, index: usize) -> Result<Worker, WorkerError> {
        let settings = &shared.settings;
        let name = shared.worker_name(index);
        shared.board.tick(index);
        let budget = Budget::of_worker(settings.memory, settings.workers);
        let source = Source::join(
            &settings.connection,
            &shared.source_config(&name, budget.fetch_queue),
        )?;
        failpoint::at(Point::Joined);
        let publisher = first_publisher(&shared, index, &name, budget.publish_queue)?;
        failpoint::at(Point::ProducerReady);
        let evaluator = settings.calculation.evaluator()?;
        let encoder = ResultEncoder::new(&settings.pipeline.events, &evaluator.results_schema())?;
        let (sender, reports) = channel();
        let ledger = Arc::new(Ledger::of(&budget));
        Ok(Worker {
            cadence: Cadence::new(settings.commit_interval),
            uncommitted: ledger.entry(Part::Uncommitted),
            ledger,
            shared,
            index,
            name,
            budget,
            source,
            joined: 0,
            assigned: false,
            arriving: None,
            publisher,
            settling: false,
            regrouping: None,
            denial: None,
            batch_size: BatchSize::new(),
            evaluator,
            encoder,
            messages: MessageBuffer::default(),
            owned: BTreeMap::new(),
            keepers: BTreeMap::new(),
            leaving: Vec::new(),
            epochs: 0,
            sender,
            reports,
            paused: false,
            summary: WorkerSummary::default(),
            said_kept: SaidKept::default(),
            last_tally: Instant::now(),
            shown: None,
        })
    }

    /// Works until it is asked to stop.
    pub fn run(mut self) -> Result<WorkerSummary, WorkerError> {
        let mut wait = Duration::ZERO;
        while !self.shared.stop.is_requested() {
            self.poll(wait)?;
            if self.shared.is_to_join_anew(self.index) {
                self.join_anew()?;
            }
            self.take_limits()?;
            self.ask_about_refused()?;
            self.look_at_rights()?;
            let moved = self.advance_all()?;
            self.publish_corrections()?;
            self.commit_if_due()?;
            self.relieve_memory();
            self.report_progress();
            self.shared.holds.say();
            self.log_tally();
            wait = if moved == 0 {
                IDLE_WAIT
            } else {
                Duration::ZERO
            };
        }
        self.shut_down()
    }

    /// Serves the group and takes the reports of other threads.
    fn poll(&mut self, wait: Duration) -> Result<(), WorkerError> {
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
                self.regrouping = None;
                if let Some(id) = self.source.member_id() {
                    self.shared.keep_member_id(&self.name, &id);
                }
                self.assigned(partitions)
            }
            SourceEvent::Revoked(partitions) => self.revoked(&partitions),
            SourceEvent::Lost(partitions) => self.lost(&partitions),
            SourceEvent::OutOfRange { partition, offset } => self.cannot_be_read(
                partition,
                &format!("the log does not hold offset {offset} any more"),
            ),
            SourceEvent::Unreadable {
                partition,
                offset,
                fault,
            } => self.unreadable(partition, offset, &fault),
            SourceEvent::Fenced { .. } => self.fenced(),
            SourceEvent::Trouble { text } => {
                tracing::warn!("Kafka: {text}; the client goes on trying");
                self.said(&text);
                Ok(())
            }
            SourceEvent::Refused(error)
                if error.is_denied() && self.shared.rights.may_come_back() =>
            {
                let text = error.to_string();
                self.said(&text);
                self.denied(&text);
                Ok(())
            }
            SourceEvent::Refused(error) if !self.assigned => Err(WorkerError::Kafka(error)),
            SourceEvent::Refused(error) => {
                tracing::warn!("Kafka: {error}; the client goes on trying");
                self.said(&error.to_string());
                Ok(())
            }
            SourceEvent::Fatal(source) => Err(WorkerError::Kafka(source)),
        }
    }

    /// Moves every active partition by at most one batch; returns the events taken.
    fn advance_all(&mut self) -> Result<usize, WorkerError> {
        if self.is_full() || self.may_not_commit() {
            return Ok(0);
        }
        let fetching = self.owned.values().filter(|owned| owned.is_fetching());
        let fetching: Vec<Partition> = fetching.map(|owned| owned.partition).collect();
        let mut moved = 0;
        for partition in fetching {
            if self.narrows(partition) {
                moved += self.advance_alone(partition)?;
                continue;
            }
            moved += self.advance(partition)?;
            self.commit_if_due()?;
        }
        Ok(moved)
    }

    /// What the client says goes where it explains a silence.
    fn said(&self, text: &str) {
        self.shared.board.broker_said(text);
        self.shared.board.group_said(text);
    }

    fn next_epoch(&mut self) -> Epoch {
        self.epochs += 1;
        Epoch(self.epochs)
    }
}
