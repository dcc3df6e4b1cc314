//! The topic that events are loaded into.

use std::time::Duration;

use crate::kafka::{Admin, Connection, KafkaError};

/// The partitions of `topic`, which is created with `partitions` of them when it is missing, and whether it was.
///
/// # Errors
/// When no broker answers, or the topic cannot be created.
pub fn ensure_topic(
    connection: &Connection,
    topic: &str,
    partitions: u32,
    timeout: Duration,
) -> Result<(u32, bool), KafkaError> {
    let admin = Admin::connect(connection, timeout)?;
    if let Some(found) = admin.topic(topic)? {
        return Ok((found.partitions, false));
    }
    let created = admin.create_topic(topic, partitions, &[])?;
    // Another may have been faster, with another count.
    let found = admin.topic(topic)?;
    Ok((found.map_or(partitions, |found| found.partitions), created))
}
