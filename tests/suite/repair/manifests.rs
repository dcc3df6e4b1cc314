//! Manifests that are damaged or gone: the oldest, one in the middle, and the newest at once, on both stores.

use std::fs;

use futures::TryStreamExt as _;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore as _, ObjectStoreExt as _};

use super::{apply, flip_a_byte, repair, stored};
use crate::outside::{Pipeline, Place};
use crate::support::{block_on, s3, snapback};

/// Mends the manifests of partition 0, and goes on from there.
fn are_mended(pipeline: &Pipeline) {
    let kinds = ["manifest-damaged", "manifest-missing"].map(str::to_owned);
    assert_eq!(pipeline.findings(), kinds.into());
    let planned = repair(pipeline, &[]).run().expect_code(1);
    for part in [
        "the history begins with manifest 2",
        "appended again from its segments",
        "2 chains of manifests can be mended, 0 findings cannot",
    ] {
        assert!(planned.stdout.contains(part), "{planned:?}");
    }
    // Nothing else is added before: it would hide what is missing.
    let manifests = |pipeline: &Pipeline| pipeline.findings();
    let before = manifests(pipeline);
    let others: [&[&str]; 3] = [
        &["gc", "--apply"],
        &["compact", "--apply"],
        &["recalculate", "--apply", "--calculation", "number * number"],
    ];
    for command in others {
        let finished = snapback(command)
            .args(["--events", &pipeline.events])
            .args(pipeline.store_args())
            .envs(pipeline.env())
            .env("SNAPBACK_BROKERS", &pipeline.brokers)
            .args(["--partition", "0"])
            .run()
            .expect_code(1);
        let says = "is the newest manifest and cannot be read";
        assert!(finished.stdout.contains(says), "{finished:?}");
    }
    assert_eq!(manifests(pipeline), before);
    let done = apply(pipeline, 0);
    assert_eq!(
        (&done["manifests"], &done["ranges"]),
        (&2.into(), &0.into())
    );
    pipeline.check();
    for partition in 0..2 {
        pipeline.send_numbers(partition, 200..210);
    }
    pipeline.run_to_end().run().expect_code(0);
    pipeline.check();
    let nothing = repair(pipeline, &["--apply"]).run().expect_code(0);
    assert!(nothing.stdout.contains("nothing to mend"), "{nothing:?}");
}

#[test]
fn the_oldest_one_in_the_middle_and_the_newest_are_mended_without_kafka() {
    let pipeline = stored(Place::folder());
    let manifests = pipeline.manifests(0);
    assert_eq!(manifests.len(), 4);
    fs::remove_file(&manifests[0]).expect("a file");
    flip_a_byte(&manifests[3]);
    are_mended(&pipeline);
    flip_a_byte(&manifests[2]);
    assert_eq!(pipeline.findings(), ["manifest-damaged".to_owned()].into());
    assert_eq!(apply(&pipeline, 0)["manifests"], 1);
    pipeline.check();
}

#[test]
fn objects_that_are_manifests_are_mended_alike() {
    let server = s3();
    let pipeline = stored(Place::bucket(server));
    let Place::Bucket { prefix, .. } = &pipeline.store else {
        panic!("not a bucket")
    };
    let folder = format!("{prefix}/{}/_manifests/partition=0", pipeline.events);
    block_on(async {
        let client = server.client();
        let folder = ObjectPath::from(folder);
        let objects = client.list(Some(&folder)).try_collect::<Vec<_>>().await;
        let mut objects: Vec<_> = objects.expect("a listing");
        objects.sort_by_key(|object| object.location.clone());
        assert_eq!(objects.len(), 4);
        let deleted = client.delete(&objects[0].location).await;
        deleted.expect("a writable bucket");
        let put = client.put(&objects[3].location, "{}".into()).await;
        put.expect("a writable bucket");
    });
    are_mended(&pipeline);
}

#[test]
fn a_newest_one_whose_segments_are_gone_is_left_to_the_events() {
    let pipeline = stored(Place::folder());
    flip_a_byte(&pipeline.manifests(0)[3]);
    let segment = pipeline.segments("results", 0).pop().expect("a segment");
    fs::remove_file(segment).expect("a file");
    let finished = repair(&pipeline, &["--apply"]).run().expect_code(1);
    for part in ["goes on from manifest 3", "after offset 80 from Kafka"] {
        assert!(finished.stdout.contains(part), "{finished:?}");
    }
    // That is what a start does.
    pipeline.run_to_end().run().expect_code(0);
    pipeline.check();
}
