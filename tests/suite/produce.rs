//! `snapback produce`: what it says is what the topic holds.

use super::support::{create_topic, kafka, read_all, snapback, unique};

/// The payloads of a topic, in any order.
fn payloads(topic: &str) -> Vec<Option<Vec<u8>>> {
    let records = read_all(kafka().brokers(), topic);
    let mut payloads: Vec<Option<Vec<u8>>> = records
        .into_iter()
        .map(|record| {
            assert_eq!(record.key, None);
            record.payload
        })
        .collect();
    payloads.sort();
    payloads
}

fn produce(topic: &str, args: &[&str]) -> super::support::Program {
    snapback(["produce", "--brokers", kafka().brokers(), "--events", topic]).args(args)
}

#[test]
fn random_events_make_their_topic_and_are_the_same_for_the_same_seed() {
    let (one, other) = (unique("produce"), unique("produce"));
    for topic in [&one, &other] {
        let args = [
            "--count",
            "20000",
            "--malformed",
            "0.01",
            "--seed",
            "7",
            "--partitions",
            "3",
        ];
        let finished = produce(topic, &args).run().expect_code(0);
        assert!(
            finished.stderr.contains("with 3 partitions"),
            "{}",
            finished.stderr
        );
        assert!(
            finished.stdout.contains("produced 20,000 events"),
            "{}",
            finished.stdout
        );
    }
    let events = payloads(&one);
    assert_eq!(events.len(), 20_000);
    assert_eq!(events, payloads(&other));
    let malformed = events
        .iter()
        .filter(|event| event.as_deref() == Some(b"[7]"))
        .count();
    assert!(malformed > 0);
}

#[test]
fn lines_are_events_byte_for_byte() {
    let topic = unique("produce");
    create_topic(kafka().brokers(), &topic, 2);
    let input = b"{\"number\": 7}\n\n\xff not UTF-8\r\nlast";
    let finished = produce(&topic, &["--file", "-", "-o", "json"])
        .stdin(input)
        .run()
        .expect_code(0);
    let report: serde_json::Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(
        (&report["events"], &report["partitions"]),
        (&4.into(), &2.into())
    );
    let expected: [&[u8]; 4] = [b"", b"last", b"{\"number\": 7}", b"\xff not UTF-8\r"];
    assert_eq!(payloads(&topic), expected.map(|line| Some(line.to_vec())));
}

#[test]
fn a_file_that_is_not_there_is_named_before_anything_is_made() {
    let topic = unique("produce");
    let finished = produce(&topic, &["--file", "nowhere.jsonl"])
        .run()
        .expect_code(2);
    assert!(
        finished.stderr.contains("nowhere.jsonl"),
        "{}",
        finished.stderr
    );
}
