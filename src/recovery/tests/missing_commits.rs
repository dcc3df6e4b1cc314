//! The rows in which the group has no commit.

use super::*;

#[test]
fn a_missing_commit_with_a_history_is_refused() {
    let facts = Facts {
        committed: None,
        ..facts()
    };
    assert!(matches!(
        cause(&facts, &Policy::default()),
        Cause::CommittedMissing { .. }
    ));
    assert!(matches!(
        cause(&facts, &resuming(COMMITTED)),
        Cause::CommittedMissing { .. }
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

#[test]
fn a_missing_commit_is_known_where_the_log_ends_at_the_frontier() {
    let log = LogFacts {
        start: at(0),
        stable_end: at(1000),
        end: at(1000),
        since: None,
    };
    let facts = Facts {
        committed: None,
        log,
        ..facts()
    };
    expect(
        &facts,
        &Policy::default(),
        &Plan::Continue {
            at: at(1000),
            outcomes: 990,
        },
        Some(1000),
    );
}

#[test]
fn a_partition_that_was_bound_and_killed_before_its_first_commit_continues_at_its_origin() {
    let bound = |age| Facts {
        committed: None,
        ..with_chain(|chain| {
            (chain.sequence, chain.origin, chain.end, chain.counts) =
                (Sequence::FIRST, at(50), at(50), results(0));
            chain.bound = age;
        })
    };
    let fresh = bound(Some(Duration::from_secs(3600)));
    expect(
        &fresh,
        &Policy::default(),
        &Plan::Continue {
            at: at(50),
            outcomes: 0,
        },
        Some(50),
    );
    for age in [None, Some(Duration::from_secs(7 * 24 * 3600))] {
        assert!(matches!(
            cause(&bound(age), &Policy::default()),
            Cause::CommittedMissing { .. }
        ));
    }
    let expired = Facts {
        log: log_from(80),
        ..fresh
    };
    assert!(matches!(
        cause(&expired, &Policy::default()),
        Cause::Gone { .. }
    ));
    expect(
        &expired,
        &accepting(&[range(50, 80)]),
        &loss(range(50, 80), LossReason::Expired, false),
        Some(80),
    );
}
