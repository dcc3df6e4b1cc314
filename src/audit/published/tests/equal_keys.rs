//! Compacted topics in which messages had the keys of their events.

use super::{
    first::{letters, results},
    topics::{Sent, Way, compare, has_key, square, topic},
};
use crate::{
    audit::{
        FindingKind::Unpublished,
        published::source::{Compared, Topic},
        tests::fixture::{bind, brief, chain_of, evaluator, is_bad, sample, snapshot_of},
    },
    calculation::Carry,
    format::SegmentKind,
    store::Store,
};

fn compacted(kind: SegmentKind) -> Topic {
    Topic {
        compacted: true,
        ..topic(kind)
    }
}

/// The topic of partition 0 of the sample without the results of these offsets, and with these changes.
async fn without(lost: &[i64], change: impl FnOnce(&mut Vec<Sent>)) -> Compared {
    let mut sent = results();
    sent.retain(|sent| !lost.contains(&sent.offset));
    change(&mut sent);
    compare(&sample().await, 0, compacted(SegmentKind::Results), &sent).await
}

/// The offsets of what is missing, and how many are not checkable.
fn missing(compared: &Compared) -> (Vec<i64>, u64) {
    let starts = brief(&compared.findings).into_iter();
    let starts = starts.map(|(kind, _, start, end)| {
        assert_eq!((kind, end - start), (Unpublished, 1));
        start
    });
    (starts.collect(), compared.not_checkable)
}

fn place(sent: &[Sent], offset: i64) -> usize {
    let found = sent.iter().position(|sent| sent.offset == offset);
    found.expect("a result")
}

/// Offsets with a key, and one without.
const LOST: [i64; 5] = [150, 151, 198, 204, 300];

#[tokio::test]
async fn where_no_key_was_carried_everything_is_required() {
    let compared = without(&LOST, |_| ()).await;
    assert_eq!(missing(&compared), (LOST.to_vec(), 0));
    for way in [Way::Unread, Way::OfOthers] {
        let unknown = without(&LOST, |sent| sent.push(square(399).by(way))).await;
        assert_eq!(missing(&unknown), (LOST.to_vec(), 0));
    }
}

/// What is stored now need not say that its messages carried keys: a message of the topic does.
#[tokio::test]
async fn a_carried_key_excuses_only_what_comes_before_it_and_has_a_key() {
    let carried = |offset: i64| {
        move |sent: &mut Vec<Sent>| {
            let at = place(sent, offset);
            sent[at].way = Way::Carried;
        }
    };
    let compared = without(&LOST, carried(201)).await;
    assert_eq!(missing(&compared), (vec![151, 204, 300], 2));
    let compared = without(&LOST, carried(399)).await;
    assert_eq!(missing(&compared), (vec![151], 4));

    // What is there is compared, and what retention has taken is counted once.
    let (store, mut sent) = (sample().await, results());
    sent.retain(|sent| sent.offset >= 200 && !LOST.contains(&sent.offset));
    carried(399)(&mut sent);
    let cut = Topic {
        whole: false,
        ..compacted(SegmentKind::Results)
    };
    let compared = compare(&store, 0, cut, &sent[1..]).await;
    assert_eq!(compared.findings, []);
    assert_eq!(
        compared.not_checkable,
        (results().len() - sent.len()) as u64 + 1
    );

    // Where nothing is removed, nothing is excused.
    let mut sent = results();
    carried(399)(&mut sent);
    sent.retain(|sent| sent.offset != 150);
    let compared = compare(&store, 0, topic(SegmentKind::Results), &sent).await;
    assert_eq!(missing(&compared), (vec![150], 0));
}

