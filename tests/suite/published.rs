//! `verify --level published`: the snapshots beside what the output topics hold, on a real broker.

use std::thread::sleep;
use std::time::Duration;

use rdkafka::producer::{BaseRecord, Producer};
use serde_json::{Value, json};

use crate::corrections::{DOUBLE, crashed, header};
use crate::outside::{LIMIT, Pipeline, Place};
use crate::recalculation::{self, NEW, RECALCULATE};
use crate::run::holes::transactional;
use crate::support::{
    Program, Record, create_topic_with, delete_records, delete_topic, has_open_transaction,
    produce_with_headers, read_all, snapback,
};

fn verify(pipeline: &Pipeline, flags: &[&str]) -> Program {
    let names = [
        ("--brokers", &pipeline.brokers),
        ("--events", &pipeline.events),
        ("--results", &pipeline.results),
    ];
    let names = names.iter().filter(|(name, _)| !flags.contains(name));
    let program = snapback(["verify", "--level", "published"]);
    names
        .fold(program, |program, (name, value)| {
            program.args([name, value.as_str()])
        })
        .args(pipeline.store_args())
        .args(flags)
        .limit(LIMIT)
}

/// The report of `verify --level published`, which ends with this exit code.
pub fn report(pipeline: &Pipeline, flags: &[&str], code: i32) -> Value {
    let finished = verify(pipeline, flags).args(["-o", "json"]).run();
    serde_json::from_str(&finished.expect_code(code).stdout).expect("a report")
}

/// Kind, partition, start and end of each finding.
fn brief(report: &Value) -> Vec<(String, i64, i64, i64)> {
    let findings = report["findings"].as_array().expect("a list").iter();
    let brief = |finding: &Value| {
        let number = |name: &str| finding[name].as_i64().expect("a number");
        let kind = finding["kind"].as_str().expect("a kind").to_owned();
        (kind, number("partition"), number("start"), number("end"))
    };
    findings.map(brief).collect()
}

fn finding(kind: &str, partition: i64, start: i64) -> (String, i64, i64, i64) {
    (kind.to_owned(), partition, start, start + 1)
}

/// Twenty numbers and a malformed event in each of two partitions, in two snapshots: offset 10 is the reject.
fn stored() -> Pipeline {
    let pipeline = Pipeline::new(2, Place::folder());
    for numbers in [0..10, 10..20] {
        for partition in [0, 1] {
            pipeline.send_numbers(partition, numbers.clone());
            if numbers.start == 0 {
                pipeline.send(partition, ["no JSON"]);
            }
        }
        pipeline.run_to_end().run().expect_code(0);
    }
    pipeline
}

/// Replaces a topic by one that holds what `change` makes of its records.
pub fn rewrite(
    pipeline: &Pipeline,
    topic: &str,
    (partitions, settings): (i32, &[(&str, &str)]),
    change: impl FnOnce(&mut Vec<Record>),
) {
    let mut records = read_all(&pipeline.brokers, topic);
    change(&mut records);
    delete_topic(&pipeline.brokers, topic);
    create_topic_with(&pipeline.brokers, topic, partitions, settings);
    for record in records {
        let headers: Vec<(&str, Option<&[u8]>)> = record
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_deref()))
            .collect();
        let message = (record.key.as_deref(), record.payload.as_deref());
        produce_with_headers(
            &pipeline.brokers,
            topic,
            record.partition,
            message,
            &headers,
        );
    }
}

pub fn is(record: &Record, pipeline: &Pipeline, partition: i32, offset: i64) -> bool {
    let key = format!("{}/{partition}/{offset}", pipeline.events);
    record.key.as_deref() == Some(key.as_bytes())
}

#[test]
fn what_is_published_once_and_as_it_is_stored_is_clean() {
    let pipeline = stored();
    let report = report(&pipeline, &[], 0);
    assert_eq!(report["findings"], json!([]));
    let published = json!({"messages": 42, "copies": 0, "not_checkable": 0, "unknown": 0});
    assert_eq!(report["published"], published);
    let text = verify(&pipeline, &["--partition", "1"])
        .run()
        .expect_code(0)
        .stdout;
    assert!(text.contains("published: 21 messages compared"), "{text}");
    // The other levels ask nobody but the store.
    assert!(pipeline.verify(0).get("published").is_none());
}

