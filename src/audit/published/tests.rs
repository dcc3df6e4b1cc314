//! Real small stores beside topics that are lists: what is found of every way in which the two can differ.

use std::{sync::Arc, time::Duration};

use super::{
    cursor::Files,
    message::{Body, Key, Letter, Message},
    source::{Compared, Source, Topic},
};
use crate::{
    audit::{
        FindingKind, Recalculator, ResultsTopic, outdated,
        tests::fixture::{
            at, bind, brief, chain, chain_of, is_bad, layout, newest, range, sample, segment,
            snapshot,
        },
    },
    calculation::{Evaluator, builtin},
    events::Fields,
    kafka::Connection,
    model::{Event, Partition, Sequence},
    format::{Accumulation, Outcomes, SegmentKind},
    history::{Pending, write_repair, write_snapshot},
    store::Store,
};

/// A message that outlives its batch.
#[derive(Clone, Debug)]
struct Sent {
    revision: Option<u64>,
    offset: i64,
    /// The value; of a letter its payload.
    bytes: Option<String>,
    reason: Option<String>,
}

fn value(offset: i64, text: impl Into<String>) -> Sent {
    Sent {
        revision: None,
        offset,
        bytes: Some(text.into()),
        reason: None,
    }
}

fn square(offset: i64) -> Sent {
    value(
        offset,
        format!(r#"{{"number":{offset},"result":{}}}"#, offset * offset),
    )
}

fn letter(offset: i64) -> Sent {
    Sent {
        reason: Some("wrong-type: found text".to_owned()),
        ..value(offset, format!(r#"{{"number": "{offset}"}}"#))
    }
}

impl Sent {
    fn revised(self, revision: u64) -> Sent {
        Sent {
            revision: Some(revision),
            ..self
        }
    }

    fn taken_back(offset: i64, revision: u64) -> Sent {
        let revised = value(offset, "").revised(revision);
        Sent {
            bytes: None,
            ..revised
        }
    }
}

fn topic(kind: SegmentKind) -> Topic {
    Topic {
        name: "a-topic".to_owned(),
        kind,
        whole: true,
        compacted: false,
        copies: false,
    }
}

/// Partition `partition` of the store beside a topic.
async fn compare(store: &Store, partition: i32, topic: Topic, sent: &[Sent]) -> Compared {
    let files = Files {
        runtime: tokio::runtime::Handle::current(),
        store: store.clone(),
        layout: layout(),
        partition: Partition(partition),
    };
    let (manifest, sent) = (newest(store, partition).await, sent.to_vec());
    let work = move || {
        let mut source = Source::new(&files, &manifest, topic);
        for message in &sent {
            let bytes = message.bytes.as_deref().map(str::as_bytes);
            let body = match &message.reason {
                None => Body::Value(bytes),
                Some(reason) => Body::Letter(Letter {
                    // As the fixture's events have it.
                    key: (message.offset % 3 == 0).then_some(b"key"),
                    payload: bytes,
                    reason,
                    whole: None,
                    key_bytes: None,
                }),
            };
            let key = Key {
                revision: message.revision.map(Sequence),
                offset: at(message.offset),
            };
            let message = Message {
                partition: files.partition,
                key,
                body,
            };
            source.publish(&message).unwrap();
        }
        source.finish().unwrap()
    };
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// The first publications of `[100, 400)`, partition 0 of the sample.
fn results() -> Vec<Sent> {
    (100..400).filter(|at| !is_bad(*at)).map(square).collect()
}

fn letters() -> Vec<Sent> {
    (100..400).filter(|at| is_bad(*at)).map(letter).collect()
}

#[tokio::test]
async fn what_was_published_as_it_is_stored_is_no_finding() {
    let store = sample().await;
    let (results, letters) = (results(), letters());
    let compared = compare(&store, 0, topic(SegmentKind::Results), &results).await;
    assert_eq!(compared.findings, []);
    assert_eq!(compared.messages, results.len() as u64);
    assert_eq!((compared.copies, compared.not_checkable), (0, 0));
    let compared = compare(&store, 0, topic(SegmentKind::Rejects), &letters).await;
    assert_eq!(compared.findings, []);
    assert_eq!(compared.messages, letters.len() as u64);

    // Absent offsets have no outcome; what the topics have of the gap and of offsets after the end is not judged.
    let there = |at: &i64| (0..100).contains(at) || (200..300).contains(at);
    let sent = (0..320).filter(|at| !there(at) || (at % 10 != 9 && !is_bad(*at)));
    let sent: Vec<Sent> = sent.filter(|at| *at != 100).map(square).collect();
    let compared = compare(&store, 1, topic(SegmentKind::Results), &sent).await;
    assert_eq!(compared.findings, []);
}

#[tokio::test]
async fn every_difference_is_found_with_its_kind_and_its_place() {
    use FindingKind::{PublishedTwice, PublishedWrong, Unpublished};
    type Damage = fn(&mut Vec<Sent>);
    let table: &[(&str, Damage, &[(FindingKind, i64, i64)], &str)] = &[
        (
            "one is missing",
            |sent| sent.retain(|sent| sent.offset != 250),
            &[(Unpublished, 250, 251)],
            "the result of offset 250 is not in the topic a-topic",
        ),
        (
            "neighbours are missing, across segments",
            |sent| sent.retain(|sent| !(198..=201).contains(&sent.offset)),
            &[(Unpublished, 198, 202)],
            "4 results of offsets 198 to 201 are not in the topic a-topic",
        ),
        (
            "one is there twice",
            |sent| sent.push(square(120)),
            &[(PublishedTwice, 120, 121)],
            "the result of offset 120 is in the topic a-topic more than once",
        ),
        (
            "another value",
            |sent| sent[0] = value(100, r#"{"number":100,"result":1}"#),
            &[(PublishedWrong, 100, 101)],
            r#"it is {"number":100,"result":1}, stored is {"number":100,"result":10000}"#,
        ),
        (
            "a copy with another value",
            |sent| sent.push(value(399, "{}")),
            &[(PublishedTwice, 399, 400), (PublishedWrong, 399, 400)],
            "it is {}, stored is",
        ),
        (
            "a result of a reject",
            |sent| sent.insert(0, square(105)),
            &[(PublishedWrong, 105, 106)],
            "no result is stored for it",
        ),
        (
            "a correction that the store does not know",
            |sent| sent.push(square(120).revised(2)),
            &[(PublishedWrong, 120, 121)],
            "the result of offset 120 with revision 2 in the topic a-topic: the store has no such correction",
        ),
    ];
    let store = sample().await;
    for (what, damage, expected, detail) in table {
        let mut sent = results();
        damage(&mut sent);
        let compared = compare(&store, 0, topic(SegmentKind::Results), &sent).await;
        let expected: Vec<_> = expected.iter().map(|(k, s, e)| (*k, 0, *s, *e)).collect();
        assert_eq!(brief(&compared.findings), expected, "{what}");
        let details = || compared.findings.iter().map(|finding| &finding.detail);
        assert!(
            details().any(|text| text.contains(detail)),
            "{what}: {:?}",
            details().collect::<Vec<_>>()
        );
        assert!(
            compared.findings.iter().all(|finding| finding.is_damage()),
            "{what}"
        );
    }
}

#[tokio::test]
async fn letters_are_compared_by_reason_payload_and_key() {
    type Damage = fn(&mut Vec<Sent>);
    let table: &[(Damage, &str)] = &[
        (
            |sent| sent[1].reason = Some("empty: x".to_owned()),
            r#"its reason is "empty: x", stored is"#,
        ),
        (
            |sent| sent[1].bytes = None,
            "its payload is null, stored is",
        ),
        (|sent| drop(sent.remove(1)), "the dead letter of offset"),
    ];
    let store = sample().await;
    for (damage, detail) in table {
        let mut sent = letters();
        damage(&mut sent);
        let compared = compare(&store, 0, topic(SegmentKind::Rejects), &sent).await;
        let [finding] = &compared.findings[..] else {
            panic!("{:?}", compared.findings)
        };
        assert_eq!(finding.start, at(letters()[1].offset));
        assert!(finding.detail.contains(detail), "{}", finding.detail);
    }
}

#[tokio::test]
async fn copies_are_a_notice_where_they_are_to_be_expected() {
    let store = sample().await;
    let mut sent = results();
    sent.splice(50..50, results()[20..50].to_vec());
    let topic = Topic {
        copies: true,
        ..topic(SegmentKind::Results)
    };
    let compared = compare(&store, 0, topic, &sent).await;
    assert_eq!((compared.findings.len(), compared.copies), (1, 30));
    assert!(!compared.findings[0].is_damage());
}

#[tokio::test]
async fn what_retention_took_is_counted_and_what_is_missing_after_it_is_found() {
    let store = sample().await;
    let cut = Topic {
        whole: false,
        ..topic(SegmentKind::Results)
    };
    let left: Vec<Sent> = results().into_iter().filter(|s| s.offset >= 250).collect();
    let taken = (results().len() - left.len()) as u64;
    let compared = compare(&store, 0, cut.clone(), &left).await;
    assert_eq!(
        (compared.findings.len(), compared.not_checkable),
        (0, taken)
    );
    let mut left = left;
    left.remove(7);
    let compared = compare(&store, 0, cut.clone(), &left).await;
    assert_eq!(compared.findings.len(), 1);
    let compared = compare(&store, 0, cut, &[]).await;
    assert_eq!(compared.findings, []);
    assert_eq!(compared.not_checkable, results().len() as u64);
}

#[tokio::test]
async fn a_segment_that_cannot_be_read_is_not_checkable() {
    let store = sample().await;
    let damaged = segment(&store, 0, SegmentKind::Results, 200).await;
    store.put(&damaged.path, "no Parquet".into()).await.unwrap();
    let compared = compare(&store, 0, topic(SegmentKind::Results), &results()).await;
    assert_eq!(
        (compared.findings.len(), compared.not_checkable),
        (0, damaged.rows)
    );
}

/// Offsets 0 to 4, stored under `square(a)` and brought under `square(b)`: 0 has another result, 1 has become a reject, 2 a
/// result, and 3 and 4 are what they were. Returns the store and the revision.
async fn corrected() -> (Store, u64) {
    let store = Store::memory();
    let evaluator = |calculation| {
        let fields = Fields::parse("a BIGINT, b BIGINT").unwrap();
        Evaluator::new(fields, builtin(calculation).unwrap()).unwrap()
    };
    let (old, new) = (evaluator("square(a)"), evaluator("square(b)"));
    let mut chain = chain_of(&store, 0, &old).await;
    bind(&mut chain, 0).await;
    let payloads = [
        r#"{"a":2,"b":3}"#,
        r#"{"a":5}"#,
        r#"{"b":6}"#,
        r#"{"a":1,"b":1}"#,
        "no JSON",
    ];
    let events = (0..).zip(payloads).map(|(offset, payload)| Event {
        offset: at(offset),
        timestamp: Some(1_000),
        key: (offset % 3 == 0).then_some(b"key"),
        payload: Some(payload.as_bytes()),
    });
    let events: Vec<Event<'_>> = events.collect();
    let evaluated = old.evaluate(events.into_iter()).unwrap();
    let outcomes = Outcomes::new(range(0, 5), evaluated).unwrap();
    let mut accumulation = Accumulation::new(at(0));
    accumulation.append(&outcomes).unwrap();
    let mut pending = Pending::from(accumulation.close(chain.identity()).unwrap());
    write_snapshot(&mut chain, &mut pending).await.unwrap();

    let mut chain = chain_of(&store, 0, &new).await;
    let outdated = outdated(chain.newest().unwrap(), new.fingerprint(), None).remove(0);
    let recalculator = Recalculator {
        evaluator: Arc::new(new),
        results: ResultsTopic {
            name: "results".into(),
            limit: 1_000,
            too_large: |_, _| Vec::new(),
        },
        events: Connection::new("127.0.0.1:1", Vec::new(), "tests").unwrap(),
        patience: Duration::ZERO,
    };
    let mut repair = recalculator.recalculate(&chain, &outdated).await.unwrap();
    write_repair(&mut chain, &mut repair).await.unwrap();
    let sequence = newest(&store, 0).await.sequence;
    (store, sequence.0)
}

/// What is published of [`corrected`]: first all outcomes as they were, then the corrections.
fn published(revision: u64) -> Vec<Sent> {
    vec![
        value(0, r#"{"a":2,"b":3,"result":4}"#),
        value(1, r#"{"a":5,"b":null,"result":25}"#),
        value(3, r#"{"a":1,"b":1,"result":1}"#),
        value(0, r#"{"a":2,"b":3,"result":9}"#).revised(revision),
        value(2, r#"{"a":null,"b":6,"result":36}"#).revised(revision),
        Sent::taken_back(1, revision),
    ]
}

#[tokio::test]
async fn corrections_are_compared_each_with_its_revision() {
    use FindingKind::{PublishedTwice, PublishedWrong, StaleRevision, Unpublished};
    let (store, revision) = corrected().await;
    let results = || topic(SegmentKind::Results);
    let sent = published(revision);
    let compared = compare(&store, 0, results(), &sent).await;
    assert_eq!((compared.findings.len(), compared.messages), (0, 6));

    // Those of results and those that take back are published one after the other: each is missed by itself.
    let without = |at: usize| {
        let mut sent = published(revision);
        sent.remove(at);
        sent
    };
    for (at, kind, offset) in [
        (0, Unpublished, 0),
        (1, Unpublished, 1),
        (3, StaleRevision, 0),
        (4, StaleRevision, 2),
        (5, StaleRevision, 1),
    ] {
        let compared = compare(&store, 0, results(), &without(at)).await;
        assert_eq!(
            brief(&compared.findings),
            [(kind, 0, offset, offset + 1)],
            "{at}"
        );
    }
    let mut twice = published(revision);
    twice.push(twice[3].clone());
    let compared = compare(&store, 0, results(), &twice).await;
    assert_eq!(brief(&compared.findings), [(PublishedTwice, 0, 0, 1)]);
    let mut wrong = published(revision);
    wrong[4] = value(2, "{}").revised(revision);
    let compared = compare(&store, 0, results(), &wrong).await;
    assert_eq!(brief(&compared.findings), [(PublishedWrong, 0, 2, 3)]);
    // A correction newer than the manifest that was read belongs to a newer manifest.
    let mut newer = published(revision);
    newer.push(value(0, "{}").revised(revision + 1));
    assert_eq!(compare(&store, 0, results(), &newer).await.findings, []);
}

#[tokio::test]
async fn compaction_leaves_the_newest_value_of_each_key() {
    let (store, revision) = corrected().await;
    let compacted = || Topic {
        compacted: true,
        ..topic(SegmentKind::Results)
    };
    let left = &published(revision)[2..5];
    assert_eq!(compare(&store, 0, compacted(), left).await.findings, []);
    let compared = compare(&store, 0, compacted(), &left[1..]).await;
    assert_eq!(
        brief(&compared.findings),
        [(FindingKind::Unpublished, 0, 3, 4)]
    );
    let compared = compare(&store, 0, compacted(), &left[..2]).await;
    assert_eq!(
        brief(&compared.findings),
        [(FindingKind::StaleRevision, 0, 2, 3)]
    );
}

#[tokio::test]
async fn a_reject_that_became_a_result_keeps_its_letter_and_a_new_reject_has_one() {
    let (store, revision) = corrected().await;
    let reject = |offset, payload: &str, reason: &str| Sent {
        reason: Some(reason.to_owned()),
        ..value(offset, payload)
    };
    let sent = [
        reject(2, "whatever it was", "null-field: x"),
        reject(4, "no JSON", "not-json: x"),
        reject(1, r#"{"a":5,"b":null}"#, "null-input: x").revised(revision),
    ];
    let rejects = || topic(SegmentKind::Rejects);
    let compared = compare(&store, 0, rejects(), &sent).await;
    assert_eq!(compared.findings, []);
    let compared = compare(&store, 0, rejects(), &sent[..2]).await;
    assert_eq!(
        brief(&compared.findings),
        [(FindingKind::StaleRevision, 0, 1, 2)]
    );
    let compared = compare(&store, 0, rejects(), &sent[1..]).await;
    assert_eq!(
        brief(&compared.findings),
        [(FindingKind::Unpublished, 0, 2, 3)]
    );
}

/// A batch of rows has 65,536: going back and forth between batches and segments finds what going forward does.
#[tokio::test]
async fn large_segments_are_read_again_where_the_topic_goes_back() {
    const ROWS: i64 = 150_000;
    let store = Store::memory();
    let mut chain = chain(&store, 0).await;
    bind(&mut chain, 0).await;
    snapshot(&mut chain, 0, ROWS, |_| false).await;
    snapshot(&mut chain, ROWS, ROWS + 10, |_| false).await;
    let all = || (0..ROWS + 10).filter(|at| !is_bad(*at)).map(square);
    let again = (70_000..70_010).chain(10..20).chain(ROWS..ROWS + 5);
    let again: Vec<Sent> = again.filter(|at| !is_bad(*at)).map(square).collect();
    let mut sent: Vec<Sent> = all().filter(|sent| sent.offset != 140_000).collect();
    sent.extend(again.clone());
    let compared = compare(&store, 0, topic(SegmentKind::Results), &sent).await;
    let wrong = compared
        .findings
        .iter()
        .filter(|f| f.kind == FindingKind::PublishedWrong);
    assert_eq!(wrong.count(), 0);
    assert_eq!(compared.copies, again.len() as u64);
    let missing = compared
        .findings
        .iter()
        .filter(|f| f.kind == FindingKind::Unpublished);
    let missing: Vec<_> = missing.map(|finding| finding.start.get()).collect();
    assert_eq!(missing, [140_000]);

    let cut = Topic {
        whole: false,
        ..topic(SegmentKind::Results)
    };
    let left: Vec<Sent> = all().filter(|sent| sent.offset >= 140_000).collect();
    let compared = compare(&store, 0, cut, &left).await;
    assert_eq!(
        compared.not_checkable,
        all().count() as u64 - left.len() as u64
    );
}
