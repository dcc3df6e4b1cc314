//! Pages, and the manifests that list them.

use super::*;
use crate::{
    format::{Layout, Page, RowlessRecord, SegmentId, testing::append_beside_markers},
    model::Counts,
};

#[test]
fn a_golden_page_reads_and_is_written_again_to_the_byte() {
    let [results, rejects] = segments();
    let manifest = manifest(&results, &rejects);
    let (expected, _) = Page::of(&manifest, manifest.range(), None).unwrap();
    let bytes = golden("v1/page.json", || expected.encode().to_vec());
    let read = Page::decode(&bytes).unwrap();
    assert_eq!(read.encode(), bytes);
    assert_eq!(read, expected);
}

/// A condition has left all events of its range out, and of older ones there is no more than a digest of what is absent.
#[test]
fn a_golden_page_without_segments_reads_and_is_written_again_to_the_byte() {
    let mut base = apply(None, bind(0), stamp()).unwrap();
    for number in 0..4 {
        let over = range(number * 1500, number * 1500 + 1500);
        let edit = append_beside_markers(over, 3);
        base = apply(Some(&base), edit, stamp()).unwrap();
    }
    assert_eq!(base.open.silent.len(), 2);
    let (expected, _) = Page::of(&base, range(0, 3000), None).unwrap();
    let bytes = golden("v1/page-of-silence.json", || expected.encode().to_vec());
    let read = Page::decode(&bytes).unwrap();
    assert_eq!(read.encode(), bytes);
    assert_eq!(read, expected);
    // Where nothing is filtered either, a range is one line of a manifest and no page.
    let over = range(6000, 6010);
    let counts = Counts {
        absent: 10,
        ..Counts::default()
    };
    let edit = Edit::Append {
        range: over,
        segments: Vec::new(),
        counts,
        record: RowlessRecord::all_absent(over),
    };
    let base = apply(None, bind(6000), stamp()).unwrap();
    let base = apply(Some(&base), edit, stamp()).unwrap();
    assert!(Page::of(&base, over, None).is_err());
}

#[test]
fn a_golden_seal_reads_and_is_written_again_to_the_byte() {
    let [results, rejects] = segments();
    let base = manifest(&results, &rejects);
    let (page, stored) = Page::of(&base, base.range(), None).unwrap();
    let layout = Layout::new("events").unwrap();
    let edit = Edit::Seal {
        page: Box::new(page),
        path: layout.page(PARTITION, base.range(), SegmentId(0x5ea1)),
        bytes: stored.len() as u64,
    };
    let expected = apply(Some(&base), edit, stamp()).unwrap();
    let read = golden_manifest("v1/seal.json", &expected);
    assert_eq!((read.pages.len(), read.open.files().count()), (1, 0));
}
