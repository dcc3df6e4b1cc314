//! First publications beside what is stored.

use super::topics::{Sent, compare, letter, square, topic, value};
use crate::{
    audit::{
        FindingKind,
        published::source::Topic,
        tests::fixture::{at, bind, brief, chain, is_bad, sample, segment, snapshot},
    },
    format::SegmentKind,
    store::Store,
};

/// The first publications of `[100, 400)`, partition 0 of the sample.
pub(super) fn results() -> Vec<Sent> {
    (100..400).filter(|at| !is_bad(*at)).map(square).collect()
}

pub(super) fn letters() -> Vec<Sent> {
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
    type Found = (FindingKind, i64, i64);
    let table: &[(&str, Damage, &[Found], &str)] = &[
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
