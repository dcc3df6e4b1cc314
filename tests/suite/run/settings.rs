//! Where settings come from, and what applies without any.

use super::*;

#[test]
fn the_environment_and_the_file_configure_it_and_flags_win() {
    let pipeline = Pipeline::new(1, Place::folder());
    pipeline.send_numbers(0, [7]);
    let file = format!(
        "events = {:?}\ngroup = \"from the file\"\n",
        pipeline.events
    );
    snapback([
        "run",
        "--exit-at-end",
        "--group",
        &pipeline.group,
        "--config",
        "own.toml",
    ])
    .file("own.toml", file)
    .env("SNAPBACK_BROKERS", &pipeline.brokers)
    .env("SNAPBACK_RESULTS", &pipeline.results)
    .env("SNAPBACK_STORE", pipeline.store.url())
    .env("SNAPBACK_GROUP", "from-the-environment")
    .limit(LIMIT)
    .run()
    .expect_code(0);
    pipeline.check();
    let committed = committed(&pipeline.brokers, &pipeline.group, &pipeline.events);
    assert_eq!(committed[&0].as_ref().map(|(offset, _)| *offset), Some(1));
}

#[test]
fn produced_events_are_processed_with_every_default_name() {
    // No other test uses the default names on the shared broker.
    let brokers = kafka().brokers();
    let folder = tempfile::tempdir().expect("a folder");
    let at = |args: &[&str]| {
        snapback(args)
            .env("SNAPBACK_BROKERS", brokers)
            .current_dir(&folder)
            .limit(LIMIT)
    };
    at(&["produce", "--count", "1000", "--partitions", "2"])
        .run()
        .expect_code(0);
    at(&["run", "--exit-at-end"]).run().expect_code(0);
    let report = at(&["verify", "-o", "json"]).run().expect_code(0).stdout;
    let report: serde_json::Value = serde_json::from_str(&report).expect("JSON");
    assert_eq!(
        (&report["clean"], &report["offsets"]),
        (&json!(true), &json!(1000)),
        "{report:#}"
    );
    assert_eq!(report["partitions"], 2);
    assert!(folder.path().join("snapshots/events/results").is_dir());
    let keys: BTreeMap<_, _> = read_all(brokers, "results")
        .into_iter()
        .map(|record| (record.key, record.payload))
        .collect();
    assert_eq!(keys.len() as u64, count(&report["results"]));
}
