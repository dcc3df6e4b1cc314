//! The whole text of every refusal.

use super::*;
use crate::kafka::{Fault, FaultKind};

fn invocation() -> Invocation {
    Invocation::new("run")
        .with("--brokers", "kafka-1:9092,kafka-2:9092")
        .with("--fields", "number BIGINT NOT NULL")
}

fn explained(facts: &Facts, policy: &Policy) -> String {
    refusal(plan(facts, policy)).explain(&invocation())
}

fn unreadable(start: u64, kind: FaultKind, text: &str) -> Facts {
    Facts {
        unreadable: Some(UnreadableEvents {
            range: range(start, start + 100),
            fault: Fault {
                kind,
                text: text.into(),
                batch: Some(at(start)),
                until: None,
            },
        }),
        ..facts()
    }
}

macro_rules! texts {
    ($($name:ident: $facts:expr, $policy:expr;)*) => {
        $(
            #[test]
            fn $name() {
                insta::assert_snapshot!(stringify!($name), explained(&$facts, &$policy));
            }
        )*
    };
}

fn damage() -> Vec<Damage> {
    vec![Damage {
        path: "./snapshots/events/_manifests/partition=3/00000000000000000013.json".into(),
        detail: "its digest does not match".into(),
    }]
}

texts! {
    another_groups_store: with_chain(|c| c.pipeline.group = "billing".into()), Policy::default();
    another_results_topic: with_chain(|c| c.pipeline.results_topic = "squares".into()), Policy::default();
    another_cluster: with_chain(|c| c.pipeline.cluster_id = Some("zzz".into())), Policy::default();
    a_recreated_topic: with_chain(|c| c.pipeline.events_topic_id = Some("zzz".into())), Policy::default();
    a_resized_results_topic: with_chain(|c| c.pipeline.results_partitions = 4), Policy::default();
    a_newer_commit: Facts {
        committed: Some(Committed {
            offset: at(1000),
            authored: Authored::Newer { version: 2, by: Some("snapback 0.9.0 host-0/0".into()) },
        }),
        ..facts()
    }, Policy::default();
    a_newer_manifest: Facts {
        chain: ChainFacts::Newer { sequence: Sequence(13), version: 2, writer: None },
        ..facts()
    }, Policy::default();
    no_readable_manifest: Facts { chain: ChainFacts::Unreadable { damage: damage() }, ..facts() }, Policy::default();
    a_stray_number: Facts {
        chain: ChainFacts::StrayNumber {
            path: "./snapshots/events/_manifests/partition=3/09223372036854775807.json".to_owned(),
            below: Sequence(12),
        },
        ..facts()
    }, Policy::default();
    an_empty_store: Facts { chain: ChainFacts::Absent, ..facts() }, Policy::default();
    an_older_store: Facts {
        committed: ours(1500, 1480),
        ..with_chain(|c| c.head_known = false)
    }, Policy::default();
    another_store_that_is_ahead: Facts {
        committed: ours(700, 690),
        ..with_chain(|c| c.head_known = false)
    }, Policy::default();
    a_truncated_log: Facts {
        log: LogFacts { start: at(0), stable_end: at(800), end: at(800), since: None },
        ..facts()
    }, Policy::default();
    expired_unread: Facts { log: log_from(1200), ..facts() }, Policy::default();
    expired_partly_published: Facts { log: log_from(1200), committed: ours(1100, 1085), ..facts() }, Policy::default();
    expired_and_another_range_accepted: Facts { log: log_from(1200), ..facts() }, accepting(&[range(1000, 1100)]);
    expired_before_replay: Facts { log: log_from(1200), committed: ours(1500, 1480), ..facts() }, Policy::default();
    expired_behind_a_damaged_manifest: Facts {
        log: log_from(1200),
        committed: ours(1500, 1480),
        ..with_chain(|c| c.damage = damage())
    }, Policy::default();
    expired_behind_the_old_script: Facts {
        chain: ChainFacts::Absent,
        committed: stranger(1000),
        log: log_from(1300),
        ..facts()
    }, Policy::default();
    a_replay_that_gives_less: Facts {
        committed: ours(1500, 1480),
        replayed: Some(Replayed::Counted(480)),
        ..facts()
    }, Policy::default();
    damaged_events: unreadable(1000, FaultKind::Damaged, "MessageSet at offset 1000 failed CRC32C check"), Policy::default();
    damaged_events_in_a_replay: Facts {
        committed: ours(1500, 1480),
        ..unreadable(1200, FaultKind::Damaged, "MessageSet at offset 1200 failed CRC32C check")
    }, accepting(&[range(1200, 1300)]);
    events_in_too_large_a_batch: unreadable(1000, FaultKind::TooLarge, "Decompression (codec 0x4) failed"), Policy::default();
    events_that_cannot_be_unpacked: unreadable(1000, FaultKind::Malformed, "Decompression (codec 0x3) failed"), Policy::default();
    events_of_an_unknown_format: unreadable(1000, FaultKind::Unsupported, "Unsupported MagicByte 9"), Policy::default();
    events_that_the_broker_cannot_read: unreadable(1000, FaultKind::Broker, "Broker: Invalid message"), Policy::default();
    committed_by_somebody_else: Facts { committed: stranger(1500), ..facts() }, Policy::default();
    committed_by_somebody_else_and_expired: Facts {
        committed: stranger(1500),
        log: log_from(1200),
        ..facts()
    }, Policy::default();
    a_group_reset: Facts { committed: stranger(400), ..facts() }, Policy::default();
    a_group_without_offsets: Facts { committed: None, ..facts() }, Policy::default();
}

#[test]
fn several_partitions_get_one_command() {
    let refused = |partition| {
        let facts = Facts {
            partition: Partition(partition),
            log: log_from(1200),
            ..facts()
        };
        refusal(plan(&facts, &Policy::default()))
    };
    let text = report(&[refused(3), refused(5)], &invocation());
    insta::assert_snapshot!("several_partitions", text);
}

#[test]
fn one_cause_is_explained_once_with_its_partitions() {
    let refused = |partition| {
        let facts = Facts {
            partition: Partition(partition),
            committed: stranger(400),
            ..facts()
        };
        refusal(plan(&facts, &Policy::default()))
    };
    let refusals: Vec<Refusal> = (0..8).map(refused).collect();
    insta::assert_snapshot!("one_cause", report(&refusals, &invocation()));
}

#[test]
fn no_line_but_a_command_or_a_path_is_longer_than_a_terminal() {
    let text = explained(
        &Facts {
            committed: stranger(1500),
            ..facts()
        },
        &Policy::default(),
    );
    assert!(
        text.lines()
            .all(|line| line.starts_with("  ") || line.len() <= 100),
        "{text}"
    );
}
