//! Where the history begins, and the last commit that an owner knew.

use super::*;
use crate::format::{CorrectionsProgress, Head, KnownCommit};

fn commit(sequence: u64, rows: Option<u64>) -> KnownCommit {
    let head = Head {
        sequence: Sequence(sequence),
        digest: Digest::of(&sequence.to_be_bytes()),
    };
    let progress = |rows| CorrectionsProgress {
        sequence: Sequence(2),
        rows,
    };
    KnownCommit::new(head, rows.map(progress))
}

/// A manifest after `base` by someone who knows of a commit.
fn next(base: &Manifest, committed: Option<KnownCommit>) -> Manifest {
    let over = OffsetRange::new(base.end, base.end.plus(1)).unwrap();
    let edit = append(over, counts(1, 0, 0), 9);
    let stamp = Stamp {
        committed,
        ..stamp()
    };
    apply(Some(base), edit, stamp).unwrap()
}

fn retire(base: &Manifest, oldest: u64) -> Result<Manifest, ApplyError> {
    let oldest = Sequence(oldest);
    apply(Some(base), Edit::Retire { oldest }, stamp())
}

#[test]
fn the_known_commit_is_copied_and_only_goes_forward() {
    let third = next(&second(), Some(commit(2, Some(5))));
    assert_eq!(third.committed, Some(commit(2, Some(5))));
    assert_eq!(Manifest::decode(&third.encode()).unwrap(), third);
    for (known, expected) in [
        (None, commit(2, Some(5))),
        (Some(commit(1, Some(9))), commit(2, Some(5))),
        (Some(commit(2, Some(4))), commit(2, Some(5))),
        (Some(commit(2, Some(6))), commit(2, Some(6))),
        (Some(commit(3, None)), commit(3, None)),
        // That number was lost: the manifest that gets it is another.
        (Some(commit(4, Some(5))), commit(2, Some(5))),
    ] {
        assert_eq!(next(&third, known).committed, Some(expected), "{known:?}");
    }
    assert_eq!(next(&second(), None).committed, None);
}

#[test]
fn the_history_begins_later_but_never_after_the_known_commit() {
    let base = next(
        &next(&second(), Some(commit(2, None))),
        Some(commit(3, None)),
    );
    let refused = |oldest| {
        Err(ApplyError::Retired {
            oldest: Sequence(oldest),
            now: Sequence(1),
            committed: Sequence(3),
        })
    };
    for oldest in [0, 1, 4, 5, 99] {
        assert_eq!(retire(&base, oldest), refused(oldest));
    }
    let retired = retire(&base, 3).unwrap();
    assert_eq!(retired.oldest, Sequence(3));
    assert_eq!(retired.edit.name(), "retire");
    assert_eq!(
        (retired.range(), retired.counts),
        (base.range(), base.counts)
    );
    assert!(retired.open.files().eq(base.open.files()));
    assert_eq!(Manifest::decode(&retired.encode()).unwrap(), retired);
    assert_eq!(next(&retired, None).oldest, Sequence(3));
    assert!(retire(&retired, 3).is_err(), "no change");
    assert!(retire(&second(), 2).is_err(), "no commit is known");
    assert_eq!(
        apply(
            None,
            Edit::Retire {
                oldest: Sequence(2)
            },
            stamp()
        ),
        Err(ApplyError::NotBound)
    );

    let spoilt = |change: fn(&mut Manifest)| {
        let mut manifest = retired.clone();
        change(&mut manifest);
        Manifest::decode(&codec::seal(manifest).1)
    };
    assert!(spoilt(|_| {}).is_ok());
    assert!(spoilt(|manifest| manifest.oldest = Sequence(2)).is_err());
    assert!(spoilt(|manifest| manifest.committed = None).is_err());
    assert!(spoilt(|manifest| manifest.committed = Some(commit(2, None))).is_err());
    assert!(spoilt(|manifest| manifest.committed = Some(commit(5, None))).is_err());
}
