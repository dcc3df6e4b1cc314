//! Partitions that a topic is given after its pipeline has begun.

use std::collections::BTreeSet;

use crate::outside::{Pipeline, Place};
use crate::support::{add_partitions, read_all};

/// The numbers among the results.
fn results(pipeline: &Pipeline) -> BTreeSet<i64> {
    let number = |payload: &[u8]| {
        let value: serde_json::Value = serde_json::from_slice(payload).expect("a result");
        value["number"].as_i64().expect("a number")
    };
    let all = read_all(&pipeline.brokers, &pipeline.results);
    all.iter()
        .filter_map(|record| record.payload.as_deref())
        .map(number)
        .collect()
}

#[test]
fn start_says_where_a_topic_begins_and_a_later_partition_begins_at_its_beginning() {
    let pipeline = Pipeline::new(2, Place::folder());
    pipeline.send_numbers(0, 0..10);
    let latest = || pipeline.run_to_end().args(["--start", "latest"]);
    latest().run().expect_code(0);
    assert!(results(&pipeline).is_empty());
    // All of them are new, however much is in them before they are seen.
    add_partitions(&pipeline.brokers, &pipeline.events, 4);
    pipeline.send_numbers(0, 10..20);
    pipeline.send_numbers(2, 20..30);
    pipeline.send_numbers(3, 30..40);
    latest().run().expect_code(0);
    assert_eq!(results(&pipeline), (10..40).collect());
    // And those after them.
    add_partitions(&pipeline.brokers, &pipeline.events, 5);
    pipeline.send_numbers(4, 40..50);
    latest().run().expect_code(0);
    assert_eq!(results(&pipeline), (10..50).collect());
    pipeline.verify(0);
}
