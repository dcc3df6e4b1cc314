//! Whether a right that is missing may come back: credentials rotate, and what was taken away is given back. A right that was
//! never there needs a person.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

/// A process that has worked for so long had what it needs, though it may have had nothing to commit.
const SETTLED: Duration = Duration::from_secs(60);

/// What is known of the rights of a process.
#[derive(Debug)]
pub struct Rights {
    /// A run to the end of its input, for which nobody waits.
    to_the_end: bool,
    began: Instant,
    sufficed: AtomicBool,
}

impl Rights {
    /// Of a process that begins now.
    pub fn new(to_the_end: bool) -> Rights {
        Rights {
            to_the_end,
            began: Instant::now(),
            sufficed: AtomicBool::default(),
        }
    }

    /// Something was published and committed: nothing was missing.
    pub fn suffice(&self) {
        self.sufficed.store(true, Ordering::Relaxed);
    }

    /// Whether one that is missing is waited for.
    pub fn may_come_back(&self) -> bool {
        let sufficed = self.sufficed.load(Ordering::Relaxed);
        !self.to_the_end && (sufficed || self.began.elapsed() >= SETTLED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_that_was_there_is_waited_for_but_not_by_a_run_to_the_end() {
        let running = Rights::new(false);
        assert!(!running.may_come_back());
        running.suffice();
        assert!(running.may_come_back());
        let idle = Rights {
            began: Instant::now() - SETTLED,
            ..Rights::new(false)
        };
        assert!(idle.may_come_back());
        let to_the_end = Rights::new(true);
        to_the_end.suffice();
        assert!(!to_the_end.may_come_back());
    }
}
