use proptest::prelude::*;

use super::*;
use crate::{
    calculation::Evaluated,
    format::{
        check_segment,
        testing::{
            accumulated, append, at, encoded, evaluated, file_offsets, identity, range, reject,
            results,
        },
    },
};

/// What an offset is, in the reference model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Result,
    Reject,
    Absent,
    Filtered,
}

#[derive(Clone, Debug)]
enum Step {
    Append(Vec<What>),
    /// A snapshot, of which another owner's covers a part.
    Snapshot(prop::sample::Index),
}

fn what() -> impl Strategy<Value = What> {
    prop_oneof![6 => Just(What::Result), 2 => Just(What::Reject), 1 => Just(What::Absent), 2 => Just(What::Filtered)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => prop::collection::vec(what(), 0..12).prop_map(Step::Append),
        1 => prop::collection::vec(what(), 3000..4000).prop_map(Step::Append),
        2 => any::<prop::sample::Index>().prop_map(Step::Snapshot),
    ]
}

/// The offsets of `whats`, the first of which is `start`, that are `wanted`.
fn of(start: i64, whats: &[What], wanted: What) -> Vec<i64> {
    let offsets = (start..).zip(whats).filter(|(_, what)| **what == wanted);
    offsets.map(|(offset, _)| offset).collect()
}

fn outcomes(start: i64, whats: &[What]) -> RangeOutcomes {
    let evaluated = Evaluated {
        results: results(of(start, whats, What::Result)),
        rejects: of(start, whats, What::Reject)
            .into_iter()
            .map(reject)
            .collect(),
        filtered: of(start, whats, What::Filtered)
            .into_iter()
            .map(at)
            .collect(),
    };
    RangeOutcomes::new(range(start, start + whats.len() as i64), evaluated).unwrap()
}

/// What the files say that they hold, row by row, is what they were given.
fn holds(encoded: &Encoded, start: i64, whats: &[What]) -> Result<(), TestCaseError> {
    prop_assert_eq!(encoded.range, range(start, start + whats.len() as i64));
    let rows = |file: &Option<EncodedSegment>| file_offsets(file.as_ref());
    prop_assert_eq!(rows(&encoded.results), of(start, whats, What::Result));
    prop_assert_eq!(rows(&encoded.rejects), of(start, whats, What::Reject));
    let filtered = of(start, whats, What::Filtered).len() as u64;
    prop_assert_eq!(encoded.counts.filtered, filtered);
    prop_assert_eq!(encoded.counts.offsets(), encoded.range.len());
    let mut absent = AbsentBuilder::default();
    for offset in of(start, whats, What::Absent) {
        absent.push(range(offset, offset + 1));
    }
    let absent = absent.finish();
    for file in encoded.segments() {
        prop_assert_eq!(&file.facts.absent, &absent);
        prop_assert_eq!(file.facts.counts, encoded.counts);
        prop_assert_eq!(check_segment(file.bytes.clone()).unwrap().1, file.rows);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_outcome_is_in_one_snapshot(
        steps in prop::collection::vec(step(), 1..40),
        replaces in any::<bool>(),
    ) {
        let identity = identity("writer");
        let mut accumulation = if replaces {
            let before = "00000000000000bb".parse().unwrap();
            Accumulation::replacing(at(100), before, identity.declaration.fingerprint.clone())
        } else {
            Accumulation::new(at(100))
        };
        let (mut start, mut open) = (100, Vec::new());
        for step in steps {
            match step {
                Step::Append(whats) => {
                    let end = start + open.len() as i64;
                    accumulation.append(&outcomes(end, &whats)).unwrap();
                    open.extend(whats);
                }
                Step::Snapshot(covered) => {
                    let whats = std::mem::take(&mut open);
                    let encoded = accumulation.take().close(&identity).unwrap();
                    holds(&encoded, start, &whats)?;
                    let corrections = encoded.corrections.as_ref().map_or(0, |file| file.rows);
                    prop_assert_eq!(corrections, if replaces { encoded.counts.outcomes() } else { 0 });
                    let covered = covered.index(whats.len() + 1);
                    let from = start + covered as i64;
                    let trimmed = encoded.trim_before(at(from), &identity).unwrap();
                    holds(&trimmed, from, &whats[covered..])?;
                    start += whats.len() as i64;
                }
            }
            prop_assert_eq!(accumulation.range(), range(start, start + open.len() as i64));
            prop_assert_eq!(accumulation.counts().results as usize, of(start, &open, What::Result).len());
            prop_assert_eq!(accumulation.counts().rejects as usize, of(start, &open, What::Reject).len());
        }
    }
}

#[test]
fn what_does_not_follow_is_refused() {
    let mut accumulation = accumulated(10, &[20]);
    for over in [range(21, 30), range(19, 30)] {
        let outcomes = RangeOutcomes::new(over, evaluated(over)).unwrap();
        assert!(accumulation.append(&outcomes).is_err());
    }
    append(&mut accumulation, &[30]);
    assert_eq!(accumulation.range(), range(10, 30));
}

#[test]
fn a_file_is_not_trimmed_outside_of_its_range() {
    let identity = identity("writer");
    let whole = encoded(100, 300, &identity);
    assert!(whole.trim_before(at(99), &identity).is_err());
    assert!(whole.trim_before(at(301), &identity).is_err());
}

#[test]
fn absent_offsets_alone_open_no_file() {
    let accumulation = accumulated(10, &[11]);
    assert_eq!(accumulation.bytes(), 0);
    let encoded = accumulation.close(&identity("writer")).unwrap();
    assert!(encoded.results.is_none() && encoded.rejects.is_none());
    assert_eq!((encoded.counts.absent, encoded.range), (1, range(10, 11)));
}

#[test]
fn open_files_take_a_fraction_of_the_rows() {
    let mut accumulation = Accumulation::new(at(0));
    let mut handed_over = 0;
    for start in (0..400_000).step_by(8_192) {
        let over = range(start, start + 8_192);
        let outcomes = RangeOutcomes::new(over, evaluated(over)).unwrap();
        handed_over += outcomes.bytes();
        accumulation.append(&outcomes).unwrap();
    }
    let open = accumulation.bytes();
    assert!(
        open > 0 && open < handed_over / 2,
        "{open} of {handed_over}"
    );
    let idle = accumulation.take();
    assert_eq!(accumulation.bytes(), 0);
    assert!(idle.bytes() > 0);
}
