//! A running processor as others may see it: plain values, made a few times a second, rendered by `status`.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};

use super::{scrubs::ScrubView, tally::Tally};
use crate::model::{Offset, OffsetRange, Partition, Sequence};

/// A moment, as the time since the process began to be watched. No change of the wall clock moves it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub Duration);

impl Moment {
    /// How long ago it was at `now`.
    #[must_use]
    pub fn age(self, now: Moment) -> Duration {
        now.0.saturating_sub(self.0)
    }
}

/// What does not change while a process runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// The program's version.
    pub version: String,
    /// The process's name in the group.
    pub instance: String,
    /// The calculation, as in `--calculation`.
    pub calculation: String,
    /// The condition, as in `--where`.
    pub condition: Option<String>,
    /// The fields, as in `--fields`.
    pub fields: String,
    /// The columns that messages hold, as in `--publish`; `None` when they hold all.
    pub publish: Option<String>,
    /// What messages have of their events, as in `--carry`; `None` when nothing.
    pub carry: Option<String>,
    /// The consumer group.
    pub group: String,
    /// The events topic.
    pub events: String,
    /// The results topic.
    pub results: String,
    /// The dead-letter topic.
    pub rejects: String,
    /// The brokers, as in `--brokers`.
    pub brokers: String,
    /// The store, as in `--store`.
    pub store: String,
    /// Bytes for the whole process.
    pub memory: u64,
}

/// A processor at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessView {
    /// What does not change.
    pub about: Arc<About>,
    /// The moment.
    pub now: Moment,
    /// The same moment on the wall clock.
    pub time: DateTime<Utc>,
    /// Whether it has been asked to stop.
    pub stopping: bool,
    /// Attempts to store a snapshot that failed.
    pub snapshot_failures: u64,
    /// What was removed because the history does not need it any more.
    pub removed: RemovedView,
    /// The workers by their index; `None` until one has started.
    pub workers: Vec<Option<Arc<WorkerView>>>,
    /// When each worker last showed that it lives.
    pub ticks: Vec<Option<Moment>>,
    /// What is waited for at present, and what was found wrong.
    pub troubles: Vec<TroubleView>,
    /// How stored history is verified, and what was found.
    pub scrub: ScrubView,
}

/// What was removed since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RemovedView {
    /// Old manifests.
    pub manifests: u64,
    /// Segments that only those listed, or none.
    pub segments: u64,
    /// The bytes of both.
    pub bytes: u64,
    /// When the last collection of a partition ended; `None` before the first.
    pub last: Option<DateTime<Utc>>,
    /// Partitions whose last collection was stopped by a manifest that cannot be read.
    pub stopped: BTreeSet<Partition>,
}

/// A worker at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkerView {
    /// Its name in the group.
    pub name: String,
    /// Whether the group has given it partitions, possibly none.
    pub joined: bool,
    /// Whether an assignment waits for the facts of its partitions.
    pub arriving: bool,
    /// Bytes of outcomes held: in buffers, and by snapshots under way.
    pub held_bytes: u64,
    /// The same by what is done with them.
    pub held_parts: Vec<(&'static str, u64)>,
    /// Above so many consumption pauses.
    pub limit_bytes: u64,
    /// Since when consumption has been paused, because memory is used.
    pub paused: Option<Moment>,
    /// What it has done since its start.
    pub counters: Counters,
    /// Its partitions, ascending.
    pub partitions: Vec<PartitionView>,
}

/// What a worker has done since its start. Only what is committed counts as published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Results published.
    pub results: u64,
    /// Rejects published, by reason.
    pub rejects: Tally,
    /// Events filtered.
    pub filtered: u64,
    /// Results and rejects published whose event has a timestamp that readers cannot show.
    pub raw_timestamps: u64,
    /// Results published without the timestamp of their event, because the topic does not take it.
    pub times_left_out: u64,
    /// Outcomes rebuilt without publishing them.
    pub replayed: u64,
    /// Commits.
    pub commits: u64,
    /// Transactions that failed, and whose events were read again.
    pub aborts: u64,
    /// Snapshots stored.
    pub snapshots: u64,
    /// Bytes of the segments stored.
    pub stored_bytes: u64,
    /// Corrections published.
    pub corrections: u64,
}

/// A partition at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionView {
    /// The partition.
    pub partition: Partition,
    /// What is done with it.
    pub phase: PhaseView,
    /// Since when.
    pub since: Moment,
    /// The newest snapshot, when it is known.
    pub stored: Option<Stored>,
    /// What the group has committed, as far as this process knows.
    pub committed: Option<Offset>,
    /// After the last event processed.
    pub position: Option<Offset>,
    /// After the last event of the log, as the client last heard it.
    pub log_end: Option<Offset>,
    /// Bytes of outcomes that are in no snapshot.
    pub buffered_bytes: u64,
    /// Outcomes that are in no snapshot.
    pub buffered_outcomes: u64,
    /// Corrections that are still to be published.
    pub pending_corrections: u64,
    /// Since when they have not been readable.
    pub corrections_stuck: Option<Moment>,
}

/// What a partition's newest manifest says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its number.
    pub sequence: Sequence,
    /// Where it ends.
    pub frontier: Offset,
    /// Outcomes since the origin, as commits count them.
    pub outcomes: u64,
    /// When it was written.
    pub at: DateTime<Utc>,
}

