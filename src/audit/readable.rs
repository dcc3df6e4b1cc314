//! Which events of a store's topic Kafka still has.

use std::{collections::BTreeMap, time::Duration};

use super::{error::AuditError, source::is_its_source};
use crate::{
    format::{Manifest, Pipeline},
    kafka::{Admin, Connection},
    model::{OffsetRange, Partition},
};

/// How long a question to a broker may take.
const ASK: Duration = Duration::from_secs(30);

/// What Kafka can give out of the partitions of a topic: up to the first transaction that is open.
///
/// # Errors
/// When Kafka has another topic than the one that the store was made from, or does not answer.
pub async fn readable_events(
    connection: &Connection,
    manifests: &[Manifest],
) -> Result<BTreeMap<Partition, OffsetRange>, AuditError> {
    let connection = connection.clone();
    let asked: Vec<_> = manifests
        .iter()
        .map(|manifest| (manifest.partition, manifest.pipeline.clone()))
        .collect();
    let ask = move || {
        let mut readable = BTreeMap::new();
        if asked.is_empty() {
            return Ok(readable);
        }
        let admin = Admin::connect(&connection, ASK)?;
        for (partition, pipeline) in asked {
            readable.insert(partition, readable_of(&admin, &pipeline, partition)?);
        }
        Ok(readable)
    };
    tokio::task::spawn_blocking(ask).await?
}

/// The same of one partition. Blocks.
pub(super) fn readable_of(
    admin: &Admin,
    pipeline: &Pipeline,
    partition: Partition,
) -> Result<OffsetRange, AuditError> {
    is_its_source(pipeline, admin)?;
    let ends = admin.watermarks(&pipeline.events_topic, partition)?;
    let readable = OffsetRange::new(ends.start, ends.stable_end);
    Ok(readable.unwrap_or(OffsetRange::empty(ends.start)))
}
