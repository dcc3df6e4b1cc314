//! Whether what was calculated again may take the place of what is stored, without anybody being asked. Pure.

use super::super::Difference;
use crate::format::{Encoded, EncodedSegment, SegmentError};

/// One wrong outcome in so many is mended; more are left to a person.
pub const MOST_WRONG: u64 = 100;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// It may.
    Mend,
    /// Calculated twice, it is not the same.
    NotDeterministic,
    /// So many of so many outcomes would be others.
    TooMany { wrong: u64, rows: u64 },
}

/// Judges the files of a range that were calculated twice from the same inputs. Equal outcomes give equal files.
pub(super) fn judge(first: &Encoded, second: &Encoded) -> Result<Judgement, SegmentError> {
    let digests = |files: &Encoded| {
        let digest = |file: &Option<EncodedSegment>| file.as_ref().map(|file| file.digest);
        [&files.results, &files.rejects, &files.corrections].map(digest)
    };
    if digests(first) != digests(second) {
        return Ok(Judgement::NotDeterministic);
    }
    let (wrong, rows) = (Difference::of(first)?.all(), first.counts.outcomes());
    Ok(match too_many(wrong, rows) {
        true => Judgement::TooMany { wrong, rows },
        false => Judgement::Mend,
    })
}

/// A single one is mended however small the range is.
const fn too_many(wrong: u64, rows: u64) -> bool {
    wrong > 1 && wrong > rows / MOST_WRONG
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wrong_value_is_mended_anywhere_and_more_only_where_they_are_few() {
        for (wrong, rows, expected) in [
            (0, 0, false),
            (1, 1, false),
            (1, 50, false),
            (2, 200, false),
            (2, 199, true),
            (10, 1000, false),
            (11, 1000, true),
            (u64::MAX, u64::MAX, true),
        ] {
            assert_eq!(too_many(wrong, rows), expected, "{wrong} of {rows}");
        }
    }
}
