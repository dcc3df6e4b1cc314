//! Ctrl-C and SIGTERM: the first finishes, the second aborts.

use tokio::signal::unix::{SignalKind, signal};

use crate::processor::Stop;

/// Asks `stop` to finish at the first signal and to abort at the second.
pub(super) fn watch(runtime: &tokio::runtime::Runtime, stop: Stop) {
    runtime.spawn(async move {
        let (mut interrupts, mut terminations) = match (
            signal(SignalKind::interrupt()),
            signal(SignalKind::terminate()),
        ) {
            (Ok(interrupts), Ok(terminations)) => (interrupts, terminations),
            (Err(error), _) | (_, Err(error)) => {
                tracing::warn!("signals cannot be handled ({error}): Ctrl-C ends at once");
                return;
            }
        };
        let mut asked = false;
        loop {
            let name = tokio::select! {
                _ = interrupts.recv() => "Ctrl-C",
                _ = terminations.recv() => "SIGTERM",
            };
            if asked {
                tracing::warn!("{name} again: ending at once; nothing that is committed is lost");
                stop.abort();
                return;
            }
            asked = true;
            tracing::info!(
                "{name}: finishing the transaction, storing and verifying; once more ends at once"
            );
            stop.finish();
        }
    });
}
