//! Why a worker, or the processor, could not go on.

use super::{InstanceError, partition::BooksError};
use crate::{
    calculation::CalculationError,
    events::EncodeError,
    format::OutcomesError,
    kafka::{KafkaError, PublishError},
    model::{InvertedRange, Offset, Partition},
    recovery::Refusal,
    store::StoreError,
};

/// Why a worker ended early.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// Kafka cannot be used.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// Publishing failed for good.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The calculation failed: not for an event, but as a whole.
    #[error(
        "the calculation failed for {topic}, partition {partition}, in the events before offset {end}: {source}; nothing of this batch was published"
    )]
    Calculation {
        /// The events topic.
        topic: String,
        /// The partition.
        partition: Partition,
        /// The first offset after the batch.
        end: Offset,
        /// Why.
        source: CalculationError,
    },
    /// The calculation does not fit the fields.
    #[error(transparent)]
    Configuration(#[from] CalculationError),
    /// The fields cannot be written as messages.
    #[error(transparent)]
    Encoding(#[from] EncodeError),
    /// Rows cannot be taken out of a batch: a defect.
    #[error(transparent)]
    Rows(#[from] arrow_schema::ArrowError),
    /// The outcomes of a batch do not fit its offsets: a defect, stopped before anything wrong is committed or stored.
    #[error(transparent)]
    Outcomes(#[from] OutcomesError),
    /// The books of a partition do not add up: a defect, stopped before anything wrong is committed or stored.
    #[error(transparent)]
    Books(#[from] BooksError),
    /// The consumer went backwards: a defect, stopped before anything wrong is committed or stored.
    #[error(transparent)]
    Range(#[from] InvertedRange),
    /// A newer process has our name.
    #[error(
        "another process runs as instance {instance:?} ({name}) and has taken over; this one stops. Give each process its own --instance, or none at all"
    )]
    Fenced {
        /// The instance.
        instance: String,
        /// The full name in the group.
        name: String,
    },
    /// The same transaction failed again and again.
    #[error(
        "{topic}, partition {partition}: {attempts} transactions in a row failed after offset {offset}, the last with: {reason}. Nothing is lost: every event after the committed offset is processed again by the next start"
    )]
    NoProgress {
        /// The events topic.
        topic: String,
        /// The partition.
        partition: Partition,
        /// The committed offset.
        offset: Offset,
        /// How often.
        attempts: u32,
        /// The last reason.
        reason: String,
    },
    /// The last transaction could not be ended before the shutdown time-out.
    #[error(
        "the last transaction could not be committed in time: {reason}. Nothing is lost: what is not committed is processed again, and what is committed but not stored is replayed, by the next start"
    )]
    NotCommitted {
        /// What kept it.
        reason: String,
    },
    /// The worker's thread panicked.
    #[error("worker {index} panicked: {message}; nothing is lost, start again")]
    Panicked {
        /// The worker.
        index: usize,
        /// The panic's text.
        message: String,
    },
}

impl WorkerError {
    /// Whether only time is needed: a broker is away or busy.
    pub(super) fn is_outage(&self) -> bool {
        match self {
            WorkerError::Kafka(error) => error.is_transient(),
            WorkerError::Publish(error) => error.is_outage(),
            _ => false,
        }
    }

    /// Whether a broker refuses who we are, or what we may do.
    pub(super) fn is_denied(&self) -> bool {
        match self {
            WorkerError::Kafka(error) => error.is_denied(),
            WorkerError::Publish(error) => error.is_denied(),
            _ => false,
        }
    }
}

/// Why the processor could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum ProcessorError {
    /// A worker ended early.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// Kafka cannot be used.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No name is free on this host.
    #[error(transparent)]
    Instance(#[from] InstanceError),
    /// The calculation does not fit the fields.
    #[error(transparent)]
    Configuration(#[from] CalculationError),
    /// The events topic does not exist.
    #[error(
        "the events topic {topic:?} does not exist on {brokers}; check --events, or create it, for example with: snapback produce --events {topic} --count 1000"
    )]
    NoEventsTopic {
        /// The topic.
        topic: String,
        /// The brokers.
        brokers: String,
    },
    /// Nearly all events of a sample would be rejects, and this would be the pipeline's first run.
    #[error("{text}")]
    WrongDeclaration {
        /// For people: the reasons, a sample, and the declaration that works.
        text: String,
    },
    /// The end of the topic is not reached: somebody's transaction stays open before it.
    #[error(
        "{text}\nWhat comes before is published, committed and stored. Start again when these transactions have ended; docs/recovery.md says under \"A transaction without an end\" how to end one"
    )]
    EndNotReached {
        /// Which partitions wait for what.
        text: String,
    },
    /// Results would give a stored column another type.
    #[error("{text}")]
    MixedTypes {
        /// For people: which, and the ways on.
        text: String,
    },
    /// An output topic does not exist and is not to be made.
    #[error(
        "the topic {topic:?} does not exist on {brokers} and --create-topics is false; create it with {partitions} partitions"
    )]
    NoOutputTopic {
        /// The topic.
        topic: String,
        /// The brokers.
        brokers: String,
        /// The partitions of the events topic.
        partitions: u32,
    },
    /// An output topic takes nothing.
    #[error(
        "the topic {topic:?} takes no message: its min.insync.replicas is {needed}, and only {replicas} brokers hold it. Lower the setting (kafka-configs.sh), or give the topic more replicas (kafka-reassign-partitions.sh)"
    )]
    TooFewReplicas {
        /// The topic.
        topic: String,
        /// How many must acknowledge.
        needed: u32,
        /// How many there are.
        replicas: u32,
    },
    /// The topic's name cannot be a folder name in the store.
    #[error(transparent)]
    Layout(#[from] crate::format::LayoutError),
    /// Partitions are held, and nothing else is left to do.
    #[error("{text}")]
    Refused {
        /// Which, and why.
        refusals: Vec<Refusal>,
        /// All of it for people, with the commands that resolve it.
        text: String,
    },
}
