//! The store half of a partition: a task that owns its chain for as long as the partition is owned, and is the only one that
//! touches it.
//!
//! In: committed outcomes in order, and a few requests ([`Order`]). Out: snapshots in the store, and [`News`] of them for the
//! worker. It never sees an outcome that is not committed, so that every manifest is true, whoever wins (I1).
//!
//! Accumulating is encoding: what is handed over goes into the open files of the next snapshot at once, also while a job waits
//! for the store. One job at a time is under way, on a task of its own; [`next`] chooses it. Background work (bringing stored
//! history under the running calculation) happens beside, in bounded steps whose edits are jobs like others.
//!
//! Whatever panics here ends the keeper, and the worker hears of it.

mod append;
mod corrections;
mod done;
mod handle;
mod jobs;
mod next;
mod panics;
mod recalculation;

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::FutureExt;
use tokio::{
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    task::JoinSet,
    time::Instant,
};

pub use append::append_until_done;
pub use handle::{KeeperHandle, Stage};
pub use recalculation::recalculator;

use super::{
    memory::{Budget, Ledger, Part},
    partition::Newest,
    report::{Ending, News, Reporter, Station},
    seats::Seat,
    shared::Shared,
};
use crate::{
    failpoint::{self, Point},
    format::{Accumulation, RangeOutcomes, SegmentError},
    history::{Chain, CorrectionsProgress, PendingCorrections, next_corrections},
    recovery::AcceptLoss,
};
use done::{Done, Finished};
use handle::{Order, Shown};
use next::{Next, Situation, next};
use panics::{panic_message, unless_panicked};
use recalculation::Recalculation;

/// What a keeper has to store what is left when its worker is gone.
const ORPHANED: Duration = Duration::from_secs(5);

/// What a keeper begins with.
pub struct KeeperStart {
    pub shared: Arc<Shared>,
    pub reporter: Reporter,
    pub station: Station,
    /// What the chain's newest manifest says: recovery binds a partition before it is kept.
    pub newest: Newest,
    /// Empty, at the chain's end.
    pub accumulation: Accumulation,
    /// What the partition is at.
    pub stage: Stage,
    /// How far corrections are published.
    pub published: Option<CorrectionsProgress>,
    pub ledger: Arc<Ledger>,
    pub budget: Budget,
}

/// See the module.
struct Keeper {
    shared: Arc<Shared>,
    reporter: Reporter,
    orders: UnboundedReceiver<Order>,
    shown: Arc<Shown>,
    _seat: Seat,
    budget: Budget,
    ledger: Arc<Ledger>,
    /// `None` while a job has it.
    chain: Option<Box<Chain>>,
    newest: Newest,
    accumulation: Accumulation,
    stage: Stage,
    last_snapshot: Instant,
    asked: bool,
    loss: Option<AcceptLoss>,
    load: Option<PendingCorrections>,
    published: Option<CorrectionsProgress>,
    corrections_stuck: bool,
    recalculation: Option<Recalculation>,
    /// At most one.
    job: JoinSet<Finished>,
    leave: Option<Instant>,
}

impl KeeperStart {
    /// Starts the keeper's task.
    pub fn start(self) -> KeeperHandle {
        let (sender, orders) = unbounded_channel();
        let entry = |part| self.ledger.entry(part);
        let recalculation = self.shared.recalculator.clone().map(Recalculation::new);
        let shown = Arc::new(Shown {
            asked: AtomicBool::new(false),
            leaving: Arc::default(),
            recalculated: AtomicBool::new(recalculation.is_none()),
            handed_over: entry(Part::HandedOver),
            accumulated: entry(Part::Accumulated),
            storing: entry(Part::Storing),
            background: entry(Part::Background),
        });
        let keeper = Keeper {
            shared: Arc::clone(&self.shared),
            reporter: self.reporter.clone(),
            orders,
            shown: Arc::clone(&shown),
            _seat: self.station.seat,
            budget: self.budget,
            ledger: self.ledger,
            chain: Some(self.station.chain),
            newest: self.newest,
            accumulation: self.accumulation,
            stage: self.stage,
            last_snapshot: Instant::now(),
            asked: false,
            loss: None,
            load: None,
            published: self.published,
            corrections_stuck: false,
            recalculation,
            job: JoinSet::new(),
            leave: None,
        };
        let reporter = self.reporter;
        let task = self.shared.runtime.spawn(async move {
            let ended = AssertUnwindSafe(keeper.run()).catch_unwind().await;
            let ending = ended.unwrap_or_else(|panic| Ending::Died {
                message: panic_message(panic.as_ref()),
            });
            reporter.tell(News::Ended(ending));
        });
        KeeperHandle {
            orders: sender,
            shown,
            task,
        }
    }
}

