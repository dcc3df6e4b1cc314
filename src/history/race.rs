//! What to do when others append to the same chain: the decisions of compare-and-append (I2) as functions of values.

use crate::{
    format::{Damaged, Manifest, Segment, SilentRange},
    model::{Digest, Offset, OffsetRange, Sequence},
};

/// How pending outcomes fit a chain that may have grown meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rebased {
    /// The chain ends before they start: it was longer when they were taken.
    Diverged,
    /// The chain holds all of them.
    Covered,
    /// This part of them continues the chain; what lies before it is there already.
    Append(OffsetRange),
}

/// Fits the outcomes of `pending` to a chain that ends at `end`. Whatever a chain holds is true (I1), so what it covers is
/// dropped, whoever wrote it.
#[must_use]
pub fn rebase(pending: OffsetRange, end: Offset) -> Rebased {
    if end < pending.start() {
        return Rebased::Diverged;
    }
    match OffsetRange::new(end, pending.end()) {
        Ok(rest) if !rest.is_empty() => Rebased::Append(rest),
        _ => Rebased::Covered,
    }
}

/// Whether what a repair was made of is live in a chain that may have grown meanwhile. If not, another's edit has changed the
/// same range, and the repair must be given up: its corrections say what changed since other values than those.
#[must_use]
pub fn are_live<'s>(inputs: &[Segment], live: impl IntoIterator<Item = &'s Segment>) -> bool {
    let mut found = 0;
    for segment in live {
        found += usize::from(inputs.contains(segment));
    }
    found == inputs.len() && !inputs.is_empty()
}

/// The same for a repair of a range none of whose offsets had a row: whether events of it are still filtered as they were.
#[must_use]
pub fn is_silent(was: &SilentRange, live: &[SilentRange]) -> bool {
    let mut silent = live.iter();
    silent.any(|silent| silent.part(was.range).as_ref() == Some(was))
}

/// Files that take the place of others are listed by one of so many numbers that follow the highest one known when they were
/// put, or by none.
pub const LISTED_WITHIN: u64 = 8;

/// Whether the manifest with this number may list files that were put when `head` was the highest one: it is one of the next
/// `within` ([`LISTED_WITHIN`]). Who comes later puts the files again, under other names: those may be taken for left-overs,
/// and be gone.
#[must_use]
pub fn may_list(head: Sequence, number: Sequence, within: u64) -> bool {
    number.0 <= head.0 + within
}

/// Whether no manifest will list a file any more that was there, unlisted, when `head` was the highest number: all numbers
/// that may list it are taken ([`may_list`]), however slow its writer is.
#[must_use]
pub fn is_never_listed(head: Sequence, highest: Sequence, within: u64) -> bool {
    !may_list(head, highest.next(), within)
}

/// Whose manifest stands at a number that one was offered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// The one that was offered: it is in the chain.
    Ours,
    /// Nothing: the same bytes may be offered again.
    Nobody,
    /// Another one, be it an earlier attempt of our own.
    Another,
}

/// Compares what was offered with what was read back.
#[must_use]
pub fn holder<T: PartialEq>(offered: &T, found: Option<&T>) -> Holder {
    match found {
        Some(found) if found == offered => Holder::Ours,
        Some(_) => Holder::Another,
        None => Holder::Nobody,
    }
}

/// Whether a higher number than that of a manifest that was just created is present: the view it was made from was old.
#[must_use]
pub fn is_overtaken(created: Sequence, highest: Option<Sequence>) -> bool {
    highest.is_some_and(|highest| highest > created)
}

/// Whether such a manifest is certainly no part of the chain, by `above`, the next higher one: that one was made from
/// another, because what stood at the number before was removed by gc, or lost.
#[must_use]
pub fn is_outside(created: (Sequence, Digest), above: &Manifest) -> bool {
    let (sequence, digest) = created;
    match &above.base {
        Some(base) if base.sequence == sequence => base.digest != digest,
        // What it names as damaged was seen there, and stays.
        Some(base) if base.sequence < sequence => {
            let named = |damaged: &&Damaged| damaged.sequence == sequence;
            let damaged = base.skipped.iter().find(named);
            damaged.is_none_or(|damaged| damaged.digest.is_none())
        }
        _ => above.oldest > sequence,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: i64) -> Offset {
        Offset::new(offset).unwrap()
    }

    fn range(start: i64, end: i64) -> OffsetRange {
        OffsetRange::new(at(start), at(end)).unwrap()
    }

    #[test]
    fn what_the_chain_covers_is_trimmed() {
        let table = [
            (1, Rebased::Diverged),
            (2, Rebased::Append(range(2, 5))),
            (3, Rebased::Append(range(3, 5))),
            (5, Rebased::Covered),
            (6, Rebased::Covered),
        ];
        for (end, expected) in table {
            assert_eq!(
                rebase(range(2, 5), at(end)),
                expected,
                "chain ends at {end}"
            );
        }
    }

    #[test]
    fn only_the_same_bytes_are_ours() {
        assert_eq!(holder(&"a", Some(&"a")), Holder::Ours);
        assert_eq!(holder(&"a", Some(&"b")), Holder::Another);
        assert_eq!(holder(&"a", None), Holder::Nobody);
    }

    #[test]
    fn a_file_is_given_up_only_when_all_numbers_that_may_list_it_are_taken() {
        for (head, highest) in
            (1..4).flat_map(|head| (head..30).map(move |highest| (head, highest)))
        {
            let next = Sequence(highest + 1);
            let lists = may_list(Sequence(head), next, LISTED_WITHIN);
            for noted in head..=highest {
                let given_up = is_never_listed(Sequence(noted), Sequence(highest), LISTED_WITHIN);
                assert!(!(lists && given_up), "{head} {noted} {highest}");
            }
            assert!(lists != is_never_listed(Sequence(head), Sequence(highest), LISTED_WITHIN));
        }
    }

    #[test]
    fn a_higher_number_overtakes() {
        assert!(is_overtaken(Sequence(2), Some(Sequence(3))));
        assert!(!is_overtaken(Sequence(2), Some(Sequence(2))));
        assert!(!is_overtaken(Sequence(2), None));
    }
}
