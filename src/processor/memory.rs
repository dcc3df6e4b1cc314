//! Where the memory of `--memory` goes (I8): a fixed share for each of librdkafka's queues, the rest for outcomes.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// How many bytes each part of one worker may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Events fetched ahead, librdkafka's overhead included.
    pub fetch_queue: u64,
    /// Results and rejects not yet acknowledged, librdkafka's overhead included.
    pub publish_queue: u64,
    /// Outcomes that are not committed above which the transaction is committed before its interval.
    pub commit_above: u64,
    /// Outcomes in all above which the largest accumulations are stored before their interval.
    pub store_above: u64,
    /// Outcomes in all above which consumption pauses.
    pub pause_above: u64,
    /// What background work may hold beside them, in the whole process. What it holds above that it takes of the room of
    /// outcomes.
    pub background: u64,
}

/// What the process itself needs, whatever it works on.
const PROCESS: u64 = 24 << 20;

impl Budget {
    /// The smallest `--memory` for each worker: below it, queues would be too short to work.
    pub const SMALLEST: u64 = 32 << 20;

    /// Divides `memory` bytes, without what the process itself needs, among `workers` workers.
    ///
    /// Five twelfths of it are for queues: they are what keeps a worker from waiting for the broker (with a quarter for
    /// both it is a fifth slower). A quarter is for outcomes, which are encoded as soon as they are committed, to about a fifth of
    /// their size; a file that is closed stays in memory until it is stored. A sixth of all is for background work, which
    /// has one turn in the process: what it holds for seconds, at its slow rate, must not stop new events. The last sixth
    /// stays free for what the allocator needs.
    #[must_use]
    pub fn of_worker(memory: u64, workers: usize) -> Budget {
        let shared = memory.saturating_sub(PROCESS).max(memory / 4);
        let own = shared / workers.max(1) as u64;
        Budget {
            fetch_queue: own / 4,
            publish_queue: own / 6,
            commit_above: own / 10,
            store_above: own / 7,
            pause_above: own / 4,
            background: shared / 6,
        }
    }
}

/// What the outcomes held by a worker and its keepers are doing there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Not committed.
    Uncommitted,
    /// Committed, on their way to a keeper's encoder.
    HandedOver,
    /// Encoded, in open files.
    Accumulated,
    /// In files that are being stored.
    Storing,
    /// What background work reads and writes.
    Background,
}

impl Part {
    const ALL: [Part; 5] = [
        Part::Uncommitted,
        Part::HandedOver,
        Part::Accumulated,
        Part::Storing,
        Part::Background,
    ];

    /// Its name in metrics.
    const fn name(self) -> &'static str {
        match self {
            Part::Uncommitted => "uncommitted",
            Part::HandedOver => "handed-over",
            Part::Accumulated => "accumulated",
            Part::Storing => "storing",
            Part::Background => "background",
        }
    }
}

/// The bytes of outcomes that a worker and its keepers hold, by part; shared by all of them.
#[derive(Debug)]
pub struct Ledger {
    parts: [AtomicU64; Part::ALL.len()],
    /// [`Budget::background`].
    background: u64,
}

impl Ledger {
    /// Nothing is held, by anybody who works within this budget.
    pub fn of(budget: &Budget) -> Ledger {
        Ledger {
            parts: Default::default(),
            background: budget.background,
        }
    }

    fn part(&self, part: Part) -> u64 {
        self.parts[part as usize].load(Ordering::Relaxed)
    }

    /// What is in the room of outcomes: all outcomes, and what background work holds above its own share.
    pub fn held(&self) -> u64 {
        self.with_background(self.background())
    }

    /// The same if background work held so much.
    pub fn with_background(&self, bytes: u64) -> u64 {
        let outcomes = Part::ALL
            .into_iter()
            .filter(|part| *part != Part::Background);
        let outcomes: u64 = outcomes.map(|part| self.part(part)).sum();
        outcomes + bytes.saturating_sub(self.background)
    }

    /// What background work holds.
    pub fn background(&self) -> u64 {
        self.part(Part::Background)
    }

    /// What snapshots free: outcomes that are in no file yet that is being stored.
    pub fn storable(&self) -> u64 {
        let parts = [Part::Uncommitted, Part::HandedOver, Part::Accumulated];
        parts.map(|part| self.part(part)).iter().sum()
    }

