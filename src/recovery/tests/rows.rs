//! The rows up to a partition's start: whose store it is, what the log holds, and where something new begins.

use super::*;

type Change = fn(&mut Pipeline);

#[test]
fn another_pipelines_store_is_refused_whatever_the_flags_say() {
    let table: [(IdentityPart, Change); 6] = [
        (IdentityPart::Cluster, |theirs| {
            theirs.cluster_id = Some("other".into())
        }),
        (IdentityPart::Group, |theirs| theirs.group = "other".into()),
        (IdentityPart::EventsTopic, |theirs| {
            theirs.events_topic = "other".into()
        }),
        (IdentityPart::EventsTopicId, |theirs| {
            theirs.events_topic_id = Some("other".into())
        }),
        (IdentityPart::ResultsTopic, |theirs| {
            theirs.results_topic = "other".into()
        }),
        (IdentityPart::ResultsPartitions, |theirs| {
            theirs.results_partitions = 9
        }),
    ];
    for (part, change) in table {
        let facts = with_chain(|chain| change(&mut chain.pipeline));
        for policy in [Policy::default(), resuming(FRONTIER), resuming(COMMITTED)] {
            let Cause::OtherPipeline { differences, .. } = cause(&facts, &policy) else {
                panic!("{part}")
            };
            assert_eq!(
                differences.iter().map(|d| d.part).collect::<Vec<_>>(),
                [part]
            );
        }
    }
}

#[test]
fn a_broker_without_ids_is_noted_not_refused() {
    let facts = with_chain(|chain| chain.pipeline.cluster_id = None);
    let decision = plan(&facts, &Policy::default());
    assert_eq!(
        decision.plan,
        Plan::Continue {
            at: at(1000),
            outcomes: 990
        }
    );
    assert!(
        decision.notes[0].contains("cluster id"),
        "{:?}",
        decision.notes
    );
}

#[test]
fn a_newer_format_is_refused() {
    let newer = Authored::Newer {
        version: 2,
        by: None,
    };
    let commit = Facts {
        committed: Some(Committed {
            offset: at(7),
            authored: newer,
        }),
        ..facts()
    };
    assert!(matches!(
        cause(&commit, &resuming(COMMITTED)),
        Cause::NewerCommit { version: 2, .. }
    ));
    let chain = ChainFacts::Newer {
        sequence: Sequence(13),
        version: 2,
        writer: None,
    };
    let manifest = Facts { chain, ..facts() };
    assert!(matches!(
        cause(&manifest, &resuming(COMMITTED)),
        Cause::NewerManifest { version: 2, .. }
    ));
}

#[test]
fn a_head_that_is_not_in_the_chain_is_refused_until_a_side_is_named() {
    let facts = Facts {
        committed: ours(1500, 1480),
        ..with_chain(|chain| chain.head_known = false)
    };
    assert!(matches!(
        cause(&facts, &Policy::default()),
        Cause::HeadUnknown {
            newest: Some(_),
            ..
        }
    ));
    expect(
        &facts,
        &resuming(FRONTIER),
        &Plan::Republish {
            at: at(1000),
            outcomes: 990,
        },
        Some(1000),
    );
    expect(
        &facts,
        &resuming(COMMITTED),
        &loss(range(1000, 1500), LossReason::Foreign, false),
        None,
    );
}

#[test]
fn an_empty_store_under_a_commit_of_ours_begins_anew_only_at_the_committed_offset() {
    let facts = Facts {
        chain: ChainFacts::Absent,
        ..facts()
    };
    assert!(matches!(
        cause(&facts, &Policy::default()),
        Cause::HeadUnknown { newest: None, .. }
    ));
    assert!(matches!(
        cause(&facts, &resuming(FRONTIER)),
        Cause::HeadUnknown { .. }
    ));
    expect(
        &facts,
        &resuming(COMMITTED),
        &Plan::Adopt { at: at(1000) },
        Some(1000),
    );
}

#[test]
fn a_store_that_is_ahead_of_the_group_and_lacks_its_head_can_only_go_on_at_the_frontier() {
    let facts = Facts {
        committed: ours(700, 690),
        ..with_chain(|chain| chain.head_known = false)
    };
    let refusal = refusal(plan(&facts, &Policy::default()));
    let frontier = Remedy::Once {
        resume_from: Some(FRONTIER),
        accept_loss: None,
    };
    assert_eq!(refusal.remedies, [Remedy::RightStore, frontier]);
    assert!(matches!(
        cause(&facts, &resuming(COMMITTED)),
        Cause::GroupReset { .. }
    ));
}

#[test]
fn damage_is_noted_and_the_last_good_manifest_counts() {
    let facts = with_chain(|chain| {
        chain.damage = vec![Damage {
            path: "./x/13.json".into(),
            detail: "cut short".into(),
        }];
    });
    let decision = plan(&facts, &Policy::default());
    assert_eq!(
        decision.plan,
        Plan::Continue {
            at: at(1000),
            outcomes: 990
        }
    );
    assert!(decision.notes[0].starts_with("./x/13.json: cut short"));
}

