//! Exactly once, and what a publisher's errors allow.

use std::time::Duration;

use snapback::{
    kafka::{
        Admin, CommittedOffset, Disposition, KafkaError, PublishError, Publisher, PublisherConfig,
        Record,
    },
    model::Partition,
};

use super::{
    LIMIT, QUEUE_BYTES, at, connect, connection, event, fill, join, join_as, publisher, start,
    topic,
};
use crate::support::{
    self, create_topic_with, eventually, has_no_members, kafka, read_all, unique,
};

fn admin() -> Admin {
    Admin::connect(&connection(), Duration::from_secs(10)).unwrap()
}

/// What a reader of committed messages finds once it is `count` messages: a commit returns before its markers are written.
fn visible(topic: &str, count: usize) -> Vec<support::Record> {
    eventually(LIMIT, "the messages", || {
        Some(read_all(kafka().brokers(), topic)).filter(|found| found.len() == count)
    })
}

fn payload(bytes: &[u8]) -> Record<'_> {
    Record {
        key: None,
        payload: Some(bytes),
    }
}

#[test]
fn results_and_offsets_with_metadata_become_visible_together() {
    let (input, output, group) = (topic("in", 2), topic("out", 2), unique("group"));
    fill(&input, 2, 0..1000);
    let mut source = join(&input, &group, 2);
    let mut publisher = publisher(&unique("tx"));
    let partitions = start(&mut source, at(0));
    publisher.begin().unwrap();
    let mut done = 0;
    while done < 2000 {
        source.poll(Duration::from_millis(50));
        for partition in &partitions {
            let Some(batch) = source.fetch(*partition, 300).unwrap() else {
                continue;
            };
            let records = batch.iter().map(|event| Record {
                key: Some(b"k"),
                payload: event.payload,
            });
            publisher
                .produce(&output, partition.0, records, LIMIT)
                .unwrap();
            done += batch.len();
        }
    }
    publisher
        .produce_with_headers(
            &output,
            1,
            payload(b"odd"),
            &[("reason", Some(b"why"))],
            None,
            LIMIT,
        )
        .unwrap();
    let metadata = r#"{"v":1,"note":"größer"}"#.to_owned();
    let offsets: Vec<_> = partitions
        .iter()
        .map(|p| (*p, source.position(*p).unwrap(), metadata.clone()))
        .collect();
    publisher.flush(LIMIT).unwrap();
    assert!(read_all(kafka().brokers(), &output).is_empty());
    publisher.send_offsets(&source, &offsets, LIMIT).unwrap();
    publisher.commit(LIMIT).unwrap();

    visible(&output, 2001);
    let committed = admin().committed(&group, &input, &partitions).unwrap();
    for partition in partitions {
        let expected = CommittedOffset {
            offset: at(1000),
            metadata: metadata.clone(),
        };
        assert_eq!(committed[&partition], Some(expected));
    }
}

#[test]
fn a_zombies_publisher_has_to_be_rebuilt() {
    let (output, id) = (topic("zombie", 1), unique("tx"));
    let mut old = publisher(&id);
    old.begin().unwrap();
    old.produce(&output, 0, [payload(b"old")], LIMIT).unwrap();
    old.flush(LIMIT).unwrap();
    let mut new = publisher(&id);
    let error = old
        .produce(&output, 0, [payload(b"late")], LIMIT)
        .and_then(|()| old.commit(LIMIT))
        .unwrap_err();
    assert_eq!(error.disposition(), Disposition::Rebuild, "{error}");
    let error = old.abort(LIMIT).and_then(|()| old.begin()).unwrap_err();
    assert_eq!(error.disposition(), Disposition::Rebuild, "{error}");
    new.begin().unwrap();
    new.produce(&output, 0, [payload(b"new")], LIMIT).unwrap();
    new.commit(LIMIT).unwrap();
    let found = visible(&output, 1);
    assert_eq!(found[0].payload.as_deref(), Some(&b"new"[..]));
}

