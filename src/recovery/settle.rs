//! What became of a commit that was not answered, as the group tells it.

use super::{Authored, Committed};
use crate::{format::KnownCommit, model::Offset};

/// See [`settle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The group stands where we brought it.
    At {
        /// The committed offset.
        offset: Offset,
        /// What manifests record of that commit.
        commit: KnownCommit,
    },
    /// Somebody else has committed: what is in memory may not be what was published.
    Another,
}

/// Whether the commit `sent` was made, by what the group has `found` committed; `before` is our commit before it. Nothing but
/// exactly our commit will do: another owner's at an offset that memory covers may stand for other values.
#[must_use]
pub fn settle(before: Offset, sent: Option<&Committed>, found: Option<&Committed>) -> Settled {
    match found {
        Some(Committed {
            offset,
            authored: Authored::Ours(metadata),
        }) if *offset == before || found == sent => Settled::At {
            offset: *offset,
            commit: metadata.known(),
        },
        _ => Settled::Another,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{Digest, Sequence},
        recovery::{CommitMetadata, Head, Limits},
    };

    fn commit(offset: i64, by: &str) -> Committed {
        let offset = Offset::new(offset).unwrap();
        let metadata = CommitMetadata {
            by: by.to_owned(),
            offset,
            calculation: None,
            condition: None,
            fields: None,
            fingerprint: "00000000000000aa".parse().unwrap(),
            head: Head {
                sequence: Sequence(2),
                digest: Digest::of(b"manifest"),
            },
            outcomes: 0,
            kinds: None,
            limits: Limits::default(),
            lost: 0,
            corrections: None,
        };
        Committed {
            offset,
            authored: Authored::Ours(Box::new(metadata)),
        }
    }

    #[test]
    fn only_our_own_commit_settles_what_is_in_memory() {
        let before = Offset::new(10).unwrap();
        let head = Head {
            sequence: Sequence(2),
            digest: Digest::of(b"manifest"),
        };
        let at = |offset| Settled::At {
            offset: Offset::new(offset).unwrap(),
            commit: KnownCommit::new(head, None),
        };
        let sent = commit(20, "snapback 0.1.0 a/0");
        let stranger = Committed {
            offset: before,
            authored: Authored::Stranger,
        };
        let table = [
            (Some(sent.clone()), at(20)),
            (Some(commit(10, "snapback 0.1.0 b/0")), at(10)),
            (Some(commit(20, "snapback 0.1.0 b/0")), Settled::Another),
            (Some(commit(15, "snapback 0.1.0 a/0")), Settled::Another),
            (Some(stranger), Settled::Another),
            (None, Settled::Another),
        ];
        for (found, expected) in table {
            assert_eq!(
                settle(before, Some(&sent), found.as_ref()),
                expected,
                "{found:?}"
            );
        }
        assert_eq!(settle(before, None, Some(&sent)), Settled::Another);
    }
}
