//! A panic in a part of something is its own: it goes on where the part is waited for.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use futures::FutureExt as _;
use tokio::{runtime::Handle, task::JoinError};

use super::{
    Stop,
    watch::{Board, Reason},
};

/// How long after a panic a watch begins anew.
const PAUSE: Duration = Duration::from_secs(1);

/// Starts a thread of its own for what watches over the process beside its work, until that ends. When it panics, the log and
/// the board say so for as long as the thread lives, and it begins anew: nobody else does what it does.
#[expect(
    clippy::expect_used,
    reason = "without threads there is nothing to be done"
)]
pub fn start_watch(
    name: &'static str,
    board: &Board,
    stop: &Stop,
    watch: impl Fn() + Send + 'static,
) {
    let (trouble, stop) = (board.trouble(&[]), stop.clone());
    let watching = move || {
        while let Err(panic) = catch_unwind(AssertUnwindSafe(&watch)) {
            let message = panic_message(panic.as_ref());
            let text =
                format!("a defect of this program: {name} panicked: {message}; it begins anew");
            tracing::error!("{text}");
            trouble.is(Reason::Defect, text);
            if !stop.sleep(PAUSE) {
                return;
            }
        }
    };
    let started = std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(watching);
    started.expect("the operating system starts a thread");
}

/// Starts a task beside everything else; `died` hears what a panic in it said.
pub fn start_task(
    runtime: &Handle,
    task: impl Future<Output = ()> + Send + 'static,
    died: impl FnOnce(String) + Send + 'static,
) {
    runtime.spawn(async move {
        if let Err(panic) = AssertUnwindSafe(task).catch_unwind().await {
            died(panic_message(panic.as_ref()));
        }
    });
}

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

#[cfg(test)]
mod tests {
    use std::sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
        mpsc::channel,
    };

    use super::*;
    use crate::processor::watch::board::tests::about;

    #[test]
    fn a_watch_that_panics_is_heard_and_begins_anew() {
        let stop = Stop::default();
        let board = Board::of(about(), 1, stop.clone());
        let (tell, told) = channel();
        let (release, released) = channel::<()>();
        let (begun, released) = (AtomicU32::new(0), Mutex::new(released));
        start_watch("a-watch", &board, &stop, move || {
            if begun.fetch_add(1, Ordering::SeqCst) == 0 {
                panic!("at its first look");
            }
            tell.send(()).unwrap();
            released.lock().unwrap().recv().unwrap();
        });
        told.recv_timeout(Duration::from_secs(30)).unwrap();
        let troubles = board.look().troubles;
        assert_eq!(troubles.len(), 1);
        assert_eq!(troubles[0].reason, Reason::Defect);
        let text = &troubles[0].text;
        assert!(
            text.contains("a-watch panicked: at its first look"),
            "{text}"
        );
        release.send(()).unwrap();
    }

    #[tokio::test]
    async fn the_death_of_a_task_is_told() {
        let (tell, told) = tokio::sync::oneshot::channel();
        let dies = async { panic!("in the middle") };
        start_task(&Handle::current(), dies, |message| {
            tell.send(message).unwrap()
        });
        assert_eq!(told.await.unwrap(), "in the middle");
    }
}
