//! How long a call may take, and how often it is tried.

use std::{future::Future, time::Duration};

use rand::RngExt as _;
use tokio::time::Instant;

use super::StoreError;

/// What a call may take that moves no data: ten times what a busy S3 needs, and enough for a disk
/// that has to spin up or flush its cache.
const ANSWER: Duration = Duration::from_secs(10);

/// The slowest connection that is put up with, in bytes per second: an uplink of 4 Mbit/s.
const SLOWEST: u64 = 512 * 1024;

/// What the next page of a listing may take.
pub(super) const PAGE: Duration = Duration::from_secs(30);

/// What a server-side copy may take; S3 copies about 100 MB per second, and segments are smaller.
pub(super) const COPY: Duration = Duration::from_secs(60);

/// How long a failed call is tried again before the caller hears of it.
const RETRY_FOR: Duration = Duration::from_secs(15);

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// How long one try may take that moves this many bytes.
pub(super) fn deadline(bytes: u64) -> Duration {
    ANSWER + Duration::from_secs(bytes / SLOWEST)
}

/// How long a failed call is tried again. A call ends after at most this and one try's deadline.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    pub retry_for: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            retry_for: RETRY_FOR,
        }
    }
}

impl Patience {
    /// Calls until it succeeds, fails for good, or patience ends; only for what may be done twice.
    pub async fn persist<T, F>(self, call: impl Fn() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let started = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match call().await {
                Err(error) if error.is_transient() => error,
                done => return done,
            };
            if started.elapsed() + pause > self.retry_for {
                return Err(error);
            }
            tracing::debug!(%error, ?pause, "trying again");
            tokio::time::sleep(jittered(pause)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// Half of a pause is random, so that workers do not come back all at once.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::rng().random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Fails `failures` times, and the number of times it was tried.
    async fn tried(failures: u32, error: impl Fn() -> StoreError) -> (Result<(), StoreError>, u32) {
        let tries = Cell::new(0);
        let call = || async {
            tries.set(tries.get() + 1);
            if tries.get() <= failures {
                Err(error())
            } else {
                Ok(())
            }
        };
        (Patience::default().persist(call).await, tries.get())
    }

    fn timeout() -> StoreError {
        StoreError::Timeout {
            operation: "reading",
            location: "x".to_owned(),
            after: Duration::ZERO,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_outlasted_within_bounds_and_then_reported() {
        let started = Instant::now();
        let (result, tries) = tried(u32::MAX, timeout).await;
        assert!(matches!(result, Err(StoreError::Timeout { .. })));
        assert!(started.elapsed() <= RETRY_FOR, "{:?}", started.elapsed());
        assert!((8..20).contains(&tries), "{tries}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_is_tried_until_it_succeeds() {
        let (result, tries) = tried(3, timeout).await;
        result.unwrap();
        assert_eq!(tries, 4);
    }

    #[tokio::test(start_paused = true)]
    async fn what_time_does_not_mend_is_not_tried_again() {
        let missing = || StoreError::NotFound {
            location: "x".to_owned(),
        };
        let (result, tries) = tried(u32::MAX, missing).await;
        assert!(result.unwrap_err().is_not_found());
        assert_eq!(tries, 1);
    }

    #[test]
    fn more_bytes_may_take_longer() {
        assert_eq!(deadline(0), ANSWER);
        assert_eq!(deadline(64 << 20), ANSWER + Duration::from_secs(128));
    }
}
