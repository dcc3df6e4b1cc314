//! How fast background work goes: the bytes that it reads and writes, and the part of a core that it computes on. One for
//! all background work of a process, so that new events never wait for old ones. Where all cores are busy, the thread that
//! it computes on comes after those of new events.

use std::{
    future::Future,
    num::NonZeroU64,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    runtime::{Builder, Runtime},
    task::JoinError,
    time::Instant,
};

/// How much a thread of background work gives way to others, as `nice` says it: about a tenth of what they get.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;
#[cfg(target_os = "linux")]
const LOWEST: i32 = 19;

/// See the module. Clones share it.
#[derive(Clone, Debug)]
pub struct Throttle(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Bytes a second; `None`: as fast as it goes.
    rate: Option<NonZeroU64>,
    /// When everything is paid for that was taken.
    paid_at: Mutex<Instant>,
    /// Held by who computes; when the next one may.
    core: tokio::sync::Mutex<Instant>,
    /// How long bytes were waited for by whoever computed: that is a rest, too.
    waited: Mutex<Duration>,
    thread: QuietThread,
}

/// A thread that gives way to all others of the process: for blocking work alone, the runtime runs no task. `None`: such work is
/// done by the others.
#[derive(Debug)]
struct QuietThread(Option<Runtime>);

impl QuietThread {
    fn new() -> QuietThread {
        let runtime = Builder::new_current_thread()
            .max_blocking_threads(1)
            .thread_name("background")
            .on_thread_start(give_way)
            .build();
        let no_thread =
            |error: &_| tracing::warn!("background work has no thread of its own: {error}");
        QuietThread(runtime.inspect_err(no_thread).ok())
    }
}

