//! What a partition delivers: in order, once, complete, and nothing silently skipped.

use std::{ops::ControlFlow, time::Duration};

use snapback::{
    kafka::{KafkaError, Reader, Record, SourceEvent},
    model::{OffsetRange, Partition},
};

use super::{LIMIT, at, connection, fill, join, publisher, read_to, start, topic};
use crate::support::{delete_records, eventually, kafka, unique};

const ZERO: Partition = Partition(0);

/// 0, 1, 2 committed (marker 3), 4, 5 aborted (marker 6), 7, 8 committed (marker 9), 10 aborted (marker 11).
fn with_holes() -> String {
    let topic = topic("holes", 1);
    let mut publisher = publisher(&unique("tx"));
    for (count, commit) in [(3, true), (2, false), (2, true), (1, false)] {
        publisher.begin().unwrap();
        let records = (0..count).map(|_| Record {
            key: None,
            payload: Some(b"x"),
        });
        publisher.produce(&topic, 0, records, LIMIT).unwrap();
        publisher.flush(LIMIT).unwrap();
        if commit {
            publisher.commit(LIMIT)
        } else {
            publisher.abort(LIMIT)
        }
        .unwrap();
    }
    topic
}

#[test]
fn the_position_passes_markers_and_aborted_messages_at_the_end() {
    let topic = with_holes();
    let mut source = join(&topic, &unique("group"), 1);
    start(&mut source, at(0));
    assert_eq!(read_to(&mut source, 0, 12), [0, 1, 2, 7, 8]);
    source.seek(ZERO, at(2)).unwrap();
    assert_eq!(source.position(ZERO), Some(at(2)));
    assert_eq!(read_to(&mut source, 0, 12), [2, 7, 8]);
}

#[test]
fn what_is_in_hand_is_not_passed() {
    let topic = with_holes();
    let mut source = join(&topic, &unique("group"), 1);
    start(&mut source, at(0));
    let batch = eventually(LIMIT, "a batch", || {
        source.poll(Duration::from_millis(20));
        source.fetch(ZERO, 2).unwrap()
    });
    assert_eq!(source.position(ZERO), None);
    drop(batch);
    assert!(source.position(ZERO) >= Some(at(2)));
}

#[test]
fn a_reader_delivers_exactly_its_range() {
    let topic = with_holes();
    let reader = Reader::open(&connection(), &topic).unwrap();
    let read = |start, end| {
        let (mut found, range) = (Vec::new(), OffsetRange::new(at(start), at(end)).unwrap());
        reader
            .read(ZERO, range, Duration::from_secs(2), |batch| {
                found.extend(batch.iter().map(|event| event.offset.get()));
                ControlFlow::Continue(())
            })
            .map(|()| found)
    };
    assert_eq!(read(0, 12).unwrap(), [0, 1, 2, 7, 8]);
    assert_eq!(read(1, 8).unwrap(), [1, 2, 7]);
    assert_eq!(read(9, 12).unwrap(), [0_i64; 0]);
    assert_eq!(read(5, 5).unwrap(), [0_i64; 0]);
    let error = read(8, 13).unwrap_err();
    assert!(
        matches!(&error, KafkaError::Idle { position, .. } if *position == at(12)),
        "{error}"
    );
    let error = read(50, 60).unwrap_err();
    assert!(
        matches!(&error, KafkaError::OutOfRange { offset, .. } if *offset == at(50)),
        "{error}"
    );
}

#[test]
fn the_time_that_the_caller_of_a_reader_takes_is_no_silence_of_the_log() {
    let topic = topic("slow", 1);
    fill(&topic, 1, 0..25_000);
    let reader = Reader::open(&connection(), &topic).unwrap();
    let range = OffsetRange::new(at(0), at(25_000)).unwrap();
    let idle = Duration::from_secs(1);
    let mut found = 0;
    let read = reader.read(ZERO, range, idle, |batch| {
        if found == 0 {
            std::thread::sleep(idle * 2);
        }
        found += batch.len();
        ControlFlow::Continue(())
    });
    read.unwrap();
    assert_eq!(found, 25_000);
}