/// What is done with a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PhaseView {
    /// Its facts are being gathered.
    Recovering,
    /// This range is being recorded as lost.
    AcceptingLoss(OffsetRange),
    /// Outcomes of this range are rebuilt, published before.
    Replaying(OffsetRange),
    /// Everything committed is being stored, because something else decides what follows.
    Storing,
    /// Events are processed and published.
    Running,
    /// Held to protect data.
    Held(HeldView),
}

/// Why a partition is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldView {
    /// One line.
    pub refusal: String,
    /// The whole text, with the commands.
    pub explanation: String,
    /// The commands that resolve it, best first.
    pub commands: Vec<String>,
}

/// Something that keeps the processor from doing all that it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TroubleView {
    /// What it is.
    pub reason: Reason,
    /// Since when.
    pub since: Moment,
    /// The partitions concerned; empty when it is about all, or about none.
    pub partitions: Vec<Partition>,
    /// What was last said about it.
    pub text: String,
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident = $text:literal,)+) => {
        /// Why a processor is degraded: a closed list.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Reason {
            /// Every reason.
            pub const ALL: &[Reason] = &[$(Reason::$variant,)+];

            /// The reason as it is written.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Reason::$variant => $text,)+ }
            }
        }
    };
}

reasons! {
    /// Partitions are held to protect data.
    Held = "partitions-held",
    /// What was stored before is not what it should be.
    Findings = "findings",
    /// Corrections cannot be read.
    Corrections = "corrections-stuck",
    /// Consumption is paused because memory is used.
    Memory = "memory-full",
    /// The store does not answer, or refuses.
    Store = "store-unreachable",
    /// The group has not taken the process in yet.
    Joining = "joining",
    /// A broker refuses who the process is, or what it may do.
    Denied = "denied",
    /// The broker does not answer.
    Broker = "broker-unreachable",
    /// A transaction of another process is open on our partitions.
    OpenTransaction = "open-transaction",
    /// The log holds events that do not come.
    Silence = "nothing-comes",
    /// Stored results have a column in two types, until the history is rewritten.
    MixedTypes = "mixed-types",
    /// Recovery waits for something else.
    Recovery = "recovery-waits",
    /// What watches over the process beside its work has panicked, and has begun anew.
    Defect = "defect",
}

impl About {
    /// What is calculated of which events: `square(number) where number > 0`.
    #[must_use]
    pub fn summary(&self) -> String {
        match &self.condition {
            None => self.calculation.clone(),
            Some(condition) => format!("{} where {condition}", self.calculation),
        }
    }
}

impl Counters {
    /// What a transaction held is published.
    pub(in crate::processor) fn published(&mut self, results: u64, rejects: &Tally) {
        self.results += results;
        self.rejects.merge(rejects);
    }
}

impl WorkerView {
    /// Takes over from the view `before` since when things have been as they still are.
    pub(super) fn carry(&mut self, before: &WorkerView) {
        self.paused = self.paused.map(|now| before.paused.unwrap_or(now));
        let mut former = before.partitions.iter().peekable();
        for partition in &mut self.partitions {
            while former
                .next_if(|former| former.partition < partition.partition)
                .is_some()
            {}
            let Some(former) = former.next_if(|former| former.partition == partition.partition)
            else {
                continue;
            };
            if former.phase == partition.phase {
                partition.since = former.since;
            }
            partition.corrections_stuck = partition
                .corrections_stuck
                .map(|now| former.corrections_stuck.unwrap_or(now));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(number: i32, phase: PhaseView, at: u64) -> PartitionView {
        PartitionView {
            partition: Partition(number),
            phase,
            since: moment(at),
            stored: None,
            committed: None,
            position: None,
            log_end: None,
            buffered_bytes: 0,
            buffered_outcomes: 0,
            pending_corrections: 0,
            corrections_stuck: (number == 3).then(|| moment(at)),
        }
    }

    fn moment(seconds: u64) -> Moment {
        Moment(Duration::from_secs(seconds))
    }

    fn worker(partitions: Vec<PartitionView>, paused: Option<u64>) -> WorkerView {
        WorkerView {
            paused: paused.map(moment),
            partitions,
            ..WorkerView::default()
        }
    }

    #[test]
    fn what_is_as_it_was_keeps_its_beginning() {
        use PhaseView::{Recovering, Running};
        let before = worker(
            vec![
                partition(0, Running, 1),
                partition(1, Recovering, 1),
                partition(3, Running, 1),
            ],
            Some(2),
        );
        let mut now = worker(
            vec![
                partition(1, Running, 9),
                partition(2, Running, 9),
                partition(3, Running, 9),
            ],
            Some(9),
        );
        now.carry(&before);
        let since: Vec<_> = now.partitions.iter().map(|one| one.since).collect();
        assert_eq!(since, [moment(9), moment(9), moment(1)]);
        assert_eq!(now.partitions[2].corrections_stuck, Some(moment(1)));
        assert_eq!(now.paused, Some(moment(2)));
    }

    #[test]
    fn what_is_over_has_no_beginning_and_begins_anew_when_it_comes_back() {
        let mut resumed = worker(Vec::new(), None);
        resumed.carry(&worker(Vec::new(), Some(2)));
        assert_eq!(resumed.paused, None);
        let mut again = worker(Vec::new(), Some(9));
        again.carry(&resumed);
        assert_eq!(again.paused, Some(moment(9)));
    }
}
