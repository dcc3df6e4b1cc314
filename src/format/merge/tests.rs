use proptest::prelude::*;

use super::*;
use crate::model::Offset;
use crate::{
    calculation::Evaluated,
    format::{
        Absent, Accumulation, RangeOutcomes, check_segment,
        testing::{declaration, file_offsets, identity, range, reject, results},
    },
};

/// What an offset is: absent, filtered, a result or a reject.
type Fate = u8;
const ABSENT: Fate = 0;
const FILTERED: Fate = 1;
const RESULT: Fate = 2;
const REJECT: Fate = 3;

/// The files of these offsets as a snapshot makes them.
fn encoded(start: i64, fates: &[Fate]) -> Encoded {
    let of = |fate: Fate| {
        let all = (start..).zip(fates);
        all.filter(move |(_, found)| **found == fate)
            .map(|(at, _)| at)
    };
    let end = start + i64::try_from(fates.len()).unwrap();
    let evaluated = Evaluated {
        results: results(of(RESULT)),
        rejects: of(REJECT).map(reject).collect(),
        filtered: of(FILTERED).filter_map(Offset::new).collect(),
    };
    let outcomes = RangeOutcomes::new(range(start, end), evaluated).unwrap();
    let mut accumulation = Accumulation::new(Offset::new(start).unwrap());
    accumulation.append(&outcomes).unwrap();
    accumulation.close(&identity("tests")).unwrap()
}

/// The same of snapshots that end at the borders.
fn merged(fates: &[Fate], borders: &[usize]) -> Encoded {
    let end = i64::try_from(fates.len()).unwrap();
    let mut merger = Merger::new(range(0, end), identity("tests"));
    let mut start = 0;
    for border in borders.iter().copied().chain([fates.len()]) {
        let part = encoded(i64::try_from(start).unwrap(), &fates[start..border]);
        start = border;
        let files: Vec<Bytes> = part.segments().map(|file| file.bytes.clone()).collect();
        if files.is_empty() {
            let by = &declaration().fingerprint;
            merger.add_silent(&SilentRange::new(part.range, part.record, by));
        } else {
            assert_eq!(merger.add(files).unwrap(), Added::Whole);
        }
    }
    merger.finish().unwrap()
}

proptest! {
    #[test]
    fn merged_files_say_of_each_offset_what_their_inputs_said(
        fates in proptest::collection::vec(0..4_u8, 1..80),
        borders in proptest::collection::btree_set(1..80_usize, 0..6),
    ) {
        let borders: Vec<usize> = borders.into_iter().filter(|at| *at < fates.len()).collect();
        let (whole, merged) = (encoded(0, &fates), merged(&fates, &borders));
        prop_assert_eq!(&merged.record, &whole.record);
        prop_assert_eq!(merged.counts, whole.counts);
        prop_assert_eq!(file_offsets(merged.results.as_ref()), file_offsets(whole.results.as_ref()));
        prop_assert_eq!(file_offsets(merged.rejects.as_ref()), file_offsets(whole.rejects.as_ref()));
        for file in merged.segments() {
            let (facts, rows) = check_segment(file.bytes.clone()).unwrap();
            prop_assert_eq!((facts.counts, rows), (whole.counts, file.rows));
            prop_assert_eq!(facts.record(), whole.record.clone());
        }
    }
}

#[test]
fn what_is_known_as_a_digest_alone_is_counted_like_the_rest() {
    // More than a thousand runs of absent offsets between filtered ones.
    let many: Vec<Fate> = [ABSENT, FILTERED]
        .repeat(1_200)
        .into_iter()
        .chain([RESULT])
        .collect();
    let fates = [&many[..], &[FILTERED, ABSENT, RESULT]].concat();
    let merged = merged(&fates, &[many.len()]);
    assert!(matches!(merged.record.absent, Absent::Digest(_)));
    assert_eq!(
        (merged.counts.filtered, merged.counts.absent),
        (1_201, 1_201)
    );
    assert_eq!(merged.counts.results, 2);
}
