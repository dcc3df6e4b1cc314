//! Membership: deferred rebalances, static members, leaving.

use std::time::{Duration, Instant};

use snapback::{
    kafka::{KafkaError, Source, SourceEvent},
    model::Partition,
};

use super::{
    LIMIT, assigned, at, connection, event, fill, join_as, publisher, read_to, start, topic,
};
use crate::support::{eventually, kafka, read_all, unique};

fn revoked(event: &SourceEvent) -> Option<Vec<Partition>> {
    match event {
        SourceEvent::Revoked(partitions) => Some(partitions.clone()),
        _ => None,
    }
}

/// Polls both until the second is given partitions; empty assignments are answered.
fn serve(source: &mut Source) -> Vec<SourceEvent> {
    let events = source.poll(Duration::from_millis(20));
    for event in &events {
        if matches!(event, SourceEvent::Assigned(partitions) if partitions.is_empty()) {
            source.assign(&[]).unwrap();
        }
    }
    events
        .into_iter()
        .filter(|e| !matches!(e, SourceEvent::Assigned(p) if p.is_empty()))
        .collect()
}

#[test]
fn a_revocation_waits_for_the_transaction_of_its_owner() {
    let (input, output, group) = (topic("defer", 4), topic("defer-out", 1), unique("group"));
    fill(&input, 4, 0..10);
    let session = Duration::from_secs(2);
    let mut old = join_as(&connection(), &input, &group, 4, Some("old"), session);
    assert_eq!(start(&mut old, at(0)).len(), 4);
    let mut publisher = publisher(&unique("tx"));
    publisher.begin().unwrap();
    let record = snapback::kafka::Record {
        key: None,
        payload: Some(b"1"),
    };
    publisher.produce(&output, 0, [record], LIMIT).unwrap();

    let mut new = join_as(&connection(), &input, &group, 4, Some("new"), session);
    let deadline = Instant::now() + LIMIT;
    let gone = loop {
        let events = serve(&mut new);
        assert!(events.is_empty(), "{events:?}");
        let events = old.poll(Duration::from_millis(20));
        if let Some(gone) = events.iter().find_map(revoked) {
            break gone;
        }
        assert!(events.is_empty() && Instant::now() < deadline, "{events:?}");
    };
    assert_eq!(gone.len(), 2);
    // Longer than the session: heartbeats go on, and nobody else is given anything.
    let hold = Instant::now() + 2 * session;
    while Instant::now() < hold {
        let events = serve(&mut new);
        assert!(events.is_empty(), "{events:?}");
        assert!(old.poll(Duration::from_millis(20)).is_empty());
        assert!(old.is_member());
    }
    let offsets: Vec<_> = (0..4)
        .map(|p| (Partition(p), at(7), "m".to_owned()))
        .collect();
    let early = old.restart(gone[0], at(0)).unwrap_err();
    assert!(
        matches!(early, KafkaError::RebalancePending { .. }),
        "{early}"
    );
    publisher.send_offsets(&old, &offsets, LIMIT).unwrap();
    publisher.commit(LIMIT).unwrap();
    eventually(LIMIT, "the result", || {
        (read_all(kafka().brokers(), &output).len() == 1).then_some(())
    });
    old.unassign(&gone).unwrap();

    let answered = Instant::now();
    let given = loop {
        assert!(serve(&mut old).is_empty());
        if let Some(given) = serve(&mut new).iter().find_map(assigned) {
            break given;
        }
        assert!(Instant::now() < deadline + LIMIT);
    };
    eprintln!(
        "the second member got its partitions {:?} after the answer",
        answered.elapsed()
    );
    assert_eq!(given, super::sorted(&gone));
    let starts: Vec<_> = given.iter().map(|p| (*p, at(7))).collect();
    new.assign(&starts).unwrap();
    assert_eq!(read_to(&mut new, given[0].0, 10), [7, 8, 9]);
    let kept = old.assigned()[0];
    assert_eq!(read_to(&mut old, kept.0, 10), (0..10).collect::<Vec<_>>());
    assert!(new.is_member() && old.is_member());
}

#[test]
fn a_source_that_leaves_hands_over_at_once_even_in_the_middle_of_a_revocation() {
    let (input, group) = (topic("leave", 2), unique("group"));
    let session = Duration::from_secs(30);
    let mut old = join_as(&connection(), &input, &group, 2, Some("old"), session);
    start(&mut old, at(0));
    let mut new = join_as(&connection(), &input, &group, 2, Some("new"), session);
    let deadline = Instant::now() + LIMIT;
    while !old
        .poll(Duration::from_millis(20))
        .iter()
        .any(|e| revoked(e).is_some())
    {
        serve(&mut new);
        assert!(Instant::now() < deadline);
    }
    let left = Instant::now();
    old.leave();
    eprintln!("leaving took {:?}", left.elapsed());
    assert!(left.elapsed() < Duration::from_secs(5));
    let mut given = Vec::new();
    while given.len() < 2 {
        for event in serve(&mut new) {
            if let Some(more) = assigned(&event) {
                let starts: Vec<_> = more.iter().map(|p| (*p, at(0))).collect();
                new.assign(&starts).unwrap();
                given.extend(more);
            }
        }
        assert!(Instant::now() < deadline + LIMIT);
    }
    eprintln!("all handed over after {:?}", left.elapsed());
    assert!(left.elapsed() < Duration::from_secs(15));
}

#[test]
fn a_newer_process_with_the_same_name_fences_the_older() {
    let (input, group) = (topic("fence", 1), unique("group"));
    let session = Duration::from_secs(6);
    let mut old = join_as(&connection(), &input, &group, 1, Some("twin"), session);
    start(&mut old, at(0));
    let mut new = join_as(&connection(), &input, &group, 1, Some("twin"), session);
    let joined = Instant::now();
    start(&mut new, at(0));
    eprintln!(
        "the newer one had its partition after {:?}",
        joined.elapsed()
    );
    assert!(joined.elapsed() < Duration::from_secs(5));
    let name = event(&mut old, |event| match event {
        SourceEvent::Fenced { instance } => Some(instance.clone()),
        _ => None,
    });
    assert_eq!(name, "twin");
    old.leave();
    new.poll(Duration::from_millis(200));
    assert!(new.is_member());
}

#[test]
fn new_partitions_are_found_without_a_restart() {
    let (input, group) = (topic("grow", 1), unique("group"));
    let connection = super::connect(
        kafka().brokers(),
        &[("topic.metadata.refresh.interval.ms", "500")],
    );
    let mut source = join_as(&connection, &input, &group, 1, None, Duration::from_secs(6));
    start(&mut source, at(0));
    super::cluster::grow(&input, 2);
    let more = event(&mut source, assigned);
    assert_eq!(more, [Partition(1)]);
    source.assign(&[(Partition(1), at(0))]).unwrap();
    fill(&input, 2, 0..3);
    assert_eq!(read_to(&mut source, 1, 3), [0, 1, 2]);
}
