//! The store half of a partition: a task that owns its chain for as long as the partition is owned, and is the only one that
//! touches it.
//!
//! In: committed outcomes in order, and a few requests ([`Order`]). Out: snapshots in the store, and [`News`] of them for the
//! worker. It never sees an outcome that is not committed, so that every manifest is true, whoever wins (I1).
//!
//! Accumulating is encoding: what is handed over goes into the open files of the next snapshot at once, also while a job waits
//! for the store. One job at a time is under way, on a task of its own; [`next`] chooses it. Background work ([`work`] says what
//! that is; [`recalculation`] is one kind) happens beside, in bounded steps whose edits are jobs like others.
//!
//! Whatever panics here ends the keeper, and the worker hears of it.

mod append;
mod background;
mod collecting;
mod compaction;
mod corrections;
mod done;
mod handle;
mod jobs;
mod lone;
mod next;
mod recalculation;
mod rewriting;
mod scrub;
mod start;
mod turn;
mod work;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{sync::mpsc::UnboundedReceiver, task::JoinSet, time::Instant};

pub use append::append_until_done;
pub use handle::{KeeperHandle, Stage};
pub use lone::{LoneEnd, LoneKeeper, LoneSettings};
pub use recalculation::recalculator;
pub use start::KeeperStart;

use super::{
    panics::unless_panicked,
    partition::Newest,
    report::{Ending, News, Reporter},
    seats::Seat,
    store_side::StoreSide,
};
use crate::{
    failpoint::{self, Point},
    format::{Accumulation, KnownCommit, RangeOutcomes, SegmentError},
    history::{Chain, CorrectionsProgress, PendingCorrections},
    recovery::AcceptLoss,
};
use background::Background;
use corrections::LargeFile;
use done::{Done, Finished};
use handle::{Order, Shown};
use next::{Next, Situation, next};
use work::Rewritten;

/// What a keeper has to store what is left when its worker is gone.
const ORPHANED: Duration = Duration::from_secs(5);

/// See the module.
struct Keeper {
    store_side: Arc<StoreSide>,
    reporter: Reporter,
    orders: UnboundedReceiver<Order>,
    shown: Arc<Shown>,
    _seat: Seat,
    /// `None` while a job has it.
    chain: Option<Box<Chain>>,
    newest: Newest,
    accumulation: Accumulation,
    stage: Stage,
    last_snapshot: Instant,
    asked: bool,
    loss: Option<AcceptLoss>,
    load: Option<PendingCorrections>,
    /// The file that they were read from last, if it is large.
    large_file: LargeFile,
    published: Option<CorrectionsProgress>,
    /// The last commit since this began.
    committed: Option<KnownCommit>,
    corrections_stuck: bool,
    background: Background,
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
                Some(()) = self.background.stepped() => Ok(()),
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
        Situation {
            busy: !self.job.is_empty(),
            loss: self.loss.is_some(),
            storable: self.stage != Stage::Replay && !self.accumulation.range().is_empty(),
            asked: self.asked,
            due: self.is_due(),
            leaving: self.leave.is_some(),
            load: self.load.is_some(),
            made: runs && self.background.is_made(),
            background: runs
                && self
                    .background
                    .may_begin(self.newest.head.sequence, self.published),
        }
    }

    fn is_due(&self) -> bool {
        self.last_snapshot.elapsed() >= self.store_side.snapshot_interval
    }

    /// When to look again although nothing has happened.
    fn wakes_at(&self) -> Option<Instant> {
        let due = self.last_snapshot + self.store_side.snapshot_interval;
        let idle = self.job.is_empty().then_some(due);
        let rested = self.background.wakes_at();
        idle.into_iter().chain(rested).min()
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
            Order::Committed(commit) => {
                self.published = commit.corrections;
                self.committed = Some(commit);
            }
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
        self.background.abandon();
    }

    /// The time is over: what is not stored is replayed by the next owner, who must not wait for a store that is away.
    async fn leave_unsaved(&mut self) -> Ending {
        let unsaved = self.shown.storing.bytes() > 0 || self.situation().storable;
        self.job.shutdown().await;
        Ending::Left { unsaved }
    }

    fn begin(&mut self, job: Next) {
        if job == Next::Background {
            if let Some(chain) = &self.chain {
                self.background.begin(chain, self.published);
            }
            return;
        }
        let Some(mut chain) = self.chain.take() else {
            return;
        };
        if let Some(commit) = self.committed {
            chain.note_commit(commit);
        }
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
                Some(pending) => {
                    let known = self.large_file.clone();
                    self.spawn(corrections::load(store_side, chain, pending, shown, known));
                }
                None => self.chain = Some(chain),
            },
            Next::Write => match self.background.write(chain) {
                Ok(job) => self.spawn(job),
                Err(chain) => self.chain = Some(chain),
            },
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
            let replaced = manifest.replaced();
            if manifest.sequence > self.newest.head.sequence && !replaced.is_empty() {
                self.reporter.tell(News::Replaced(replaced.to_vec()));
            }
        }
        let newest = newest.map(Newest::from);
        self.chain = Some(finished.chain);
        if let Some(newest) = newest {
            let waits =
                self.store_side.background.recalculator.is_some() && !self.corrections_stuck;
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
            Done::Worked(worked) => {
                self.reporter.tell(match self.background.finish(*worked) {
                    Some(Rewritten { segments, outcomes }) => News::Recalculated {
                        newest,
                        written: segments,
                        outcomes,
                    },
                    None => News::Looked { newest },
                });
            }
            Done::GivenUp => {}
        }
        self.forget_needless_request();
        Ok(())
    }
}

/// Waits until then; for ever without a moment.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
