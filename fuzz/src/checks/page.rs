//! Pages, which anybody who can write to the store can forge, with a digest that is right.

use snapback::format::{Layout, Page};

use super::{layout::stays_inside, manifest::sealed};

/// Any bytes as they are, and as the body of a page whose digest is right.
pub fn check(data: &[u8]) {
    examine(Page::decode(data).ok());
    examine(Page::decode(&sealed(data)).ok());
}

/// What must hold for everything that passes for a page.
fn examine(page: Option<Page>) {
    let Some(page) = page else {
        return;
    };
    let written = page.encode();
    let again = Page::decode(&written).expect("what was written can be read");
    assert_eq!(again.encode(), written);
    assert_eq!((page.range, page.counts), (again.range, again.counts));
    assert_eq!((&page.gaps, &page.silent), (&again.gaps, &again.silent));
    assert!(page.files().eq(again.files()));

    let layout = Layout::new(&page.topic).expect("the folder of a topic");
    assert_eq!(page.range.len(), page.counts.offsets());
    assert!((1..=Page::MOST_FILES).contains(&page.files().count()));
    for segment in page.files() {
        stays_inside(&segment.path);
        let folder = layout.segments(segment.kind, page.partition);
        assert!(segment.path.below(&folder).is_some(), "{}", segment.path);
        assert!(page.range.start() <= segment.range.start());
        assert!(segment.range.end() <= page.range.end());
        assert!(page.lists(&segment.path));
    }
}
