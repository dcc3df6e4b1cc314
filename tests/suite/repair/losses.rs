//! `repair --accept-loss`: what neither the store nor Kafka has any more becomes a gap, when somebody says so, and only that.

use futures::TryStreamExt as _;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore as _, ObjectStoreExt as _};
use serde_json::{Value, json};

use super::{flip_a_byte, repair};
use crate::outside::{
    LIMIT, Offsets, Pipeline, Place, committed_events, in_a_shell, wait_until_committed,
};
use crate::support::{Program, block_on, delete_records, s3, set_topic_config, snapback};

/// The offsets of each snapshot.
const EACH: i64 = 40;

/// As many of the first snapshot's events are gone from Kafka.
const GONE: i64 = EACH / 2;

/// Three snapshots of numbers and malformed events, the first of which is damaged; Kafka has only half of its events, and of its
/// results.
pub fn with_a_range_that_is_gone(place: Place) -> Pipeline {
    let pipeline = stored(place);
    damage_the_first(&pipeline);
    forget_half_of_the_first(&pipeline);
    pipeline
}

/// Takes away half of the first snapshot's events, and what was published of them.
fn forget_half_of_the_first(pipeline: &Pipeline) {
    delete_records(&pipeline.brokers, &pipeline.events, 0, GONE);
    // One in ten is a reject.
    let results = GONE - GONE / 10;
    delete_records(&pipeline.brokers, &pipeline.results, 0, results);
}

fn stored(place: Place) -> Pipeline {
    let pipeline = Pipeline::new(1, place);
    for round in 0..3 {
        let numbers = (round * EACH)..(round * EACH + EACH);
        let events = numbers.map(|n| match n % 10 {
            3 => format!("{{\"number\": \"{n}\"}}"),
            _ => format!("{{\"number\": {n}}}"),
        });
        pipeline.send(0, events);
        pipeline.run_to_end().run().expect_code(0);
    }
    pipeline
}

/// Damages the results of the first snapshot.
fn damage_the_first(pipeline: &Pipeline) {
    match &pipeline.store {
        Place::Folder { .. } => flip_a_byte(&pipeline.segments("results", 0)[0]),
        Place::Bucket { server, prefix } => block_on(async {
            let client = server.client();
            let folder = format!("{prefix}/{}/results/partition=0", pipeline.events);
            let objects = client.list(Some(&ObjectPath::from(folder)));
            let mut objects = objects.try_collect::<Vec<_>>().await.expect("a listing");
            objects.sort_by(|one, other| one.location.cmp(&other.location));
            let put = client.put(&objects[0].location, "damaged".into()).await;
            put.expect("a writable bucket");
        }),
    }
}

/// The command that records the range as lost.
pub fn accepting(pipeline: &Pipeline) -> Program {
    repair(
        pipeline,
        &["--accept-loss", "0:0-40", "--apply", "-o", "json"],
    )
}

/// The outcomes whose events are gone are lost, and nothing else is missing.
pub fn check(pipeline: &Pipeline) {
    let expected = pipeline.expected().only(|(_, offset)| offset >= GONE);
    let lost = GONE.unsigned_abs();
    pipeline.check_stored(&expected, Offsets { absent: 0, lost });
    let verified = pipeline.verify_published(0);
    let gap = &verified["lost_ranges"][0];
    assert_eq!(
        (&gap["start"], &gap["end"], &gap["reason"]),
        (&json!(0), &json!(GONE), &json!("damaged"))
    );
}

fn what_nothing_has_becomes_a_gap_when_somebody_says_so(place: Place) {
    let pipeline = with_a_range_that_is_gone(place);
    // Without a word it stays as it is, and the text has the command.
    let refused = repair(&pipeline, &["--apply"]).run().expect_code(1);
    let command = refused
        .stdout
        .split('`')
        .find(|text| text.contains("--accept-loss"));
    let command = command.unwrap_or_else(|| panic!("{refused:?}"));
    assert!(command.contains("--accept-loss 0:0-40"), "{command}");
    for said in [
        "there are 18 results and 4 rejects of it, the manifest states 36 and 4",
        "begins at its offset 18",
        "records 20 of its 40 offsets as lost, for good: 0-20",
        "0-40 has 36 results and 4 rejects",
        "Kafka has 20-40, which is made again",
        "The file of its 4 rejects is whole",
    ] {
        assert!(refused.stdout.contains(said), "{said}: {refused:?}");
    }
    assert_eq!(pipeline.findings(), ["digest-mismatch".to_owned()].into());
    // A plan changes nothing.
    let planned = repair(&pipeline, &["--accept-loss", "0:0-40"]).run();
    let planned = planned.expect_code(1);
    assert!(planned.stdout.contains("recorded as lost"), "{planned:?}");
    assert_eq!(pipeline.findings(), ["digest-mismatch".to_owned()].into());

    let done = in_a_shell(command)
        .envs(pipeline.env())
        .run()
        .expect_code(0);
    assert!(
        done.stdout.contains("LOST: partition 0, offsets 0-20: "),
        "{done:?}"
    );
    assert!(
        !done.stdout.contains("0-40: made again from the events"),
        "{done:?}"
    );
    check(&pipeline);
    let text = snapback(["verify", "--events", &pipeline.events])
        .args(pipeline.store_args())
        .envs(pipeline.env())
        .run()
        .expect_code(0);
    assert!(
        text.stdout.contains("clean but for what is lost: "),
        "{text:?}"
    );
    assert!(
        text.stdout
            .contains("lost: partition 0, offsets 0-20: damaged, accepted at 20")
    );
    let again = in_a_shell(command)
        .envs(pipeline.env())
        .run()
        .expect_code(0);
    assert!(
        again.stdout.contains("recorded as lost already"),
        "{again:?}"
    );

    // The group goes on, and neighbours are merged around the gap.
    pipeline.send_numbers(0, 200..240);
    pipeline.run_to_end().run().expect_code(0);
    let compact = snapback(["compact", "--apply", "--events", &pipeline.events]);
    let compact = compact.args(pipeline.store_args()).envs(pipeline.env());
    compact.run().expect_code(0);
    check(&pipeline);
}

