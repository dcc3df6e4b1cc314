//! `--carry`: results have the keys and the times of their events; their corrections have not.

mod another;

use std::time::Duration;

use serde_json::json;

use crate::corrections::header;
use crate::outside::{Pipeline, Place, wait_until_committed};
use crate::recalculation::RECALCULATE;
use crate::support::{Record, create_topic_with, produce, python, read_all, set_topic_config};

const SCRIPT: &str = include_str!("python/carried.py");
const CARRY: [&str; 2] = ["--carry", "key,timestamp"];
const THEN: i64 = 1_700_000_000_000;

/// What a reader sees of a result.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    key: String,
    time: Option<i64>,
    source: Option<String>,
    revision: bool,
    value: Option<String>,
}

fn seen(record: Record) -> Seen {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Seen {
        source: header(&record, "snapback-source").map(str::to_owned),
        revision: header(&record, "snapback-revision").is_some(),
        time: record.timestamp,
        key: text(record.key.expect("a key")),
        value: record.payload.map(text),
    }
}

fn results(pipeline: &Pipeline) -> Vec<Seen> {
    let all = read_all(&pipeline.brokers, &pipeline.results);
    all.into_iter().map(seen).collect()
}

/// An event with a key of so many bytes; 0: without one.
fn event(key: usize) -> (Option<i32>, Option<Vec<u8>>, Option<Vec<u8>>) {
    let key = (key > 0).then(|| "k".repeat(key).into_bytes());
    (Some(0), key, Some(br#"{"number":7}"#.to_vec()))
}

fn verify(pipeline: &Pipeline) {
    let report = pipeline.verify_published(0);
    assert_eq!(report["findings"], json!([]));
    assert_eq!(report["published"]["unknown"], 0, "{report}");
}

#[test]
fn results_carry_the_keys_and_times_of_their_events_and_corrections_their_sources() {
    let pipeline = Pipeline::without_events_topic(Place::folder());
    create_topic_with(&pipeline.brokers, &pipeline.events, 1, &[FAR]);
    let forever = ("retention.ms", "-1");
    create_topic_with(&pipeline.brokers, &pipeline.results, 1, &[forever]);
    let source = |offset: i64| format!("{}/0/{offset}", pipeline.events);
    let now = chrono::Utc::now().timestamp_millis();
    let day = i64::try_from(Duration::from_hours(24).as_millis()).expect("not so long");
    let events = json!([
        ["customer-1", THEN, r#"{"number":1}"#],
        ["customer-1", THEN + 1, r#"{"number":2}"#],
        [null, THEN + 2, r#"{"number":3}"#],
        // A key that looks like a source, and a time that the results topic does not take.
        [source(0), now + 2 * day, r#"{"number":4}"#],
        ["customer-2", THEN, "no JSON"],
        ["", THEN + 3, r#"{"number":6}"#],
    ]);
    python().run(
        SCRIPT,
        &[&pipeline.brokers, &pipeline.events, &events.to_string()],
    );
    let run = |flags: &[&str]| pipeline.run_to_end().args(flags).run().expect_code(0);
    run(&CARRY);
    let mut found = results(&pipeline);
    let left_out = found[3].time.take().expect("a time");
    assert!((now - day..now + day).contains(&left_out), "{left_out}");
    let carried = |offset: i64, key: &str, time: Option<i64>, number: i64| Seen {
        key: key.to_owned(),
        time,
        source: (key != source(offset)).then(|| source(offset)),
        revision: false,
        value: Some(format!(
            r#"{{"number":{number},"result":{}}}"#,
            number * number
        )),
    };
    let first = [
        carried(0, "customer-1", Some(THEN), 1),
        carried(1, "customer-1", Some(THEN + 1), 2),
        carried(2, &source(2), Some(THEN + 2), 3),
        carried(3, &source(0), None, 4),
        carried(5, "", Some(THEN + 3), 6),
    ];
    assert_eq!(found, first);
    verify(&pipeline);

    // One changes, one is taken back: both by their sources, and with no time of their events.
    let other = [
        "--calculation",
        "CASE WHEN number = 4 THEN 100 ELSE square(number) + 0 div (number - 2) END",
    ];
    run(&[&CARRY[..], &other, &RECALCULATE].concat());
    let found: Vec<Seen> = results(&pipeline).into_iter().skip(first.len()).collect();
    let corrected =
        |offset: i64, value: Option<&str>| (source(offset), None, true, value.map(str::to_owned));
    let mut summary: Vec<_> = found
        .iter()
        .map(|one| {
            (
                one.key.clone(),
                one.source.clone(),
                one.revision,
                one.value.clone(),
            )
        })
        .collect();
    summary.sort();
    assert_eq!(
        summary,
        [
            corrected(1, None),
            corrected(3, Some(r#"{"number":4,"result":100}"#))
        ]
    );
    assert!(
        found
            .iter()
            .all(|one| one.time.is_some_and(|time| time > THEN + day))
    );
    verify(&pipeline);

    // Without it, what comes has its source as its key again, and what is published is not published anew.
    let published = results(&pipeline).len();
    pipeline.send_numbers(0, [7]);
    run(&other);
    let found = results(&pipeline);
    assert_eq!(found.len(), published + 1);
    let last = found.last().expect("one");
    assert_eq!((&last.key, &last.source), (&source(6), &None));
    verify(&pipeline);
    run(&[&other[..], &RECALCULATE].concat());
    assert_eq!(results(&pipeline).len(), published + 1);
    verify(&pipeline);
}

/// In which a topic takes times of the future.
const FAR: (&str, &str) = ("message.timestamp.after.max.ms", "9223372036854775807");

#[test]
fn a_time_that_the_topic_does_not_take_any_more_is_left_out() {
    let pipeline = Pipeline::without_events_topic(Place::folder());
    for topic in [&pipeline.events, &pipeline.results] {
        create_topic_with(&pipeline.brokers, topic, 1, &[FAR]);
    }
    // Of the year 2100.
    let future = 4_102_444_800_000_i64;
    let send = |number: i64| {
        let event = json!([["a", future + number, format!("{{\"number\":{number}}}")]]);
        python().run(
            SCRIPT,
            &[&pipeline.brokers, &pipeline.events, &event.to_string()],
        );
    };
    send(0);
    let running = pipeline.run().args(CARRY).spawn();
    wait_until_committed(&pipeline, 1);
    // The processor has asked at its start; what a broker refuses from now on, it learns by that.
    set_topic_config(&pipeline.brokers, &pipeline.results, (FAR.0, "3600000"));
    send(1);
    wait_until_committed(&pipeline, 2);
    send(2);
    wait_until_committed(&pipeline, 3);
    running.kill();
    let times: Vec<_> = results(&pipeline).into_iter().map(|one| one.time).collect();
    assert_eq!(times[0], Some(future));
    assert_eq!(times.len(), 3);
    assert!(
        times[1..]
            .iter()
            .all(|time| time.is_some_and(|time| time < future)),
        "{times:?}"
    );
    pipeline.run_to_end().args(CARRY).run().expect_code(0);
    assert_eq!(results(&pipeline).len(), 3);
    verify(&pipeline);
}

#[test]
fn a_carried_key_counts_for_the_size_that_the_topic_takes() {
    let pipeline = Pipeline::new(1, Place::folder());
    let limit = ("max.message.bytes", "2000");
    create_topic_with(&pipeline.brokers, &pipeline.results, 1, &[limit]);
    produce(
        &pipeline.brokers,
        &pipeline.events,
        [event(1_700), event(1_960), event(0), event(3_000)],
    );
    pipeline.run_to_end().args(CARRY).run().expect_code(0);
    let keys: Vec<usize> = results(&pipeline).iter().map(|one| one.key.len()).collect();
    assert_eq!(keys, [1_700, format!("{}/0/2", pipeline.events).len()]);
    let letters = read_all(&pipeline.brokers, &pipeline.rejects);
    let reasons = letters
        .iter()
        .map(|letter| header(letter, "snapback-reason").expect("a reason"));
    assert!(
        reasons
            .clone()
            .all(|reason| reason.starts_with("too-large: "))
    );
    assert_eq!(reasons.count(), 2);
    verify(&pipeline);
    // A start without it decides otherwise only about what comes.
    pipeline.run_to_end().run().expect_code(0);
    verify(&pipeline);
}

#[test]
fn what_a_carried_key_made_too_large_is_a_reject_again_in_a_replay() {
    let pipeline = Pipeline::new(1, Place::folder());
    let limit = ("max.message.bytes", "100000");
    create_topic_with(&pipeline.brokers, &pipeline.results, 1, &[limit]);
    produce(
        &pipeline.brokers,
        &pipeline.events,
        [event(10), event(100_000), event(0)],
    );
    let running = pipeline
        .run()
        .args(["--carry", "key", "--snapshot-interval", "1h"]);
    let running = running.spawn();
    wait_until_committed(&pipeline, 3);
    running.kill();
    pipeline
        .run_to_end()
        .args(["--carry", "key"])
        .run()
        .expect_code(0);
    assert_eq!(results(&pipeline).len(), 2);
    assert_eq!(read_all(&pipeline.brokers, &pipeline.rejects).len(), 1);
    verify(&pipeline);
}

#[test]
fn a_topic_that_gives_its_own_times_replaces_the_carried_ones_and_that_is_said() {
    let pipeline = Pipeline::without_events_topic(Place::folder());
    create_topic_with(&pipeline.brokers, &pipeline.events, 1, &[FAR]);
    let its_own = ("message.timestamp.type", "LogAppendTime");
    // Bounds that its own time never exceeds.
    let bounds = [
        its_own,
        ("message.timestamp.before.max.ms", "1000"),
        ("retention.ms", "3600000"),
    ];
    create_topic_with(&pipeline.brokers, &pipeline.results, 1, &bounds);
    let now = chrono::Utc::now().timestamp_millis();
    let hour = 3_600_000;
    let events = json!([
        ["a", THEN, r#"{"number":1}"#],
        ["b", now + 48 * hour, r#"{"number":2}"#]
    ]);
    python().run(
        SCRIPT,
        &[&pipeline.brokers, &pipeline.events, &events.to_string()],
    );
    let run = pipeline.run_to_end().args(CARRY).run().expect_code(0);
    let said = "with --carry timestamp, too, results do not have the times of their events";
    assert_eq!(run.stderr.matches(said).count(), 1, "{}", run.stderr);
    assert!(!run.stderr.contains("retention.ms"), "{}", run.stderr);
    let found = results(&pipeline);
    let times: Vec<_> = found.iter().map(|one| one.time.expect("a time")).collect();
    let is_its_own = |time: &i64| (now - hour..now + hour).contains(time);
    assert!(
        times.len() == 2 && times.iter().all(is_its_own),
        "{times:?}"
    );
    // Keys are carried all the same; a time is not compared.
    assert_eq!(found[0].key, "a");
    verify(&pipeline);
}

#[test]
fn a_time_older_than_the_topic_keeps_is_left_out_and_that_is_said() {
    let pipeline = Pipeline::new(1, Place::folder());
    let week = ("retention.ms", "604800000");
    create_topic_with(&pipeline.brokers, &pipeline.results, 1, &[week]);
    let recent = chrono::Utc::now().timestamp_millis() - 3_600_000;
    let events = json!([
        ["a", THEN, r#"{"number":1}"#],
        ["b", recent, r#"{"number":2}"#]
    ]);
    python().run(
        SCRIPT,
        &[&pipeline.brokers, &pipeline.events, &events.to_string()],
    );
    let run = pipeline
        .run_to_end()
        .args(["--carry", "timestamp"])
        .run()
        .expect_code(0);
    assert!(run.stderr.contains("retention.ms"), "{}", run.stderr);
    let found = results(&pipeline);
    // The key is not carried: it is the source, and no header names it.
    assert!(
        found
            .iter()
            .all(|one| one.source.is_none() && one.key.starts_with(&pipeline.events))
    );
    let times: Vec<_> = found.iter().map(|one| one.time.expect("a time")).collect();
    assert!(times[0] > recent && times[1] == recent, "{times:?}");
    verify(&pipeline);
}

#[test]
fn on_a_compacted_topic_it_is_said_what_carried_keys_mean() {
    let pipeline = Pipeline::new(1, Place::folder());
    let compacted = ("cleanup.policy", "compact");
    create_topic_with(&pipeline.brokers, &pipeline.results, 1, &[compacted]);
    // An event without a key has one on such a topic, too: its source.
    let event = |key: Option<&[u8]>| {
        (
            Some(0),
            key.map(<[u8]>::to_vec),
            Some(br#"{"number":7}"#.to_vec()),
        )
    };
    produce(
        &pipeline.brokers,
        &pipeline.events,
        [event(Some(b"a")), event(Some(b"a")), event(None)],
    );
    let run = pipeline
        .run_to_end()
        .args(["--carry", "key"])
        .run()
        .expect_code(0);
    assert!(
        run.stderr.contains("replaces none of them"),
        "{}",
        run.stderr
    );
    assert_eq!(results(&pipeline).len(), 3);
    verify(&pipeline);
}
