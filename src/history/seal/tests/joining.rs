//! A page takes in pages before it.

use super::*;
use crate::format::testing::append_beside_markers;

/// So many filtered events from the end of the chain on, each before a marker.
async fn filter(chain: &mut Chain, events: u64) {
    let end = chain.newest().unwrap().end;
    let over = OffsetRange::new(end, end.plus(2 * events)).unwrap();
    let edit = append_beside_markers(over, 2);
    let won = chain.append(edit, None).await.unwrap();
    assert!(matches!(won, Appended::Won { .. }));
}

#[tokio::test]
async fn a_page_takes_in_the_pages_before_it() {
    let store = Store::memory();
    let mut ours = bound(&store, "ours", &clock(), 0).await;
    let mut expected = Vec::new();
    for number in 1..=3 {
        for _ in 0..3 {
            filter(&mut ours, 600).await;
        }
        let done = write_seal(&mut ours, range(0, number * 3600)).await;
        let Sealed::Done(link) = done.unwrap() else {
            panic!("it is not sealed")
        };
        assert_eq!(
            (link.files, link.counts.filtered),
            (0, number as u64 * 1800)
        );
        let newest = ours.newest().unwrap();
        assert_eq!(newest.pages, [link]);
        assert_eq!(newest.open.silent, []);
        // What it lists is what the pages before listed, and what came since.
        let now = listed(&ours).await.silent().to_vec();
        assert_eq!(now[..expected.len()], expected);
        expected = now;
    }
    // A page that cannot be read stays one.
    let page = ours.newest().unwrap().pages[0].clone();
    filter(&mut ours, 600).await;
    store.delete(&page.path).await.unwrap();
    let sealed = write_seal(&mut ours, range(0, 12_000)).await;
    assert!(matches!(
        sealed,
        Err(SnapshotError::Chain(ChainError::UnreadPage { path, .. })) if path == page.path
    ));
    assert_eq!(ours.newest().unwrap().pages, [page]);
}

#[tokio::test]
async fn no_page_is_opened_where_another_that_is_to_join_it_cannot_be_read() {
    let store = Store::memory();
    let mut ours = bound(&store, "ours", &clock(), 0).await;
    for over in [range(0, 3600), range(3600, 7200)] {
        for _ in 0..3 {
            filter(&mut ours, 600).await;
        }
        let done = write_seal(&mut ours, over).await.unwrap();
        assert!(matches!(done, Sealed::Done(_)));
    }
    filter(&mut ours, 600).await;
    let before = ours.newest().unwrap().clone();
    let second = before.pages[1].path.clone();
    store.delete(&second).await.unwrap();
    let sealed = write_seal(&mut ours, range(0, 8400)).await;
    assert!(matches!(
        sealed,
        Err(SnapshotError::Chain(ChainError::UnreadPage { path, .. })) if path == second
    ));
    // Nothing was appended: else what is open would be sealed by itself, and opened again, for ever.
    assert_eq!(ours.newest(), Some(&before));
    // What came since becomes a page beside them.
    let alone = write_seal(&mut ours, range(7200, 8400)).await.unwrap();
    assert!(matches!(alone, Sealed::Done(_)));
    assert_eq!(ours.newest().unwrap().pages[..2], before.pages);
}
