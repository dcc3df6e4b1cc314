//! Waiting between attempts while a store or a broker is away: longer each time up to a bound, and never in step with others.

use std::time::Duration;

use rand::RngExt;

/// Waits that double, each with half of it random.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
    longest: Duration,
}

impl Backoff {
    /// For what the recovery of a partition waits for.
    pub fn of_recovery() -> Backoff {
        Backoff {
            next: Duration::from_millis(200),
            longest: Duration::from_secs(5),
        }
    }

    /// For what is stored or read beside the work.
    pub fn of_store() -> Backoff {
        Backoff {
            next: Duration::from_millis(500),
            longest: Duration::from_secs(15),
        }
    }

    /// How long to wait this time.
    pub fn pause(&mut self) -> Duration {
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
        let mut backoff = Backoff::of_store();
        let pauses: Vec<Duration> = (0..20).map(|_| backoff.pause()).collect();
        assert!(pauses[0] >= Duration::from_millis(250) && pauses[0] <= Duration::from_millis(500));
        let bound = Duration::from_secs(15);
        assert!(pauses.iter().all(|pause| *pause <= bound));
        let long = &pauses[6..];
        assert!(long.iter().all(|pause| *pause >= bound / 2));
        assert!(long.windows(2).any(|pair| pair[0] != pair[1]));
    }
}