impl Drop for QuietThread {
    fn drop(&mut self) {
        // What it computes is for nobody any more; and whoever drops it may not block.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Has this thread, and no other, come after those that have more to do.
#[cfg(target_os = "linux")]
fn give_way() {
    use rustix::process::{getpriority_process, setpriority_process};
    let lower = |own: i32| setpriority_process(None, (own + NICE).min(LOWEST));
    if let Err(error) = getpriority_process(None).and_then(lower) {
        tracing::debug!("background work has the priority of new events: {error}");
    }
}

/// Elsewhere it would be the whole process that gives way.
#[cfg(not(target_os = "linux"))]
fn give_way() {}

impl Throttle {
    /// At most so many bytes a second, and half of one core.
    #[must_use]
    pub fn of(bytes_per_second: NonZeroU64) -> Throttle {
        Throttle::new(Some(bytes_per_second), QuietThread::new())
    }

    /// As fast as it goes: for a command that has nothing else to do.
    #[must_use]
    pub fn unlimited() -> Throttle {
        Throttle::new(None, QuietThread(None))
    }

    fn new(rate: Option<NonZeroU64>, thread: QuietThread) -> Throttle {
        Throttle(Arc::new(Shared {
            rate,
            paid_at: Mutex::new(Instant::now()),
            core: tokio::sync::Mutex::new(Instant::now()),
            waited: Mutex::new(Duration::ZERO),
            thread,
        }))
    }

    /// Waits until the bytes that others took are paid for, then takes these: before they are read or written.
    pub async fn take(&self, bytes: u64) {
        if let Some(begins) = self.take_from(bytes) {
            tokio::time::sleep_until(begins).await;
        }
    }

    /// The same on a thread that may block.
    pub fn take_blocking(&self, bytes: u64) {
        if let Some(begins) = self.take_from(bytes) {
            let rest = begins.saturating_duration_since(Instant::now());
            std::thread::sleep(rest);
            *self.waited() += rest;
        }
    }

    fn waited(&self) -> MutexGuard<'_, Duration> {
        self.0.waited.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When these may be read or written.
    fn take_from(&self, bytes: u64) -> Option<Instant> {
        let rate = self.0.rate?;
        #[expect(clippy::cast_precision_loss, reason = "bytes of a file, or of a few")]
        let costs = Duration::from_secs_f64(bytes as f64 / rate.get() as f64);
        let paid_at = &self.0.paid_at;
        let mut paid_at = paid_at.lock().unwrap_or_else(PoisonError::into_inner);
        let begins = (*paid_at).max(Instant::now());
        *paid_at = begins + costs;
        Some(begins)
    }

    /// Awaits work that keeps one core busy, one at a time; the next begins after a rest as long as the work took. What it
    /// waited for in [`take_blocking`](Throttle::take_blocking) is no work.
    pub async fn compute<T>(&self, work: impl Future<Output = T>) -> T {
        self.compute_for(async {
            let (began, before) = (Instant::now(), *self.waited());
            let done = work.await;
            let waited = self.waited().saturating_sub(before);
            (done, began.elapsed().saturating_sub(waited))
        })
        .await
    }

    /// The same for work that says how long it computed.
    async fn compute_for<T>(&self, work: impl Future<Output = (T, Duration)>) -> T {
        if self.0.rate.is_none() {
            return work.await.0;
        }
        let mut core = self.0.core.lock().await;
        tokio::time::sleep_until(*core).await;
        let (done, took) = work.await;
        *core = Instant::now() + took;
        done
    }

    /// The same for work that blocks, on a thread that serves nothing else and comes after all others. The time in which it
    /// waits for a core is a rest already.
    ///
    /// # Errors
    /// When the work panics.
    pub async fn compute_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JoinError> {
        let runtime = self.0.thread.0.as_ref();
        let timed = move || {
            let began = computed();
            let done = work();
            (done, computed().saturating_sub(began))
        };
        self.compute_for(async {
            let done = match runtime {
                Some(runtime) => runtime.spawn_blocking(timed).await,
                None => tokio::task::spawn_blocking(timed).await,
            };
            match done {
                Ok((done, took)) => (Ok(done), took),
                Err(error) => (Err(error), Duration::ZERO),
            }
        })
        .await
    }
}

/// How long this thread has computed.
fn computed() -> Duration {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(spent).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn throttle(bytes: u64) -> Throttle {
        Throttle::of(NonZeroU64::new(bytes).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn what_many_take_together_is_paid_for_in_time() {
        let (throttle, began) = (throttle(1000), Instant::now());
        let takers = (0..10).map(|_| async {
            throttle.take(500).await;
            throttle.take(500).await;
        });
        futures::future::join_all(takers).await;
        // The last one began when all others were paid for.
        let took = began.elapsed();
        let expected = Duration::from_millis(9500);
        assert!(took >= expected && took < expected + Duration::from_millis(50));
        tokio::time::sleep(Duration::from_mins(1)).await;
        let idle = Instant::now();
        throttle.take(1000).await;
        assert_eq!(
            idle.elapsed(),
            Duration::ZERO,
            "nothing is owed after a pause"
        );
    }

    #[test]
    fn what_blocks_pays_as_well() {
        let (throttle, began) = (throttle(1000), std::time::Instant::now());
        throttle.take_blocking(100);
        throttle.take_blocking(100);
        throttle.take_blocking(100);
        assert!(began.elapsed() >= Duration::from_millis(200));
    }

    #[tokio::test(start_paused = true)]
    async fn computing_takes_half_of_one_core_whoever_computes() {
        let (throttle, began) = (throttle(1000), Instant::now());
        let second = Duration::from_secs(1);
        let compute = async || tokio::time::sleep(second).await;
        let work = (0..4).map(|_| throttle.compute(compute()));
        futures::future::join_all(work).await;
        let took = began.elapsed();
        assert!(took >= 7 * second && took < 8 * second, "{took:?}");
    }

    #[tokio::test]
    async fn waiting_for_bytes_within_work_is_a_rest_already() {
        let throttle = throttle(1000);
        let reads = |throttle: Throttle| move || throttle.take_blocking(500);
        for _ in 0..2 {
            let read = tokio::task::spawn_blocking(reads(throttle.clone()));
            throttle.compute(read).await.unwrap();
        }
        let began = Instant::now();
        throttle.compute(async {}).await;
        let rest = began.elapsed();
        assert!(
            rest < Duration::from_millis(250),
            "it waited for 500 ms: {rest:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_command_waits_for_nothing() {
        let (throttle, began) = (Throttle::unlimited(), Instant::now());
        throttle.take(u64::MAX).await;
        throttle.take(u64::MAX).await;
        assert_eq!(throttle.compute_blocking(|| 7).await.unwrap(), 7);
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn what_computes_in_the_background_comes_after_all_others() {
        let nice = || rustix::process::getpriority_process(None).unwrap();
        let (throttle, own) = (throttle(1000), nice());
        let background = throttle.compute_blocking(nice).await.unwrap();
        assert_eq!(background, (own + NICE).min(LOWEST));
        assert_eq!(nice(), own, "no other thread gives way");
    }
}
