//! One partition that a worker owns, from its assignment to its revocation: a state machine without I/O.
//!
//! | state | event | next state |
//! |---|---|---|
//! | gathering | a plan: start, adopt, continue, republish | running |
//! | gathering | a plan: replay | replaying |
//! | gathering | a plan: accept a loss | accepting loss |
//! | gathering | a refusal | held |
//! | held, since what is stored cannot be read | a plan: it can | as from gathering |
//! | accepting loss | the gap is in the chain | gathering |
//! | replaying | the end is reached, the number of outcomes is right | running, or storing when something else has published them |
//! | replaying | memory is short | replaying, but only to count |
//! | replaying | the end is reached, only counted, the number is right | replaying from the start, to keep |
//! | replaying | the end is reached, the number is wrong | what a new plan says |
//! | running | the output topics take other messages now | running when all is stored, else storing |
//! | storing | everything is stored | gathering |
//! | running | a transaction failed | running, from the committed offset |
//! | any | the facts are others now | gathering |
//!
//! The consumer follows the phase ([`Fetch`]): it delivers nothing unless the partition is running or replaying.

mod books;
mod narrowing;
mod newest;
mod outbox;
mod phase;
mod replay;
mod sent;
mod wish;

pub use books::{Books, BooksError};
pub use narrowing::Narrowing;
pub use newest::Newest;
pub use outbox::{Loaded, Outbox};
pub use phase::{Count, Phase, Replaying};
pub use replay::ReplayEnd;
pub use sent::Sent;
pub use wish::Wish;

use crate::{
    format::RangeOutcomes,
    model::{Offset, Partition, Sequence},
    recovery::{Cause, Commit, Facts, Limits, OutcomeCounts, Plan, Refusal, RefusedEvent},
};

/// Tells one ownership of a partition from the next, so that a report about an earlier one is not taken for this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(pub u64);

/// What the consumer does with a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetch {
    /// Nothing.
    Paused,
    /// It is to start again from an offset, as soon as no rebalance waits for an answer.
    StartAt(Offset),
    /// It fetches events.
    Running,
}

/// An owned partition.
#[derive(Debug)]
pub struct Owned {
    pub partition: Partition,
    pub epoch: Epoch,
    pub phase: Phase,
    pub fetch: Fetch,
    /// That this ownership wants its facts.
    pub wish: Wish,
    pub books: Books,
    /// The id of the topic that its plan was made for; `None` from a broker without ids.
    pub topic_id: Option<String>,
    /// A broker says that the topic is another one by now.
    pub is_of_other_topic: bool,
    /// What decides its outcomes, since the frontier.
    pub limits: Limits,
    /// The manifest from which on the books count.
    counted_from: Option<Sequence>,
    /// Offsets recorded as lost since the origin, after the end of then.
    pub lost: u64,
    /// How many more outcomes commits count than the books: those that were given up since they were published.
    pub beside: i64,
    /// What the next commit must make durable although nothing is new: recovery decided it.
    pub must_commit: Option<Commit>,
    /// Corrections on their way to the topics.
    pub outbox: Outbox,
    /// The newest manifest known.
    pub newest: Option<Newest>,
    /// What the open transaction holds.
    pub sent: Sent,
    /// Aborted transactions in a row without progress.
    pub aborts: u32,
    /// How far a refusal of its messages is narrowed down.
    pub narrowing: Narrowing,
    /// The event whose message no broker takes.
    pub refused: Option<RefusedEvent>,
    /// Keepers, and what recovers it, that died in a row without a snapshot.
    pub deaths: u32,
    /// Where events could not be read, and how often in a row.
    halts: Option<(Offset, u32)>,
}

/// So often in a row events must not be readable at one place before it is looked at whether they ever will be.
const MOST_HALTS: u32 = 3;

impl Owned {
    /// A partition just assigned, about which nothing is known.
    pub fn new(partition: Partition, epoch: Epoch) -> Owned {
        Owned {
            partition,
            epoch,
            phase: Phase::Gathering,
            fetch: Fetch::Paused,
            wish: Wish::default(),
            books: Books::new(Offset::ZERO, OutcomeCounts::default()),
            limits: Limits::default(),
            counted_from: None,
            topic_id: None,
            is_of_other_topic: false,
            lost: 0,
            beside: 0,
            must_commit: None,
            outbox: Outbox::default(),
            newest: None,
            sent: Sent::default(),
            aborts: 0,
            narrowing: Narrowing::default(),
            refused: None,
            deaths: 0,
            halts: None,
        }
    }

    /// The same partition, about which nothing is known any more.
    pub fn forgotten(&self, epoch: Epoch) -> Owned {
        Owned {
            aborts: self.aborts,
            deaths: self.deaths,
            halts: self.halts,
            ..Owned::new(self.partition, epoch)
        }
    }

    /// The events from `at` on could not be read.
    pub fn count_halt(&mut self, at: Offset) {
        let before = self.halts.filter(|(place, _)| *place == at);
        self.halts = Some((at, before.map_or(1, |(_, times)| times + 1)));
    }

