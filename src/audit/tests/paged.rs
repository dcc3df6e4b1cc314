//! A store with pages says the same as one without; a page that cannot be read is a finding, and made again exactly or not.

use bytes::Bytes;

use super::fixture::{audit, brief, chain, layout, newest, range, sample, segment, snapshot};
use crate::{
    audit::{FindingKind, Level, PageMended, Scope, Statement, compare, mend_page, plan_repair},
    format::{PageLink, SegmentKind},
    history::{Sealed, list_manifests, read_all_listed, write_seal},
    model::{Offset, Partition},
    query,
    store::Store,
};

/// The sample, with a page of all that each partition has; the second has absent offsets and a gap, too.
async fn paged() -> (Store, Vec<PageLink>) {
    let store = sample().await;
    let mut pages = Vec::new();
    for (partition, over) in [(0, range(100, 400)), (1, range(0, 300))] {
        let mut chain = chain(&store, partition).await;
        match write_seal(&mut chain, over).await.unwrap() {
            Sealed::Done(link) => pages.push(link),
            Sealed::Left(error) => panic!("{error}"),
        }
    }
    (store, pages)
}

async fn statement(store: &Store) -> String {
    let scope = Scope::of(store, &layout(), None).await.unwrap().unwrap();
    let report = audit(store, Level::Semantic).await;
    let now = chrono::DateTime::UNIX_EPOCH;
    let level = Level::Semantic;
    let statement = Statement::of(scope, &report, level, now, (store, &layout())).await;
    let text = statement.unwrap().encode();
    text[text.find("\"blocks\"").unwrap()..text.find("\"partitions\":").unwrap()].to_owned()
}

async fn fate(store: &Store, offset: i64) -> String {
    let offset = Offset::new(offset).unwrap();
    let found = query::lookup(store, &layout(), Partition(1), offset).await;
    found.map_or_else(
        |error| error.to_string(),
        |found| serde_json::to_string(&found.fate).unwrap(),
    )
}

#[tokio::test]
async fn a_store_with_pages_says_what_one_without_says() {
    let (open, (store, _)) = (sample().await, paged().await);
    for level in [Level::Integrity, Level::Coverage, Level::Semantic] {
        let (before, mut now) = (audit(&open, level).await, audit(&store, level).await);
        for (now, before) in now.lost_ranges.iter_mut().zip(&before.lost_ranges) {
            // The two samples are made one after the other.
            now.accepted_at.clone_from(&before.accepted_at);
        }
        assert!(now.clean, "{now:?}");
        assert_eq!(now, before);
    }
    assert_eq!(statement(&store).await, statement(&open).await);
    for offset in [3, 4, 9, 100, 150, 250, 299, 300] {
        let names = regex_free(&fate(&store, offset).await);
        assert_eq!(names, regex_free(&fate(&open, offset).await), "{offset}");
    }
    let listing = query::list(&store, &layout()).await.unwrap();
    let before = query::list(&open, &layout()).await.unwrap();
    for (now, before) in listing.partitions.iter().zip(&before.partitions) {
        assert_eq!((now.segments, now.pages), (before.segments, 1));
        assert_eq!(before.pages, 0);
    }
    let shown = query::show(&store, &layout(), Partition(1), None).await;
    assert_eq!(shown.unwrap().segment_list.len(), 4);
}

/// Without the random part of names.
fn regex_free(text: &str) -> String {
    match text.find(".parquet") {
        Some(end) => format!("{}{}", &text[..end - 8], &text[end..]),
        None => text.to_owned(),
    }
}

/// A page is damaged or gone, at a level that opens no segment.
#[tokio::test]
async fn a_page_that_cannot_be_read_is_found_and_made_again_from_manifests() {
    let (store, pages) = paged().await;
    for (index, page) in pages.iter().enumerate() {
        let good = store.get(&page.path, page.bytes).await.unwrap();
        let mut flipped = good.to_vec();
        flipped[100] ^= 1;
        let (start, end) = (page.range.start().get(), page.range.end().get());
        let partition = Partition(index as i32);
        for (bytes, kind) in [
            (Some(Bytes::from(flipped)), FindingKind::PageDamaged),
            (None, FindingKind::PageMissing),
        ] {
            match bytes {
                Some(bytes) => store.put(&page.path, bytes).await.unwrap(),
                None => store.delete(&page.path).await.unwrap(),
            }
            let report = audit(&store, Level::Semantic).await;
            // Its segments are no orphans.
            assert_eq!(brief(&report.findings), [(kind, partition.0, start, end)]);
            let plan = plan_repair(&store, &layout(), &report).await.unwrap();
            assert_eq!(
                (plan.pages.len(), plan.mends.len(), plan.left.len()),
                (1, 0, 0)
            );
            let path = plan.pages[0].segment.clone().unwrap();
            let mended = mend_page(&store, &layout(), partition, &path)
                .await
                .unwrap();
            assert_eq!(mended, PageMended::Done(page.clone()));
            assert_eq!(store.get(&page.path, page.bytes).await.unwrap(), good);
            assert!(audit(&store, Level::Semantic).await.clean);
        }
    }
}

