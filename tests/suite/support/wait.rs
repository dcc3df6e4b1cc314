//! Waiting for a condition instead of sleeping.

use std::fmt::Display;
use std::thread::sleep;
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(20);

/// Asks `probe` until it answers, for at most `limit`; panics with `what` when it never does.
#[track_caller]
pub fn eventually<T>(limit: Duration, what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    eventually_ok(limit, what, || probe().ok_or("nothing"))
}

/// As [`eventually`], for a probe that says what it saw instead: the panic holds the last such answer.
#[track_caller]
pub fn eventually_ok<T, E: Display>(
    limit: Duration,
    what: &str,
    probe: impl FnMut() -> Result<T, E>,
) -> T {
    match poll(limit, probe) {
        Ok(found) => found,
        Err(last) => panic!("within {limit:?} there was never {what}; last seen: {last}"),
    }
}

/// Asks `probe` until it is content or `limit` has passed, and gives its last answer. It is asked at least once.
pub(super) fn poll<T, E>(limit: Duration, mut probe: impl FnMut() -> Result<T, E>) -> Result<T, E> {
    let start = Instant::now();
    loop {
        match probe() {
            Err(_) if start.elapsed() < limit => sleep(PAUSE),
            answer => return answer,
        }
    }
}
