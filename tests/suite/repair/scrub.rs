//! The scrub: what is wrong in stored history is found and mended by a running processor, without anybody asking.

use futures::TryStreamExt as _;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore as _, ObjectStoreExt as _};
use serde_json::Value;

use super::wrong_values::store_wrong_values;
use crate::corrections::{published, value};
use crate::outside::{LIMIT, Pipeline, Place, wait_until_committed};
use crate::support::process::Running;
use crate::support::{Status, block_on, eventually, s3, snapback};

/// A processor that scrubs as fast as it may, and where it tells of itself.
fn scrubbing(pipeline: &Pipeline, flags: &[&str]) -> (Running, Status) {
    let fast = ["--scrub-interval", "1s", "--scrub-percent", "50"];
    let running = pipeline
        .run()
        .args(["--snapshot-interval", "200ms"])
        .args(fast)
        .args(flags)
        .args(Status::ANYWHERE)
        .spawn();
    let status = Status::of(&running);
    status.wait_until(LIMIT, "a first full round", |seen| {
        seen["ready"] == true && !seen["scrub"]["last_full_round"].is_null()
    });
    (running, status)
}

fn stop(mut running: Running, code: i32) {
    running.signal(libc::SIGTERM);
    running.wait(LIMIT).expect_code(code);
}

fn mended(seen: &Value) -> u64 {
    seen["scrub"]["mended"].as_u64().expect("a number")
}

/// 200 numbers in two snapshots, none of which a scrub has verified.
fn stored(place: Place) -> Pipeline {
    let pipeline = Pipeline::new(1, place);
    for round in 0..2 {
        pipeline.send_numbers(0, (round * 100)..(round * 100 + 100));
        let unverified = ["--scrub", "off"];
        pipeline.run_to_end().args(unverified).run().expect_code(0);
    }
    pipeline
}

