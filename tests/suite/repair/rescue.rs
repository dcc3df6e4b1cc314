//! What Kafka has lost of a damaged range is made again from what was published of it, and only if that proves itself.

use std::fs;

use serde_json::{Value, json};

use super::{apply, flip_a_byte, repair, stored};
use crate::outside::{LIMIT, Offsets, Outcomes, Pipeline, Place};
use crate::recalculation::{self, NEW, RECALCULATE};
use crate::support::{
    create_topic, delete_records, delete_topic, produce_with_headers, python, read_all, snapback,
};

/// The offsets of each snapshot; one in ten is a reject.
const EACH: i64 = 40;

/// The first snapshot of partition 0 is damaged in both files, and Kafka has lost the first events of it.
fn damaged(gone: i64) -> (Pipeline, Outcomes) {
    let pipeline = stored(Place::folder());
    let expected = pipeline.expected();
    flip_a_byte(&pipeline.segments("results", 0)[0]);
    fs::remove_file(&pipeline.segments("rejects", 0)[0]).expect("a file");
    delete_records(&pipeline.brokers, &pipeline.events, 0, gone);
    (pipeline, expected)
}

fn messages(pipeline: &Pipeline) -> [usize; 2] {
    [&pipeline.results, &pipeline.rejects].map(|topic| read_all(&pipeline.brokers, topic).len())
}

fn print(pipeline: &Pipeline, command: &[&str]) -> String {
    let program = snapback(command).args(["--events", &pipeline.events]);
    let program = program.args(pipeline.store_args()).envs(pipeline.env());
    program.limit(LIMIT).run().expect_code(0).stdout
}

/// Everything is stored again, nothing is published, and what is not known is said.
fn check(pipeline: &Pipeline, expected: &Outcomes, published: [usize; 2], not_known: u64) {
    pipeline.check_stored(expected, Offsets::default());
    assert_eq!(messages(pipeline), published);
    let report = pipeline.verify_published(0);
    assert_eq!(report["not_known"], not_known, "{report:#}");
    assert_eq!(report["published"]["not_checkable"], 0, "{report:#}");
}

#[test]
fn what_kafka_has_lost_is_made_again_from_what_was_published() {
    let (pipeline, mut expected) = damaged(EACH);
    let published = messages(&pipeline);
    let said =
        "partition 0, offsets 0-40: made again from the results topic and the dead letters\n";
    let planned = repair(&pipeline, &[]).run().expect_code(1);
    assert!(planned.stdout.contains(said), "{planned:?}");
    let plan = "plan: 1 ranges can be mended, 0 findings cannot";
    assert!(planned.stdout.contains(plan), "{planned:?}");
    pipeline.verify(1);

    let done = apply(&pipeline, 0);
    assert_eq!(
        (&done["ranges"], &done["corrections"]),
        (&json!(1), &json!(0))
    );
    let rescued = json!([{"partition": 0, "start": 0, "end": 40}]);
    assert_eq!(done["rescued"], rescued);
    check(&pipeline, &expected, published, 36);

    // Whoever asks is told what is not known, and what is.
    let result = print(&pipeline, &["lookup", "0/5"]);
    assert!(
        result.contains("not known of its event: kafka_timestamp, key"),
        "{result}"
    );
    let reject = print(&pipeline, &["lookup", "0/3"]);
    assert!(
        reject.contains("  time: 20") && !reject.contains("not known"),
        "{reject}"
    );
    let file = pipeline.segments("results", 0)[0].display().to_string();
    let inspected = print(&pipeline, &["inspect", &file]);
    assert!(
        inspected.contains("not known: kafka_timestamp, key before 40"),
        "{inspected}"
    );
    let verified = print(&pipeline, &["verify"]);
    assert!(verified.contains("not known: "), "{verified}");
    let duckdb = python().program(include_str!("../python/not_known.py"), &[&file]);
    let printed = duckdb.limit(LIMIT).run().expect_code(0).stdout;
    assert_eq!(printed, "kafka_timestamp, key before 40 36 36\n");

    // The group goes on, a merge leaves the file alone, and other fields take along what is not known.
    pipeline.send_numbers(0, 200..240);
    expected
        .results
        .extend((200..240).map(|number| ((0, number - 80), number)));
    pipeline.run_to_end().run().expect_code(0);
    print(&pipeline, &["compact", "--apply"]);
    check(&pipeline, &expected, [published[0] + 40, published[1]], 36);
    let nothing = repair(&pipeline, &["--apply"]).run().expect_code(0);
    assert!(nothing.stdout.contains("nothing to mend"), "{nothing:?}");
}

