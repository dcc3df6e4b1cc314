//! A keeper without a worker: the seam for tests and measurements of what stored history costs while it grows. They hand over
//! outcomes that no group has committed; a processor starts keepers together with their worker.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, channel},
    },
    time::Duration,
};

use super::{
    super::{
        limits::untold_results_topic,
        memory::{Budget, Ledger},
        partition::{Epoch, Newest},
        report::{Ending, News, Report, Reporter, Station},
        seats::Seats,
        stop::Stop,
        store_side::{BackgroundSettings, ScrubSettings, StoreSide},
        watch::{About, Board},
    },
    handle::{KeeperHandle, Stage},
    start::KeeperStart,
};
use crate::{
    audit::{Compactor, Recalculator, Scrubber},
    calculation::{Calculations, Evaluator, builtin},
    format::{Accumulation, Head, KnownCommit, RangeOutcomes},
    history::Chain,
    model::Offset,
    recovery::{Invocation, Limits},
    store::Throttle,
};

/// How often a keeper that ends is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// As the flags of `snapback run`.
#[derive(Clone, Debug)]
pub struct LoneSettings {
    /// `--snapshot-interval`
    pub snapshot_interval: Duration,
    /// `--keep`
    pub keep: Duration,
    /// `--memory`
    pub memory: u64,
    /// `--scrub-interval`; `None`: `--scrub off`.
    pub scrub: Option<Duration>,
}

/// See the module.
#[derive(Debug)]
pub struct LoneKeeper {
    keeper: KeeperHandle,
    reports: Receiver<Report>,
    stop: Stop,
    head: Head,
    end: Offset,
}

/// A keeper has ended before it was told to.
#[derive(Debug, thiserror::Error)]
#[error("the keeper has ended: {ending}")]
pub struct LoneEnd {
    ending: String,
}

impl LoneKeeper {
    /// Starts the keeper of a chain whose segments are of this evaluator, on the runtime that calls it. `None` when the chain is
    /// not bound.
    pub async fn start(
        chain: Chain,
        evaluator: Arc<Evaluator>,
        settings: &LoneSettings,
    ) -> Option<LoneKeeper> {
        let newest = Newest::from(chain.newest()?);
        let (head, end) = (newest.head, newest.stored.frontier);
        let (partition, stop) = (chain.partition(), Stop::default());
        let store_side = StoreSide::new(
            settings.snapshot_interval,
            tokio::runtime::Handle::current(),
            stop.clone(),
            Board::of(about(&chain, settings), 1, stop.clone()),
            background(evaluator, settings),
            Limits::default(),
        );
        let (sender, reports) = channel();
        let budget = Budget::of_worker(settings.memory, 1);
        let start = KeeperStart {
            store_side: Arc::new(store_side),
            reporter: Reporter {
                sender,
                partition,
                epoch: Epoch(1),
            },
            newest,
            station: Station {
                chain: Box::new(chain),
                seat: Seats::default().take(partition).await,
            },
            accumulation: Accumulation::new(end),
            stage: Stage::Running,
            published: None,
            ledger: Arc::new(Ledger::of(&budget)),
            budget,
        };
        Some(LoneKeeper {
            keeper: start.start(),
            reports,
            stop,
            head,
            end,
        })
    }

    /// Hands outcomes over that follow those before.
    pub fn keep(&self, outcomes: RangeOutcomes) {
        self.keeper.keep(vec![outcomes]);
    }

    /// The group has committed this.
    pub fn committed(&self, commit: KnownCommit) {
        self.keeper.committed(commit);
    }

    /// The newest manifest that the keeper has reported, and where it ends.
    ///
    /// # Errors
    /// When the keeper has ended.
    pub fn stored(&mut self) -> Result<(Head, Offset), LoneEnd> {
        while let Ok(report) = self.reports.try_recv() {
            self.hear(report.news)?;
        }
        Ok((self.head, self.end))
    }

    fn hear(&mut self, news: News) -> Result<(), LoneEnd> {
        match news {
            News::Stored { newest, .. }
            | News::Recalculated { newest, .. }
            | News::Looked { newest } => {
                (self.head, self.end) = (newest.head, newest.stored.frontier);
            }
            News::Ended(ending) => {
                let ending = format!("{ending:?}");
                return Err(LoneEnd { ending });
            }
            _ => {}
        }
        Ok(())
    }

    /// Has it store what is left and end, within so long.
    ///
    /// # Errors
    /// When it could not.
    pub async fn leave(self, within: Duration) -> Result<(), LoneEnd> {
        self.keeper.leave(within);
        while !self.keeper.has_ended() {
            tokio::time::sleep(LOOK).await;
        }
        self.stop.finish();
        for report in self.reports.try_iter() {
            match report.news {
                News::Ended(Ending::Left { unsaved: false }) => return Ok(()),
                News::Ended(ending) => {
                    let ending = format!("{ending:?}");
                    return Err(LoneEnd { ending });
                }
                _ => {}
            }
        }
        let ending = "it said nothing".to_owned();
        Err(LoneEnd { ending })
    }
}

fn background(evaluator: Arc<Evaluator>, settings: &LoneSettings) -> BackgroundSettings {
    let calculations = Calculations::new(builtin).with(Arc::clone(&evaluator));
    let invocation = Invocation::new("run");
    let scrub = settings.scrub.map(|every| ScrubSettings {
        scrubber: Scrubber {
            recalculator: Recalculator {
                evaluator,
                results: untold_results_topic("results"),
                events: None,
                patience: Duration::ZERO,
                throttle: Throttle::unlimited(),
            },
            calculations: calculations.clone(),
            invocation: invocation.clone(),
            mends: true,
            every,
        },
        percent: 1,
        partitions: Arc::default(),
    });
    BackgroundSettings {
        recalculator: None,
        compactor: Compactor {
            calculations,
            invocation,
            // A rate means nothing on a clock that jumps.
            throttle: Throttle::unlimited(),
        },
        scrub,
        keep: settings.keep,
    }
}

/// Nobody looks at it.
fn about(chain: &Chain, settings: &LoneSettings) -> About {
    let identity = chain.identity();
    About {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        instance: identity.writer.clone(),
        carry: None,
        calculation: identity.declaration.calculation.clone(),
        condition: identity.declaration.condition.clone(),
        fields: identity.declaration.fields.clone(),
        publish: identity.declaration.publish.clone(),
        group: String::new(),
        events: identity.topic.clone(),
        results: String::new(),
        rejects: String::new(),
        brokers: String::new(),
        store: chain.store().uri(),
        memory: settings.memory,
    }
}
