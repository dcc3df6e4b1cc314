//! `repair`: what `verify` finds wrong is right afterwards, on both stores, beside a running processor, and only where Kafka
//! still has what it was made of.

pub mod losses;
mod manifests;
mod rescue;
mod scrub;
mod statement;
pub mod wrong_values;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use futures::TryStreamExt as _;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore as _, ObjectStoreExt as _};
use serde_json::Value;

pub use wrong_values::store_wrong_column;

use crate::outside::{LIMIT, Pipeline, Place, wait_until_committed};
use crate::support::process::Finished;
use crate::support::{
    Program, block_on, create_topic, delete_records, delete_topic, eventually, s3, snapback,
};

/// Numbers and malformed events of both partitions, stored in three snapshots each.
pub fn stored(place: Place) -> Pipeline {
    let pipeline = Pipeline::new(2, place);
    for round in 0..3 {
        for partition in 0..2 {
            let numbers = (round * 40)..(round * 40 + 40);
            let events = numbers.map(|n| match n % 10 {
                3 => format!("{{\"number\": \"{n}\"}}"),
                _ => format!("{{\"number\": {n}}}"),
            });
            pipeline.send(partition, events);
        }
        pipeline.run_to_end().run().expect_code(0);
    }
    pipeline
}

pub fn repair(pipeline: &Pipeline, flags: &[&str]) -> Program {
    snapback(["repair", "--brokers", &pipeline.brokers])
        .args(["--events", &pipeline.events])
        .args(flags)
        .args(pipeline.store_args())
        .envs(pipeline.env())
        .limit(LIMIT)
}

fn apply(pipeline: &Pipeline, code: i32) -> Value {
    let finished = repair(pipeline, &["--apply", "-o", "json"]).run();
    let finished = finished.expect_code(code);
    serde_json::from_str(&finished.stdout).expect("JSON")
}

