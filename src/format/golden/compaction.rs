//! What a compaction writes.

use super::*;

/// Two snapshots with a silent range between them, and the same as one.
#[test]
fn a_golden_compaction_reads_and_is_written_again_to_the_byte() {
    let layout = crate::format::Layout::new("events").unwrap();
    let mut base = apply(None, bind(100), stamp()).unwrap();
    let mut merger = crate::format::Merger::new(range(100, 190), identity("golden"));
    for (start, end) in [(100, 130), (140, 190)] {
        if base.end.get() < start {
            let silence = silence(range(base.end.get(), start));
            base = apply(Some(&base), silence, stamp()).unwrap();
        }
        let encoded = crate::format::testing::encoded(start, end, &identity("golden"));
        let id = crate::format::SegmentId(u32::try_from(start).unwrap());
        let files = encoded.segments().map(|file| file.bytes.clone());
        assert_eq!(
            merger.add(files.collect()).unwrap(),
            crate::format::Added::Whole
        );
        let edit = Edit::Append {
            range: encoded.range,
            segments: encoded
                .segments()
                .map(|file| file.named(&layout, id))
                .collect(),
            counts: encoded.counts,
            record: encoded.record,
        };
        base = apply(Some(&base), edit, stamp()).unwrap();
    }
    let merged = merger.finish().unwrap();
    let absent = merged.record.absent.to_string();
    assert!(absent.split(',').any(|run| run == "130-141"), "{absent}");
    for file in merged.segments() {
        let (facts, rows) = crate::format::check_segment(file.bytes.clone()).unwrap();
        assert_eq!(
            (facts.made_for, rows),
            (crate::format::MadeFor::Compact, file.rows)
        );
    }
    let id = crate::format::SegmentId(0x00c0_fff0);
    let edit = Edit::Compact {
        range: merged.range,
        replaced: base.open.segments.clone(),
        segments: merged
            .segments()
            .map(|file| file.named(&layout, id))
            .collect(),
    };
    let expected = apply(Some(&base), edit, stamp()).unwrap();
    assert_eq!(
        (expected.counts, expected.open.silent.len()),
        (base.counts, 0)
    );
    golden_manifest("v1/compact.json", &expected);

    // What does not hold together is refused.
    let edit = |replaced: &[crate::format::Segment], range| Edit::Compact {
        range,
        replaced: replaced.to_vec(),
        segments: merged
            .segments()
            .map(|file| file.named(&layout, id))
            .collect(),
    };
    for wrong in [
        edit(&base.open.segments[1..], merged.range),
        edit(&base.open.segments, range(100, 189)),
        edit(&base.open.segments, range(99, 190)),
        edit(&[], merged.range),
    ] {
        assert!(
            apply(Some(&base), wrong.clone(), stamp()).is_err(),
            "{wrong:?}"
        );
    }
}
