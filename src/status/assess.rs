//! What a view of a processor amounts to: its state, what is wrong, whether it is ready and alive.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    model::Partition,
    processor::{Moment, PartitionView, PhaseView, ProcessView, Reason, WorkerView},
};

/// A worker without a sign of life for so long is dead. No wait of a living one is that long without a sign.
const DEAD_AFTER: Duration = Duration::from_secs(60);

/// What the process as a whole is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Connections are made, the group is joined.
    Starting,
    /// What was there before the start is being made whole.
    Recovering,
    /// Everything is as it should be.
    Running,
    /// Something is not: see [`degraded`].
    Degraded,
    /// It was asked to stop.
    Stopping,
}

impl State {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            State::Starting => "starting",
            State::Recovering => "recovering",
            State::Running => "running",
            State::Degraded => "degraded",
            State::Stopping => "stopping",
        }
    }
}

/// One reason why it is degraded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Degraded {
    pub reason: Reason,
    /// The earliest of all of the same reason.
    pub since: Moment,
    /// The partitions concerned; empty when it is about the process.
    pub partitions: Vec<Partition>,
    /// What was last said about it.
    pub detail: String,
}

/// Every partition with the index of its worker, in the order of the partitions.
pub(super) fn partitions(view: &ProcessView) -> Vec<(usize, &PartitionView)> {
    let mut all: Vec<_> = workers(view)
        .flat_map(|(index, worker)| worker.partitions.iter().map(move |one| (index, one)))
        .collect();
    all.sort_by_key(|(index, one)| (one.partition, *index));
    all
}

/// The workers that have started, with their indexes.
pub(super) fn workers(view: &ProcessView) -> impl Iterator<Item = (usize, &WorkerView)> {
    let workers = view.workers.iter().enumerate();
    workers.filter_map(|(index, worker)| Some((index, worker.as_deref()?)))
}

/// A moment on the wall clock.
pub(super) fn wall(view: &ProcessView, moment: Moment) -> DateTime<Utc> {
    let age = TimeDelta::from_std(moment.age(view.now)).unwrap_or(TimeDelta::MAX);
    view.time.checked_sub_signed(age).unwrap_or(view.time)
}

pub(super) fn state(view: &ProcessView) -> State {
    if view.stopping {
        State::Stopping
    } else if !degraded(view).is_empty() {
        State::Degraded
    } else if view.workers.iter().any(Option::is_none) || workers(view).any(|(_, one)| !one.joined)
    {
        State::Starting
    } else if ready(view).is_err() {
        State::Recovering
    } else {
        State::Running
    }
}

/// Everything that is wrong, one entry for each reason, in the order of their weight.
pub(super) fn degraded(view: &ProcessView) -> Vec<Degraded> {
    let mut found: BTreeMap<Reason, Degraded> = BTreeMap::new();
    let mut add = |new: Degraded| {
        let Some(known) = found.get_mut(&new.reason) else {
            found.insert(new.reason, new);
            return;
        };
        known.since = known.since.min(new.since);
        known.partitions.extend(new.partitions);
        known.partitions.sort_unstable();
        known.partitions.dedup();
        known.detail = new.detail;
    };
    for trouble in &view.troubles {
        add(Degraded {
            reason: trouble.reason,
            since: trouble.since,
            partitions: trouble.partitions.clone(),
            detail: trouble.text.clone(),
        });
    }
    for (index, worker) in workers(view) {
        if let Some(since) = worker.paused {
            let detail = format!(
                "worker {index} holds {} MiB of outcomes that wait to be stored, and has {} MiB for them; consumption is paused, and resumes by itself",
                worker.held_bytes >> 20,
                worker.limit_bytes >> 20
            );
            add(Degraded {
                reason: Reason::Memory,
                since,
                partitions: Vec::new(),
                detail,
            });
        }
        for partition in &worker.partitions {
            let partitions = vec![partition.partition];
            if let PhaseView::Held(held) = &partition.phase {
                add(Degraded {
                    reason: Reason::Held,
                    since: partition.since,
                    partitions: partitions.clone(),
                    detail: held.refusal.clone(),
                });
            }
            if let Some(since) = partition.corrections_stuck {
                add(Degraded {
                    reason: Reason::Corrections,
                    since,
                    partitions,
                    detail: format!(
                        "{} corrections of partition {} cannot be read; the log says why. Bring the file back from a copy and start again",
                        partition.pending_corrections, partition.partition
                    ),
                });
            }
        }
    }
    found.into_values().collect()
}