pub fn flip_a_byte(file: &Path) {
    let mut bytes = fs::read(file).expect("a file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(file, bytes).expect("a writable store");
}

fn cut(file: &Path, bytes: usize) {
    let whole = fs::read(file).expect("a file");
    fs::write(file, &whole[..bytes]).expect("a writable store");
}

#[test]
fn files_that_are_damaged_or_gone_are_made_again_from_kafka() {
    let pipeline = stored(Place::folder());
    let results = |partition| pipeline.segments("results", partition);
    let rejects = |partition| pipeline.segments("rejects", partition);
    flip_a_byte(&results(0)[0]);
    cut(&results(0)[2], 0);
    cut(&rejects(0)[1], 500);
    fs::remove_file(&results(1)[1]).expect("a file");
    flip_a_byte(&rejects(1)[1]);
    let kinds = ["digest-mismatch", "missing-segment"].map(str::to_owned);
    assert_eq!(pipeline.findings(), BTreeSet::from(kinds));

    // A plan changes nothing.
    let planned = repair(&pipeline, &[]).run().expect_code(1);
    let lines = |text: &str| planned.stdout.matches(text).count();
    assert_eq!(
        lines("made again from the events in Kafka"),
        4,
        "{planned:?}"
    );
    assert!(
        planned
            .stdout
            .contains("4 ranges can be mended, 0 findings cannot")
    );
    pipeline.verify(1);

    let done = apply(&pipeline, 0);
    assert_eq!(
        (&done["ranges"], &done["corrections"]),
        (&4.into(), &0.into())
    );
    pipeline.check();
    // What was wrong is kept, and the group goes on as if nothing had been.
    assert!(
        pipeline
            .store
            .path()
            .join(&pipeline.events)
            .join("_attic")
            .exists()
    );
    pipeline.send_numbers(0, 200..210);
    pipeline.run_to_end().run().expect_code(0);
    pipeline.check();
    let nothing = repair(&pipeline, &["--apply"]).run().expect_code(0);
    assert!(nothing.stdout.contains("nothing to mend"), "{nothing:?}");
}

#[test]
fn an_object_that_is_damaged_is_made_again_from_kafka() {
    let server = s3();
    let pipeline = stored(Place::bucket(server));
    let Place::Bucket { prefix, .. } = &pipeline.store else {
        panic!("not a bucket")
    };
    let folder = format!("{prefix}/{}/results/partition=1", pipeline.events);
    block_on(async {
        let client = server.client();
        let folder = ObjectPath::from(folder);
        let objects = client.list(Some(&folder)).try_collect::<Vec<_>>().await;
        let objects = objects.expect("a listing");
        let damaged = objects[1].location.clone();
        let put = client.put(&damaged, "not what it was".into()).await;
        put.expect("a writable bucket");
    });
    assert_eq!(pipeline.findings(), ["digest-mismatch".to_owned()].into());
    let done = apply(&pipeline, 0);
    assert_eq!(done["ranges"], 1, "{done}");
    pipeline.check();
}

#[test]
fn a_processor_that_runs_goes_on_beside_a_repair() {
    let pipeline = stored(Place::folder());
    let mut running = pipeline
        .run()
        .args(["--snapshot-interval", "200ms", "--scrub", "off"])
        .spawn();
    pipeline.send_numbers(0, 1_000..1_100);
    wait_until_committed(&pipeline, 2 * 120 + 100);
    flip_a_byte(&pipeline.segments("results", 0)[1]);
    let mut sent = 2 * 120 + 100;
    // Its snapshots and the edit race for the next number.
    let done = apply(&pipeline, 0);
    assert_eq!(done["ranges"], 1, "{done}");
    for round in 0..3 {
        let first = 2_000 + round * 100;
        pipeline.send_numbers(0, first..first + 100);
        sent += 100;
        wait_until_committed(&pipeline, sent);
    }
    eventually(LIMIT, "a snapshot of all", || {
        (pipeline.verify(0)["offsets"] == sent).then_some(())
    });
    running.signal(libc::SIGTERM);
    running.wait(LIMIT).expect_code(0);
    pipeline.check();
}

#[track_caller]
fn is_left_as_it_is(pipeline: &Pipeline, finished: &Finished, file: &Path, why: &str) {
    assert!(finished.stdout.contains("not mended"), "{finished:?}");
    assert!(finished.stdout.contains(why), "{finished:?}");
    assert!(file.exists());
    assert_eq!(pipeline.findings(), ["digest-mismatch".to_owned()].into());
}

#[test]
fn events_that_kafka_has_no_more_are_not_made_up() {
    let pipeline = stored(Place::folder());
    let file = &pipeline.segments("results", 0)[0];
    flip_a_byte(file);
    delete_records(&pipeline.brokers, &pipeline.events, 0, 10);
    // Nor has the results topic what was published of them.
    delete_records(&pipeline.brokers, &pipeline.results, 0, 9);
    let finished = repair(&pipeline, &["--apply"]).run().expect_code(1);
    is_left_as_it_is(&pipeline, &finished, file, "offset 0");
}

#[test]
fn another_topic_of_the_same_name_is_not_read() {
    let pipeline = stored(Place::folder());
    let file = &pipeline.segments("results", 0)[0];
    flip_a_byte(file);
    delete_topic(&pipeline.brokers, &pipeline.events);
    create_topic(&pipeline.brokers, &pipeline.events, 2);
    pipeline.send_numbers(0, 500..620);
    let finished = repair(&pipeline, &["--apply"]).run().expect_code(4);
    assert!(
        finished.stderr.contains("made from another topic"),
        "{finished:?}"
    );
    let accepting = "--accept-loss 0:0-40";
    assert!(finished.stdout.contains(accepting), "{finished:?}");
    assert!(file.exists());
    assert_eq!(pipeline.findings(), ["digest-mismatch".to_owned()].into());
}
