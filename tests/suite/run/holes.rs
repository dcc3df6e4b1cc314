//! Offsets without an event: markers, aborted transactions, compaction.

use super::*;

/// A producer with transactions of its own.
pub fn transactional(brokers: &str) -> ThreadedProducer<DefaultProducerContext> {
    let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("transactional.id", unique("producer"))
        .create()
        .expect("a producer");
    producer.init_transactions(LIMIT).expect("transactions");
    producer
}

#[test]
fn offsets_of_markers_and_aborted_events_are_counted_as_absent() {
    let pipeline = Pipeline::new(1, Place::folder());
    let producer = transactional(&pipeline.brokers);
    let send = |number| {
        let payload = outside::event(number);
        let record = BaseRecord::<[u8], [u8]>::to(&pipeline.events).payload(&payload);
        producer
            .send(record)
            .map_err(|(error, _)| error)
            .expect("a place in the queue");
    };
    for number in 0..5 {
        producer.begin_transaction().expect("a transaction");
        send(number);
        producer.flush(LIMIT).expect("a flush");
        if number % 2 == 0 {
            producer.commit_transaction(LIMIT).expect("a commit");
        } else {
            producer.abort_transaction(LIMIT).expect("an abort");
        }
    }
    // An open transaction before the end, which is not reached.
    producer.begin_transaction().expect("a transaction");
    send(5);
    producer.flush(LIMIT).expect("a flush");

    let soon = ["-X", "transaction.timeout.ms=1000"];
    pipeline.run_to_end().args(soon).run().expect_code(3);
    let expected = pipeline.expected();
    assert_eq!(
        expected
            .results
            .keys()
            .map(|(_, offset)| *offset)
            .collect::<Vec<_>>(),
        [0, 4, 8]
    );
    // Two aborted events and five markers.
    pipeline.check_against(&expected, Offsets { absent: 7, lost: 0 });

    producer.commit_transaction(LIMIT).expect("a commit");
    pipeline.run_to_end().run().expect_code(0);
    pipeline.check_against(&pipeline.expected(), Offsets { absent: 8, lost: 0 });
}

#[test]
fn a_compacted_topic_is_read_with_its_holes() {
    // A broker that compacts at once, and not every 15 seconds.
    let broker = Kafka::start(&[("log.cleaner.backoff.ms", "50")]);
    let mut pipeline = Pipeline::without_events_topic(Place::folder());
    pipeline.brokers = broker.brokers().to_owned();
    let settings = [
        ("cleanup.policy", "compact"),
        ("min.cleanable.dirty.ratio", "0.0001"),
        ("segment.ms", "50"),
    ];
    create_topic_with(&pipeline.brokers, &pipeline.events, 1, &settings);
    let mut number = 0;
    eventually(LIMIT, "a compacted topic", || {
        // Only what lies before the newest file of the log is compacted, and a new event begins a new one.
        let keyed = (0..5).map(|key| {
            number += 1;
            (
                Some(0),
                Some(format!("key {key}").into_bytes()),
                Some(outside::event(number)),
            )
        });
        produce(&pipeline.brokers, &pipeline.events, keyed);
        (number_of_events(&pipeline) < number).then_some(())
    });
    pipeline.run_to_end().run().expect_code(0);
    let expected = pipeline.expected();
    // Events that went away meanwhile may be among the results.
    let report = pipeline.verify(0);
    let (results, absent) = (count(&report["results"]), count(&report["absent"]));
    assert_eq!(
        results + absent,
        u64::try_from(number).expect("a small number"),
        "{report:#}"
    );
    assert!(
        absent > 0 && results >= expected.results.len() as u64,
        "{report:#}"
    );
    let published = read_all(&pipeline.brokers, &pipeline.results);
    assert_eq!(published.len() as u64, results, "{report:#}");
}
