//! The rows in which a manifest and a committed offset meet, or one of them is missing.

use super::*;

#[test]
fn where_frontier_and_committed_meet_it_continues() {
    expect(
        &facts(),
        &Policy::default(),
        &Plan::Continue {
            at: at(1000),
            outcomes: 990,
        },
        None,
    );
    let new_calculation = Facts {
        committed: by_old_calculation(1000, 990),
        ..facts()
    };
    expect(
        &new_calculation,
        &Policy::default(),
        &Plan::Continue {
            at: at(1000),
            outcomes: 990,
        },
        None,
    );
    // A stranger's commit at the same place is overwritten at once.
    let moved = Facts {
        committed: stranger(1000),
        ..facts()
    };
    expect(
        &moved,
        &Policy::default(),
        &Plan::Continue {
            at: at(1000),
            outcomes: 990,
        },
        Some(1000),
    );
}

#[test]
fn what_is_committed_beyond_the_frontier_is_replayed_and_must_give_as_much() {
    let facts = Facts {
        committed: ours(1500, 1480),
        ..facts()
    };
    expect(
        &facts,
        &Policy::default(),
        &replay(range(1000, 1500), Expected::Exactly(490)),
        None,
    );
    // The flags of an earlier dispute change nothing, and are noted.
    expect(
        &facts,
        &resuming(FRONTIER),
        &replay(range(1000, 1500), Expected::Exactly(490)),
        None,
    );
    assert_eq!(plan(&facts, &resuming(FRONTIER)).notes.len(), 1);
}

#[test]
fn after_a_gap_was_recorded_the_commits_count_is_an_upper_bound() {
    let facts = Facts {
        committed: ours(1500, 1480),
        ..with_chain(|chain| chain.lost = 200)
    };
    expect(
        &facts,
        &Policy::default(),
        &replay(range(1000, 1500), Expected::AtMost(490)),
        None,
    );
}

#[test]
fn what_was_given_up_inside_of_the_history_changes_nothing_of_what_a_replay_must_give() {
    let facts = |beside| Facts {
        committed: ours(1500, 1480),
        ..with_chain(|chain| {
            chain.counts = results(990 - 100);
            chain.beside = beside;
        })
    };
    let expected = |outcomes| {
        Plan::Replay(Replay {
            range: range(1000, 1500),
            expected: Expected::Exactly(outcomes),
            at_start: results(890),
            limits: Some(Limits::default()),
            replaces: None,
            carried: None,
        })
    };
    expect(&facts(100), &Policy::default(), &expected(490), None);
    // What is not on record as given up must come again.
    expect(&facts(0), &Policy::default(), &expected(590), None);
}

/// Published up to 1500: so many results and rejects, decided by a limit of 1,000 bytes.
pub(super) fn counted_apart(results: u64, rejects: u64) -> Facts {
    let mut committed = ours(1500, results + rejects);
    if let Some(Authored::Ours(metadata)) =
        committed.as_mut().map(|committed| &mut committed.authored)
    {
        metadata.kinds = Some(kinds(results, rejects));
        metadata.limits.results = 1_000;
    }
    Facts {
        committed,
        ..facts()
    }
}

#[test]
fn a_replay_decides_by_the_limits_of_the_commit_and_gives_its_kinds() {
    let facts = counted_apart(1_470, 10);
    let expected = Expected::OfEachKind(kinds(480, 10));
    let decided = Plan::Replay(Replay {
        range: range(1000, 1500),
        expected,
        at_start: results(990),
        limits: Some(Limits {
            results: 1_000,
            ..Limits::default()
        }),
        replaces: None,
        carried: None,
    });
    expect(&facts, &Policy::default(), &decided, None);
    // As many outcomes, but not those.
    let found = Replayed::Calculated(kinds(481, 9));
    let other = Facts {
        replayed: Some(found),
        ..facts.clone()
    };
    assert_eq!(
        cause(&other, &Policy::default()).to_string(),
        "1000-1500 was published with 480 results and 10 rejects, reading it again gives 481 results and 9 rejects"
    );
    // Counted only, it cannot be told yet.
    let counted = Facts {
        replayed: Some(Replayed::Counted(490)),
        ..facts
    };
    expect(&counted, &Policy::default(), &decided, None);
}