/// Without the manifests that sealed it: what gc leaves of them.
async fn forget_manifests(store: &Store, partition: i32) {
    let mut chain = chain(store, partition).await;
    let end = chain.end().unwrap().get();
    snapshot(&mut chain, end, end + 10, |_| false).await;
    let numbers = list_manifests(store, &layout(), Partition(partition)).await;
    let mut numbers = numbers.unwrap();
    numbers.pop();
    for number in numbers {
        let path = layout().manifest(Partition(partition), number);
        store.delete(&path).await.unwrap();
    }
}

#[tokio::test]
async fn a_page_is_made_again_from_what_its_segments_say() {
    let (store, pages) = paged().await;
    for (index, page) in pages.iter().enumerate() {
        let partition = index as i32;
        forget_manifests(&store, partition).await;
        let good = store.get(&page.path, page.bytes).await.unwrap();
        store.delete(&page.path).await.unwrap();
        let path = page.path.as_str();
        let mended = mend_page(&store, &layout(), Partition(partition), path).await;
        assert_eq!(
            mended.unwrap(),
            PageMended::Done(page.clone()),
            "{partition}"
        );
        assert_eq!(store.get(&page.path, page.bytes).await.unwrap(), good);
    }
}

#[tokio::test]
async fn a_page_that_cannot_be_made_again_exactly_is_left() {
    let (store, pages) = paged().await;
    forget_manifests(&store, 0).await;
    let manifest = newest(&store, 0).await;
    let listed = read_all_listed(&store, &layout(), manifest).await.unwrap();
    let damaged = listed.segments()[2].clone();
    let bytes = store.get(&damaged.path, damaged.bytes).await.unwrap();
    let mut flipped = bytes.to_vec();
    flipped[50] ^= 1;
    store.put(&damaged.path, flipped.into()).await.unwrap();
    store.delete(&pages[0].path).await.unwrap();
    let path = pages[0].path.as_str();
    let mended = mend_page(&store, &layout(), Partition(0), path).await;
    let PageMended::Left(why) = mended.unwrap() else {
        panic!("a damaged file says nothing");
    };
    assert!(why.contains("restore"), "{why}");
    assert!(store.head(&pages[0].path).await.unwrap().is_none());
    // Nothing is taken for an orphan, and the chain goes on.
    let report = audit(&store, Level::Semantic).await;
    let kinds: Vec<_> = report.findings.iter().map(|one| one.kind).collect();
    assert!(kinds.contains(&FindingKind::PageMissing), "{kinds:?}");
    assert!(!kinds.contains(&FindingKind::Orphan), "{kinds:?}");
    let open = segment(&store, 0, SegmentKind::Results, 400).await;
    assert_eq!(open.range, range(400, 410));
}

#[tokio::test]
async fn a_statement_is_compared_as_far_as_pages_can_be_read() {
    let (store, pages) = paged().await;
    let scope = Scope::of(&store, &layout(), None).await.unwrap().unwrap();
    let report = audit(&store, Level::Semantic).await;
    let (now, level) = (chrono::DateTime::UNIX_EPOCH, Level::Semantic);
    let statement = Statement::of(scope, &report, level, now, (&store, &layout())).await;
    let statement = statement.unwrap();
    store.delete(&pages[1].path).await.unwrap();
    let compared = compare(&statement, &store, &layout()).await.unwrap();
    let [changed] = &compared.changed[..] else {
        panic!("{:?}", compared.changed);
    };
    assert_eq!(changed.partition, Partition(1));
    assert!(
        changed.detail.contains("cannot be read"),
        "{}",
        changed.detail
    );
}
