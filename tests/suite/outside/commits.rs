//! How far a group has come.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{LIMIT, Pipeline};
use crate::support::{committed, eventually, read_all};

/// How many events are in the topic; they must not have been trimmed.
#[track_caller]
pub fn number_of_events(pipeline: &Pipeline) -> i64 {
    i64::try_from(read_all(&pipeline.brokers, &pipeline.events).len()).expect("a small number")
}

/// Waits until the group has committed that many events.
#[track_caller]
pub fn wait_until_committed(pipeline: &Pipeline, events: i64) {
    let what = format!("{events} committed events");
    eventually(LIMIT, &what, || {
        (committed_events(pipeline) >= events).then_some(())
    });
}

/// How far the group has come: the events that are committed, where the log has nothing else and was not trimmed.
#[track_caller]
pub fn committed_events(pipeline: &Pipeline) -> i64 {
    let committed = committed(&pipeline.brokers, &pipeline.group, &pipeline.events);
    committed
        .into_values()
        .flatten()
        .map(|(offset, _)| offset)
        .sum()
}

/// Who committed the partitions last: each worker names itself in the metadata of its commits.
#[track_caller]
pub fn writers(pipeline: &Pipeline) -> BTreeSet<String> {
    let commits = committed(&pipeline.brokers, &pipeline.group, &pipeline.events);
    let writer = |(_, metadata): (i64, String)| {
        let metadata: Value = serde_json::from_str(&metadata).expect("metadata of ours");
        metadata["by"].as_str().expect("a writer").to_owned()
    };
    commits.into_values().flatten().map(writer).collect()
}
