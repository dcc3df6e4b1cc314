//! How a keeper begins.

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, atomic::AtomicBool},
};

use futures::FutureExt;
use tokio::{sync::mpsc::unbounded_channel, task::JoinSet, time::Instant};

use super::{
    super::{
        memory::{Budget, Ledger, Part},
        panics::panic_message,
        partition::Newest,
        report::{Ending, News, Reporter, Station},
        store_side::StoreSide,
    },
    Keeper,
    background::Background,
    collecting::Collecting,
    compaction::Compaction,
    corrections::LargeFile,
    handle::{KeeperHandle, Shown, Stage},
    recalculation::Recalculation,
    scrub::Scrub,
    work::{Site, Work},
};
use crate::{format::Accumulation, history::CorrectionsProgress};

/// What a keeper begins with.
pub struct KeeperStart {
    pub store_side: Arc<StoreSide>,
    pub reporter: Reporter,
    pub station: Station,
    /// What the chain's newest manifest says: recovery binds a partition before it is kept.
    pub newest: Newest,
    /// Empty, at the chain's end.
    pub accumulation: Accumulation,
    /// What the partition is at.
    pub stage: Stage,
    /// How far corrections are published.
    pub published: Option<CorrectionsProgress>,
    pub ledger: Arc<Ledger>,
    pub budget: Budget,
}

impl KeeperStart {
    /// Starts the keeper's task.
    pub fn start(self) -> KeeperHandle {
        let (sender, orders) = unbounded_channel();
        let entry = |part| self.ledger.entry(part);
        let background = &self.store_side.background;
        let recalculator = background.recalculator.clone();
        let shown = Arc::new(Shown {
            asked: AtomicBool::new(false),
            leaving: Arc::default(),
            recalculated: AtomicBool::new(recalculator.is_none()),
            handed_over: entry(Part::HandedOver),
            accumulated: entry(Part::Accumulated),
            storing: entry(Part::Storing),
            background: entry(Part::Background),
        });
        let site = Site {
            partition: self.reporter.partition,
            reporter: self.reporter.clone(),
            store_side: Arc::clone(&self.store_side),
            shown: Arc::clone(&shown),
            ledger: self.ledger,
            budget: self.budget,
        };
        let recalculation = recalculator.map(Recalculation::new);
        let recalculation = recalculation.map(|work| Box::new(work) as Box<dyn Work>);
        let scrub = self.store_side.background.scrub.clone();
        let scrub = scrub.map(|settings| {
            let board = self.store_side.board.clone();
            Box::new(Scrub::new(settings, board, site.partition)) as Box<dyn Work>
        });
        let compactor = self.store_side.background.compactor.clone();
        let compaction = Box::new(Compaction::new(compactor)) as Box<dyn Work>;
        let collecting = Box::new(Collecting::new(background.keep)) as Box<dyn Work>;
        let kinds = recalculation.into_iter().chain([compaction]);
        let kinds = kinds.chain(scrub).chain([collecting]).collect();
        let keeper = Keeper {
            store_side: Arc::clone(&self.store_side),
            reporter: self.reporter.clone(),
            orders,
            shown: Arc::clone(&shown),
            _seat: self.station.seat,
            chain: Some(self.station.chain),
            newest: self.newest,
            accumulation: self.accumulation,
            stage: self.stage,
            last_snapshot: Instant::now(),
            asked: false,
            loss: None,
            load: None,
            large_file: LargeFile::default(),
            published: self.published,
            committed: None,
            corrections_stuck: false,
            background: Background::new(site, kinds),
            job: JoinSet::new(),
            leave: None,
        };
        let reporter = self.reporter;
        let task = self.store_side.runtime.spawn(async move {
            let ended = AssertUnwindSafe(keeper.run()).catch_unwind().await;
            let ending = ended.unwrap_or_else(|panic| Ending::Died {
                message: panic_message(panic.as_ref()),
            });
            reporter.tell(News::Ended(ending));
        });
        KeeperHandle {
            orders: sender,
            shown,
            task,
        }
    }
}