#[test]
fn a_transaction_that_the_broker_timed_out_has_to_be_rebuilt() {
    let output = topic("timed-out", 1);
    let connection = connect(kafka().brokers(), &[("transaction.timeout.ms", "1000")]);
    let config = PublisherConfig::with_queue(QUEUE_BYTES);
    let mut publisher = Publisher::transactional(&connection, &unique("tx"), &config).unwrap();
    publisher.init(LIMIT).unwrap();
    publisher.begin().unwrap();
    publisher
        .produce(&output, 0, [payload(b"1")], LIMIT)
        .unwrap();
    publisher.flush(LIMIT).unwrap();
    let admin = admin();
    eventually(LIMIT, "the broker's abort", || {
        let marks = admin.watermarks(&output, Partition(0)).unwrap();
        // The message, and the marker of its abort.
        (marks.stable_end == at(2)).then_some(())
    });
    let error = publisher.commit(LIMIT).unwrap_err();
    assert_eq!(error.disposition(), Disposition::Rebuild, "{error}");
}

#[test]
fn a_kicked_members_offsets_are_refused_and_its_publisher_goes_on() {
    let (input, group) = (topic("kicked", 1), unique("group"));
    fill(&input, 1, 0..10);
    let properties = [("max.poll.interval.ms", "2000")];
    let connection = connect(kafka().brokers(), &properties);
    let mut source = join_as(&connection, &input, &group, 1, None, Duration::from_secs(1));
    let mut publisher = publisher(&unique("tx"));
    start(&mut source, at(0));
    publisher.begin().unwrap();
    let offsets = [(Partition(0), at(5), String::new())];
    // Not polling for longer than allowed.
    eventually(LIMIT, "a group that has lost its member", || {
        has_no_members(kafka().brokers(), &group).then_some(())
    });
    let error = publisher
        .send_offsets(&source, &offsets, LIMIT)
        .unwrap_err();
    assert_eq!(error.disposition(), Disposition::Abort, "{error}");
    publisher.abort(LIMIT).unwrap();
    let gone = event(&mut source, |event| match event {
        snapback::kafka::SourceEvent::Lost(p) | snapback::kafka::SourceEvent::Revoked(p) => {
            Some(p.clone())
        }
        _ => None,
    });
    source.unassign(&gone).unwrap();
    start(&mut source, at(0));
    publisher.begin().unwrap();
    publisher.send_offsets(&source, &offsets, LIMIT).unwrap();
    publisher.commit(LIMIT).unwrap();
    let committed = admin().committed(&group, &input, &[Partition(0)]).unwrap();
    assert_eq!(committed[&Partition(0)].as_ref().unwrap().offset, at(5));
}

#[test]
fn offsets_are_never_committed_without_membership() {
    let nowhere = connect("127.0.0.1:1", &[]);
    let source = join_as(
        &nowhere,
        "t",
        &unique("group"),
        1,
        None,
        Duration::from_secs(6),
    );
    let mut publisher = publisher(&unique("tx"));
    publisher.begin().unwrap();
    let offsets = [(Partition(0), at(0), String::new())];
    let error = publisher
        .send_offsets(&source, &offsets, LIMIT)
        .unwrap_err();
    assert!(matches!(error, PublishError::NotAMember { .. }), "{error}");
    assert_eq!(error.disposition(), Disposition::Abort);
    publisher.abort(LIMIT).unwrap();
    let error = source.commit(&offsets, LIMIT).unwrap_err();
    assert!(matches!(error, KafkaError::NotAMember { .. }), "{error}");
}

#[test]
fn an_open_transaction_is_told_from_missing_offsets_and_holds_the_stable_end() {
    let (input, output, group) = (topic("open-in", 2), topic("open-out", 1), unique("group"));
    let mut source = join(&input, &group, 2);
    let partitions = start(&mut source, at(0));
    let admin = Admin::connect(&connection(), Duration::from_secs(2)).unwrap();
    assert_eq!(
        admin.committed(&group, &input, &partitions).unwrap()[&Partition(0)],
        None
    );
    let mut publisher = publisher(&unique("tx"));
    publisher.begin().unwrap();
    publisher
        .produce(&output, 0, [payload(b"1"), payload(b"2")], LIMIT)
        .unwrap();
    publisher.flush(LIMIT).unwrap();
    let offsets = [(Partition(0), at(0), "meta".to_owned())];
    publisher.send_offsets(&source, &offsets, LIMIT).unwrap();
    let marks = admin.watermarks(&output, Partition(0)).unwrap();
    assert_eq!(
        (marks.start, marks.stable_end, marks.end),
        (at(0), at(0), at(2))
    );
    let error = admin
        .committed(&group, &input, &[Partition(0)])
        .unwrap_err();
    assert!(
        matches!(error, KafkaError::OpenTransaction { .. }) && error.is_transient(),
        "{error}"
    );
    publisher.commit(LIMIT).unwrap();
    eventually(LIMIT, "the marker", || {
        let marks = admin.watermarks(&output, Partition(0)).unwrap();
        (marks.stable_end == at(3) && marks.end == at(3)).then_some(())
    });
    let committed = admin.committed(&group, &input, &partitions).unwrap();
    assert_eq!(committed[&Partition(0)].as_ref().unwrap().metadata, "meta");
    assert_eq!(committed[&Partition(1)], None);
}