#[test]
fn a_chain_without_one_readable_manifest_is_refused() {
    let damage = vec![Damage {
        path: "./x/1.json".into(),
        detail: "cut short".into(),
    }];
    let facts = Facts {
        chain: ChainFacts::Unreadable { damage },
        ..facts()
    };
    assert!(matches!(
        cause(&facts, &resuming(COMMITTED)),
        Cause::Unreadable { .. }
    ));
}

#[test]
fn events_that_expired_unread_are_lost_only_by_their_exact_range() {
    let facts = Facts {
        log: log_from(1200),
        ..facts()
    };
    let gone = |policy| match cause(&facts, &policy) {
        Cause::Gone { range, given, .. } => (range, given),
        other => panic!("{other:?}"),
    };
    assert_eq!(gone(Policy::default()), (range(1000, 1200), vec![]));
    for close in [
        range(1000, 1199),
        range(999, 1200),
        range(1000, 1201),
        range(0, 5000),
    ] {
        assert_eq!(gone(accepting(&[close])), (range(1000, 1200), vec![close]));
    }
    let elsewhere = Policy {
        accept_loss: vec![(Partition(4), range(1000, 1200))],
        ..Policy::default()
    };
    assert_eq!(gone(elsewhere), (range(1000, 1200), vec![]));
    // Committed after the gap first: the manifest that records it must not reach beyond the committed offset (I1).
    expect(
        &facts,
        &accepting(&[range(1000, 1200)]),
        &loss(range(1000, 1200), LossReason::Expired, false),
        Some(1200),
    );
}

#[test]
fn what_expired_includes_what_was_published_and_not_stored() {
    let facts = Facts {
        log: log_from(1200),
        committed: ours(1100, 1085),
        ..facts()
    };
    let Cause::Gone {
        range: named,
        published,
        ..
    } = cause(&facts, &Policy::default())
    else {
        panic!()
    };
    assert_eq!(named, range(1000, 1200));
    assert_eq!(
        published,
        Some(Published {
            range: range(1000, 1100),
            outcomes: Some(95),
            exact: true
        })
    );
    expect(
        &facts,
        &accepting(&[named]),
        &loss(named, LossReason::Expired, false),
        Some(1200),
    );
    let commit = plan(&facts, &accepting(&[named])).commit;
    assert_eq!(
        commit,
        Some(Commit {
            offset: at(1200),
            outcomes: 1085
        })
    );
}

#[test]
fn after_a_crash_between_the_commit_and_the_gap_the_same_flag_still_fits() {
    let facts = Facts {
        log: log_from(1200),
        committed: ours(1200, 990),
        ..facts()
    };
    expect(
        &facts,
        &accepting(&[range(1000, 1200)]),
        &loss(range(1000, 1200), LossReason::Expired, false),
        None,
    );
}

#[test]
fn a_log_that_starts_below_the_frontier_has_lost_nothing() {
    let facts = Facts {
        log: log_from(900),
        ..facts()
    };
    expect(
        &facts,
        &Policy::default(),
        &Plan::Continue {
            at: at(1000),
            outcomes: 990,
        },
        None,
    );
}

#[test]
fn a_log_that_ends_before_what_was_processed_is_refused_whatever_the_flags_say() {
    let log = LogFacts {
        start: at(0),
        stable_end: at(800),
        end: at(800),
        since: None,
    };
    let committed = [ours(1000, 990), stranger(1000), ours(700, 700), None];
    for committed in committed {
        let facts = Facts {
            log,
            committed,
            ..facts()
        };
        for policy in [
            Policy::default(),
            resuming(FRONTIER),
            resuming(COMMITTED),
            accepting(&[range(800, 1000)]),
        ] {
            assert!(matches!(cause(&facts, &policy), Cause::Truncated { .. }));
        }
    }
}

#[test]
fn nothing_stored_and_nothing_committed_starts_where_start_says() {
    let log = LogFacts {
        start: at(100),
        stable_end: at(4990),
        end: at(5000),
        since: Some(at(3000)),
    };
    let facts = Facts {
        chain: ChainFacts::Absent,
        committed: None,
        log,
        ..facts()
    };
    let table = [
        (Start::Earliest, 100),
        (Start::Latest, 4990),
        (Start::Time(1), 3000),
    ];
    for (start, offset) in table {
        let policy = Policy {
            start,
            ..Policy::default()
        };
        expect(
            &facts,
            &policy,
            &Plan::Start { at: at(offset) },
            Some(offset),
        );
    }
    // `--start` says where a topic begins; a partition that it did not have then begins where its log does.
    let mut added = facts.clone();
    added.ours.events_partitions = Some(added.partition.0.unsigned_abs());
    for (start, _) in table {
        let policy = Policy {
            start,
            ..Policy::default()
        };
        expect(&added, &policy, &Plan::Start { at: at(100) }, Some(100));
    }
    let ahead_of_the_log = Facts {
        log: LogFacts {
            since: Some(at(9000)),
            ..log
        },
        ..facts.clone()
    };
    let policy = Policy {
        start: Start::Time(1),
        ..Policy::default()
    };
    expect(
        &ahead_of_the_log,
        &policy,
        &Plan::Start { at: at(5000) },
        Some(5000),
    );
    let nothing_since = Facts {
        log: LogFacts { since: None, ..log },
        ..facts
    };
    expect(
        &nothing_since,
        &policy,
        &Plan::Start { at: at(4990) },
        Some(4990),
    );
}