#[test]
fn kinds_that_corrections_have_changed_since_are_not_compared() {
    let corrected = |revision| {
        let mut facts = counted_apart(1_470, 10);
        if let ChainFacts::Good(chain) = &mut facts.chain {
            chain.revision = Some(Sequence(revision));
        }
        match plan(&facts, &Policy::default()).plan {
            Plan::Replay(replay) => replay.expected,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(corrected(12), Expected::OfEachKind(kinds(480, 10)));
    assert_eq!(corrected(13), Expected::Exactly(490));
}

#[test]
fn a_replay_that_gave_something_else_is_refused_until_it_is_accepted() {
    let facts = Facts {
        committed: ours(1500, 1480),
        replayed: Some(Replayed::Counted(480)),
        ..facts()
    };
    assert!(matches!(
        cause(&facts, &Policy::default()),
        Cause::ReplayMismatch {
            expected: Expected::Exactly(490),
            found: Replayed::Counted(480),
            ..
        }
    ));
    expect(
        &facts,
        &accepting(&[range(1000, 1500)]),
        &loss(range(1000, 1500), LossReason::Changed, false),
        None,
    );
    let right = Facts {
        replayed: Some(Replayed::Counted(490)),
        ..facts
    };
    expect(
        &right,
        &Policy::default(),
        &replay(range(1000, 1500), Expected::Exactly(490)),
        None,
    );
}

#[test]
fn a_replay_of_which_a_part_is_gone_names_the_part() {
    let facts = Facts {
        committed: ours(1500, 1480),
        log: log_from(1200),
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
            range: range(1000, 1200),
            outcomes: Some(490),
            exact: false
        })
    );
    // What is committed stays: it says up to where to replay the rest.
    expect(
        &facts,
        &accepting(&[named]),
        &loss(named, LossReason::Expired, false),
        None,
    );
}

#[test]
fn a_replay_under_a_new_calculation_makes_corrections() {
    let facts = Facts {
        committed: by_old_calculation(1500, 1480),
        ..facts()
    };
    let decision = plan(&facts, &Policy::default());
    let expected = Replay {
        range: range(1000, 1500),
        expected: Expected::Exactly(490),
        at_start: results(990),
        limits: None,
        replaces: Some(OLD.parse().unwrap()),
        carried: None,
    };
    assert_eq!(decision.plan, Plan::Replay(expected));
    // The next commit names our calculation: it must not come before the corrections are stored.
    assert_eq!(decision.commit, None);
    assert!(
        decision
            .notes
            .iter()
            .any(|note| note.contains(OLD) && note.contains("correction")),
        "{:?}",
        decision.notes
    );

    let nothing_published = Facts {
        committed: by_old_calculation(1500, 990),
        ..facts
    };
    expect(
        &nothing_published,
        &Policy::default(),
        &replay(range(1000, 1500), Expected::Exactly(0)),
        None,
    );
}

#[test]
fn a_replay_that_is_gone_altogether_corrects_nothing() {
    let facts = Facts {
        committed: by_old_calculation(1500, 1480),
        log: log_from(1500),
        ..facts()
    };
    expect(
        &facts,
        &accepting(&[range(1000, 1500)]),
        &loss(range(1000, 1500), LossReason::Expired, false),
        None,
    );
}

#[test]
fn a_commit_by_somebody_else_beyond_the_frontier_needs_a_side() {
    let facts = Facts {
        committed: stranger(1500),
        ..facts()
    };
    assert!(matches!(
        cause(&facts, &Policy::default()),
        Cause::CommittedByOther { .. }
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
fn publishing_again_from_a_frontier_that_is_gone_needs_both_flags_and_the_refusal_prints_both() {
    let facts = Facts {
        committed: stranger(1500),
        log: log_from(1200),
        ..facts()
    };
    let both = Remedy::Once {
        resume_from: Some(FRONTIER),
        accept_loss: Some(range(1000, 1200)),
    };
    assert_eq!(refusal(plan(&facts, &Policy::default())).remedies[0], both);
    let policy = Policy {
        resume_from: Some(FRONTIER),
        ..accepting(&[range(1000, 1200)])
    };
    expect(
        &facts,
        &policy,
        &loss(range(1000, 1200), LossReason::Expired, false),
        Some(1200),
    );
}

#[test]
fn a_group_that_was_reset_goes_on_only_at_the_frontier() {
    for committed in [ours(400, 390), stranger(0)] {
        let facts = Facts {
            committed,
            ..facts()
        };
        assert!(matches!(
            cause(&facts, &Policy::default()),
            Cause::GroupReset { .. }
        ));
        assert!(matches!(
            cause(&facts, &resuming(COMMITTED)),
            Cause::GroupReset { .. }
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
    }
}

#[test]
fn flags_that_were_not_needed_are_noted() {
    let policy = Policy {
        resume_from: Some(FRONTIER),
        ..accepting(&[range(10, 20)])
    };
    let decision = plan(&facts(), &policy);
    assert_eq!(
        decision.plan,
        Plan::Continue {
            at: at(1000),
            outcomes: 990
        }
    );
    assert_eq!(decision.notes.len(), 2, "{:?}", decision.notes);
}
