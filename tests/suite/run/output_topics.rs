//! The topics that results and rejects go to.

use super::*;

#[test]
fn missing_output_topics_are_created_with_the_partitions_of_the_input() {
    let pipeline = Pipeline::new(3, Place::folder());
    pipeline.send_numbers(2, [7]);
    pipeline.run_to_end().run().expect_code(0);
    for topic in [&pipeline.results, &pipeline.rejects] {
        let partitions = committed(&pipeline.brokers, &pipeline.group, topic);
        assert_eq!(partitions.len(), 3, "{topic}");
    }
    pipeline.check();
}

#[test]
fn output_topics_are_not_created_when_that_is_switched_off() {
    let pipeline = Pipeline::new(3, Place::folder());
    pipeline.send_numbers(0, [7]);
    let run = || pipeline.run_to_end().arg("--create-topics=false").run();
    let refused = run().expect_code(2);
    assert!(
        refused.stderr.contains(&pipeline.results),
        "{}",
        refused.stderr
    );
    assert!(
        refused.stderr.contains("--create-topics"),
        "{}",
        refused.stderr
    );

    create_topic(&pipeline.brokers, &pipeline.results, 3);
    let refused = run().expect_code(2);
    assert!(
        refused.stderr.contains(&pipeline.rejects),
        "{}",
        refused.stderr
    );
    assert!(
        refused.stderr.contains("3 partitions"),
        "{}",
        refused.stderr
    );

    create_topic(&pipeline.brokers, &pipeline.rejects, 3);
    run().expect_code(0);
    pipeline.check();
}

#[test]
fn results_keep_their_place_in_a_results_topic_with_fewer_partitions() {
    let pipeline = Pipeline::new(3, Place::folder());
    create_topic(&pipeline.brokers, &pipeline.results, 2);
    for partition in 0..3 {
        pipeline.send_numbers(partition, [7, 8]);
    }
    pipeline.run_to_end().run().expect_code(0);
    let published: BTreeSet<(i32, Vec<u8>)> = read_all(&pipeline.brokers, &pipeline.results)
        .into_iter()
        .map(|record| (record.partition, record.key.expect("a key")))
        .collect();
    let expected = (0..3).flat_map(|partition| {
        let key = |offset| format!("{}/{partition}/{offset}", pipeline.events).into_bytes();
        [0, 1].map(|offset| (partition % 2, key(offset)))
    });
    assert_eq!(published, expected.collect());
    pipeline.check_stored(&pipeline.expected(), Offsets::default());
}

#[test]
fn settings_of_the_output_topics_that_bear_on_what_is_written_are_said_at_the_start() {
    let pipeline = Pipeline::new(1, Place::folder());
    pipeline.send_numbers(0, [7]);
    create_topic_with(
        &pipeline.brokers,
        &pipeline.results,
        1,
        &[
            ("cleanup.policy", "compact"),
            ("max.message.bytes", "1000"),
            ("message.timestamp.before.max.ms", "60000"),
        ],
    );
    create_topic_with(
        &pipeline.brokers,
        &pipeline.rejects,
        1,
        &[
            ("max.message.bytes", "2000"),
            ("message.timestamp.type", "LogAppendTime"),
        ],
    );
    let log = pipeline.run_to_end().run().expect_code(0).stderr;
    for (topic, said) in [
        (&pipeline.results, "cleanup.policy=compact"),
        (&pipeline.results, "at most 1000 bytes"),
        (&pipeline.results, "message.timestamp.before.max.ms"),
        (&pipeline.rejects, "at most 2000 bytes"),
        (&pipeline.rejects, "LogAppendTime"),
    ] {
        let says = |line: &&str| line.contains(topic.as_str()) && line.contains(said);
        assert_eq!(log.lines().filter(says).count(), 1, "{said}: {log}");
    }
    pipeline.check();
}
