//! What background work is: one file for each kind, which says whether it has something to do, does one bounded step of it
//! beside the keeper, and brings what the step made into the chain.
//!
//! The keeper calls: [`Work::due`] when something may have changed, [`Work::step`] on a task of its own with a copy of the
//! chain, [`Work::write`] as a job like a snapshot, with the chain itself. At most one kind at a time is under way in a keeper,
//! and few in a process; after a step a keeper rests. A snapshot that is due goes before `write`, also between two attempts of
//! it: what the store refuses of the past must not hold up what is new. When the processor stops or the partition is given up,
//! work is dropped wherever it waits: what it put is left over for the next owner's tidying.
//!
//! What a step reads it takes from the process's [`Throttle`] first, and memory from [`Site::reserve`] (I8). What is to be written is
//! taken for it after the step, once, while the keeper has its chain.

use std::{sync::Arc, time::Duration};

use futures::{
    FutureExt as _,
    future::{BoxFuture, ready},
};
use tokio::time::Instant;

use super::{
    super::{
        memory::{Budget, Ledger},
        report::Reporter,
        store_side::StoreSide,
        store_wait::{StoreWait, Until},
    },
    handle::Shown,
};
use crate::{
    format::{Manifest, Segment},
    history::{Chain, CorrectionsProgress},
    model::Partition,
    store::Throttle,
};

/// How often work that waits for memory looks again.
const LOOK: Duration = Duration::from_millis(50);

/// One kind of background work on one partition, with what it keeps in mind.
pub trait Work: Send {
    /// Whether it has something to do: a function of the newest manifest, the clock and what it keeps in mind. Asked when the
    /// newest manifest, or how far corrections are published, has changed; after each step of any kind; and at the moment that it named.
    fn due(&mut self, site: &Site, known: &Known<'_>) -> Due;

    /// Does one bounded step. It changes nothing that the chain lists; what it makes stays here.
    fn step<'w>(&'w mut self, site: &'w Site, chain: &'w Chain) -> BoxFuture<'w, Step>;

    /// Brings what the step made into the chain, if that is still what it was made of. One attempt; after [`Written::Waits`]
    /// it is asked again later. Not asked of work whose steps never say [`Step::Write`].
    fn write<'w>(&'w mut self, _site: &'w Site, _chain: &'w mut Chain) -> BoxFuture<'w, Written> {
        ready(Written::Nothing).boxed()
    }
}

/// What the answer to [`Work::due`] is made of.
pub struct Known<'k> {
    /// The newest manifest.
    pub newest: &'k Manifest,
    /// How far corrections are published.
    pub published: Option<CorrectionsProgress>,
    pub now: Instant,
}

/// See [`Work::due`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// There is something, and it goes before other kinds.
    Urgent,
    /// There is something.
    Now,
    /// There may be something then.
    At(Instant),
    /// There is nothing.
    Nothing,
}

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Something is to be written, of so many bytes.
    Write(u64),
    /// There is nothing for the chain.
    Done,
}

/// What came of bringing it into the chain.
#[derive(Debug)]
pub enum Written {
    /// Outcomes have other files now, for the worker to count and to verify at the end.
    Rewritten(Rewritten),
    /// There is nothing that the worker must know.
    Nothing,
    /// The store refused it for now.
    Waits(Waits),
}

/// What waits for the store, and whether that passes by itself.
#[derive(Debug)]
pub struct Waits {
    /// What is done: `merging`.
    pub kind: &'static str,
    pub text: String,
    pub passes: bool,
}

/// Outcomes that an edit gave other files.
#[derive(Debug)]
pub struct Rewritten {
    /// The new segments.
    pub segments: Vec<Segment>,
    /// The outcomes in them.
    pub outcomes: u64,
}

/// Where background work is done.
#[derive(Clone)]
pub struct Site {
    pub partition: Partition,
    /// Tells the worker.
    pub reporter: Reporter,
    pub store_side: Arc<StoreSide>,
    pub shown: Arc<Shown>,
    pub ledger: Arc<Ledger>,
    pub budget: Budget,
}

impl Site {
    /// Waits until so much memory is free, and holds it until the step, or what it made, is over; `false` when the work is to
    /// end first. What this site held before it holds no more. What is larger than the share of background work waits for
    /// room among outcomes; what fits nowhere waits until it is alone and few outcomes are held, and consumption pauses
    /// meanwhile.
    pub async fn reserve(&self, bytes: u64) -> bool {
        while !self.fits(bytes) {
            if self.store_side.stop.is_requested() {
                return false;
            }
            tokio::time::sleep(LOOK).await;
        }
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        self.shown.background.set(bytes);
        true
    }

    fn fits(&self, bytes: u64) -> bool {
        let budget = &self.budget;
        let others = self.ledger.background() - self.shown.background.bytes();
        let is_alone = others == 0 && self.ledger.with_background(0) <= budget.store_above;
        let all = others + bytes;
        all <= budget.background
            || self.ledger.with_background(all) <= budget.pause_above
            || is_alone
    }

    /// Waiting for the store, until the processor stops or the partition is given up.
    pub fn wait(&self, kind: &'static str) -> StoreWait {
        let until = Until::Leave(Arc::clone(&self.shown.leaving));
        StoreWait::of_keeper(&self.store_side, kind, self.partition, until)
    }

    /// How fast all background work of the process goes.
    pub fn throttle(&self) -> &Throttle {
        &self.store_side.background.compactor.throttle
    }
}