    /// From where on events may never be readable: they were not, again and again.
    pub fn doubted(&self) -> Option<Offset> {
        let (at, times) = self.halts?;
        (times >= MOST_HALTS).then_some(at)
    }

    /// Whether events are fetched and their outcomes kept.
    pub fn is_active(&self) -> bool {
        matches!(self.phase, Phase::Running | Phase::Replaying(_))
    }

    /// Whether events are fetched now.
    pub fn is_fetching(&self) -> bool {
        self.fetch == Fetch::Running && self.is_active()
    }

    /// Whether events are processed and published.
    pub fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running)
    }

    /// Whether a plan for it is awaited: that it cannot be read ends as soon as it can.
    pub fn awaits_plan(&self) -> bool {
        match &self.phase {
            Phase::Gathering => true,
            Phase::Held(refusal) => matches!(refusal.cause, Cause::Closed { .. }),
            _ => false,
        }
    }

    /// Whether nothing is done with it.
    pub fn is_held(&self) -> bool {
        matches!(self.phase, Phase::Held(_))
    }

    /// Takes in what the newest manifest says now.
    pub fn set_newest(&mut self, newest: Newest) {
        self.outbox.refresh(newest.corrections.iter());
        self.newest = Some(newest);
    }

    /// Acts on a plan made of `facts`; `outcomes` are those that the chain holds. `limits` decide what no commit says to be
    /// decided otherwise.
    pub fn begin(
        &mut self,
        plan: Plan,
        commit: Option<Commit>,
        outcomes: OutcomeCounts,
        limits: Limits,
        facts: Facts,
    ) {
        // They were looked at, and are no obstacle.
        if self.doubted().is_some() {
            self.halts = None;
        }
        self.topic_id.clone_from(&facts.ours.events_topic_id);
        self.limits = limits;
        self.counted_from = self.newest.as_ref().map(|newest| newest.head.sequence);
        let (at, phase) = match plan {
            Plan::Start { at }
            | Plan::Adopt { at }
            | Plan::Continue { at, .. }
            | Plan::Republish { at, .. } => (at, Phase::Running),
            Plan::Replay(replay) => {
                let at = replay.range.start();
                self.limits = replay.limits.unwrap_or(limits);
                let count = Count::Pending;
                let replaying = Replaying {
                    replay,
                    count,
                    facts,
                };
                (at, Phase::Replaying(Box::new(replaying)))
            }
            Plan::AcceptLoss(loss) => (loss.range.end(), Phase::AcceptingLoss(loss)),
            Plan::Refuse(refusal) => return self.hold(refusal),
        };
        self.books = Books::new(at, outcomes);
        self.phase = phase;
        self.must_commit = commit;
        self.fetch = Fetch::Paused;
    }

    /// How many outcomes there are up to what has been processed, as commits count them.
    pub fn counted(&self) -> u64 {
        let outcomes = self.books.outcomes().outcomes();
        outcomes.saturating_add_signed(self.beside)
    }

    /// How many outcomes of each kind there are up to what has been processed; `None` when other edits have changed that
    /// since they were counted.
    pub fn kinds(&self) -> Option<OutcomeCounts> {
        let newest = self.newest.as_ref()?;
        (newest.edited <= self.counted_from).then(|| self.books.outcomes())
    }

    /// Takes limits that decide from now on; whether what is committed must be stored first, since others decided that.
    pub fn take_limits(&mut self, limits: Limits) -> bool {
        let stores = self.store_first();
        if !stores {
            self.limits = limits;
        }
        stores
    }

    /// Waits until everything committed is stored; whether there is anything to wait for.
    pub fn store_first(&mut self) -> bool {
        let stored = self.newest.as_ref().map(|newest| newest.stored.frontier);
        if stored == Some(self.books.end()) {
            return false;
        }
        self.phase = Phase::Storing;
        self.fetch = Fetch::Paused;
        true
    }

    /// Holds it.
    pub fn hold(&mut self, refusal: Box<Refusal>) {
        self.fetch = Fetch::Paused;
        self.phase = Phase::Held(refusal);
        // Nothing is published any more, so nothing is on its way: others need not wait for it.
        self.outbox = Outbox::default();
    }

    /// Drops what is not committed, and has it read again.
    pub fn rewind(&mut self) {
        self.outbox.unsend();
        self.sent = Sent::default();
        if self.is_running() {
            let at = self.books.rewind();
            if self.fetch == Fetch::Running {
                self.fetch = Fetch::StartAt(at);
            }
        }
    }

    /// Whether everything is stored that had to be before something else decides.
    pub fn is_all_stored(&self) -> bool {
        let stored = self.newest.as_ref().map(|newest| newest.stored.frontier);
        matches!(self.phase, Phase::Storing) && stored == Some(self.books.end())
    }

    /// The group stands at `offset`: returns what is committed by that, for the keeper.
    pub fn commit(&mut self, offset: Offset) -> Result<Vec<RangeOutcomes>, BooksError> {
        self.books.commit(offset)
    }
}

#[cfg(test)]
mod tests;
