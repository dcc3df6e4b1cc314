//! What a worker shows of itself, a few times a second.

use std::time::{Duration, Instant};

use super::{
    partition::{Owned, Phase},
    view::{HeldView, Moment, PartitionView, PhaseView, WorkerView},
    worker::Worker,
};
use crate::recovery::Invocation;

/// How often.
const EVERY: Duration = Duration::from_millis(250);

impl Worker {
    /// Marks that the worker lives and, when the last time is a while ago, puts it on the board.
    pub(super) fn show(&mut self) {
        self.context.board.tick(self.index);
        if self.shown.is_some_and(|shown| shown.elapsed() < EVERY) {
            return;
        }
        self.shown = Some(Instant::now());
        self.context.board.show(self.index, self.view());
    }

    fn view(&self) -> WorkerView {
        let now = self.context.board.now();
        let invocation = &self.context.settings.invocation;
        let partitions = self.owned.values().map(|owned| PartitionView {
            log_end: self.source.log_end(owned.partition),
            ..partition(owned, invocation, now)
        });
        WorkerView {
            name: self.name.clone(),
            joined: self.assigned,
            arriving: self.arriving.is_some(),
            held_bytes: self.bytes(),
            limit_bytes: self.budget.pause_above,
            paused: self.paused.then_some(now),
            counters: self.summary.counters.clone(),
            partitions: partitions.collect(),
        }
    }
}

fn partition(owned: &Owned, invocation: &Invocation, now: Moment) -> PartitionView {
    // Without a plan the buffer says nothing.
    let planned = owned.stored.is_some();
    let stored = owned.stored.map_or(0, |stored| stored.outcomes);
    PartitionView {
        partition: owned.partition,
        phase: phase(&owned.phase, invocation),
        since: now,
        stored: owned.stored,
        committed: planned.then(|| committed(owned)),
        position: planned.then(|| owned.buffer.end()),
        log_end: None,
        buffered_bytes: owned.bytes() as u64,
        buffered_outcomes: owned.outcomes().saturating_sub(stored),
        pending_corrections: owned.outbox.pending_rows(),
        corrections_stuck: owned.outbox.is_stuck().then_some(now),
    }
}

/// A replay rebuilds what is committed already.
fn committed(owned: &Owned) -> crate::model::Offset {
    match &owned.phase {
        Phase::Replaying(replay) => replay.range.end(),
        _ => owned.buffer.committed(),
    }
}

fn phase(phase: &Phase, invocation: &Invocation) -> PhaseView {
    match phase {
        Phase::Gathering => PhaseView::Recovering,
        Phase::AcceptingLoss(loss) => PhaseView::AcceptingLoss(loss.range),
        Phase::Replaying(replay) => PhaseView::Replaying(replay.range),
        Phase::Correcting => PhaseView::Correcting,
        Phase::Running => PhaseView::Running,
        Phase::Held(refusal) => PhaseView::Held(HeldView {
            refusal: refusal.to_string(),
            explanation: refusal.explain(invocation),
            commands: refusal.commands(invocation),
        }),
    }
}
