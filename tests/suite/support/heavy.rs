//! How many heavy tests run at a time.
//!
//! Most tests wait for servers, so there are more test threads than cores (`RUST_TEST_THREADS` in `.cargo/config.toml`).
//! A test that computes for long, starts many processes or a broker of its own is heavy: it waits for its turn.

use std::cell::RefCell;
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};

/// How many may have a turn at a time. Most of them wait for half of their time, too; of more, each would only be slower, and
/// their brokers' Java machines would need the memory of a larger machine than two cores come with.
const TURNS: usize = 4;

static FREE: Mutex<usize> = Mutex::new(TURNS);
static GIVEN_BACK: Condvar = Condvar::new();

/// The right to be heavy, for as long as the value lives.
#[must_use = "the turn ends with the value"]
pub struct Turn {
    _shared: Arc<Taken>,
}

struct Taken;

impl Drop for Taken {
    fn drop(&mut self) {
        *FREE.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        GIVEN_BACK.notify_one();
    }
}

/// Waits for a turn. A thread that has one gets the same again: a heavy test that starts a broker waits once, and two such
/// tests never wait for each other.
pub fn heavy() -> Turn {
    thread_local! {
        static OURS: RefCell<Weak<Taken>> = const { RefCell::new(Weak::new()) };
    }
    OURS.with_borrow_mut(|ours| {
        let taken = ours.upgrade().unwrap_or_else(|| {
            let free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
            let mut free = GIVEN_BACK
                .wait_while(free, |free| *free == 0)
                .unwrap_or_else(PoisonError::into_inner);
            *free -= 1;
            Arc::new(Taken)
        });
        *ours = Arc::downgrade(&taken);
        Turn { _shared: taken }
    })
}
