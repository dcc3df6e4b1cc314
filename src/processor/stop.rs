//! How a running processor is asked to stop, and how urgently.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};

const RUN: u8 = 0;
const FINISH: u8 = 1;
const ABORT: u8 = 2;

/// How often a thread that sleeps looks at it.
const LOOK: Duration = Duration::from_millis(50);

/// A request to stop, shared by whoever may ask (signals, the end of the input, a failed worker) and all workers.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    level: Arc<AtomicU8>,
    since: Arc<Mutex<Option<Instant>>>,
}

impl Stop {
    /// Asks to finish: commit, snapshot, verify, leave. The clock of the shutdown time-out starts with the first call.
    pub fn finish(&self) {
        self.since
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert_with(Instant::now);
        self.level.fetch_max(FINISH, Ordering::SeqCst);
    }

    /// Asks to end at once: the open transaction is left to be aborted, nothing that was committed is lost.
    pub fn abort(&self) {
        self.finish();
        self.level.fetch_max(ABORT, Ordering::SeqCst);
    }

    /// Whether the processor is to stop, in whatever way.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.level.load(Ordering::SeqCst) != RUN
    }

    /// Whether the processor is to end at once.
    #[must_use]
    pub fn is_abort(&self) -> bool {
        self.level.load(Ordering::SeqCst) == ABORT
    }

    /// Sleeps for so long on this thread; `false` when the processor is to stop meanwhile.
    pub(super) fn sleep(&self, time: Duration) -> bool {
        let since = Instant::now();
        while !self.is_requested() {
            let left = time.saturating_sub(since.elapsed());
            if left.is_zero() {
                return true;
            }
            std::thread::sleep(left.min(LOOK));
        }
        false
    }

    /// What is left of `limit` since the request; all of it while nobody has asked.
    #[must_use]
    pub fn remaining(&self, limit: Duration) -> Duration {
        match *self.since.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(since) => limit.saturating_sub(since.elapsed()),
            None => limit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_abort_is_not_taken_back_by_a_later_finish() {
        let stop = Stop::default();
        assert!(!stop.is_requested());
        stop.abort();
        stop.finish();
        assert!(stop.is_abort());
    }

    #[test]
    fn who_sleeps_hears_of_it() {
        let stop = Stop::default();
        assert!(stop.sleep(Duration::from_millis(1)));
        stop.finish();
        assert!(!stop.sleep(Duration::from_hours(1)));
    }

    #[test]
    fn the_clock_starts_with_the_first_request() {
        let stop = Stop::default();
        let limit = Duration::from_secs(10);
        assert_eq!(stop.remaining(limit), limit);
        stop.finish();
        assert!(stop.remaining(limit) <= limit);
        assert_eq!(stop.remaining(Duration::ZERO), Duration::ZERO);
    }
}
