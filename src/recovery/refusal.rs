//! Why a partition is held, and what resolves it.

use std::fmt;

use super::{
    counts::{Expected, Replayed},
    facts::{Damage, RefusedEvent, ResumeFrom},
    metadata::Head,
};
use crate::{
    format::Pipeline,
    kafka::Fault,
    model::{Offset, OffsetRange, Partition, Sequence},
};

/// One partition that is held to protect data.
///
/// `Display` is one line, for logs and status; [`explain`](Refusal::explain) is the whole text with the commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The partition.
    pub partition: Partition,
    /// The pipeline that this process runs.
    pub pipeline: Pipeline,
    /// The store's root as people write it.
    pub store: String,
    /// What is wrong.
    pub cause: Cause,
    /// What resolves it, best first; never empty.
    pub remedies: Vec<Remedy>,
}

/// The rows of the decision table that end in a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The store belongs to another pipeline, or a topic was recreated or resized.
    OtherPipeline {
        /// The newest manifest's number.
        sequence: Sequence,
        /// What differs; never empty.
        differences: Vec<Difference>,
    },
    /// The group's commit is of a newer format.
    NewerCommit {
        /// The committed offset.
        committed: Offset,
        /// The version found.
        version: u32,
        /// Who wrote it.
        by: Option<String>,
    },
    /// The newest manifest is of a newer format.
    NewerManifest {
        /// Its number.
        sequence: Sequence,
        /// The version found.
        version: u32,
        /// Who wrote it.
        by: Option<String>,
    },
    /// There are manifests and none can be read.
    Unreadable {
        /// What is wrong with each.
        damage: Vec<Damage>,
    },
    /// What is stored of it cannot be read, again and again, while the store itself answers.
    Closed {
        /// What the store says.
        error: String,
    },
    /// A file has a number that no manifest of this chain can have come to.
    StrayNumber {
        /// The file.
        path: String,
        /// The next lower number of a manifest.
        below: Sequence,
    },
    /// The group committed with a manifest that this store does not have.
    HeadUnknown {
        /// The manifest that the commit names.
        head: Head,
        /// Who committed.
        by: String,
        /// The committed offset.
        committed: Offset,
        /// The newest manifest here and its end.
        newest: Option<(Sequence, Offset)>,
    },
    /// The log ends before what was committed or stored.
    Truncated {
        /// The committed offset.
        committed: Option<Offset>,
        /// The store's frontier.
        frontier: Option<Offset>,
        /// The log's end.
        log_end: Offset,
    },
    /// Events that the store does not hold are gone from Kafka.
    Gone {
        /// Exactly what is gone: from the frontier (or, without a manifest, the committed offset) to the log's start.
        range: OffsetRange,
        /// The committed offset.
        committed: Option<Offset>,
        /// What was committed of the range, if anything was.
        published: Option<Published>,
        /// Files that, restored, would make the range smaller.
        damage: Vec<Damage>,
        /// What `--accept-loss` named instead.
        given: Vec<OffsetRange>,
    },
    /// The replay gave another number of outcomes than were published.
    ReplayMismatch {
        /// What was replayed.
        range: OffsetRange,
        /// How many outcomes were published for it.
        expected: Expected,
        /// How many the replay gave.
        found: Replayed,
        /// What `--accept-loss` named instead.
        given: Vec<OffsetRange>,
    },
    /// The log holds events that cannot be read.
    UnreadableEvents {
        /// What would be lost: from the frontier to the end of their batch.
        range: OffsetRange,
        /// The first that cannot be read.
        at: Offset,
        /// Why.
        fault: Fault,
        /// What `--accept-loss` named instead.
        given: Vec<OffsetRange>,
    },
    /// No broker takes what would be published of an event.
    RefusedEvent {
        /// Exactly the event.
        range: OffsetRange,
        /// What is known of it.
        event: RefusedEvent,
        /// What `--accept-loss` named instead.
        given: Vec<OffsetRange>,
    },
    /// Somebody else moved the group ahead of the store.
    CommittedByOther {
        /// From the frontier to the committed offset.
        range: OffsetRange,
    },
    /// The group stands before the frontier.
    GroupReset {
        /// From the committed offset to the frontier.
        range: OffsetRange,
    },
    /// The store has a history, the group has no offset.
    CommittedMissing {
        /// The store's frontier.
        frontier: Offset,
        /// After the last event that can be read.
        log_end: Offset,
    },
    /// What recovers it or stores its outcomes failed or panicked, and again after everything was read anew.
    Defect {
        /// How often in a row.
        deaths: u32,
        /// Why, the last time.
        message: String,
    },
}

/// What of a gone range was committed before it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// The part of the gone range below the committed offset.
    pub range: OffsetRange,
    /// How many outcomes our commits say they published from the frontier to the committed offset; `None` when somebody
    /// else committed.
    pub outcomes: Option<u64>,
    /// Whether the committed offset lies inside or at the end of the gone range, so that `outcomes` counts exactly it.
    pub exact: bool,
}