#[tokio::test]
async fn the_carried_key_of_another_partition_excuses_what_comes_before_the_next_result() {
    let another = |offset: i64, sent: &mut Vec<Sent>| {
        let at = place(sent, offset);
        sent.insert(at, square(offset).by(Way::CarriedByAnother));
    };
    // 198 may have carried a key and have been replaced by it; 204 came after the next result of this partition.
    let compared = without(&LOST, |sent| another(199, sent)).await;
    assert_eq!(missing(&compared), (vec![151, 204, 300], 2));
    // With nothing after it, all may have come before it.
    let compared = without(&LOST, |sent| {
        sent.push(square(0).by(Way::CarriedByAnother));
    })
    .await;
    assert_eq!(missing(&compared), (vec![151], 4));
    // So may it be among what cannot be read, and what other programs send may replace a result as well.
    for way in [Way::Unread, Way::OfOthers] {
        let compared = without(&LOST, |sent| {
            another(150 - 1, sent);
            sent.push(square(0).by(way));
        })
        .await;
        assert_eq!(missing(&compared), (vec![151], 4));
    }
}

#[tokio::test]
async fn a_key_that_looks_like_a_source_excuses_that_result_alone() {
    let compared = without(&LOST, |sent| sent.insert(0, square(151).by(Way::Named))).await;
    assert_eq!(missing(&compared), (vec![150, 198, 204, 300], 1));
}

#[tokio::test]
async fn stored_files_of_carried_keys_excuse_what_they_hold() {
    let store = Store::memory();
    let plain = evaluator();
    let carrying = evaluator().with_carry(Carry::parse("key").unwrap());
    for (evaluator, start) in [(&carrying, 0), (&plain, 100)] {
        let mut chain = chain_of(&store, 0, evaluator).await;
        if start == 0 {
            bind(&mut chain, 0).await;
        }
        snapshot_of(&mut chain, evaluator, start, start + 100, |_| false).await;
    }
    // No message of a carried key is left: those of other programs have replaced them.
    let stored = (0..200).filter(|at| !is_bad(*at));
    let sent = stored.filter(|at| !(has_key(*at) && *at < 100 || [7, 150].contains(at)));
    let sent: Vec<Sent> = sent.map(square).collect();
    let gone = (0..100).filter(|at| has_key(*at) && !is_bad(*at)).count() as u64;
    let compared = compare(&store, 0, compacted(SegmentKind::Results), &sent).await;
    assert_eq!(missing(&compared), (vec![7, 150], gone));
}

/// They always have the keys of their events; those without one are removed where the topic was not compacted before.
#[tokio::test]
async fn what_is_missing_of_dead_letters_is_not_checkable() {
    let (store, letters) = (sample().await, letters());
    let compared = compare(&store, 0, compacted(SegmentKind::Rejects), &letters[3..]).await;
    assert_eq!(missing(&compared), (vec![], 3));
}

/// More than is kept in mind: what a carried key excuses that comes long after.
#[tokio::test]
async fn what_was_missed_long_before_is_excused_all_the_same() {
    const ROWS: i64 = 90_000;
    let (store, evaluator) = (Store::memory(), evaluator());
    let mut chain = chain_of(&store, 0, &evaluator).await;
    bind(&mut chain, 0).await;
    snapshot_of(&mut chain, &evaluator, 0, ROWS, |_| false).await;
    let stored = || (0..ROWS).filter(|at| !is_bad(*at));
    let last = stored().rfind(|at| has_key(*at)).expect("one");
    // Of the first half every result with a key is missing, and then the one after the carried key.
    let half = |at: i64| has_key(at) && at < ROWS / 2;
    let sent = |carried: i64| -> Vec<Sent> {
        let left = stored().filter(|at| !half(*at) && *at != last);
        let way = |at| {
            if at == carried {
                Way::Carried
            } else {
                Way::Plain
            }
        };
        left.map(|at| square(at).by(way(at))).collect()
    };
    let gone = stored().filter(|at| half(*at)).count() as u64;
    assert!(gone > 12_000);
    let carried = stored().filter(|at| has_key(*at) && *at > ROWS / 2).nth(10);
    let topic = || compacted(SegmentKind::Results);
    let compared = compare(&store, 0, topic(), &sent(carried.expect("one"))).await;
    assert_eq!(missing(&compared), (vec![last], gone));
    let compared = compare(&store, 0, topic(), &sent(-1)).await;
    let found = compared
        .findings
        .iter()
        .filter(|one| one.kind == Unpublished);
    assert!(found.count() > 100);
}
