//! A panic in a part of something is its own: it goes on where the part is waited for.

use tokio::task::JoinError;

/// What a task gave; its panic goes on here.
pub fn unless_panicked<T>(finished: Result<T, JoinError>) -> T {
    match finished {
        Ok(finished) => finished,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => panic!("a task ended early: {error}"),
        },
    }
}

/// What a panic said.
pub fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("no message").to_owned()
}
