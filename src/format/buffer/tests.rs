use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::format::testing::{at, evaluated, range, reject, results, row_offsets};

/// What an offset is, in the reference model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Result,
    Reject,
    Absent,
}

#[derive(Clone, Debug)]
enum Step {
    Append(Vec<What>),
    Commit(prop::sample::Index),
    Truncate,
    Take(Option<prop::sample::Index>),
}

fn what() -> impl Strategy<Value = What> {
    prop_oneof![6 => Just(What::Result), 2 => Just(What::Reject), 1 => Just(What::Absent)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => prop::collection::vec(what(), 0..12).prop_map(Step::Append),
        1 => prop::collection::vec(what(), 4000..5000).prop_map(Step::Append),
        4 => any::<prop::sample::Index>().prop_map(Step::Commit),
        2 => Just(Step::Truncate),
        2 => prop::option::of(any::<prop::sample::Index>()).prop_map(Step::Take),
    ]
}

fn outcomes(start: i64, whats: &[What]) -> Evaluated {
    let of = |wanted| {
        (start..)
            .zip(whats)
            .filter(move |(_, w)| **w == wanted)
            .map(|(o, _)| o)
    };
    Evaluated {
        results: results(of(What::Result)),
        rejects: of(What::Reject).map(reject).collect(),
    }
}

fn offsets_of(model: &BTreeMap<i64, What>, wanted: What) -> Vec<i64> {
    model
        .iter()
        .filter(|(_, what)| **what == wanted)
        .map(|(offset, _)| *offset)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_happens_every_outcome_is_taken_once(steps in prop::collection::vec(step(), 1..60)) {
        let mut buffer = Buffer::new(at(100));
        let mut model = BTreeMap::new();
        for step in steps {
            match step {
                Step::Append(whats) => {
                    let start = buffer.end().get();
                    let end = start + whats.len() as i64;
                    buffer.append(range(start, end), outcomes(start, &whats)).unwrap();
                    model.extend((start..).zip(whats));
                }
                Step::Commit(index) => {
                    let open = range(buffer.committed().get(), buffer.end().get());
                    let to = open.start().plus(index.index(open.len() as usize + 1) as u64);
                    buffer.mark_committed(to).unwrap();
                }
                Step::Truncate => {
                    let end = buffer.truncate_to_committed();
                    prop_assert_eq!(end, buffer.end());
                    model.split_off(&end.get());
                }
                Step::Take(trim) => {
                    let (start, committed) = (buffer.start(), buffer.committed());
                    let Some(mut taken) = buffer.take_committed() else {
                        prop_assert_eq!(start, committed);
                        continue;
                    };
                    let rest = model.split_off(&committed.get());
                    let mut expected = std::mem::replace(&mut model, rest);
                    let mut from = start;
                    if let Some(index) = trim {
                        from = start.plus(index.index(range(start.get(), committed.get()).len() as usize + 1) as u64);
                        taken.trim_before(from);
                        expected = expected.split_off(&from.get());
                    }
                    prop_assert_eq!(taken.range(), range(from.get(), committed.get()));
                    prop_assert_eq!(row_offsets(&taken.results), offsets_of(&expected, What::Result));
                    prop_assert_eq!(row_offsets(&taken.rejects), offsets_of(&expected, What::Reject));
                    prop_assert_eq!(taken.counts().absent as usize, offsets_of(&expected, What::Absent).len());
                }
            }
            prop_assert_eq!(row_offsets(&buffer.results), offsets_of(&model, What::Result));
            prop_assert_eq!(row_offsets(&buffer.rejects), offsets_of(&model, What::Reject));
            prop_assert_eq!(buffer.counts().offsets(), model.len() as u64);
            prop_assert_eq!(buffer.bytes(), kept(&buffer.results) + kept(&buffer.rejects));
        }
    }
}

/// The memory of the buffers behind some rows, counted anew, and what a batch costs beside.
fn kept(rows: &Rows) -> usize {
    rows.batches()
        .map(|batch| batch.get_array_memory_size() + 256)
        .sum()
}

#[test]
fn a_row_costs_the_same_alone_and_in_a_crowd() {
    let mut crowd = Buffer::new(at(0));
    crowd
        .append(range(0, 50_000), evaluated(range(0, 50_000)))
        .unwrap();
    let mut alone = Buffer::new(at(0));
    for offset in 0..50_000 {
        let over = range(offset, offset + 1);
        alone.append(over, evaluated(over)).unwrap();
    }
    assert_eq!(row_offsets(&alone.results), row_offsets(&crowd.results));
    assert_eq!(row_offsets(&alone.rejects), row_offsets(&crowd.rejects));
    let (crowd, alone) = (crowd.bytes(), alone.bytes());
    println!("50,000 offsets: {crowd} bytes at once, {alone} one by one");
    assert!(alone < crowd * 5 / 4, "{alone} against {crowd}");
}

#[test]
fn dropping_most_of_a_batch_frees_its_memory() {
    let mut buffer = Buffer::new(at(0));
    buffer
        .append(range(0, 100_000), evaluated(range(0, 100_000)))
        .unwrap();
    let whole = buffer.bytes();
    buffer.mark_committed(at(10_000)).unwrap();
    assert_eq!(buffer.truncate_to_committed(), at(10_000));
    assert!(buffer.bytes() < whole / 8, "{} of {whole}", buffer.bytes());
}

#[test]
fn a_taken_part_and_the_rest_together_keep_little_more_than_the_whole() {
    let mut buffer = Buffer::new(at(0));
    buffer
        .append(range(0, 100_000), evaluated(range(0, 100_000)))
        .unwrap();
    let whole = buffer.bytes();
    buffer.mark_committed(at(60_000)).unwrap();
    let taken = buffer.take_committed().unwrap();
    assert!(taken.bytes() + buffer.bytes() < whole * 3 / 2);
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let mut buffer = Buffer::new(at(10));
    buffer
        .append(range(10, 20), evaluated(range(10, 20)))
        .unwrap();
    let none = || results([]);
    let cases = [
        (range(21, 30), evaluated(range(21, 30))),
        (range(20, 25), evaluated(range(20, 30))),
        (
            range(20, 30),
            Evaluated {
                results: results([22, 21]),
                rejects: vec![],
            },
        ),
        (
            range(20, 30),
            Evaluated {
                results: results([21, 21]),
                rejects: vec![],
            },
        ),
        (
            range(20, 30),
            Evaluated {
                results: results([19]),
                rejects: vec![],
            },
        ),
        (
            range(20, 30),
            Evaluated {
                results: none(),
                rejects: vec![reject(30)],
            },
        ),
        (
            range(20, 30),
            Evaluated {
                results: results([21, 22]),
                rejects: vec![reject(22)],
            },
        ),
    ];
    for (over, outcomes) in cases {
        let before = (buffer.end(), buffer.counts(), buffer.bytes());
        assert!(buffer.append(over, outcomes).is_err());
        assert_eq!(before, (buffer.end(), buffer.counts(), buffer.bytes()));
    }
    assert!(buffer.mark_committed(at(21)).is_err());
    buffer.mark_committed(at(15)).unwrap();
    assert!(buffer.mark_committed(at(14)).is_err());
}
