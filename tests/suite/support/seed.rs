//! How much a run takes, and the random choices of a test, so that a failure can be made again.

use rand::RngExt;

/// Whether this run takes everything: `SNAPBACK_TEST_SWEEP=full`, as the nightly command does.
pub fn sweeps() -> bool {
    std::env::var("SNAPBACK_TEST_SWEEP").is_ok_and(|sweep| sweep == "full")
}

/// `SNAPBACK_TEST_SEED`, or another number each time; printed, which is shown when the test fails.
pub fn seed(what: &str) -> u64 {
    let seed = match std::env::var("SNAPBACK_TEST_SEED") {
        Ok(seed) => seed.parse().expect("SNAPBACK_TEST_SEED is a number"),
        Err(_) => rand::rng().random(),
    };
    println!("{what}: SNAPBACK_TEST_SEED={seed}");
    seed
}
