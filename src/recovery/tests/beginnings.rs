//! A store that has nothing of a partition which somebody else has begun.

use super::*;

#[test]
fn the_old_scripts_offset_is_adopted_and_said() {
    let facts = Facts {
        chain: ChainFacts::Absent,
        committed: stranger(1000),
        ..facts()
    };
    expect(
        &facts,
        &Policy::default(),
        &Plan::Adopt { at: at(1000) },
        Some(1000),
    );
    assert!(plan(&facts, &Policy::default()).notes[0].contains("another program"));
}

#[test]
fn events_that_expired_behind_the_old_scripts_offset_are_a_gap_behind_a_first_manifest() {
    let facts = Facts {
        chain: ChainFacts::Absent,
        committed: stranger(1000),
        log: log_from(1300),
        ..facts()
    };
    assert!(matches!(
        cause(&facts, &Policy::default()),
        Cause::Gone {
            published: None,
            ..
        }
    ));
    expect(
        &facts,
        &accepting(&[range(1000, 1300)]),
        &loss(range(1000, 1300), LossReason::Expired, true),
        Some(1300),
    );
}