impl Keeper {
    async fn run(mut self) -> Ending {
        loop {
            match next(self.situation()) {
                Next::Wait => {}
                Next::End => return Ending::Left { unsaved: false },
                job => {
                    self.begin(job);
                    continue;
                }
            }
            let wake = self.wakes_at();
            let is_leaving = self.leave.is_some();
            let done = tokio::select! {
                biased;
                () = at(self.leave) => return self.leave_unsaved().await,
                Some(finished) = self.job.join_next() => self.finish(unless_panicked(finished)),
                Some(()) = calculated(&mut self.recalculation) => Ok(()),
                order = self.orders.recv(), if !is_leaving => match order {
                    Some(order) => self.obey(order).await,
                    None => {
                        self.leave(Instant::now() + ORPHANED);
                        Ok(())
                    }
                },
                () = at(wake), if wake.is_some() => Ok(()),
            };
            if let Err(reason) = done {
                return Ending::Failed { reason };
            }
        }
    }

    fn situation(&self) -> Situation {
        let runs = self.stage == Stage::Running && !self.shared.stop.is_requested();
        let recalculation = self.recalculation.as_ref().filter(|_| runs);
        Situation {
            busy: !self.job.is_empty(),
            loss: self.loss.is_some(),
            storable: self.stage != Stage::Replay && !self.accumulation.range().is_empty(),
            asked: self.asked,
            due: self.is_due(),
            leaving: self.leave.is_some(),
            load: self.load.is_some(),
            repair: recalculation.is_some_and(Recalculation::is_calculated),
            background: recalculation.is_some_and(|recalculation| {
                recalculation.may_begin(&self.newest) && self.are_corrections_published()
            }),
        }
    }

    fn is_due(&self) -> bool {
        self.last_snapshot.elapsed() >= self.shared.settings.snapshot_interval
    }

    /// When to look again although nothing has happened.
    fn wakes_at(&self) -> Option<Instant> {
        let due = self.last_snapshot + self.shared.settings.snapshot_interval;
        let rested = self
            .recalculation
            .as_ref()
            .and_then(|one| one.rests_until());
        let idle = self.job.is_empty().then_some(due);
        idle.into_iter().chain(rested).min()
    }

    fn are_corrections_published(&self) -> bool {
        next_corrections(&self.newest.corrections, self.published).is_none()
    }

    async fn obey(&mut self, order: Order) -> Result<(), String> {
        match order {
            Order::Keep(outcomes) => return self.keep(outcomes).await,
            Order::Enter(stage) => self.stage = stage,
            Order::Forget => {
                self.accumulation.restart();
                self.shown.accumulated.set(0);
            }
            Order::Store => {
                self.asked = true;
                self.forget_needless_request();
            }
            Order::RecordLoss(loss) => self.loss = Some(loss),
            Order::LoadCorrections(pending) => self.load = Some(pending),
            Order::CorrectionsPublished(progress) => self.published = progress,
            Order::Leave(deadline) => self.leave(deadline),
        }
        Ok(())
    }

    /// A request that finds nothing to store is done; it must not make a file of the very next outcome.
    fn forget_needless_request(&mut self) {
        let storable = self.situation().storable;
        if self.asked && !storable && self.job.is_empty() {
            self.asked = false;
            self.shown.asked.store(false, Ordering::SeqCst);
        }
    }

    /// Encodes what is handed over, on a thread that serves nothing else. Few keepers encode at a time.
    async fn keep(&mut self, outcomes: Vec<RangeOutcomes>) -> Result<(), String> {
        let bytes = outcomes.iter().map(RangeOutcomes::bytes).sum();
        let nothing = Accumulation::new(self.accumulation.end());
        let mut accumulation = std::mem::replace(&mut self.accumulation, nothing);
        let encoded = self
            .shared
            .encode(move || {
                for outcomes in &outcomes {
                    accumulation.append(outcomes)?;
                }
                Ok::<_, SegmentError>(accumulation)
            })
            .await;
        self.accumulation = encoded.map_err(|error| error.to_string())?;
        self.shown.handed_over.take(bytes);
        self.shown.accumulated.set(self.accumulation.bytes());
        Ok(())
    }

    fn leave(&mut self, deadline: Instant) {
        self.leave = Some(deadline);
        self.shown.leaving.store(true, Ordering::SeqCst);
        if let Some(recalculation) = &mut self.recalculation {
            recalculation.abandon();
        }
    }

