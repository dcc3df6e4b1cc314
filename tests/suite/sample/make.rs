//! Makes the sample anew, from the same events: `SNAPBACK_UPDATE_SAMPLE=1 cargo test --test suite sample::make`. Afterwards
//! docs/format.md shows other digests.

use std::{fs, time::Duration};

use rdkafka::producer::{BaseRecord, Producer as _};

use super::{root, sample};
use crate::{
    outside::{Pipeline, Place, event, scattered},
    run::holes::transactional,
    support::{create_topic, produce},
};

const LIMIT: Duration = Duration::from_secs(20);

type Events = Vec<(Option<Vec<u8>>, Option<Vec<u8>>)>;

/// What is no event, and where: two of each kind that people meet.
fn malformed(partition: i32, offset: usize) -> Option<Option<&'static str>> {
    Some(match (partition, offset) {
        (0, 14) => Some(r#"{"number": "7"}"#),
        (0, 39) => Some("not json"),
        (0, 64) => Some(r#"{"number": 9223372036854775808}"#),
        (0, 89) => Some("[7]"),
        (1, 1) => Some(r#"{"number": 1.5}"#),
        (1, 26) => Some(r#"{"num": 3}"#),
        (1, 51) => None,
        (1, 76) => Some(r#"{"number": true}"#),
        _ => return None,
    })
}

/// The events of a partition: some of the largest numbers among others; those of partition 1 have keys.
fn events(partition: i32) -> Events {
    let numbers = scattered(103).map(|number| number.wrapping_mul(7_919) % 1_000_000);
    let event = |(offset, number): (usize, i64)| {
        let key = (partition == 1).then(|| format!("sensor-{}", offset % 3).into_bytes());
        let number = match offset % 10 {
            0 => i64::MAX - 2 * i64::try_from(offset).expect("small"),
            _ => number,
        };
        let payload = match malformed(partition, offset) {
            Some(payload) => payload.map(|payload| payload.as_bytes().to_vec()),
            None => Some(event(number)),
        };
        (key, payload)
    };
    numbers.enumerate().map(event).collect()
}

/// Three snapshots of two partitions; the last events come in a transaction, whose marker has an offset of its own.
#[test]
fn the_sample_is_made_anew_when_somebody_asks_for_it() {
    if std::env::var_os("SNAPBACK_UPDATE_SAMPLE").is_none_or(|value| value != "1") {
        return;
    }
    let made = Place::folder();
    let pipeline = Pipeline {
        events: "sample".to_owned(),
        results: "sample-results".to_owned(),
        rejects: "sample.dlq".to_owned(),
        group: "sample".to_owned(),
        ..Pipeline::without_events_topic(made)
    };
    create_topic(&pipeline.brokers, &pipeline.events, 2);
    let run = || {
        let run = pipeline
            .run_to_end()
            .args(["--instance", "sample", "--scrub", "off"]);
        run.run().expect_code(0);
    };
    for (start, end) in [(0, 65), (65, 100)] {
        for partition in [0, 1] {
            let part = events(partition)[start..end].to_vec();
            let part = part
                .into_iter()
                .map(|(key, payload)| (Some(partition), key, payload));
            produce(&pipeline.brokers, &pipeline.events, part);
        }
        run();
    }
    let producer = transactional(&pipeline.brokers);
    producer.begin_transaction().expect("a transaction");
    for partition in [0, 1] {
        for (key, payload) in &events(partition)[100..103] {
            let mut record = BaseRecord::<[u8], [u8]>::to(&pipeline.events).partition(partition);
            record.key = key.as_deref();
            record.payload = payload.as_deref();
            let sent = producer.send(record).map_err(|(error, _)| error);
            sent.expect("a place in the queue");
        }
    }
    producer.commit_transaction(LIMIT).expect("a commit");
    run();
    fs::remove_dir_all(sample()).expect("the old sample");
    let made = pipeline.store.path().join("sample");
    for file in super::files_below(&made) {
        let name = file.strip_prefix(&made).expect("below");
        let target = root().join("snapshots/sample").join(name);
        fs::create_dir_all(target.parent().expect("a folder")).expect("a writable folder");
        fs::copy(&file, target).expect("a readable file");
    }
}
