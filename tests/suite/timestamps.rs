//! Timestamps that no reader can show, such as those of a producer that counts in nanoseconds.

use serde_json::Value;

use crate::outside::{Pipeline, Place};
use crate::recalculation::RECALCULATE;
use crate::support::{create_topic_with, python, read_all};

const SCRIPT: &str = include_str!("python/timestamps.py");
/// As the script has them; results and rejects take turns.
const TIMESTAMPS: [i64; 5] = [
    253_402_300_799_999,
    253_402_300_800_000,
    1_764_201_600_000_000_000,
    1_764_201_600_000,
    0,
];

/// What DuckDB and pyarrow say: the timestamp where it can be shown, else the raw one.
fn check_columns(pipeline: &Pipeline) {
    let root = pipeline.store.path().join(&pipeline.events);
    let printed = python().run(SCRIPT, &["read", root.to_str().expect("text")]);
    let mut expected = String::new();
    for (first, kind) in ["results", "rejects"].into_iter().enumerate() {
        for (index, timestamp) in TIMESTAMPS.into_iter().enumerate() {
            let offset = 2 * index + first;
            // librdkafka takes 0 for the present.
            let columns = match timestamp {
                0 => continue,
                253_402_300_799_999 | 1_764_201_600_000 => format!("{timestamp} None"),
                raw => format!("None {raw}"),
            };
            expected.push_str(&format!("{kind} {offset} {columns}\n"));
        }
    }
    let is_now = |line: &&str| line.split(' ').nth(1).is_some_and(|offset| offset < "8");
    let lines: Vec<&str> = printed.lines().filter(is_now).collect();
    assert_eq!(lines, expected.lines().collect::<Vec<_>>());
}

#[test]
fn every_reader_can_show_every_timestamp_and_the_original_is_kept() {
    let pipeline = Pipeline::without_events_topic(Place::folder());
    let far = ("message.timestamp.after.max.ms", "9223372036854775807");
    create_topic_with(&pipeline.brokers, &pipeline.events, 1, &[far]);
    python().run(SCRIPT, &["produce", &pipeline.brokers, &pipeline.events]);
    pipeline.run_to_end().run().expect_code(0);
    check_columns(&pipeline);
    assert_eq!(pipeline.verify(0)["raw_timestamps"], 4);
    let original = |pipeline: &Pipeline| {
        let letters = read_all(&pipeline.brokers, &pipeline.rejects);
        let of = |name: &str, record: &crate::support::Record| {
            let mut headers = record.headers.iter();
            let value = headers.find(|(found, _)| found == name);
            let value = value.and_then(|(_, value)| value.clone()).expect("a value");
            String::from_utf8(value).expect("text")
        };
        letters
            .iter()
            .map(|letter| {
                (
                    of("snapback-offset", letter),
                    of("snapback-timestamp", letter),
                )
            })
            .filter(|(offset, _)| offset != "9")
            .collect::<Vec<_>>()
    };
    let expected = |offsets: [usize; 4]| {
        let pair = |offset: usize| (offset.to_string(), TIMESTAMPS[offset / 2].to_string());
        offsets.map(pair)
    };
    assert_eq!(original(&pipeline), expected([1, 3, 5, 7]));

    // Every file is written anew.
    let fields = ["--fields", "number BIGINT"];
    let again = pipeline.run_to_end().args(fields).args(RECALCULATE);
    let summary: Value =
        serde_json::from_str(&again.args(["-o", "json"]).run().expect_code(0).stdout)
            .expect("a summary");
    assert_eq!(summary["recalculated"], 10);
    check_columns(&pipeline);
    assert_eq!(pipeline.verify_with(&fields, 0)["raw_timestamps"], 4);
    let published = pipeline.verify_published(0);
    assert_eq!(published["clean"], true);
}