    /// What each part holds.
    pub fn parts(&self) -> Vec<(&'static str, u64)> {
        Part::ALL.map(|one| (one.name(), self.part(one))).to_vec()
    }

    /// An entry of one holder, which holds nothing yet.
    pub fn entry(self: &Arc<Ledger>, part: Part) -> Entry {
        Entry {
            ledger: Arc::clone(self),
            part,
            bytes: AtomicU64::new(0),
        }
    }
}

/// What one holder has in the [`Ledger`]; when it is dropped, nothing.
#[derive(Debug)]
pub struct Entry {
    ledger: Arc<Ledger>,
    part: Part,
    bytes: AtomicU64,
}

impl Entry {
    /// What it holds, in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// It holds so much now.
    pub fn set(&self, bytes: usize) {
        let bytes = bytes as u64;
        let before = self.bytes.swap(bytes, Ordering::Relaxed);
        let all = &self.ledger.parts[self.part as usize];
        // Wrapping: what is added and taken away adds up.
        all.fetch_add(bytes.wrapping_sub(before), Ordering::Relaxed);
    }

    /// It holds so much more.
    pub fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.ledger.parts[self.part as usize].fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// It holds so much less.
    pub fn take(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes as u64, Ordering::Relaxed);
        self.ledger.parts[self.part as usize].fetch_sub(bytes as u64, Ordering::Relaxed);
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// Has the C library keep less of the memory that is freed (I8).
///
/// By default it keeps the places of blocks as large as those that were freed before, which the next ones fit badly: messages
/// of a megabyte then take more than twice the memory that is used for them. And it gives each thread a part of the memory for
/// itself, up to eight for each core, so that what a process occupies grows for an hour. With `workers` threads that
/// allocate much, a few parts are as fast.
#[cfg(target_env = "gnu")]
#[allow(
    unsafe_code,
    reason = "the C library, which the Kafka client uses too, has no safe interface for this"
)]
pub(super) fn keep_little(workers: usize) {
    /// Just below the largest message that a broker takes by default.
    const LARGE: libc::c_int = 1_000_000;
    let parts = libc::c_int::try_from(workers + 1).unwrap_or(libc::c_int::MAX);
    // SAFETY: `mallopt` takes two numbers and may be called at any time from any thread.
    let set = unsafe {
        [
            libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE),
            libc::mallopt(libc::M_ARENA_MAX, parts),
        ]
    };
    if set.contains(&0) {
        tracing::debug!("the allocator does not take all of its settings");
    }
}

/// Other C libraries have no such habits.
#[cfg(not(target_env = "gnu"))]
pub(super) fn keep_little(_workers: usize) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_parts_of_all_workers_fit_into_the_memory_given() {
        for workers in 1..9 {
            let part = Budget::of_worker(256 << 20, workers);
            let own = part.fetch_queue + part.publish_queue + part.pause_above;
            assert!(own * workers as u64 + part.background <= (256 << 20) * 5 / 6);
            assert!(part.commit_above < part.store_above);
            assert!(part.store_above < part.pause_above);
        }
    }

    #[test]
    fn the_ledger_is_the_sum_of_its_entries_and_forgets_those_that_end() {
        let ledger = Arc::new(Ledger::of(&Budget::of_worker(256 << 20, 1)));
        let (one, other) = (ledger.entry(Part::Storing), ledger.entry(Part::Accumulated));
        one.set(100);
        other.add(30);
        one.set(70);
        other.take(10);
        assert_eq!((ledger.held(), one.bytes(), other.bytes()), (90, 70, 20));
        assert!(ledger.parts().contains(&("storing", 70)));
        drop(one);
        assert_eq!(ledger.held(), 20);
        assert!(ledger.parts().contains(&("storing", 0)));
        assert!(ledger.parts().contains(&("accumulated", 20)));
    }

    #[test]
    fn background_work_takes_the_room_of_outcomes_only_above_its_own_share() {
        let budget = Budget::of_worker(256 << 20, 1);
        let ledger = Arc::new(Ledger::of(&budget));
        let (outcomes, background) = (ledger.entry(Part::Storing), ledger.entry(Part::Background));
        outcomes.set(1000);
        background.set(usize::try_from(budget.background).unwrap());
        assert_eq!(ledger.held(), 1000);
        background.add(7);
        assert_eq!(ledger.held(), 1007);
        assert_eq!(ledger.background(), budget.background + 7);
        assert_eq!(ledger.with_background(0), 1000);
    }
}