fn a_wrong_value_is_mended_and_corrected_once(place: Place) {
    let pipeline = stored(place);
    let (running, status) = scrubbing(&pipeline, &[]);
    block_on(store_wrong_values(&pipeline, |row| row == 42));
    let seen = status.wait_until(LIMIT, "the mending", |seen| mended(seen) == 1);
    assert!(seen["scrub"]["outcomes"].as_u64() > Some(200), "{seen:#}");
    let offset = eventually(LIMIT, "a correction", || {
        let published = published(&pipeline);
        let twice = published.iter().find(|(_, all)| all.len() > 1);
        twice.map(|(offset, _)| *offset)
    });
    status.wait_until(LIMIT, "nothing wrong", |seen| {
        Status::detail(seen, "findings").is_none() && seen["scrub"]["findings"][0].is_null()
    });
    // Whatever rounds follow, it is mended and corrected once, and new events go on.
    pipeline.send_numbers(0, 200..210);
    wait_until_committed(&pipeline, 210);
    let rounds = |seen: &Value| seen["scrub"]["segments"].as_u64().expect("a number");
    let now = rounds(&seen);
    status.wait_until(LIMIT, "more rounds", |seen| rounds(seen) > now + 6);
    stop(running, 0);
    let published = published(&pipeline);
    for (at, publications) in &published {
        let square = format!(r#"{{"number":{at},"result":{}}}"#, at * at);
        let revisions = if *at == offset { 2 } else { 1 };
        assert_eq!(publications.len(), revisions, "{at}");
        assert!(publications.iter().all(|(_, is)| *is == value(&square)));
    }
    assert_eq!(published.len(), 210);
    pipeline.verify_published(0);
}

#[test]
fn a_wrong_value_in_a_folder_is_mended_and_corrected_once() {
    a_wrong_value_is_mended_and_corrected_once(Place::folder());
}

#[test]
fn a_wrong_value_in_a_bucket_is_mended_and_corrected_once() {
    a_wrong_value_is_mended_and_corrected_once(Place::bucket(s3()));
}

#[test]
fn a_flipped_byte_is_mended_from_kafka() {
    let pipeline = stored(Place::folder());
    let (running, status) = scrubbing(&pipeline, &[]);
    super::flip_a_byte(&pipeline.segments("results", 0)[0]);
    status.wait_until(LIMIT, "the mending", |seen| mended(seen) == 1);
    status.wait_until(LIMIT, "nothing wrong", |seen| {
        seen["scrub"]["findings"][0].is_null()
    });
    stop(running, 0);
    pipeline.check();
}

#[test]
fn a_damaged_object_is_mended_from_kafka() {
    let server = s3();
    let pipeline = stored(Place::bucket(server));
    let (running, status) = scrubbing(&pipeline, &[]);
    let Place::Bucket { prefix, .. } = &pipeline.store else {
        panic!("not a bucket")
    };
    let folder = format!("{prefix}/{}/results/partition=0", pipeline.events);
    block_on(async {
        let client = server.client();
        let folder = ObjectPath::from(folder);
        let objects = client.list(Some(&folder)).try_collect::<Vec<_>>().await;
        let damaged = objects.expect("a listing")[0].location.clone();
        let put = client.put(&damaged, "not what it was".into()).await;
        put.expect("a writable bucket");
    });
    status.wait_until(LIMIT, "the mending", |seen| mended(seen) == 1);
    stop(running, 0);
    pipeline.check();
}

#[test]
fn what_is_only_to_be_reported_and_what_is_wrong_in_many_places_stays_as_it_is() {
    for (flags, rows) in [(&["--scrub", "report"][..], 1), (&[], 5)] {
        let pipeline = stored(Place::folder());
        let (running, status) = scrubbing(&pipeline, flags);
        block_on(store_wrong_values(&pipeline, |row| row < rows));
        let seen = status.wait_until(LIMIT, "a finding", |seen| {
            Status::detail(seen, "findings").is_some()
        });
        let finding = &seen["scrub"]["findings"][0];
        assert_eq!(finding["kind"], "wrong-result", "{seen:#}");
        let rounds = |seen: &Value| seen["scrub"]["segments"].as_u64().expect("a number");
        let now = rounds(&seen);
        let seen = status.wait_until(LIMIT, "more rounds", |seen| rounds(seen) > now + 4);
        assert_eq!(mended(&seen), 0);
        assert!(Status::detail(&seen, "findings").is_some());
        assert!(published(&pipeline).values().all(|all| all.len() == 1));
        stop(running, 1);
        assert_eq!(pipeline.findings(), ["wrong-result".to_owned()].into());
    }
}

fn show(pipeline: &Pipeline, output: &str) -> String {
    let shown = snapback(["snapshots", "show", "0", "-o", output])
        .args(["--events", &pipeline.events])
        .args(pipeline.store_args())
        .run();
    shown.expect_code(0).stdout
}

#[test]
fn a_restart_goes_on_with_what_was_not_verified() {
    let pipeline = stored(Place::folder());
    let last_verified = || -> Vec<Value> {
        let shown = show(&pipeline, "json");
        let shown: Value = serde_json::from_str(&shown).expect("JSON");
        let segments = shown["segment_list"].as_array().expect("a list");
        segments
            .iter()
            .map(|one| one["verified_at"].clone())
            .collect()
    };
    assert_eq!(last_verified(), [Value::Null, Value::Null]);
    let (running, _) = scrubbing(&pipeline, &[]);
    let name = format!("{}/_verified/partition=0.json", pipeline.events);
    let path = pipeline.store.path().join(name);
    eventually(LIMIT, "what was verified", || {
        let text = std::fs::read_to_string(&path).ok()?;
        let stored: Value = serde_json::from_str(&text).ok()?;
        let segments = stored["segments"].as_object()?;
        let verified = |one: &Value| one["verified"].is_string();
        // Compaction may have made one of the two.
        (!segments.is_empty() && segments.values().all(verified)).then_some(())
    });
    stop(running, 0);
    let verified = last_verified();
    assert!(verified.iter().all(Value::is_string), "{verified:?}");
    let shown = show(&pipeline, "table");
    assert!(
        shown.contains("last scrubbed") && !shown.contains(" - "),
        "{shown}"
    );
    // Whatever becomes of it, nothing depends on it.
    std::fs::write(&path, "{").expect("a writable store");
    assert!(last_verified().iter().all(Value::is_null));
    pipeline.verify(0);
    let (running, _) = scrubbing(&pipeline, &[]);
    stop(running, 0);
    pipeline.check();
}
