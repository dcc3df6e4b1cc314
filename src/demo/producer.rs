//! The events of the demo, produced while the processor runs and after it was killed.

use std::{
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
};

use super::{DemoError, Interrupt, Pipeline, Settings};
use crate::{
    kafka::{Connection, Publisher, PublisherConfig},
    load::{LoadError, Loaded, Loader, Numbers},
};

/// What waits to be sent, in bytes.
const QUEUE: u64 = 64 << 20;

/// Produces in the background: at a rate while the processor runs, the rest at full speed. It stops when this is dropped.
pub(super) struct Producer {
    sent: Arc<AtomicU64>,
    hurry: Interrupt,
    stop: Interrupt,
    thread: Option<JoinHandle<Result<Loaded, LoadError>>>,
}

impl Producer {
    pub(super) fn start(
        connection: &Connection,
        pipeline: &Pipeline,
        settings: &Settings,
    ) -> Result<Producer, DemoError> {
        let publisher = Publisher::idempotent(connection, &PublisherConfig::with_queue(QUEUE))?;
        let mut loader = Loader::new(publisher, &pipeline.events, settings.partitions);
        let mut numbers = Numbers::new(settings.events, settings.malformed, settings.seed);
        let rate = settings.rate;
        let sent = Arc::new(AtomicU64::new(0));
        let (hurry, stop) = (Interrupt::default(), Interrupt::default());
        let (count, faster, end) = (Arc::clone(&sent), hurry.clone(), stop.clone());
        let thread = thread::spawn(move || {
            let each = |sent: Loaded, pause: bool| {
                count.store(sent.events, Ordering::Relaxed);
                if pause || end.is_raised() {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            };
            loader.load(&mut numbers, Some(rate), |sent| {
                each(sent, faster.is_raised())
            })?;
            loader.load(&mut numbers, None, |sent| each(sent, false))?;
            loader.finish()
        });
        Ok(Producer {
            sent,
            hurry,
            stop,
            thread: Some(thread),
        })
    }

    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Produces the rest at once, and waits until everything is acknowledged.
    #[expect(
        clippy::expect_used,
        reason = "the thread is taken only here, and its panic must not pass for an answer"
    )]
    pub(super) fn finish(mut self) -> Result<Loaded, DemoError> {
        self.hurry.raise();
        let thread = self.thread.take().expect("it is taken only here");
        Ok(thread.join().expect("the producer does not panic")?)
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.stop.raise();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