#[test]
fn what_kafka_still_has_of_the_range_comes_from_kafka() {
    let (pipeline, expected) = damaged(EACH / 2);
    let published = messages(&pipeline);
    let said = "offsets 0-40: 0-20 made again from the results topic and the dead letters, 20-40 from the events in Kafka\n";
    for flags in [&[][..], &["--apply"]] {
        let finished = repair(&pipeline, flags).run();
        assert!(finished.stdout.contains(said), "{finished:?}");
    }
    check(&pipeline, &expected, published, 18);
    let known = print(&pipeline, &["lookup", "0/21"]);
    assert!(
        known.contains("  time: 20") && !known.contains("not known"),
        "{known}"
    );
}

/// A file that is whole is the better source: it knows more than messages say.
#[test]
fn a_file_of_the_range_that_is_whole_is_not_made_again_from_messages() {
    let pipeline = stored(Place::folder());
    let expected = pipeline.expected();
    fs::remove_file(&pipeline.segments("rejects", 0)[0]).expect("a file");
    delete_records(&pipeline.brokers, &pipeline.events, 0, EACH);
    let published = messages(&pipeline);
    let done = apply(&pipeline, 0);
    assert_eq!(done["ranges"], 1, "{done}");
    pipeline.check_stored(&expected, Offsets::default());
    assert_eq!(messages(&pipeline), published);
    assert_eq!(pipeline.verify_published(0)["not_known"], Value::Null);
}

