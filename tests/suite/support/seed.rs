//! The random choices of a test, so that a failure can be made again.

use rand::RngExt;

/// `SNAPBACK_TEST_SEED`, or another number each time; printed, which is shown when the test fails.
pub fn seed(what: &str) -> u64 {
    let seed = match std::env::var("SNAPBACK_TEST_SEED") {
        Ok(seed) => seed.parse().expect("SNAPBACK_TEST_SEED is a number"),
        Err(_) => rand::rng().random(),
    };
    println!("{what}: SNAPBACK_TEST_SEED={seed}");
    seed
}
