//! How fast background work goes: the bytes that it reads and writes, and the part of a core that it computes on. One for
//! all background work of a process, so that new events never wait for old ones.

use std::{
    future::Future,
    num::NonZeroU64,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{task::JoinError, time::Instant};

/// See the module. Clones share it.
#[derive(Clone, Debug)]
pub struct Throttle(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Bytes a second; `None`: as fast as it goes.
    rate: Option<NonZeroU64>,
    /// When everything is paid for that was taken.
    paid_at: Mutex<Instant>,
    /// Held by who computes; when the next one may.
    core: tokio::sync::Mutex<Instant>,
}

impl Throttle {
    /// At most so many bytes a second, and half of one core.
    #[must_use]
    pub fn of(bytes_per_second: NonZeroU64) -> Throttle {
        Throttle::new(Some(bytes_per_second))
    }

    /// As fast as it goes: for a command that has nothing else to do.
    #[must_use]
    pub fn unlimited() -> Throttle {
        Throttle::new(None)
    }

    fn new(rate: Option<NonZeroU64>) -> Throttle {
        Throttle(Arc::new(Shared {
            rate,
            paid_at: Mutex::new(Instant::now()),
            core: tokio::sync::Mutex::new(Instant::now()),
        }))
    }

    /// Waits until the bytes that others took are paid for, then takes these: before they are read or written.
    pub async fn take(&self, bytes: u64) {
        let Some(rate) = self.0.rate else { return };
        #[expect(clippy::cast_precision_loss, reason = "bytes of a file, or of a few")]
        let costs = Duration::from_secs_f64(bytes as f64 / rate.get() as f64);
        let begins = {
            let paid_at = &self.0.paid_at;
            let mut paid_at = paid_at.lock().unwrap_or_else(PoisonError::into_inner);
            let begins = (*paid_at).max(Instant::now());
            *paid_at = begins + costs;
            begins
        };
        tokio::time::sleep_until(begins).await;
    }

    /// Awaits work that keeps one core busy, one at a time; the next begins after a rest as long as the work took.
    pub async fn compute<T>(&self, work: impl Future<Output = T>) -> T {
        if self.0.rate.is_none() {
            return work.await;
        }
        let mut core = self.0.core.lock().await;
        tokio::time::sleep_until(*core).await;
        let began = Instant::now();
        let done = work.await;
        let ended = Instant::now();
        *core = ended + (ended - began);
        done
    }

    /// The same for work that blocks, on a thread that serves nothing else.
    ///
    /// # Errors
    /// When the work panics.
    pub async fn compute_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JoinError> {
        self.compute(async { tokio::task::spawn_blocking(work).await })
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn throttle(bytes: u64) -> Throttle {
        Throttle::of(NonZeroU64::new(bytes).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn what_many_take_together_is_paid_for_in_time() {
        let (throttle, began) = (throttle(1000), Instant::now());
        let takers = (0..10).map(|_| async {
            throttle.take(500).await;
            throttle.take(500).await;
        });
        futures::future::join_all(takers).await;
        // The last one began when all others were paid for.
        let took = began.elapsed();
        let expected = Duration::from_millis(9500);
        assert!(took >= expected && took < expected + Duration::from_millis(50));
        tokio::time::sleep(Duration::from_mins(1)).await;
        let idle = Instant::now();
        throttle.take(1000).await;
        assert_eq!(
            idle.elapsed(),
            Duration::ZERO,
            "nothing is owed after a pause"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn computing_takes_half_of_one_core_whoever_computes() {
        let (throttle, began) = (throttle(1000), Instant::now());
        let second = Duration::from_secs(1);
        let compute = async || tokio::time::sleep(second).await;
        let work = (0..4).map(|_| throttle.compute(compute()));
        futures::future::join_all(work).await;
        let took = began.elapsed();
        assert!(took >= 7 * second && took < 8 * second, "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_command_waits_for_nothing() {
        let (throttle, began) = (Throttle::unlimited(), Instant::now());
        throttle.take(u64::MAX).await;
        throttle.take(u64::MAX).await;
        assert_eq!(throttle.compute_blocking(|| 7).await.unwrap(), 7);
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}
