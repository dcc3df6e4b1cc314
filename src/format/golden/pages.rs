//! Pages, and the manifests that list them.

use super::*;
use crate::format::{Layout, Page, SegmentId};

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
