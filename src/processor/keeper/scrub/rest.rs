//! How long a scrub rests after a step.

use std::time::Duration;

/// The rest with which so many partitions together take `percent` of one core.
pub fn rest(took: Duration, percent: u32, partitions: usize) -> Duration {
    let partitions = u32::try_from(partitions).unwrap_or(u32::MAX);
    let all = took.saturating_mul(100).saturating_mul(partitions);
    (all / percent.max(1)).saturating_sub(took)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_partitions_together_take_their_share_of_a_core() {
        let took = Duration::from_millis(10);
        for (percent, partitions, rests) in [
            (1, 1, 990),
            (1, 8, 7990),
            (50, 1, 10),
            (50, 4, 70),
            (100, 1, 0),
        ] {
            assert_eq!(
                rest(took, percent, partitions),
                Duration::from_millis(rests)
            );
        }
    }
}