/// A part of a pipeline's identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IdentityPart {
    /// The cluster's id.
    Cluster,
    /// The group.
    Group,
    /// The events topic's name.
    EventsTopic,
    /// The events topic's id.
    EventsTopicId,
    /// The results topic's name.
    ResultsTopic,
    /// The results topic's partition count.
    ResultsPartitions,
}

/// One part in which store and process differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which part.
    pub part: IdentityPart,
    /// What the store says.
    pub store: String,
    /// What this process has.
    pub ours: String,
}

/// A way out of a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// The same command against the store that the group wrote to.
    RightStore,
    /// The same command once with these flags as well; running it again is harmless.
    Once {
        /// `--resume-from`.
        resume_from: Option<ResumeFrom>,
        /// `--accept-loss` of this partition.
        accept_loss: Option<OffsetRange>,
    },
    /// Go on with the pipeline that the store belongs to.
    StoresPipeline {
        /// Its group.
        group: String,
        /// Its results topic.
        results: String,
    },
    /// Leave this store alone and begin a new one.
    Fresh {
        /// With a new group as well.
        group: bool,
        /// With a new results topic as well, because events are calculated and published again.
        results: bool,
    },
    /// The same command with the program that wrote it.
    NewerProgram {
        /// Who wrote it.
        by: Option<String>,
    },
    /// Bring the files back from a backup.
    Restore,
    /// The same command with a client that takes larger batches.
    LargerBatches,
    /// Let another replica of the log lead, one that is whole.
    AnotherReplica,
    /// Other settings of the topic that refuses a message.
    OtherRules,
    /// Let this process read what is stored.
    LetRead,
    /// Move a file out of the store that is none of its own.
    MoveAway,
    /// Tell those who make snapback.
    Report,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "partition {} of topic {} is held: {}",
            self.partition, self.pipeline.events_topic, self.cause
        )
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::OtherPipeline { differences, .. } => {
                f.write_str("the store belongs to another pipeline: ")?;
                for (n, difference) in differences.iter().enumerate() {
                    let comma = if n > 0 { ", " } else { "" };
                    write!(
                        f,
                        "{comma}{} {} there, {} here",
                        difference.part, difference.store, difference.ours
                    )?;
                }
                Ok(())
            }
            Cause::NewerCommit {
                committed, version, ..
            } => {
                write!(
                    f,
                    "a newer snapback (format {version}) committed offset {committed}"
                )
            }
            Cause::NewerManifest {
                sequence, version, ..
            } => {
                write!(
                    f,
                    "a newer snapback (format {version}) wrote manifest {sequence}"
                )
            }
            Cause::Unreadable { damage } => {
                write!(f, "none of its {} manifests can be read", damage.len())
            }
            Cause::Closed { error } => {
                write!(f, "what is stored of it cannot be read: {error}")
            }
            Cause::StrayNumber { below, .. } => {
                write!(
                    f,
                    "a file has a number that nothing after manifest {below} can have"
                )
            }
            Cause::HeadUnknown { head, .. } => {
                write!(
                    f,
                    "the group was committed with manifest {}, which this store does not have",
                    head.sequence
                )
            }
            Cause::Truncated {
                committed,
                frontier,
                log_end,
            } => {
                let known = committed
                    .max(frontier)
                    .map(|offset| offset.to_string())
                    .unwrap_or_default();
                write!(
                    f,
                    "the log ends at {log_end}, before offset {known} that was already processed"
                )
            }
            Cause::Gone { range, .. } => write!(
                f,
                "the events {range} are gone from Kafka and not in the store"
            ),
            Cause::ReplayMismatch {
                range,
                expected,
                found,
                ..
            } => {
                write!(
                    f,
                    "{range} was published with {expected}, reading it again gives {found}"
                )
            }
            Cause::UnreadableEvents { at, fault, .. } => {
                write!(f, "the events from {at} on cannot be read: {}", fault.text)
            }
            Cause::RefusedEvent { event, .. } => write!(
                f,
                "{} does not take the message of the event {}: {}",
                event.topic, event.offset, event.words
            ),
            Cause::CommittedByOther { range } => write!(f, "somebody else committed {range}"),
            Cause::GroupReset { range } => {
                write!(
                    f,
                    "the group was reset to {}, the store reaches {}",
                    range.start(),
                    range.end()
                )
            }
            Cause::CommittedMissing { frontier, .. } => {
                write!(
                    f,
                    "the group has no committed offset, the store reaches {frontier}"
                )
            }
            Cause::Defect { deaths, message } => write!(
                f,
                "a defect of this program: it failed {deaths} times in a row, the last time: {message}"
            ),
        }
    }
}

impl fmt::Display for IdentityPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            IdentityPart::Cluster => "cluster id",
            IdentityPart::Group => "group",
            IdentityPart::EventsTopic => "events topic",
            IdentityPart::EventsTopicId => "events topic id",
            IdentityPart::ResultsTopic => "results topic",
            IdentityPart::ResultsPartitions => "partitions of the results topic",
        })
    }
}