#[test]
fn a_partition_whose_next_events_are_gone_says_so_and_restarts_alone() {
    let (topic, group) = (topic("expired", 2), unique("group"));
    fill(&topic, 2, 0..100);
    delete_records(kafka().brokers(), &topic, 0, 50);
    let mut source = join(&topic, &group, 2);
    let partitions = start(&mut source, at(10));
    let wanted = loop {
        source.fetch(ZERO, 100).unwrap();
        let events = source.poll(Duration::from_millis(20));
        if let Some(SourceEvent::OutOfRange { partition, offset }) = events.first() {
            break (*partition, *offset);
        }
    };
    assert_eq!(wanted, (ZERO, at(10)));
    assert_eq!(source.position(ZERO), None);
    assert!(source.fetch(ZERO, 100).unwrap().is_none());
    assert!(source.seek(ZERO, at(50)).is_err());
    source.restart(ZERO, at(50)).unwrap();
    assert_eq!(read_to(&mut source, 0, 100), (50..100).collect::<Vec<_>>());
    assert_eq!(read_to(&mut source, 1, 100), (10..100).collect::<Vec<_>>());
    for _ in 0..10 {
        let events = source.poll(Duration::from_millis(100));
        assert!(events.is_empty(), "{events:?}");
    }
    assert!(source.is_member());
    assert_eq!(source.assigned(), partitions);
    let offsets = [(ZERO, at(100), "after".to_owned())];
    source.commit(&offsets, LIMIT).unwrap();
}

#[test]
fn pausing_and_seeking_lose_and_repeat_nothing() {
    let (topic, group) = (topic("pause", 1), unique("group"));
    fill(&topic, 1, 0..5000);
    let mut source = join(&topic, &group, 1);
    start(&mut source, at(0));
    let (mut found, mut rounds) = (Vec::new(), 0);
    while source.position(ZERO) != Some(at(5000)) {
        source.poll(Duration::from_millis(20));
        if let Some(batch) = source.fetch(ZERO, 70).unwrap() {
            found.extend(batch.iter().map(|event| event.offset.get()));
            rounds += 1;
            if rounds % 7 == 3 {
                source.pause(&[ZERO]).unwrap();
                assert!(source.fetch(ZERO, 70).unwrap().is_none());
                source.resume(&[ZERO]).unwrap();
            }
        }
    }
    assert_eq!(found, (0..5000).collect::<Vec<_>>());
    source.pause(&[ZERO]).unwrap();
    source.seek(ZERO, at(4990)).unwrap();
    source.poll(Duration::from_millis(300));
    assert!(source.fetch(ZERO, 70).unwrap().is_none());
    source.resume(&[ZERO]).unwrap();
    assert_eq!(
        read_to(&mut source, 0, 5000),
        (4990..5000).collect::<Vec<_>>()
    );
}

#[test]
fn keys_payloads_headers_and_times_come_as_they_were_sent() {
    let topic = topic("bytes", 1);
    let mut publisher = publisher(&unique("tx"));
    publisher.begin().unwrap();
    let record = |key, payload| Record { key, payload };
    let records = [
        record(None, None),
        record(Some(&b""[..]), Some(&b""[..])),
        record(Some(b"k"), Some(b"\xff\x00")),
    ];
    publisher.produce(&topic, 0, records, LIMIT).unwrap();
    let headers: [(&str, Option<&[u8]>); 2] = [("a", Some(b"1")), ("a", Some(b""))];
    publisher
        .produce_with_headers(&topic, 0, record(Some(b"k"), None), &headers, None, LIMIT)
        .unwrap();
    publisher.commit(LIMIT).unwrap();
    let mut source = join(&topic, &unique("group"), 1);
    start(&mut source, at(0));
    let mut found = Vec::new();
    while source.position(ZERO) != Some(at(5)) {
        source.poll(Duration::from_millis(50));
        if let Some(batch) = source.fetch(ZERO, 10).unwrap() {
            for (index, event) in batch.iter().enumerate() {
                assert!(event.timestamp.unwrap() > 1_700_000_000_000);
                let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
                found.push((
                    owned(event.key),
                    owned(event.payload),
                    batch.headers(index).expect("few headers").len(),
                ));
                if index == 3 {
                    let expected = [
                        ("a".to_owned(), Some(b"1".to_vec())),
                        ("a".to_owned(), Some(vec![])),
                    ];
                    assert_eq!(batch.headers(index).as_deref(), Some(&expected[..]));
                }
            }
        }
    }
    let bytes = |text: &[u8]| Some(text.to_vec());
    let expected = [
        (None, None, 0),
        (bytes(b""), bytes(b""), 0),
        (bytes(b"k"), bytes(b"\xff\x00"), 0),
        (bytes(b"k"), None, 2),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_batch_outlives_its_source() {
    let topic = topic("outlive", 1);
    fill(&topic, 1, 0..10);
    let mut source = join(&topic, &unique("group"), 1);
    start(&mut source, at(0));
    let batch = loop {
        source.poll(Duration::from_millis(50));
        if let Some(batch) = source.fetch(ZERO, 5).unwrap() {
            break batch;
        }
    };
    source.leave();
    assert_eq!(batch.iter().next().unwrap().payload, Some(&b"0"[..]));
}
