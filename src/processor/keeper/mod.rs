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
mod recalculation;
mod start;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{sync::mpsc::UnboundedReceiver, task::JoinSet, time::Instant};

pub use append::append_until_done;
pub use handle::{KeeperHandle, Stage};
pub use recalculation::recalculator;
pub use start::KeeperStart;

use super::{
    memory::{Budget, Ledger},
    panics::unless_panicked,
    partition::Newest,
    report::{Ending, News, Reporter},
    seats::Seat,
    store_side::StoreSide,
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
use recalculation::Recalculation;

/// What a keeper has to store what is left when its worker is gone.
const ORPHANED: Duration = Duration::from_secs(5);

/// See the module.
struct Keeper {
    store_side: Arc<StoreSide>,
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
        let runs = self.stage == Stage::Running && !self.store_side.stop.is_requested();
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
        self.last_snapshot.elapsed() >= self.store_side.snapshot_interval
    }

    /// When to look again although nothing has happened.
    fn wakes_at(&self) -> Option<Instant> {
        let due = self.last_snapshot + self.store_side.snapshot_interval;
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
            .store_side
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
            self.shown.background.set(0);
        }
    }

    /// The time is over: what is not stored is replayed by the next owner, who must not wait for a store that is away.
    async fn leave_unsaved(&mut self) -> Ending {
        let unsaved = self.shown.storing.bytes() > 0 || self.situation().storable;
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
        let (store_side, shown) = (Arc::clone(&self.store_side), Arc::clone(&self.shown));
        match job {
            Next::Store => {
                let taken = self.accumulation.take();
                failpoint::at(Point::SnapshotTaken);
                self.asked = false;
                self.last_snapshot = Instant::now();
                self.shown.storing.set(taken.bytes());
                self.shown.accumulated.set(0);
                self.spawn(jobs::store(store_side, chain, taken, shown));
            }
            Next::RecordLoss => match self.loss.take() {
                Some(loss) => self.spawn(jobs::record_loss(store_side, chain, loss)),
                None => self.chain = Some(chain),
            },
            Next::LoadCorrections => match self.load.take() {
                Some(pending) => self.spawn(corrections::load(store_side, chain, pending, shown)),
                None => self.chain = Some(chain),
            },
            Next::Repair => {
                let calculated = self.recalculation.as_mut().and_then(Recalculation::take);
                match calculated {
                    Some(calculated) => {
                        self.spawn(recalculation::write(store_side, chain, calculated, shown));
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
        self.job.spawn_on(job, &self.store_side.runtime);
    }

    /// Takes the chain back, and tells what became of the job.
    fn finish(&mut self, finished: Finished) -> Result<(), String> {
        let newest = finished.chain.newest();
        if let Some(manifest) = newest {
            self.store_side.findings.keep_live(manifest);
        }
        let newest = newest.map(Newest::from);
        self.chain = Some(finished.chain);
        if let Some(newest) = newest {
            let waits = self.recalculation.is_some() && !self.corrections_stuck;
            if newest.head != self.newest.head && waits {
                self.shown.recalculated.store(false, Ordering::SeqCst);
            }
            self.newest = newest;
        }
        let newest = self.newest.clone();
        match finished.done {
            Done::Stored(written) => {
                self.shown.storing.set(0);
                self.shown.asked.store(self.asked, Ordering::SeqCst);
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
        self.forget_needless_request();
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
                let (store_side, shown) = (Arc::clone(&self.store_side), Arc::clone(&self.shown));
                let memory = (Arc::clone(&self.ledger), self.budget);
                recalculation.begin(store_side, chain.as_ref().clone(), range, shown, memory);
            }
            None => {
                recalculation.is_done_at(self.newest.stored.sequence);
                self.shown.recalculated.store(true, Ordering::SeqCst);
            }
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

#[cfg(test)]
mod tests;
