//! Ctrl-C and SIGTERM. They are heard from a command's first moment on, also by a process that is number 1 of its container,
//! which the system ends by a signal only if it listens to it.

use std::{panic::AssertUnwindSafe, time::Duration};

use anyhow::Context as _;
use futures::FutureExt as _;
use tokio::{
    runtime::{Builder, Runtime},
    signal::unix::{Signal, SignalKind, signal},
};

use super::Exit;
use crate::processor::{Stop, panic_message};

/// What ending may take that was asked for twice, or before anything was begun. What does not end by itself then waits for a
/// broker or a store.
const AT_ONCE: Duration = Duration::from_millis(50);
/// What leaving the group may take that is being joined: others need not wait for the session of one that has left.
const LEAVING: Duration = Duration::from_secs(1);
/// How often a request to stop is looked for.
const LOOK: Duration = Duration::from_millis(20);

/// How far a program has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begun {
    /// It connects: nothing of it is anywhere.
    Nothing,
    /// It joins its group.
    Joining,
    /// It works.
    Work,
}

/// The signals that ask a program to end.
pub(super) struct Signals {
    interrupts: Signal,
    terminations: Signal,
}

impl Signals {
    /// Listens: from now on no signal ends the process by itself, and none is lost.
    pub fn listen(runtime: &Runtime) -> anyhow::Result<Signals> {
        let _context = runtime.enter();
        let heard = |kind| signal(kind).context("cannot listen to signals");
        Ok(Signals {
            interrupts: heard(SignalKind::interrupt())?,
            terminations: heard(SignalKind::terminate())?,
        })
    }

    /// The next one's name.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupts.recv() => "Ctrl-C",
            _ = self.terminations.recv() => "SIGTERM",
        }
    }

    /// Asks `stop` to finish at the first signal and to abort at the second. Where there is nothing to finish, or nothing ends
    /// after the second, the process ends.
    pub fn ask_to(
        mut self,
        runtime: &Runtime,
        stop: Stop,
        begun: impl Fn() -> Begun + Send + Sync + 'static,
    ) {
        runtime.spawn(async move {
            // A signal that nobody hears would be lost for good.
            loop {
                let heard = self.hear(&stop, &begun);
                let Err(panic) = AssertUnwindSafe(heard).catch_unwind().await else {
                    std::process::exit(Exit::Interrupted as i32);
                };
                let message = panic_message(panic.as_ref());
                tracing::error!(
                    "a defect of this program: what hears signals panicked: {message}; it listens anew"
                );
                tokio::time::sleep(LOOK).await;
            }
        });
    }

    /// Hears the first signal and the second; returns when the process is to end at once.
    async fn hear(&mut self, stop: &Stop, begun: &(impl Fn() -> Begun + Sync)) {
        let name = self.next().await;
        let first = begun();
        match first {
            Begun::Work => tracing::info!(
                "{name}: finishing the transaction, storing and verifying; once more ends at once"
            ),
            Begun::Nothing | Begun::Joining => {
                tracing::info!("{name}: ending before anything was begun");
            }
        }
        stop.finish();
        if first != Begun::Nothing {
            tokio::select! {
                name = self.next() => tracing::warn!(
                    "{name} again: ending at once; nothing that is committed is lost"
                ),
                () = stays_unbegun(begun) => {}
            }
        }
        stop.abort();
        tokio::time::sleep(AT_ONCE).await;
    }
}

/// Returns when no work has begun for a while; otherwise never.
async fn stays_unbegun(begun: &impl Fn() -> Begun) {
    tokio::time::sleep(LEAVING).await;
    if begun() == Begun::Work {
        std::future::pending::<()>().await;
    }
}

/// Returns when somebody asks to stop.
pub(super) async fn requested(stop: &Stop) {
    while !stop.is_requested() {
        tokio::time::sleep(LOOK).await;
    }
}

/// Ends the process at the first signal: for commands that leave nothing unfinished.
pub(super) fn end_at_once() -> anyhow::Result<()> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let mut signals = Signals::listen(&runtime)?;
    std::thread::spawn(move || {
        runtime.block_on(signals.next());
        std::process::exit(Exit::Interrupted as i32);
    });
    Ok(())
}