#[test]
fn a_message_that_the_topic_does_not_take_fails_its_transaction_only() {
    let (output, id) = (unique("small"), unique("tx"));
    create_topic_with(
        kafka().brokers(),
        &output,
        1,
        &[("max.message.bytes", "2000")],
    );
    assert_eq!(
        admin()
            .topic_config(&output, "max.message.bytes")
            .unwrap()
            .as_deref(),
        Some("2000")
    );
    let big: Vec<u8> = (0..5000_u32)
        .flat_map(|n| (n.wrapping_mul(2_654_435_761)).to_le_bytes())
        .collect();
    let mut old = publisher(&id);
    old.begin().unwrap();
    old.produce(&output, 0, [payload(&big)], LIMIT).unwrap();
    let error = old.commit(LIMIT).unwrap_err();
    assert!(
        error.is_too_large() && error.to_string().contains(&output),
        "{error}"
    );
    // An abort would do, but for librdkafka's next transaction, which fails with "skipped sequence numbers".
    assert_eq!(error.disposition(), Disposition::Rebuild, "{error}");
    drop(old);
    let mut publisher = publisher(&id);
    publisher.begin().unwrap();
    publisher
        .produce(&output, 0, [payload(b"fits")], LIMIT)
        .unwrap();
    publisher.commit(LIMIT).unwrap();
    visible(&output, 1);
}

#[test]
fn at_least_once_notices_what_was_not_delivered() {
    let connection = connect(
        kafka().brokers(),
        &[("topic.metadata.propagation.max.ms", "500")],
    );
    let config = PublisherConfig::with_queue(QUEUE_BYTES);
    let mut publisher = Publisher::idempotent(&connection, &config).unwrap();
    let output = topic("plain", 1);
    publisher
        .produce(&output, 0, [payload(b""), Record::default()], LIMIT)
        .unwrap();
    publisher.flush(LIMIT).unwrap();
    let found = read_all(kafka().brokers(), &output);
    assert_eq!(found[0].payload.as_deref(), Some(&b""[..]));
    assert_eq!(found[1].payload, None);
    let missing = unique("missing");
    let error = publisher
        .produce(&missing, 0, [payload(b"x")], LIMIT)
        .and_then(|()| publisher.flush(LIMIT))
        .unwrap_err();
    assert_eq!(error.disposition(), Disposition::Fatal, "{error}");
    assert!(error.to_string().contains(&missing), "{error}");
    let error = publisher
        .produce(&output, 7, [payload(b"x")], LIMIT)
        .and_then(|()| publisher.flush(LIMIT))
        .unwrap_err();
    assert_eq!(error.disposition(), Disposition::Fatal, "{error}");
}

#[test]
fn a_full_queue_is_waited_for_and_refused_messages_keep_their_order() {
    let output = topic("full", 1);
    let config = PublisherConfig::with_queue(0);
    let mut publisher = Publisher::idempotent(&connection(), &config).unwrap();
    let numbers: Vec<String> = (0..20_000).map(|n| n.to_string()).collect();
    let records = numbers.iter().map(|n| payload(n.as_bytes()));
    publisher.produce(&output, 0, records, LIMIT).unwrap();
    publisher.flush(LIMIT).unwrap();
    let found = read_all(kafka().brokers(), &output);
    let found: Vec<_> = found
        .into_iter()
        .map(|r| String::from_utf8(r.payload.unwrap()).unwrap())
        .collect();
    assert_eq!(found, numbers);

    let nowhere = connect("127.0.0.1:1", &[]);
    let mut publisher = Publisher::idempotent(&nowhere, &config).unwrap();
    let records = numbers.iter().map(|n| payload(n.as_bytes()));
    let error = publisher
        .produce(&output, 0, records, Duration::from_millis(300))
        .unwrap_err();
    assert!(matches!(error, PublishError::Full { .. }), "{error}");
    assert_eq!(error.disposition(), Disposition::Abort);
    assert!(error.to_string().contains("Connection refused"), "{error}");
}