/// Whether everything that this process owns is recovered; if not, what is still to be done.
pub(super) fn ready(view: &ProcessView) -> Result<(), String> {
    if view.stopping {
        return Err("it was asked to stop".to_owned());
    }
    let started = workers(view).count();
    if started < view.workers.len() {
        let all = view.workers.len();
        return Err(format!("{started} of {all} workers have started"));
    }
    if let Some((index, _)) = workers(view).find(|(_, worker)| !worker.joined) {
        return Err(format!("worker {index} waits for the group"));
    }
    let mut troubles = view.troubles.iter();
    if let Some(denied) = troubles.find(|one| one.reason == Reason::Denied) {
        return Err(format!("a broker refuses something: {}", denied.text));
    }
    let mut waiting = Vec::new();
    for (what, phase) in [
        ("being recovered", is_recovering as fn(&PhaseView) -> bool),
        ("being replayed", is_replaying),
        ("being stored before they go on", is_storing),
    ] {
        let found = partitions(view).into_iter();
        let found: Vec<String> = found
            .filter(|(_, one)| phase(&one.phase))
            .map(|(_, one)| one.partition.to_string())
            .collect();
        if !found.is_empty() {
            waiting.push(format!("{what}: {}", found.join(", ")));
        }
    }
    if !waiting.is_empty() {
        return Err(format!("partitions {}", waiting.join("; ")));
    }
    if let Some((index, _)) = workers(view).find(|(_, worker)| worker.arriving) {
        return Err(format!("worker {index} is being given partitions"));
    }
    Ok(())
}

fn is_recovering(phase: &PhaseView) -> bool {
    matches!(phase, PhaseView::Recovering | PhaseView::AcceptingLoss(_))
}

fn is_replaying(phase: &PhaseView) -> bool {
    matches!(phase, PhaseView::Replaying(_))
}

fn is_storing(phase: &PhaseView) -> bool {
    matches!(phase, PhaseView::Storing)
}

/// Whether all workers live; if not, which one does not. One that has not started is not dead: it is the start that fails.
pub(super) fn alive(view: &ProcessView) -> Result<(), String> {
    if view.stopping {
        return Ok(());
    }
    for (index, tick) in view.ticks.iter().enumerate() {
        let silent = tick.map_or(Duration::ZERO, |tick| tick.age(view.now));
        if silent >= DEAD_AFTER {
            let seconds = silent.as_secs();
            return Err(format!(
                "worker {index} has shown no sign of life for {seconds} s"
            ));
        }
    }
    Ok(())
}

/// A partition's phase as one word.
pub(super) const fn phase(phase: &PhaseView) -> &'static str {
    match phase {
        PhaseView::Recovering => "recovering",
        PhaseView::AcceptingLoss(_) => "accepting-loss",
        PhaseView::Replaying(_) => "replaying",
        PhaseView::Storing => "storing",
        PhaseView::Running => "running",
        PhaseView::Held(_) => "held",
    }
}

/// Events that are in the log and not processed yet, as far as the client knows.
pub(super) fn lag(partition: &PartitionView) -> Option<u64> {
    let (end, position) = (partition.log_end?, partition.position?);
    Some(u64::try_from(end.get() - position.get()).unwrap_or(0))
}
