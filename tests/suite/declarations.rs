//! Declarations that do not fit the topic, at a pipeline's first start; and proposals of ones that do.

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use serde_json::{Value, json};

use crate::outside::{LIMIT, Pipeline, Place, in_a_shell, printed_commands};
use crate::support::process::Finished;
use crate::support::{committed, read_all, snapback};

const PARTITIONS: i32 = 3;

/// Orders without a field of the default's name, evenly over the partitions.
fn send_orders(pipeline: &Pipeline, orders: std::ops::Range<i64>) {
    for partition in 0..PARTITIONS {
        let of_partition = orders
            .clone()
            .filter(|n| n % i64::from(PARTITIONS) == i64::from(partition));
        pipeline.send(
            partition,
            of_partition.map(|n| {
                format!(
                    "{{\"price\": {}.5, \"order\": {n}, \"note\": null, \"lines\": []}}",
                    n % 10
                )
            }),
        );
    }
}

/// Whether Kafka has a topic, as another client sees it.
fn exists(pipeline: &Pipeline, topic: &str) -> bool {
    let client: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &pipeline.brokers)
        .create()
        .expect("a client");
    let all = client.fetch_metadata(None, LIMIT).expect("metadata");
    all.topics().iter().any(|found| found.name() == topic)
}

fn is_committed(pipeline: &Pipeline) -> bool {
    let committed = committed(&pipeline.brokers, &pipeline.group, &pipeline.events);
    committed.values().any(Option::is_some)
}

fn refused(finished: Finished) -> Finished {
    let finished = finished.expect_code(4);
    let text = "would be rejects: the declaration does not fit the topic";
    assert!(finished.stderr.contains(text), "{}", finished.stderr);
    finished
}

#[test]
fn a_new_pipeline_with_a_wrong_declaration_stops_with_one_that_works() {
    let pipeline = Pipeline::new(PARTITIONS, Place::folder());
    send_orders(&pipeline, 0..200);
    let finished = refused(pipeline.run_to_end().run());
    for part in [
        "200 of 200 sampled events",
        "200 missing-field",
        "\"order\": ",
        "accepts 200 of the 200 (100.0 %)",
    ] {
        assert!(
            finished.stderr.contains(part),
            "{part}: {}",
            finished.stderr
        );
    }
    // Nothing has happened.
    assert!(!exists(&pipeline, &pipeline.results) && !exists(&pipeline, &pipeline.rejects));
    assert!(!is_committed(&pipeline));
    let snapshots = snapback(["snapshots", "-o", "json", "--events", &pipeline.events])
        .args(pipeline.store_args())
        .run()
        .expect_code(2);
    let nothing = "it holds none of any topic";
    assert!(snapshots.stderr.contains(nothing), "{}", snapshots.stderr);

    // What it printed works, as it stands.
    let commands = printed_commands(&finished);
    let [fitting, as_declared] = &commands[..] else {
        panic!("two commands in {commands:?}");
    };
    assert!(as_declared.ends_with("--allow-rejects"), "{as_declared}");
    in_a_shell(fitting).run().expect_code(0);
    let results = read_all(&pipeline.brokers, &pipeline.results);
    assert_eq!(results.len(), 200);
}

#[test]
fn allow_rejects_goes_on_with_a_declaration_that_fits_nothing() {
    let pipeline = Pipeline::new(PARTITIONS, Place::folder());
    send_orders(&pipeline, 0..60);
    pipeline
        .run_to_end()
        .arg("--allow-rejects")
        .run()
        .expect_code(0);
    pipeline.check();
    let line = pipeline.run_to_end().run().expect_code(0);
    assert!(
        line.stdout.contains("published 0 results"),
        "{}",
        line.stdout
    );
}

#[test]
fn a_handful_of_events_and_a_pipeline_that_has_worked_before_are_no_reason_to_stop() {
    let pipeline = Pipeline::new(PARTITIONS, Place::folder());
    send_orders(&pipeline, 0..19);
    pipeline.run_to_end().run().expect_code(0);
    // It has a commit and manifests: what comes now is data, however wrong.
    send_orders(&pipeline, 19..100);
    let finished = pipeline.run_to_end().run().expect_code(0);
    // Without NOT NULL these would be rejects for another reason: that is no advice.
    let line = finished
        .stderr
        .lines()
        .find(|line| line.contains("81 rejects: 81 missing-field"));
    let line = line.unwrap_or_else(|| panic!("no line with the rejects:\n{}", finished.stderr));
    assert!(!line.contains("would accept"), "{line}");
    pipeline.check();
    // Nor does a group that has committed elsewhere begin anew with an empty store.
    let moved = pipeline.with_store(Place::folder());
    let finished = moved.run_to_end().run().expect_code(4);
    assert!(
        !finished.stderr.contains("sampled events"),
        "{}",
        finished.stderr
    );
}

#[test]
fn fields_proposes_a_declaration_that_can_be_pasted() {
    let pipeline = Pipeline::new(PARTITIONS, Place::folder());
    send_orders(&pipeline, 0..50);
    pipeline.send(0, ["nonsense"]);
    let fields = |form: &[&str]| {
        snapback([
            "fields",
            "--brokers",
            &pipeline.brokers,
            "--events",
            &pipeline.events,
        ])
        .args(form)
        .run()
        .expect_code(0)
    };
    let proposed = fields(&[]);
    let declaration = proposed.stdout.trim_end();
    assert_eq!(
        declaration,
        "price DECIMAL(18,2) NOT NULL, order BIGINT NOT NULL"
    );
    for part in ["50 of 51 sampled events", "note, lines"] {
        assert!(proposed.stderr.contains(part), "{}", proposed.stderr);
    }
    let json: Value = serde_json::from_str(&fields(&["-o", "json"]).stdout).expect("JSON");
    let expected = json!({
        "topic": pipeline.events, "fields": declaration, "sampled": 51, "accepted": 50, "left_out": ["note", "lines"],
    });
    assert_eq!(json, expected);
    let run =
        pipeline
            .run_to_end()
            .args(["--fields", declaration, "--calculation", "square(price)"]);
    let finished = run.run().expect_code(0);
    assert!(
        finished
            .stdout
            .contains("published 50 results and 1 rejects"),
        "{}",
        finished.stdout
    );
}

#[test]
fn fields_says_why_it_has_nothing_to_propose() {
    let pipeline = Pipeline::without_events_topic(Place::folder());
    let fields = || {
        snapback([
            "fields",
            "--brokers",
            &pipeline.brokers,
            "--events",
            &pipeline.events,
        ])
        .run()
        .expect_code(2)
    };
    assert!(fields().stderr.contains("does not exist"));
    crate::support::create_topic(&pipeline.brokers, &pipeline.events, 2);
    assert!(fields().stderr.contains("is it empty?"));
    pipeline.send(1, ["[7]", "7"]);
    assert!(fields().stderr.contains("none of the 2 sampled events"));
}
