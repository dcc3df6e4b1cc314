//! The recovery table on a real broker, row by row: what goes on, what is refused, and that the printed command
//! resolves a refusal.
//!
//! The whole text of each refusal is held by a file in `recovery/snapshots/`. `INSTA_UPDATE=always cargo test` rewrites them.

mod events_gone;
mod going_on;
mod group_moved;
mod other_pipeline;
mod other_store;
mod refusal;
mod replaying;
mod starting;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use refusal::{refused, run};

use crate::outside::{
    LIMIT, Offsets, Outcomes, Pipeline, Place, committed_events, in_a_shell, number_of_events,
    printed_commands, wait_until_committed,
};
use crate::support::process::Finished;
use crate::support::{
    Kafka, commit_as_stranger, commit_with_metadata, committed, create_topic, delete_group,
    delete_records, delete_topic, read_all, snapback, unique,
};

/// A pipeline with one partition whose events `0..events` are processed and in the store.
pub fn stored(events: i64) -> Pipeline {
    let pipeline = Pipeline::new(1, Place::folder());
    store_more(&pipeline, events);
    pipeline
}

/// Sends numbers that continue those of partition 0, as many, and has them processed and stored.
pub fn store_more(pipeline: &Pipeline, events: i64) {
    send_more(pipeline, events);
    pipeline.run_to_end().run().expect_code(0);
}

/// Sends numbers that continue those of partition 0, as many.
fn send_more(pipeline: &Pipeline, events: i64) {
    let first = number_of_events(pipeline);
    pipeline.send_numbers(0, first..first + events);
}

/// Leaves published and committed outcomes behind that are in no snapshot.
pub fn crash_after(pipeline: &Pipeline, events: i64) {
    let before = pipeline.segments("results", 0);
    let target = committed_events(pipeline) + events;
    send_more(pipeline, events);
    let running = pipeline.run().args(["--snapshot-interval", "1h"]).spawn();
    wait_until_committed(pipeline, target);
    running.kill();
    assert_eq!(
        pipeline.segments("results", 0),
        before,
        "nothing is to be stored before the crash"
    );
}

/// The group's commit for partition 0.
fn commit_of(pipeline: &Pipeline) -> (i64, Value) {
    let commits = committed(&pipeline.brokers, &pipeline.group, &pipeline.events);
    let (offset, metadata) = commits[&0].clone().expect("a committed offset");
    let metadata = serde_json::from_str(&metadata).expect("metadata of ours");
    (offset, metadata)
}

/// Writes the group's commit for partition 0 again, with other metadata.
fn forge_commit(pipeline: &Pipeline, change: impl FnOnce(&mut Value)) {
    let (offset, mut metadata) = commit_of(pipeline);
    change(&mut metadata);
    let metadata = metadata.to_string();
    commit_with_metadata(
        &pipeline.brokers,
        &pipeline.group,
        &pipeline.events,
        (0, offset),
        &metadata,
    );
}

/// Moves the group as an operator's tool or another consumer does.
pub fn commit_elsewhere(pipeline: &Pipeline, offset: i64) {
    commit_as_stranger(
        &pipeline.brokers,
        &pipeline.group,
        &pipeline.events,
        &[(0, offset)],
    );
}

fn newest_manifest(pipeline: &Pipeline) -> std::path::PathBuf {
    pipeline.manifests(0).pop().expect("a manifest")
}

/// Changes a manifest as somebody does who knows how its digest is made.
pub fn forge_manifest(path: &Path, change: impl FnOnce(String) -> String) {
    let text = fs::read_to_string(path).expect("a manifest");
    let body = text
        .rsplit_once("\"digest\":\"")
        .expect("a digest at its end")
        .0;
    let body = change(body.to_owned());
    let digest = hex::encode(Sha256::digest(&body));
    fs::write(path, format!("{body}\"digest\":\"sha256:{digest}\"\n}}\n"))
        .expect("a writable store");
}

/// Only the events with offsets below, or from, and so on.
fn only(pipeline: &Pipeline, keep: impl Fn(i64) -> bool) -> Outcomes {
    pipeline.expected().only(|(_, offset)| keep(offset))
}

fn lost(lost: u64) -> Offsets {
    Offsets { absent: 0, lost }
}