#[test]
fn what_nothing_has_becomes_a_gap_in_a_folder() {
    what_nothing_has_becomes_a_gap_when_somebody_says_so(Place::folder());
}

#[test]
fn what_nothing_has_becomes_a_gap_in_a_bucket() {
    what_nothing_has_becomes_a_gap_when_somebody_says_so(Place::bucket(s3()));
}

#[test]
fn what_kafka_still_has_is_mended_and_nothing_else_is_given_up() {
    let pipeline = stored(Place::folder());
    damage_the_first(&pipeline);
    for other in ["0:0-39", "0:40-80", "1:0-40"] {
        let flags = ["--accept-loss", other, "--apply"];
        let refused = repair(&pipeline, &flags).run().expect_code(4);
        assert!(
            refused.stderr.contains("Nothing was changed"),
            "{refused:?}"
        );
    }
    let done = accepting(&pipeline).run().expect_code(0);
    let done: Value = serde_json::from_str(&done.stdout).expect("JSON");
    assert_eq!((&done["ranges"], &done["lost"]), (&json!(1), &json!([])));
    pipeline.check();
}

/// A link that leads to itself cannot be read: that says nothing about the file.
#[test]
fn a_file_that_only_cannot_be_read_is_not_offered_as_lost() {
    let pipeline = stored(Place::folder());
    let file = pipeline.segments("results", 0).remove(0);
    std::fs::remove_file(&file).expect("a file");
    std::os::unix::fs::symlink(&file, &file).expect("a link");
    delete_records(&pipeline.brokers, &pipeline.events, 0, GONE);
    let flags = ["--accept-loss", "0:0-40", "--apply"];
    for flags in [&["--apply"], flags.as_slice()] {
        let refused = repair(&pipeline, flags).run().expect_code(1);
        assert!(
            refused.stdout.contains("does not say that it is damaged"),
            "{refused:?}"
        );
        assert!(!refused.stdout.contains("--accept-loss"), "{refused:?}");
    }
}

/// A limit that was raised since gives other counts: Kafka has every event.
#[test]
fn other_counts_are_not_offered_as_lost() {
    let pipeline = stored(Place::folder());
    damage_the_first(&pipeline);
    set_topic_config(
        &pipeline.brokers,
        &pipeline.results,
        ("max.message.bytes", "1"),
    );
    let flags = ["--accept-loss", "0:0-40", "--apply"];
    let left = repair(&pipeline, &flags).run().expect_code(1);
    assert!(left.stdout.contains("max.message.bytes"), "{left:?}");
    assert!(!left.stdout.contains("LOST"), "{left:?}");
    assert_eq!(pipeline.findings(), ["digest-mismatch".to_owned()].into());
}

/// The commits of a process that runs meanwhile count what was published: a replay after its death gives exactly that.
#[test]
fn a_processor_goes_on_beside_a_loss_and_is_replayed_exactly_when_it_is_killed() {
    let pipeline = stored(Place::folder());
    let running = pipeline
        .run()
        .args(["--snapshot-interval", "1h", "--scrub", "off"])
        .spawn();
    pipeline.send_numbers(0, 1_000..1_100);
    wait_until_committed(&pipeline, 3 * EACH + 100);
    damage_the_first(&pipeline);
    forget_half_of_the_first(&pipeline);
    accepting(&pipeline).run().expect_code(0);
    pipeline.send_numbers(0, 2_000..2_100);
    wait_until_committed(&pipeline, 3 * EACH + 200);
    assert_eq!(committed_events(&pipeline), 3 * EACH + 200);
    running.kill();
    let next = pipeline
        .run_to_end()
        .args(["-o", "json"])
        .limit(LIMIT)
        .run();
    let summary: Value = serde_json::from_str(&next.expect_code(0).stdout).expect("JSON");
    assert_eq!(summary["replayed"], 200, "{summary}");
    check(&pipeline);
}
