//! What a worker shows of itself, a few times a second.

use std::time::{Duration, Instant};

use super::{
    super::{
        partition::{Owned, Phase},
        watch::{HeldView, Moment, PartitionView, PhaseView, WorkerView},
    },
    Worker,
};
use crate::recovery::Invocation;

/// How often.
const EVERY: Duration = Duration::from_millis(250);
/// How often a long run says what it rejected.
const LOG_TALLY_EVERY: Duration = Duration::from_secs(60);

impl Worker {
    /// Marks that the worker lives and, when the last time is a while ago, puts it on the board.
    pub(super) fn show(&mut self) {
        self.shared.board.tick(self.index);
        if self.shown.is_some_and(|shown| shown.elapsed() < EVERY) {
            return;
        }
        self.shown = Some(Instant::now());
        self.shared.board.show(self.index, self.view());
    }

    /// Says now and then what was rejected.
    pub(super) fn log_tally(&mut self) {
        if self.last_tally.elapsed() < LOG_TALLY_EVERY {
            return;
        }
        self.last_tally = Instant::now();
        if let Some(line) = self.shared.reject_line(&self.summary.counters.rejects) {
            tracing::warn!("{line}");
        }
    }

    fn view(&self) -> WorkerView {
        let now = self.shared.board.now();
        let invocation = &self.shared.settings.invocation;
        let partitions = self.owned.values().map(|owned| {
            let keeper = self.keepers.get(&owned.partition);
            let kept = keeper.map_or(0, |keeper| keeper.bytes());
            PartitionView {
                log_end: self.source.log_end(owned.partition),
                buffered_bytes: owned.books.bytes() as u64 + kept,
                ..partition(owned, invocation, now)
            }
        });
        WorkerView {
            name: self.name.clone(),
            joined: self.assigned,
            arriving: self.arriving.is_some(),
            held_bytes: self.ledger.held(),
            held_parts: self.ledger.parts(),
            limit_bytes: self.budget.pause_above,
            paused: self.paused.then_some(now),
            counters: self.summary.counters.clone(),
            partitions: partitions.collect(),
        }
    }
}

fn partition(owned: &Owned, invocation: &Invocation, now: Moment) -> PartitionView {
    // Without a plan the books say nothing.
    let stored = owned.newest.as_ref().map(|newest| newest.stored);
    let outcomes = stored.map_or(0, |stored| stored.outcomes);
    PartitionView {
        partition: owned.partition,
        phase: phase(&owned.phase, invocation),
        since: now,
        stored,
        committed: stored.map(|_| committed(owned)),
        position: stored.map(|_| owned.books.end()),
        log_end: None,
        buffered_bytes: 0,
        buffered_outcomes: owned.counted().saturating_sub(outcomes),
        pending_corrections: owned.outbox.pending_rows(),
        corrections_stuck: owned.outbox.is_stuck().then_some(now),
    }
}

/// A replay rebuilds what is committed already.
fn committed(owned: &Owned) -> crate::model::Offset {
    match &owned.phase {
        Phase::Replaying(replaying) => replaying.replay.range.end(),
        _ => owned.books.committed(),
    }
}

fn phase(phase: &Phase, invocation: &Invocation) -> PhaseView {
    match phase {
        Phase::Gathering => PhaseView::Recovering,
        Phase::AcceptingLoss(loss) => PhaseView::AcceptingLoss(loss.range),
        Phase::Replaying(replaying) => PhaseView::Replaying(replaying.replay.range),
        Phase::Storing => PhaseView::Storing,
        Phase::Running => PhaseView::Running,
        Phase::Held(refusal) => PhaseView::Held(HeldView {
            refusal: refusal.to_string(),
            explanation: refusal.explain(invocation),
            commands: refusal.commands(invocation),
        }),
    }
}