#[test]
fn a_topic_that_was_changed_is_found_out() {
    let pipeline = stored();
    rewrite(&pipeline, &pipeline.results, (2, &[]), |records| {
        // Removed, doubled, changed; and one that nobody can tell the event of.
        records.retain(|record| !is(record, &pipeline, 0, 3));
        let doubled = records.iter().find(|record| is(record, &pipeline, 1, 4));
        let doubled = doubled.expect("a result").clone();
        records.push(Record {
            key: None,
            ..doubled.clone()
        });
        records.push(doubled);
        let changed = records
            .iter_mut()
            .find(|record| is(record, &pipeline, 1, 15));
        changed.expect("a result").payload = Some(b"{\"number\":14,\"result\":197}".to_vec());
    });
    let letter = |record: &Record| header(record, "snapback-partition") == Some("0");
    rewrite(&pipeline, &pipeline.rejects, (2, &[]), |records| {
        records.retain(|record| !letter(record));
        records[0].payload = Some(b"JSON after all".to_vec());
    });
    let found = report(&pipeline, &[], 1);
    let expected = [
        finding("unpublished", 0, 3),
        finding("unpublished", 0, 10),
        finding("published-twice", 1, 4),
        finding("published-wrong", 1, 10),
        finding("published-wrong", 1, 15),
    ];
    assert_eq!(brief(&found), expected, "{found:#}");
    assert_eq!(found["published"]["unknown"], 1);
    assert_eq!(found["clean"], false);
    let text = verify(&pipeline, &[]).run().expect_code(1).stdout;
    for part in [
        &format!(
            "the result of offset 3 is not in the topic {}",
            pipeline.results
        ),
        &format!(
            "the dead letter of offset 10 is not in the topic {}",
            pipeline.rejects
        ),
        "is in the topic",
        r#"it is {"number":14,"result":197}, stored is {"number":14,"result":196}"#,
        "its payload is JSON after all, stored is no JSON",
        "NOT clean",
    ] {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
    // The store itself is sound.
    pipeline.verify(0);
}

#[test]
fn copies_inform_when_the_processor_ran_at_least_once() {
    let pipeline = stored();
    rewrite(&pipeline, &pipeline.results, (2, &[]), |records| {
        // As a crash between publishing and committing does it.
        let from = records
            .iter()
            .position(|record| is(record, &pipeline, 0, 12));
        let again = records[from.expect("a result")..][..5].to_vec();
        records.splice(
            from.expect("a result") + 5..from.expect("a result") + 5,
            again,
        );
    });
    let twice = [("published-twice".to_owned(), 0, 12, 17)];
    let found = report(&pipeline, &["--delivery", "at-least-once"], 0);
    assert_eq!(
        (brief(&found), &found["clean"]),
        (twice.to_vec(), &json!(true))
    );
    assert_eq!(found["published"]["copies"], 5);
    assert_eq!(brief(&report(&pipeline, &[], 1)), twice);
}

#[test]
fn what_retention_took_is_counted_and_nothing_is_claimed_of_it() {
    let pipeline = stored();
    delete_records(&pipeline.brokers, &pipeline.results, 0, 12);
    let start = read_all(&pipeline.brokers, &pipeline.results)[0].offset;
    delete_records(&pipeline.brokers, &pipeline.rejects, 1, 1);
    let found = report(&pipeline, &[], 0);
    assert!(start >= 12, "nothing was deleted: {start}");
    // Transaction markers have offsets, too.
    let left = read_all(&pipeline.brokers, &pipeline.results).len() as u64;
    let published = &found["published"];
    assert_eq!(published["messages"], left + 1);
    assert_eq!(published["not_checkable"], 40 - left + 1, "{found:#}");
}

#[test]
fn corrections_are_in_the_topics_and_are_missed_when_they_are_not() {
    let pipeline = crashed(Place::folder());
    pipeline.run_to_end().args(DOUBLE).run().expect_code(0);
    let clean = report(&pipeline, &DOUBLE, 0);
    // First 1 + 1 results and 3 + 3 rejects, then a correction for each of the last four, one of them a null and a letter.
    assert_eq!(clean["published"]["messages"], 13, "{clean:#}");
    rewrite(&pipeline, &pipeline.results, (1, &[]), |records| {
        records.retain(|record| record.headers.is_empty());
    });
    let found = report(&pipeline, &DOUBLE, 1);
    let mut kinds = brief(&found);
    kinds.retain(|(kind, ..)| kind != "other-calculation");
    // Values and nulls are missed apart.
    let stale = |start, end| ("stale-revision".to_owned(), 0, start, end);
    assert_eq!(kinds, [stale(4, 7), stale(7, 8)], "{found:#}");
}

#[test]
fn a_compacted_topic_need_not_hold_what_was_published_again() {
    let pipeline = recalculation::history(Place::folder());
    pipeline
        .run_to_end()
        .args(NEW)
        .args(RECALCULATE)
        .run()
        .expect_code(0);
    report(&pipeline, &NEW, 0);
    // The newest record of each key, and no null: what compaction leaves at last.
    let newest_only = |records: &mut Vec<Record>| {
        let all = records.clone();
        records.retain(|record| {
            let later = |other: &&Record| other.offset > record.offset;
            let replaced = all
                .iter()
                .filter(later)
                .any(|other| other.key == record.key);
            !replaced && record.payload.is_some()
        });
    };
    let compacted = [("cleanup.policy", "compact")];
    rewrite(&pipeline, &pipeline.results, (1, &compacted), newest_only);
    assert_eq!(report(&pipeline, &NEW, 0)["findings"], json!([]));
    rewrite(&pipeline, &pipeline.results, (1, &compacted), |records| {
        records.retain(|record| !is(record, &pipeline, 0, 0) && !is(record, &pipeline, 0, 3));
    });
    let found = brief(&report(&pipeline, &NEW, 1));
    let expected = [
        finding("stale-revision", 0, 0),
        finding("unpublished", 0, 3),
    ];
    assert_eq!(found, expected);
}

#[test]
fn other_topics_than_those_of_the_store_are_refused() {
    let pipeline = stored();
    let told = |flags: &[&str], code| verify(&pipeline, flags).run().expect_code(code).stderr;
    let other = told(&["--results", &pipeline.rejects, "--rejects", "none"], 2);
    assert!(
        other.contains(&pipeline.results) && other.contains("--results"),
        "{other}"
    );
    let missing = told(&["--rejects", "no-such-topic"], 2);
    assert!(missing.contains("no-such-topic"), "{missing}");
    let nobody = told(&["--brokers", "127.0.0.1:1"], 3);
    assert!(nobody.contains("127.0.0.1:1"), "{nobody}");
}

/// Somebody else's transaction is open when the results are published after it: readers of committed messages cannot see them
/// until it has ended.
#[test]
fn what_an_open_transaction_hides_is_waited_for() {
    let pipeline = Pipeline::new(1, Place::folder());
    create_topic_with(&pipeline.brokers, &pipeline.results, 1, &[]);
    let producer = transactional(&pipeline.brokers);
    producer.begin_transaction().expect("a transaction");
    let record = BaseRecord::<[u8], [u8]>::to(&pipeline.results)
        .partition(0)
        .payload(b"never committed");
    producer.send(record).expect("a place in the queue");
    producer.flush(LIMIT).expect("the record to be delivered");

    pipeline.send_numbers(0, 0..10);
    pipeline.run_to_end().run().expect_code(0);
    assert!(has_open_transaction(
        &pipeline.brokers,
        &pipeline.results,
        0
    ));
    let mut running = verify(&pipeline, &["-o", "json"]).spawn();
    // Reading the store takes a fraction of that.
    sleep(Duration::from_secs(3));
    assert!(running.is_running(), "it has not waited");
    producer.abort_transaction(LIMIT).expect("the end of it");
    let finished = running.wait(LIMIT).expect_code(0);
    let found: Value = serde_json::from_str(&finished.stdout).expect("a report");
    let published = json!({"messages": 10, "copies": 0, "not_checkable": 0, "unknown": 0});
    assert_eq!(found["published"], published);
}
