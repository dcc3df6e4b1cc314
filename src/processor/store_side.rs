//! What everything shares that speaks to the store: keepers, and recovery while it puts a partition's chain in order. Nothing
//! of it knows Kafka's client, so that keepers run in tests as they are.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::Semaphore;

use super::{
    Stop,
    outages::Outages,
    panics::unless_panicked,
    watch::{Board, Findings},
};
use crate::{
    audit::{Compactor, Recalculator, Scrubber},
    calculation::CalculationError,
    config::{OnNewCalculation, RunConfig, Scrub},
    recovery::Limits,
    store::Throttle,
};

/// See the module.
pub struct StoreSide {
    pub snapshot_interval: Duration,
    pub runtime: tokio::runtime::Handle,
    pub stop: Stop,
    /// What others may see.
    pub board: Board,
    /// What the checks at the start of partitions found wrong.
    pub findings: Findings,
    /// Who waits for the store.
    pub outages: Arc<Outages>,
    /// What is done beside.
    pub background: BackgroundSettings,
    /// Turns of background work: one, whose memory is all that such work may hold.
    pub turns: Arc<Semaphore>,
    /// Turns of those that encode.
    encoders: Semaphore,
    limits: Mutex<Limits>,
}

/// What keepers do with stored history beside new outcomes.
pub struct BackgroundSettings {
    /// What brings stored history under the running calculation, when that is asked for.
    pub recalculator: Option<Recalculator>,
    /// What merges small segments.
    pub compactor: Compactor,
    /// What verifies it all the time, unless that is switched off.
    pub scrub: Option<ScrubSettings>,
    /// How long what the history does not need any more stays.
    pub keep: Duration,
}

/// How stored history is verified, by the keepers of all partitions together.
#[derive(Clone)]
pub struct ScrubSettings {
    pub scrubber: Scrubber,
    /// The percent of one core that all of them take together.
    pub percent: u32,
    /// Held by each partition that is scrubbed, and once here.
    pub partitions: Arc<()>,
}

impl BackgroundSettings {
    /// As the settings say; `recalculator` brings ranges under their calculation.
    pub fn of(
        settings: &RunConfig,
        recalculator: Recalculator,
    ) -> Result<BackgroundSettings, CalculationError> {
        let throttle = Throttle::of(settings.background_rate);
        let recalculator = Recalculator {
            throttle: throttle.clone(),
            ..recalculator
        };
        let scrub = settings.scrub;
        let calculations = settings.calculation.known()?;
        let scrubber = Scrubber {
            recalculator: recalculator.clone(),
            calculations: calculations.clone(),
            invocation: settings.invocation.clone(),
            mends: scrub.mode == Scrub::Repair,
            every: scrub.every,
        };
        let recalculates = settings.on_new_calculation == OnNewCalculation::Recalculate;
        Ok(BackgroundSettings {
            compactor: Compactor {
                calculations,
                invocation: settings.invocation.clone(),
                throttle,
            },
            recalculator: recalculates.then_some(recalculator),
            scrub: (scrub.mode != Scrub::Off).then(|| ScrubSettings {
                scrubber,
                percent: scrub.percent,
                partitions: Arc::default(),
            }),
            keep: settings.keep,
        })
    }
}

impl StoreSide {
    /// With every turn free.
    pub fn new(
        snapshot_interval: Duration,
        runtime: tokio::runtime::Handle,
        stop: Stop,
        board: Board,
        background: BackgroundSettings,
        limits: Limits,
    ) -> StoreSide {
        StoreSide {
            snapshot_interval,
            runtime,
            stop,
            findings: Findings::new(&board),
            outages: Arc::default(),
            board,
            background,
            turns: Arc::new(Semaphore::new(1)),
            encoders: Semaphore::new(encoders()),
            limits: Mutex::new(limits),
        }
    }

    /// What the output topics take, as it was last asked for.
    pub fn limits(&self) -> Limits {
        *self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The output topics take this now; returns what they took before.
    pub fn set_limits(&self, limits: Limits) -> Limits {
        let mut known = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut known, limits)
    }

    /// Does work that keeps a core busy on a thread that serves nothing else, when it is its turn. Few do so at a time, and
    /// nobody who has the turn waits for a store.
    ///
    /// # Panics
    /// When the work does.
    pub async fn encode<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let turn = self.encoders.acquire().await;
        let done = tokio::task::spawn_blocking(work).await;
        drop(turn);
        unless_panicked(done)
    }
}

/// How many encode at a time: half of the cores, the other half is for workers and the Kafka client.
fn encoders() -> usize {
    let cores = std::thread::available_parallelism();
    cores.map_or(1, |cores| cores.get() / 2).max(1)
}
