//! The worker's side of a keeper.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{sync::mpsc::UnboundedSender, task::JoinHandle, time::Instant};

use super::super::memory::Entry;
use crate::{
    format::{KnownCommit, RangeOutcomes},
    history::PendingCorrections,
    recovery::AcceptLoss,
};

/// What may be done with what is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It is provisional: of a replay whose number of outcomes is not known to be right (I4).
    Replay,
    /// It may be stored, but the partition is not running yet.
    Recovery,
    /// The partition is running.
    Running,
}

/// What a worker tells a keeper, in one queue: no order overtakes another. It is bounded by the memory that is counted when
/// outcomes are handed over: a worker that has too much of it in use fetches nothing.
#[derive(Debug)]
pub enum Order {
    /// Committed outcomes that follow those before.
    Keep(Vec<RangeOutcomes>),
    /// The partition has come further: what was handed over may be stored, or more may be done beside.
    Enter(Stage),
    /// What was kept of a replay is to be forgotten; it will come again.
    Forget,
    /// Store what has been handed over up to now, before the interval is over.
    Store,
    /// Record an accepted gap: it is committed.
    RecordLoss(AcceptLoss),
    /// Read corrections.
    LoadCorrections(PendingCorrections),
    /// The group has committed this. Corrections are published as far as it says.
    Committed(KnownCommit),
    /// Store what is there, then end; at the latest at this moment.
    Leave(Instant),
}

/// What both sides see.
#[derive(Debug)]
pub struct Shown {
    /// A snapshot was asked for, and is not stored yet.
    pub asked: AtomicBool,
    /// The partition is given up: what is not a snapshot ends.
    pub leaving: Arc<AtomicBool>,
    /// Everything stored is of the running calculation, as far as it can be.
    pub recalculated: AtomicBool,
    /// Committed outcomes that are handed over and not encoded.
    pub handed_over: Entry,
    /// Encoded in open files.
    pub accumulated: Entry,
    /// In files that are being stored.
    pub storing: Entry,
    /// In the hands of background work.
    pub background: Entry,
}

/// See the module. A keeper whose handle is dropped leaves, and has a moment for it.
#[derive(Debug)]
pub struct KeeperHandle {
    pub(super) orders: UnboundedSender<Order>,
    pub(super) shown: Arc<Shown>,
    /// Ends with the keeper.
    pub(super) task: JoinHandle<()>,
}

impl KeeperHandle {
    /// A keeper that has ended takes no orders; what it was to keep is replayed.
    fn order(&self, order: Order) {
        let _ = self.orders.send(order);
    }

    /// Hands committed outcomes over.
    pub fn keep(&self, outcomes: Vec<RangeOutcomes>) {
        if !outcomes.is_empty() {
            let bytes = outcomes.iter().map(RangeOutcomes::bytes).sum();
            self.shown.handed_over.add(bytes);
            self.order(Order::Keep(outcomes));
        }
    }

    /// See [`Order::Enter`].
    pub fn enter(&self, stage: Stage) {
        self.order(Order::Enter(stage));
    }

    /// See [`Order::Forget`].
    pub fn forget(&self) {
        self.order(Order::Forget);
    }

    /// See [`Order::Store`].
    pub fn store(&self) {
        self.shown.asked.store(true, Ordering::SeqCst);
        self.order(Order::Store);
    }

    /// See [`Order::RecordLoss`].
    pub fn record_loss(&self, loss: AcceptLoss) {
        self.order(Order::RecordLoss(loss));
    }

    /// See [`Order::LoadCorrections`].
    pub fn load_corrections(&self, pending: PendingCorrections) {
        self.order(Order::LoadCorrections(pending));
    }

    /// See [`Order::Committed`].
    pub fn committed(&self, commit: KnownCommit) {
        self.order(Order::Committed(commit));
    }

    /// See [`Order::Leave`].
    pub fn leave(&self, within: Duration) {
        self.order(Order::Leave(Instant::now() + within));
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        self.task.is_finished()
    }

    /// Whether a snapshot is asked for.
    pub fn is_asked(&self) -> bool {
        self.shown.asked.load(Ordering::SeqCst)
    }

    /// Whether everything stored is of the running calculation, as far as it can be.
    pub fn is_recalculated(&self) -> bool {
        self.shown.recalculated.load(Ordering::SeqCst)
    }

    /// Bytes that a snapshot would free soon: what is accumulated, and on its way there.
    pub fn storable_bytes(&self) -> u64 {
        self.shown.handed_over.bytes() + self.shown.accumulated.bytes()
    }

    /// Bytes of outcomes that are not stored.
    pub fn unsaved_bytes(&self) -> u64 {
        self.storable_bytes() + self.shown.storing.bytes()
    }

    /// Bytes of everything that it holds.
    pub fn bytes(&self) -> u64 {
        self.unsaved_bytes() + self.shown.background.bytes()
    }
}
