//! What a log is told of a store that fails: each kind of work that waits for it, once in a while, and that it is back; not each
//! attempt of each partition.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// One kind of work says so seldom that it waits.
const AGAIN: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug, Default)]
pub struct Outages(Mutex<Outage>);

#[derive(Debug, Default)]
struct Outage {
    /// Those that wait.
    waiting: usize,
    since: Option<Instant>,
    /// When each kind of work was last said to wait.
    said: BTreeMap<&'static str, Instant>,
}

impl Outages {
    /// One more waits.
    pub fn begins(&self) {
        let mut outage = self.lock();
        outage.waiting += 1;
        outage.since.get_or_insert_with(Instant::now);
    }

    /// An attempt at work of this kind failed: how many others wait, when it is to be said.
    pub fn fails(&self, kind: &'static str) -> Option<usize> {
        let now = Instant::now();
        let mut outage = self.lock();
        let said = outage.said.get(kind);
        if said.is_some_and(|said| now - *said < AGAIN) {
            return None;
        }
        outage.said.insert(kind, now);
        Some(outage.waiting.saturating_sub(1))
    }

    /// One waits no more; how long it was, when none is left.
    pub fn ends(&self) -> Option<Duration> {
        let mut outage = self.lock();
        outage.waiting = outage.waiting.saturating_sub(1);
        if outage.waiting > 0 {
            return None;
        }
        outage.said.clear();
        outage.since.take().map(|since| since.elapsed())
    }

    fn lock(&self) -> MutexGuard<'_, Outage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_kind_of_work_says_once_in_a_while_that_it_waits_and_the_last_that_the_store_is_back()
     {
        let outages = Outages::default();
        for _ in 0..8 {
            outages.begins();
        }
        assert_eq!(outages.fails("snapshot"), Some(7));
        assert_eq!(outages.fails("snapshot"), None, "another partition");
        assert_eq!(outages.fails("merging"), Some(7), "other work");
        tokio::time::sleep(AGAIN).await;
        assert_eq!(outages.fails("snapshot"), Some(7));
        for _ in 0..7 {
            assert_eq!(outages.ends(), None);
        }
        assert_eq!(outages.ends(), Some(AGAIN));
        outages.begins();
        assert_eq!(outages.fails("snapshot"), Some(0), "a new outage");
    }
}
