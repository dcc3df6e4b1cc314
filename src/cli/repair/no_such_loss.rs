//! The refusal of `--accept-loss`.

use crate::model::{OffsetRange, Partition};

/// A range was accepted as lost that is none.
#[derive(Debug, thiserror::Error)]
#[error(
    "--accept-loss {partition}:{range} is no range that has to be made again from Kafka; {there}. Nothing was changed"
)]
pub struct NoSuchLoss {
    pub(super) partition: Partition,
    pub(super) range: OffsetRange,
    pub(super) there: String,
}
