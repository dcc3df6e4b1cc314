//! The one place where the processor waits for a store, or for a broker that recovery asks: longer each time up to a bound,
//! never in step with others, and with a reason that those who watch can read.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rand::RngExt;

use super::{
    Stop,
    outages::Outages,
    store_side::StoreSide,
    watch::{Reason, Trouble},
};
use crate::model::Partition;

/// How often a wait looks whether the processor is to stop.
const LOOK: Duration = Duration::from_millis(100);

/// When waiting ends without an answer.
#[derive(Clone, Debug)]
pub enum Until {
    /// As soon as the processor is to stop: the next start does it.
    Stop,
    /// As soon as the processor is to stop, or this is set: the next owner does it.
    Leave(Arc<AtomicBool>),
    /// Only when the processor is to end at once: what is stored at the end must not be replayed.
    Abort,
}

/// Waiting between attempts of one piece of work.
pub struct StoreWait {
    /// What waits, for the log.
    kind: &'static str,
    outages: Arc<Outages>,
    /// Whether the store has failed it.
    failed: bool,
    trouble: Trouble,
    stop: Stop,
    until: Until,
    pauses: Pauses,
}

impl StoreWait {
    /// For what must be there before `partitions` can be worked on.
    pub fn of_recovery(
        store_side: &StoreSide,
        kind: &'static str,
        partitions: &[Partition],
        until: Until,
    ) -> StoreWait {
        StoreWait::new(store_side, kind, partitions, until, Pauses::OF_RECOVERY)
    }

    /// For what is stored or read beside the work.
    pub fn of_keeper(
        store_side: &StoreSide,
        kind: &'static str,
        partition: Partition,
        until: Until,
    ) -> StoreWait {
        StoreWait::new(store_side, kind, &[partition], until, Pauses::OF_KEEPER)
    }

    fn new(
        store_side: &StoreSide,
        kind: &'static str,
        partitions: &[Partition],
        until: Until,
        pauses: Pauses,
    ) -> StoreWait {
        StoreWait {
            kind,
            outages: Arc::clone(&store_side.outages),
            failed: false,
            trouble: store_side.board.trouble(partitions),
            stop: store_side.stop.clone(),
            until,
            pauses,
        }
    }

    /// So many partitions wait for it still.
    pub fn is_for(&mut self, partitions: &[Partition]) {
        self.trouble.is_for(partitions);
    }

    /// Shows what is waited for, before an attempt has failed.
    pub fn show(&self, reason: Reason, text: &str) {
        self.trouble.is(reason, text);
    }

    /// Shows nothing any more.
    pub fn shows_nothing(&self) {
        self.trouble.is_over();
    }

    /// Says that an attempt failed, and waits until the next; `false` when there is to be none. What does not pass by
    /// itself, like a missing right, may need a person: it is said louder, and tried again all the same.
    pub async fn again(&mut self, reason: Reason, passes: bool, text: &str) -> bool {
        let pause = self.postpone(reason, passes, text);
        self.pause(pause).await
    }

    /// Waits until the next attempt without a word: it is said elsewhere why it waits. `false` when there is to be none.
    pub async fn quietly(&mut self) -> bool {
        let pause = self.pauses.next();
        self.pause(pause).await
    }

    async fn pause(&self, pause: Duration) -> bool {
        let until = tokio::time::Instant::now() + pause;
        while !self.is_over() {
            let left = until.saturating_duration_since(tokio::time::Instant::now());
            if left.is_zero() {
                return true;
            }
            tokio::time::sleep(left.min(LOOK)).await;
        }
        false
    }

    /// Says that an attempt failed, and after what time the next should be. Of a store that fails many, the log is told
    /// [now and then](Outages).
    pub fn postpone(&mut self, reason: Reason, passes: bool, text: &str) -> Duration {
        let pause = self.pauses.next();
        self.trouble.is(reason, text);
        let mut others = Some(0);
        if reason == Reason::Store {
            if !std::mem::replace(&mut self.failed, true) {
                self.outages.begins();
            }
            others = self.outages.fails(self.kind);
        }
        let more = match others {
            None | Some(0) => String::new(),
            Some(others) => format!(" ({others} more wait for the store)"),
        };
        let said = format!("{text}; trying again in {pause:.1?}, nothing is lost{more}");
        match (others, passes) {
            (None, _) => tracing::debug!("{said}"),
            (Some(_), true) => tracing::warn!("{said}"),
            (Some(_), false) => tracing::error!("{said}"),
        }
        pause
    }

    fn is_over(&self) -> bool {
        match &self.until {
            Until::Stop => self.stop.is_requested(),
            Until::Leave(leaving) => self.stop.is_requested() || leaving.load(Ordering::SeqCst),
            Until::Abort => self.stop.is_abort(),
        }
    }
}

impl Drop for StoreWait {
    fn drop(&mut self) {
        if self.failed
            && let Some(time) = self.outages.ends()
            && !self.is_over()
        {
            tracing::info!("the store answers again, after {time:.1?}");
        }
    }
}

/// Pauses that double up to a bound, each with half of it random.
#[derive(Debug)]
pub struct Pauses {
    next: Duration,
    longest: Duration,
}

impl Pauses {
    const OF_RECOVERY: Pauses = Pauses {
        next: Duration::from_millis(200),
        longest: Duration::from_secs(5),
    };
    const OF_KEEPER: Pauses = Pauses {
        next: Duration::from_millis(500),
        longest: Duration::from_secs(15),
    };

    /// Of a worker to which a broker refuses something.
    pub const OF_RIGHTS: Pauses = Pauses {
        next: Duration::from_millis(500),
        longest: Duration::from_secs(10),
    };

    /// The next.
    pub fn next(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(self.longest);
        pause.mul_f64(rand::rng().random_range(0.5..=1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_differ() {
        let mut pauses = Pauses::OF_KEEPER;
        let pauses: Vec<Duration> = (0..20).map(|_| pauses.next()).collect();
        assert!(pauses[0] >= Duration::from_millis(250) && pauses[0] <= Duration::from_millis(500));
        let bound = Duration::from_secs(15);
        assert!(pauses.iter().all(|pause| *pause <= bound));
        let long = &pauses[6..];
        assert!(long.iter().all(|pause| *pause >= bound / 2));
        assert!(long.windows(2).any(|pair| pair[0] != pair[1]));
    }
}
