//! Why a range cannot be recalculated.

use arrow_schema::ArrowError;

use crate::{
    calculation::CalculationError,
    events::EncodeError,
    format::{OutcomesError, SegmentError},
    history::FetchError,
    kafka::KafkaError,
    model::OffsetRange,
};

/// Why a range cannot be brought under a calculation; it stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum RecalculateError {
    /// A segment is missing or damaged, or the store is away.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A segment cannot be read or written.
    #[error(transparent)]
    Segment(SegmentError),
    /// The calculation fails.
    #[error(transparent)]
    Calculation(#[from] CalculationError),
    /// The results cannot be messages.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The rows do not fit together.
    #[error(transparent)]
    Rows(#[from] ArrowError),
    /// Outcomes do not fit their range: a defect.
    #[error(transparent)]
    Outcomes(#[from] OutcomesError),
    /// The stored fields do not suffice, and the events cannot be read.
    #[error("{needs}; the events cannot be read again: {source}")]
    Events {
        /// What the stored fields lack.
        needs: String,
        /// Why the events cannot be read.
        source: Box<KafkaError>,
    },
    /// The stored fields do not suffice, and the events are not to be read.
    #[error("{needs}; it would have to be made again from the events")]
    NoEvents {
        /// What the stored fields lack.
        needs: String,
    },
    /// The stored fields do not suffice, and Kafka has other events than those that have outcomes.
    #[error("{needs}; Kafka does not hold the events of {range} any more as they were: {detail}")]
    OtherEvents {
        /// What the stored fields lack.
        needs: String,
        /// The range.
        range: OffsetRange,
        /// What is different.
        detail: String,
    },
    /// The range would have to be made of events that are out of the log.
    #[error("{needs}; Kafka does not hold the events of {range} any more: {source}")]
    NotInLog {
        /// What the stored files lack.
        needs: String,
        /// The range.
        range: OffsetRange,
        /// Which is out of the log.
        source: Box<KafkaError>,
    },
    /// The topics do not have everything that was published of a range any more, or never had what it takes.
    #[error("what was published of {range} cannot take their place: {detail}")]
    NotPublished {
        /// The range.
        range: OffsetRange,
        /// What is missing.
        detail: String,
    },
    /// What was published of a range may be there, and is not taken as it is: it is something else than is on record, or cannot be told.
    #[error("what was published of {range} is not taken: {detail}")]
    NotTaken {
        /// The range.
        range: OffsetRange,
        /// Why.
        detail: String,
    },
    /// What was published of a range may be there, but a transaction that has not ended hides it.
    #[error(
        "what was published of {range} cannot be read yet: a transaction that has not ended hides what follows in {hidden}. It ends by its time-out; then try again"
    )]
    Hidden {
        /// The range.
        range: OffsetRange,
        /// Where.
        hidden: String,
    },
    /// What was published of a range cannot be read.
    #[error("what was published of {range} cannot be read: {source}")]
    Published {
        /// The range.
        range: OffsetRange,
        /// Why.
        source: Box<KafkaError>,
    },
    /// The events of a range give another number of results and rejects than those that are on record.
    #[error(
        "{needs}; the events that Kafka has of {range} give {found_results} results and {found_rejects} rejects, the manifest states {stated_results} and {stated_rejects}: `max.message.bytes` of the results topic was another then, or the log was compacted since. With the limit that it had, it can be mended"
    )]
    OtherCounts {
        /// What the stored files lack.
        needs: String,
        /// The range.
        range: OffsetRange,
        /// The results that they give.
        found_results: u64,
        /// The rejects that they give.
        found_rejects: u64,
        /// The results on record.
        stated_results: u64,
        /// The rejects on record.
        stated_rejects: u64,
    },
    /// Events that the calculation before left out may have an outcome now.
    #[error(
        "{count} events were filtered under another condition or other fields, and are not stored"
    )]
    Filtered {
        /// How many.
        count: u64,
    },
    /// The outcomes of events that had no row do not fit into memory at a time, and their range cannot be cut.
    #[error(
        "the outcomes of {range} are too many to be made at a time: which of its offsets are absent is on record as a digest alone, so that it cannot be cut"
    )]
    TooMuch {
        /// The range.
        range: OffsetRange,
    },
    /// The outcomes of events that the history does not have do not fit into memory at a time.
    #[error("the outcomes of {range} are too many to be made at a time")]
    TooManyEvents {
        /// The range.
        range: OffsetRange,
    },
    /// Recalculated rows are not those that are stored: a defect.
    #[error("the recalculated rows of {range} are not those of the same offsets")]
    OtherOffsets {
        /// The range.
        range: OffsetRange,
    },
    /// Differences cannot be written down.
    #[error("the differences cannot be written: {0}")]
    Differences(#[from] DifferencesFileError),
    /// The work panicked.
    #[error("recalculating failed: {0}")]
    Panicked(#[from] tokio::task::JoinError),
}

impl From<SegmentError> for RecalculateError {
    fn from(error: SegmentError) -> RecalculateError {
        match error {
            SegmentError::Store(error) => FetchError::from(error).into(),
            error => RecalculateError::Segment(error),
        }
    }
}

impl RecalculateError {
    /// The topics do not have what was published of a range.
    pub(in crate::audit) fn not_published(
        range: OffsetRange,
        detail: impl Into<String>,
    ) -> RecalculateError {
        RecalculateError::NotPublished {
            range,
            detail: detail.into(),
        }
    }

    /// What was published of a range is not taken.
    pub(in crate::audit) fn not_taken(
        range: OffsetRange,
        detail: impl Into<String>,
    ) -> RecalculateError {
        RecalculateError::NotTaken {
            range,
            detail: detail.into(),
        }
    }

    /// Whether the topics lack something that was published of a range, or have something else.
    pub(in crate::audit) const fn lacks_what_was_published(&self) -> bool {
        matches!(
            self,
            RecalculateError::NotPublished { .. } | RecalculateError::NotTaken { .. }
        )
    }

    /// Whether the same call may succeed later: a store or a broker is away.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            RecalculateError::Fetch(FetchError::Store(error)) => error.is_retryable(),
            RecalculateError::Events { source, .. }
            | RecalculateError::Published { source, .. } => {
                source.is_transient() || source.is_denied()
            }
            _ => false,
        }
    }

    /// Whether what a range would have to be made of is out of the log: no later call succeeds.
    #[must_use]
    pub const fn is_for_good(&self) -> bool {
        matches!(self, RecalculateError::NotInLog { .. })
    }
}

/// Why a file of differences cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum DifferencesFileError {
    /// The file cannot be made.
    #[error(transparent)]
    Create(#[from] std::io::Error),
    /// It cannot be written.
    #[error(transparent)]
    Write(#[from] parquet::errors::ParquetError),
}
