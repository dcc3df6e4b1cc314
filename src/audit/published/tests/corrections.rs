//! Corrections beside what is stored.

use std::{sync::Arc, time::Duration};

use super::topics::{Sent, compare, topic, value};
use crate::{
    audit::{
        FindingKind, Recalculator, ResultsTopic, outdated,
        published::source::Topic,
        tests::fixture::{at, bind, brief, chain, chain_of, newest, range},
    },
    calculation::{Evaluator, builtin},
    events::Fields,
    format::{Accumulation, GapReason, RangeOutcomes, SegmentKind},
    history::{GivenUp, Pending, give_up, write_repair, write_snapshot},
    kafka::Connection,
    model::Event,
    store::{Store, Throttle},
};

/// The square of one of two fields; without it, the event is a reject whose reason says which.
const SQUARE_OF_A: &str = "coalesce(square(a), CAST('no a' AS DECIMAL(38,0)))";
const SQUARE_OF_B: &str = "coalesce(square(b), CAST('no b' AS DECIMAL(38,0)))";

/// Offsets 0 to 4, stored under `square(a)` and brought under `square(b)`: 0 has another result, 1 has become a reject, 2 a
/// result, and 3 and 4 are what they were. Returns the store and the revision.
async fn corrected() -> (Store, u64) {
    let store = Store::memory();
    let evaluator = |calculation| {
        let fields = Fields::parse("a BIGINT, b BIGINT").unwrap();
        Evaluator::new(fields, builtin(calculation).unwrap()).unwrap()
    };
    let (old, new) = (evaluator(SQUARE_OF_A), evaluator(SQUARE_OF_B));
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
    let outcomes = RangeOutcomes::new(range(0, 5), evaluated).unwrap();
    let mut accumulation = Accumulation::new(at(0));
    accumulation.append(&outcomes).unwrap();
    let mut pending = Pending::from(accumulation.close(chain.identity()).unwrap());
    write_snapshot(&mut chain, &mut pending).await.unwrap();

    let mut chain = chain_of(&store, 0, &new).await;
    let listed = crate::format::Listed::open_list_of(chain.newest().unwrap());
    let outdated = outdated(&listed, &new.declaration(), None).remove(0);
    let recalculator = Recalculator {
        evaluator: Arc::new(new),
        results: ResultsTopic {
            name: "results".into(),
            limit: 1_000,
            too_large: |_, _| Vec::new(),
        },
        events: Some(Connection::new("127.0.0.1:1", Vec::new(), "tests").unwrap()),
        patience: Duration::ZERO,
        throttle: Throttle::unlimited(),
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
async fn corrections_of_what_was_given_up_since_are_due_and_its_first_publications_are_not() {
    use FindingKind::{PublishedWrong, StaleRevision};
    let (store, revision) = corrected().await;
    let replaced = newest(&store, 0).await.open.segments;
    let mut chain = chain(&store, 0).await;
    let done = give_up(&mut chain, range(0, 5), GapReason::Damaged, &replaced).await;
    assert_eq!(done.unwrap(), GivenUp::Done);
    let results = || topic(SegmentKind::Results);
    let sent = published(revision);
    assert_eq!(compare(&store, 0, results(), &sent).await.findings, []);
    for (at, expected) in [
        (0, None),
        (2, None),
        (3, Some(0)),
        (4, Some(2)),
        (5, Some(1)),
    ] {
        let mut sent = published(revision);
        sent.remove(at);
        let compared = compare(&store, 0, results(), &sent).await;
        let expected: Vec<_> = expected
            .map(|offset| (StaleRevision, 0, offset, offset + 1))
            .into_iter()
            .collect();
        assert_eq!(brief(&compared.findings), expected, "{at}");
    }
    let mut wrong = published(revision);
    wrong[4] = value(2, "{}").revised(revision);
    let compared = compare(&store, 0, results(), &wrong).await;
    assert_eq!(brief(&compared.findings), [(PublishedWrong, 0, 2, 3)]);
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
        reject(1, r#"{"a":5,"b":null}"#, "bad-cast: x").revised(revision),
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
