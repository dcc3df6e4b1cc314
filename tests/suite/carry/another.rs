//! Another `--carry` than before: after a crash, and over a compacted topic.

use serde_json::json;

use super::{CARRY, event, results, verify};
use crate::outside::{LIMIT, Pipeline, Place, wait_until_committed};
use crate::published::{is, rewrite};
use crate::recalculation::RECALCULATE;
use crate::repair::{flip_a_byte, repair};
use crate::support::{Kafka, create_topic_with, eventually, produce, read_all};

/// Of an event with a large key, whose result is a reject only where the key is carried, too.
#[test]
fn what_is_published_when_a_process_dies_is_not_published_again_under_another_carry() {
    for (before, now) in [(&CARRY[..], &[][..]), (&[][..], &CARRY[..])] {
        let pipeline = Pipeline::new(1, Place::folder());
        let limits = [("max.message.bytes", "100000"), ("retention.ms", "-1")];
        create_topic_with(&pipeline.brokers, &pipeline.results, 1, &limits);
        let events = || [event(10), event(99_950), event(0), event(10)];
        produce(&pipeline.brokers, &pipeline.events, events());
        let slow = ["--snapshot-interval", "1h"];
        let running = pipeline.run().args(before).args(slow).spawn();
        wait_until_committed(&pipeline, 4);
        running.kill();
        let published = results(&pipeline);
        let rejected = usize::from(before == CARRY);
        assert_eq!(published.len(), 4 - rejected);
        // Dies once more, before the range is stored, and after it is.
        for point in ["recalculated", "corrections-stored"] {
            let dying = pipeline.run_to_end().args(now);
            let died = dying.env("FAILPOINTS", format!("{point}=return")).run();
            assert_eq!(died.signal, Some(libc::SIGABRT), "{died:?}");
        }
        produce(&pipeline.brokers, &pipeline.events, [event(10)]);
        let run = pipeline.run_to_end().args(now).run().expect_code(0);
        let found = results(&pipeline);
        assert_eq!(found[..published.len()], published);
        let [new] = &found[published.len()..] else {
            panic!("{found:#?}\n{}", run.stderr)
        };
        assert_eq!(new.source.is_some(), now == CARRY);
        let letters = read_all(&pipeline.brokers, &pipeline.rejects);
        assert_eq!(letters.len(), rejected);
        verify(&pipeline);
        let run = pipeline.run_to_end().args(now).run().expect_code(0);
        assert_eq!(results(&pipeline).len(), found.len());
        let kept = "was made by another calculation";
        assert!(!run.stderr.contains(kept), "{}", run.stderr);
        // What decided the sizes then is found again, which no stored file says.
        let file = &pipeline.segments("results", 0)[0];
        flip_a_byte(file);
        pipeline.verify(1);
        let mended = repair(&pipeline, &["--apply"]).args(now).run();
        mended.expect_code(0);
        verify(&pipeline);
    }
}

/// Carried keys that were equal, of which compaction has left one; then nothing is carried any more, and no stored file says that
/// it ever was.
#[test]
fn what_compaction_removed_of_carried_keys_is_no_finding_when_history_carries_none_any_more() {
    let broker = Kafka::start(&[("log.cleaner.backoff.ms", "50")]);
    let mut pipeline = Pipeline::without_events_topic(Place::folder());
    pipeline.brokers = broker.brokers().to_owned();
    create_topic_with(&pipeline.brokers, &pipeline.events, 1, &[]);
    let compacted = [
        ("cleanup.policy", "compact"),
        ("min.cleanable.dirty.ratio", "0.0001"),
        ("segment.ms", "50"),
    ];
    create_topic_with(&pipeline.brokers, &pipeline.results, 1, &compacted);
    let mut sent = 0;
    let left = eventually(LIMIT, "a compacted topic", || {
        produce(&pipeline.brokers, &pipeline.events, [event(3), event(3)]);
        sent += 2;
        pipeline
            .run_to_end()
            .args(["--carry", "key"])
            .run()
            .expect_code(0);
        let left = results(&pipeline).len();
        (left < sent).then_some(left)
    });
    let not_checkable = |pipeline: &Pipeline| {
        let report = pipeline.verify_published(0);
        assert_eq!(report["findings"], json!([]), "{report:#}");
        let count = report["published"]["not_checkable"].as_u64();
        usize::try_from(count.expect("a count")).expect("a small number")
    };
    assert!(not_checkable(&pipeline) >= sent - left);
    pipeline.run_to_end().args(RECALCULATE).run().expect_code(0);
    produce(&pipeline.brokers, &pipeline.events, [event(3)]);
    pipeline.run_to_end().run().expect_code(0);
    assert!(not_checkable(&pipeline) >= sent - left);
    // It is nothing that is published again.
    let manifest = || {
        let newest = pipeline.manifests(0).pop().expect("a manifest");
        std::fs::read_to_string(newest).expect("a manifest")
    };
    let before = results(&pipeline).len();
    repair(&pipeline, &["--apply"]).run().expect_code(0);
    pipeline.run_to_end().run().expect_code(0);
    assert!(!manifest().contains(r#""revision""#), "{}", manifest());
    let after = results(&pipeline);
    assert!(after.len() <= before);
    assert!(after.iter().all(|one| !one.revision), "{after:#?}");

    // What came after the last carried key must be there.
    produce(&pipeline.brokers, &pipeline.events, [event(3)]);
    pipeline.run_to_end().run().expect_code(0);
    let last = i64::try_from(sent + 1).expect("a small number");
    rewrite(&pipeline, &pipeline.results, (1, &compacted), |records| {
        let all = records.len();
        records.retain(|record| !is(record, &pipeline, 0, last));
        assert_eq!(records.len(), all - 1);
    });
    let report = pipeline.verify_published(1);
    let findings = report["findings"].as_array().expect("a list");
    let [finding] = &findings[..] else {
        panic!("{report:#}")
    };
    assert_eq!(
        (&finding["kind"], &finding["start"]),
        (&json!("unpublished"), &json!(last))
    );
}
