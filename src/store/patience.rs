//! How long a call may take, and how often it is tried.

use std::time::Duration;

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
    pub async fn persist<T>(
        self,
        mut call: impl AsyncFnMut() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
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
            // Half of the pause is random, so that workers do not come back all at once.
            let share = rand::rng().random_range(0.5..=1.0);
            tokio::time::sleep(pause.mul_f64(share)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let mut tries = 0;
        let result: Result<(), _> = Patience::default()
            .persist(async || {
                tries += 1;
                Err(timeout())
            })
            .await;
        assert!(matches!(result, Err(StoreError::Timeout { .. })));
        assert!(started.elapsed() <= RETRY_FOR, "{:?}", started.elapsed());
        assert!((8..20).contains(&tries), "{tries}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_is_tried_until_it_succeeds() {
        let mut left = 3;
        let result = Patience::default()
            .persist(async || {
                if left == 0 {
                    Ok("done")
                } else {
                    left -= 1;
                    Err(timeout())
                }
            })
            .await;
        assert_eq!(result.unwrap(), "done");
    }

    #[tokio::test(start_paused = true)]
    async fn what_time_does_not_mend_is_not_tried_again() {
        let mut tries = 0;
        let result: Result<(), _> = Patience::default()
            .persist(async || {
                tries += 1;
                Err(StoreError::NotFound {
                    location: "x".to_owned(),
                })
            })
            .await;
        assert!(result.unwrap_err().is_not_found());
        assert_eq!(tries, 1);
    }

    #[test]
    fn more_bytes_may_take_longer() {
        assert_eq!(deadline(0), ANSWER);
        assert_eq!(deadline(64 << 20), ANSWER + Duration::from_secs(128));
    }
}