#[test]
fn a_message_that_does_not_prove_itself_is_not_taken() {
    let (pipeline, _) = damaged(EACH);
    // Somebody has published another result of an offset.
    let key = format!("{}/0/5", pipeline.events);
    let message = (
        Some(key.as_bytes()),
        Some(&br#"{"number":5,"result":26}"#[..]),
    );
    produce_with_headers(&pipeline.brokers, &pipeline.results, 0, message, &[]);
    let planned = repair(&pipeline, &[]).run().expect_code(1);
    assert!(
        planned
            .stdout
            .contains("0 ranges can be mended, 1 findings cannot"),
        "{planned:?}"
    );
    let refused = repair(&pipeline, &["--apply"]).run().expect_code(1);
    for finished in [planned, refused] {
        let why = "there are two results of offset 5, which differ";
        assert!(finished.stdout.contains(why), "{finished:?}");
    }
    let kinds = ["digest-mismatch", "missing-segment"].map(str::to_owned);
    assert_eq!(pipeline.findings(), kinds.into());

    // It is not offered as lost. An operator who knows better may say so, and reads what the topic has.
    let accepting = |flags: &[&str]| {
        let flags = [&["--accept-loss", "0:0-40"], flags].concat();
        let finished = repair(&pipeline, &flags).run();
        let why = "any more, and what was published of 0-40 is not taken: there are two results of offset 5, which differ";
        assert!(finished.stdout.contains(why), "{finished:?}");
        finished
    };
    let planned = accepting(&[]).expect_code(1);
    let said = "; what Kafka does not hold of them any more is recorded as lost\n";
    assert!(planned.stdout.contains(said), "{planned:?}");
    let done = accepting(&["--apply"]).expect_code(0);
    assert!(
        done.stdout.contains("LOST: partition 0, offsets 0-40: "),
        "{done:?}"
    );
    assert!(!done.stdout.contains(said), "{done:?}");
    let verified = pipeline.verify(0);
    assert_eq!(verified["lost"], EACH, "{verified:#}");
}

/// What is wrong with what the topics have of the rest says nothing of it.
#[test]
fn beside_a_whole_file_of_results_the_topics_need_not_have_what_kafka_still_has() {
    let pipeline = stored(Place::folder());
    let expected = pipeline.expected();
    fs::remove_file(&pipeline.segments("rejects", 0)[0]).expect("a file");
    delete_records(&pipeline.brokers, &pipeline.events, 0, EACH / 2);
    // Of another pipeline: one where it has a result, and one where it has another dead letter.
    for offset in ["15", "33"] {
        let headers = [
            ("snapback-topic", pipeline.events.as_str()),
            ("snapback-partition", "0"),
            ("snapback-offset", offset),
            ("snapback-reason", "missing-field: a"),
        ];
        let headers = headers.map(|(name, value)| (name, Some(value.as_bytes())));
        let letter = (None, Some(&b"{}"[..]));
        produce_with_headers(&pipeline.brokers, &pipeline.rejects, 0, letter, &headers);
    }
    let said = "0-20 made again from the results topic and the dead letters, 20-40 from the events in Kafka\n";
    let accepting = ["--accept-loss", "0:0-40"];
    for (flags, code) in [(&accepting[..], 1), (&["--apply"], 0)] {
        let finished = repair(&pipeline, flags).run().expect_code(code);
        assert!(finished.stdout.contains(said), "{finished:?}");
    }
    pipeline.check_stored(&expected, Offsets::default());
    pipeline.verify(0);
}

/// Perhaps they were published to a topic of another name, which the store does not know.
#[test]
fn dead_letters_are_given_up_only_where_their_topic_is_named() {
    let (pipeline, _) = damaged(EACH);
    delete_topic(&pipeline.brokers, &pipeline.rejects);
    create_topic(&pipeline.brokers, &pipeline.rejects, 2);
    let named = ["--apply", "--rejects", &pipeline.rejects];
    for (flags, is_offered) in [(&named[..1], false), (&named[..], true)] {
        let refused = repair(&pipeline, flags).run().expect_code(1);
        let why = "name their topic with --rejects, also if it is this one";
        let offer = "--accept-loss 0:0-40";
        for (said, is_said) in [(why, !is_offered), (offer, is_offered)] {
            assert_eq!(refused.stdout.contains(said), is_said, "{refused:?}");
        }
    }
}

/// The corrections are in no topic yet: two results became others, one a reject, and a reject became a result.
#[test]
fn what_was_corrected_is_made_again_while_its_corrections_wait() {
    let pipeline = recalculation::history(Place::folder());
    let flags = ["recalculate", "--apply", "--brokers", &pipeline.brokers];
    let program = snapback(flags)
        .args(["--events", &pipeline.events])
        .args(NEW);
    let program = program.args(pipeline.store_args()).envs(pipeline.env());
    program.limit(LIMIT).run().expect_code(0);
    flip_a_byte(&pipeline.segments("results", 0)[0]);
    delete_records(&pipeline.brokers, &pipeline.events, 0, 5);
    let published = messages(&pipeline);
    let done = apply(&pipeline, 0);
    let rescued = json!([{"partition": 0, "start": 0, "end": 5}]);
    assert_eq!((&done["ranges"], &done["rescued"]), (&json!(1), &rescued));
    assert_eq!(messages(&pipeline), published);
    let corrected = print(&pipeline, &["lookup", "0/2"]);
    assert!(
        corrected.contains(r#"{"a":null,"b":6,"result":36}"#)
            && !corrected.contains("kafka_timestamp"),
        "{corrected}"
    );
    let owner = pipeline.run_to_end().args(NEW).args(RECALCULATE);
    owner.run().expect_code(0);
    recalculation::check_recalculated(&pipeline);
}