    /// The time is over: what is not stored is replayed by the next owner, who must not wait for a store that is away.
    async fn leave_unsaved(&mut self) -> Ending {
        let unsaved = !self.job.is_empty() || self.situation().storable;
        self.job.shutdown().await;
        Ending::Left { unsaved }
    }

    fn begin(&mut self, job: Next) {
        if job == Next::Background {
            self.calculate_next_range();
            return;
        }
        let Some(chain) = self.chain.take() else {
            return;
        };
        let (shared, shown) = (Arc::clone(&self.shared), Arc::clone(&self.shown));
        match job {
            Next::Store => {
                let taken = self.accumulation.take();
                failpoint::at(Point::SnapshotTaken);
                self.asked = false;
                self.last_snapshot = Instant::now();
                self.shown.storing.set(taken.bytes());
                self.shown.accumulated.set(0);
                self.spawn(jobs::store(shared, chain, taken, shown));
            }
            Next::RecordLoss => match self.loss.take() {
                Some(loss) => self.spawn(jobs::record_loss(shared, chain, loss)),
                None => self.chain = Some(chain),
            },
            Next::LoadCorrections => match self.load.take() {
                Some(pending) => self.spawn(corrections::load(shared, chain, pending, shown)),
                None => self.chain = Some(chain),
            },
            Next::Repair => {
                let calculated = self.recalculation.as_mut().and_then(Recalculation::take);
                match calculated {
                    Some(calculated) => {
                        self.spawn(recalculation::write(shared, chain, calculated, shown));
                    }
                    None => self.chain = Some(chain),
                }
            }
            Next::Look => {
                self.last_snapshot = Instant::now();
                self.spawn(jobs::look(chain));
            }
            Next::Background | Next::Wait | Next::End => self.chain = Some(chain),
        }
    }

    fn spawn(&mut self, job: impl Future<Output = Finished> + Send + 'static) {
        self.job.spawn_on(job, &self.shared.runtime);
    }

    /// Takes the chain back, and tells what became of the job.
    fn finish(&mut self, finished: Finished) -> Result<(), String> {
        let newest = finished.chain.newest().map(Newest::from);
        self.chain = Some(finished.chain);
        if let Some(newest) = newest {
            if newest.head != self.newest.head && self.recalculation.is_some() {
                self.shown.recalculated.store(false, Ordering::SeqCst);
            }
            self.newest = newest;
        }
        let newest = self.newest.clone();
        match finished.done {
            Done::Stored(written) => {
                self.shown.storing.set(0);
                self.shown.asked.store(self.asked, Ordering::SeqCst);
                self.forget_needless_request();
                self.reporter.tell(News::Stored { newest, written });
            }
            Done::NotStored(reason) => return Err(reason),
            Done::LossRecorded => {
                failpoint::at(Point::LossRecorded);
                self.reporter.tell(News::LossRecorded);
            }
            Done::Loaded(loaded) => {
                self.corrections_stuck = loaded.is_none();
                if self.corrections_stuck {
                    // Nothing more is published, so nothing more can be recalculated either.
                    self.shown.recalculated.store(true, Ordering::SeqCst);
                }
                self.reporter.tell(News::CorrectionsLoaded(loaded));
            }
            Done::Looked => self.reporter.tell(News::Looked { newest }),
            Done::Repaired(repaired) => {
                self.shown.background.set(0);
                if let Some(recalculation) = &mut self.recalculation {
                    let partition = self.reporter.partition;
                    if let Some((written, outcomes)) = recalculation.finish(partition, repaired) {
                        self.reporter.tell(News::Recalculated {
                            newest,
                            written,
                            outcomes,
                        });
                    }
                }
            }
            Done::GivenUp => {}
        }
        Ok(())
    }

    /// Begins with the next range of another calculation, or finds that there is none.
    fn calculate_next_range(&mut self) {
        let (Some(recalculation), Some(chain)) = (&mut self.recalculation, &self.chain) else {
            return;
        };
        let partition = self.reporter.partition;
        match recalculation.choose(partition, chain, self.published) {
            Some(range) => {
                let (shared, shown) = (Arc::clone(&self.shared), Arc::clone(&self.shown));
                let memory = (Arc::clone(&self.ledger), self.budget);
                recalculation.begin(shared, chain.as_ref().clone(), range, shown, memory);
            }
            None => self.shown.recalculated.store(true, Ordering::SeqCst),
        }
    }
}

/// Waits until then; for ever without a moment.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// Waits until a range is calculated; `None` when none is being calculated.
async fn calculated(recalculation: &mut Option<Recalculation>) -> Option<()> {
    match recalculation {
        Some(recalculation) => recalculation.calculated().await,
        None => None,
    }
}
