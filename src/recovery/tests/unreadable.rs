//! Events that the log holds and that cannot be read.

use super::*;
use crate::kafka::{Fault, FaultKind};

fn unreadable(start: u64, end: u64) -> Option<UnreadableEvents> {
    Some(UnreadableEvents {
        range: range(start, end),
        fault: Fault {
            kind: FaultKind::Damaged,
            text: "failed CRC32C check".into(),
            batch: Some(at(start)),
            until: None,
        },
    })
}

/// Refused, with exactly `lost` to accept; then that is done, and `commit` committed.
fn held_until_accepted(facts: &Facts, policy: &Policy, lost: OffsetRange, commit: Option<u64>) {
    let refusal = refusal(plan(facts, policy));
    let Cause::UnreadableEvents { range: named, .. } = &refusal.cause else {
        panic!("{:?}", refusal.cause)
    };
    assert_eq!(*named, lost);
    let accepts = Remedy::Once {
        resume_from: policy.resume_from,
        accept_loss: Some(lost),
    };
    assert!(
        refusal.remedies.contains(&accepts),
        "{:?}",
        refusal.remedies
    );
    let bind = matches!(facts.chain, ChainFacts::Absent);
    let accepting = Policy {
        accept_loss: vec![(Partition(3), lost)],
        ..policy.clone()
    };
    expect(
        facts,
        &accepting,
        &loss(lost, LossReason::Unreadable, bind),
        commit,
    );
}

#[test]
fn where_work_would_go_on_they_hold_the_partition_until_exactly_their_batch_is_accepted() {
    let facts = Facts {
        unreadable: unreadable(1000, 1050),
        ..facts()
    };
    held_until_accepted(&facts, &Policy::default(), range(1000, 1050), Some(1050));
    for other in [range(1000, 1049), range(1001, 1050), range(1000, 1051)] {
        assert!(matches!(
            cause(&facts, &accepting(&[other])),
            Cause::UnreadableEvents { given, .. } if given == [other]
        ));
    }
}

#[test]
fn what_can_be_read_before_them_is_processed_first() {
    let later = Facts {
        unreadable: unreadable(1010, 1050),
        ..facts()
    };
    let go_on = Plan::Continue {
        at: at(1000),
        outcomes: 990,
    };
    expect(&later, &Policy::default(), &go_on, None);
    let before = Facts {
        unreadable: unreadable(900, 1000),
        ..facts()
    };
    expect(&before, &Policy::default(), &go_on, None);
    let after_the_replay = Facts {
        committed: ours(1500, 1480),
        unreadable: unreadable(1500, 1600),
        ..facts()
    };
    let whole = replay(range(1000, 1500), Expected::Exactly(490));
    expect(&after_the_replay, &Policy::default(), &whole, None);
}

#[test]
fn in_a_replay_they_take_what_was_published_before_them_along() {
    let inside = Facts {
        committed: ours(1500, 1480),
        unreadable: unreadable(1200, 1300),
        ..facts()
    };
    // What is committed stays: it says up to where to replay the rest.
    held_until_accepted(&inside, &Policy::default(), range(1000, 1300), None);
    let across = Facts {
        unreadable: unreadable(1400, 1600),
        ..inside
    };
    held_until_accepted(&across, &Policy::default(), range(1000, 1600), Some(1600));
    let accepted = plan(&across, &accepting(&[range(1000, 1600)]));
    let outcomes = accepted.commit.map(|commit| commit.outcomes);
    assert_eq!(
        outcomes,
        Some(1480),
        "the count of before, until the gap is recorded"
    );
}

#[test]
fn at_a_beginning_they_are_the_first_gap() {
    let first = Facts {
        chain: ChainFacts::Absent,
        committed: None,
        unreadable: unreadable(0, 70),
        ..facts()
    };
    held_until_accepted(&first, &Policy::default(), range(0, 70), Some(70));
    let adopted = Facts {
        committed: stranger(1000),
        unreadable: unreadable(1000, 1100),
        ..first
    };
    held_until_accepted(&adopted, &Policy::default(), range(1000, 1100), Some(1100));
    let published_again = Facts {
        committed: stranger(400),
        unreadable: unreadable(1000, 1100),
        ..facts()
    };
    held_until_accepted(
        &published_again,
        &resuming(FRONTIER),
        range(1000, 1100),
        Some(1100),
    );
}
