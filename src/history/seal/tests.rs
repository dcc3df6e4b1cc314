use bytes::Bytes;

use super::*;
use crate::{
    format::{
        EditSummary, Listed, Segment, SegmentId, SegmentKind,
        testing::{PARTITION, encoded, identity, range},
    },
    history::{
        Repair, Repaired, lists, load_tail, read_all_listed, read_listed, read_listed_of,
        testing::{Fault, Faulty, assert_glob, bound, chain, clock, paths, pending},
        tidy, write_repair, write_snapshot,
    },
    store::{Path, Store},
};

/// Six snapshots of twenty offsets each; the first four of them are in two pages.
async fn sealed(store: &Store) -> Chain {
    let mut ours = bound(store, "ours", &clock(), 0).await;
    for number in 0..6 {
        let mut outcomes = pending(number * 20, number * 20 + 20);
        write_snapshot(&mut ours, &mut outcomes).await.unwrap();
    }
    for over in [range(0, 40), range(40, 80)] {
        let done = write_seal(&mut ours, over).await.unwrap();
        assert!(matches!(done, Sealed::Done(_)));
    }
    ours
}

async fn listed(chain: &Chain) -> Listed {
    let newest = chain.newest().unwrap().clone();
    read_all_listed(chain.store(), chain.layout(), newest)
        .await
        .unwrap()
}

/// Other files for one snapshot.
fn repair(listed: &Listed, start: i64) -> Repair {
    let over = range(start, start + 20);
    let live = listed.segments().iter().filter(|one| one.range == over);
    let files = encoded(start, start + 20, &identity("ours"));
    Repair::new(live.cloned().collect(), files)
}

fn ranges(chain: &Chain) -> (Vec<OffsetRange>, Vec<OffsetRange>) {
    let newest = chain.newest().unwrap();
    let pages = newest.pages.iter().map(|page| page.range).collect();
    let mut open: Vec<_> = newest.open.segments.iter().map(|one| one.range).collect();
    open.dedup();
    (pages, open)
}

#[tokio::test]
async fn pages_list_what_the_manifest_listed() {
    let store = Store::memory();
    let ours = sealed(&store).await;
    assert_eq!(
        ranges(&ours),
        (
            vec![range(0, 40), range(40, 80)],
            vec![range(80, 100), range(100, 120)]
        )
    );
    assert_glob(&store, 0, 120).await;
    let all = listed(&ours).await;
    assert_eq!(all.files().count(), 12);
    assert_eq!(
        all.files().count() as u64,
        ours.newest().unwrap().live_files()
    );
    for segment in all.files() {
        let newest = ours.newest().unwrap();
        let found = lists(&store, ours.layout(), newest, &segment.path).await;
        assert!(found.unwrap(), "{}", segment.path);
    }
    // Of a range, only its page is read.
    let second = ours.newest().unwrap().pages[1].path.clone();
    store.delete(&second).await.unwrap();
    let newest = ours.newest().unwrap().clone();
    let part = read_listed_of(&store, ours.layout(), newest.clone(), range(10, 11)).await;
    let part = part.unwrap();
    assert!(part.unread().is_empty());
    assert_eq!(part.files().count(), 8);
    let all = read_listed(&store, ours.layout(), newest.clone())
        .await
        .unwrap();
    assert_eq!(all.unread()[0].link.path, second);
    assert!(all.is_unread(range(79, 80)) && !all.is_unread(range(80, 81)));
    let whole = read_all_listed(&store, ours.layout(), newest).await;
    assert!(matches!(whole, Err(ChainError::UnreadPage { path, .. }) if path == second));
}

#[tokio::test]
async fn only_the_page_that_the_manifest_states_is_believed() {
    let store = Store::memory();
    let ours = sealed(&store).await;
    let newest = ours.newest().unwrap().clone();
    let (first, second) = (&newest.pages[0], &newest.pages[1]);
    let good = store.get(&first.path, first.bytes).await.unwrap();
    let other = store.get(&second.path, second.bytes).await.unwrap();
    let mut flipped = good.to_vec();
    flipped[200] ^= 1;
    let mut longer = good.to_vec();
    longer.extend_from_slice(b"\n\n\n");
    for (bytes, why) in [
        (Bytes::from(flipped), "digest"),
        (good.slice(..300), "end"),
        (other, ""),
        (Bytes::from(longer), ""),
    ] {
        store.put(&first.path, bytes).await.unwrap();
        let read = load_page(&store, ours.layout(), first).await.unwrap();
        let unread = read.unwrap_err();
        assert!(unread.why().contains(why), "{why}: {}", unread.why());
        assert_eq!(unread.link, *first);
    }
}

#[tokio::test]
async fn a_seal_whose_page_or_manifest_is_lost_leaves_a_whole_chain() {
    for fault in [Fault::Fails, Fault::LandsButFails] {
        for faults in [vec![fault], vec![Fault::Passes, fault]] {
            let faulty = Faulty::default();
            let store = faulty.store();
            let mut ours = bound(&store, "ours", &clock(), 0).await;
            for number in 0..3 {
                let mut outcomes = pending(number * 20, number * 20 + 20);
                write_snapshot(&mut ours, &mut outcomes).await.unwrap();
            }
            faulty.next(faults.clone());
            // As a keeper does: again, when the store did not answer.
            let mut done = write_seal(&mut ours, range(0, 40)).await;
            if matches!(&done, Err(error) if error.is_retryable()) {
                done = write_seal(&mut ours, range(0, 40)).await;
            }
            assert!(matches!(done, Ok(Sealed::Done(_))), "{faults:?}: {done:?}");
            let mut next = chain(&store, "next", ours.clock()).await;
            assert_eq!(ranges(&next), (vec![range(0, 40)], vec![range(40, 60)]));
            assert_eq!(listed(&next).await.files().count(), 6);
            let tidied = tidy(&mut next, None).await.unwrap();
            assert!(tidied.retired.is_empty() && tidied.missing.is_empty());
            assert_glob(&store, 0, 60).await;
        }
    }
}

#[tokio::test]
async fn what_another_has_changed_meanwhile_is_sealed_as_it_is_now() {
    let store = Store::memory();
    let mut ours = bound(&store, "ours", &clock(), 0).await;
    for number in 0..3 {
        let mut outcomes = pending(number * 20, number * 20 + 20);
        write_snapshot(&mut ours, &mut outcomes).await.unwrap();
    }
    let mut theirs = chain(&store, "theirs", ours.clock()).await;
    let mut repair = repair(&listed(&theirs).await, 0);
    let repaired = write_repair(&mut theirs, &mut repair).await.unwrap();
    let Repaired::Done(segments) = repaired else {
        panic!("nobody else was there");
    };
    // Its view is older: the first page is of what was live before, and no manifest ever lists it.
    let done = write_seal(&mut ours, range(0, 40)).await.unwrap();
    let Sealed::Done(link) = done else {
        panic!("{done:?}")
    };
    let page = load_page(&store, ours.layout(), &link)
        .await
        .unwrap()
        .unwrap();
    assert!(segments.iter().all(|one| page.lists(&one.path)));
    assert_eq!(paths(&store, "events/_pages").await.len(), 2);
    assert_glob(&store, 0, 60).await;
}

#[tokio::test]
async fn a_range_of_a_page_is_repaired_after_the_page_was_reopened() {
    let store = Store::memory();
    let mut ours = sealed(&store).await;
    let mut repair = repair(&listed(&ours).await, 20);
    let done = write_repair(&mut ours, &mut repair).await.unwrap();
    assert!(matches!(done, Repaired::Done(_)), "{done:?}");
    let (pages, open) = ranges(&ours);
    assert_eq!(pages, [range(40, 80)]);
    assert_eq!(open.len(), 4);
    assert_glob(&store, 0, 120).await;
    let before = ours.newest().unwrap().base.clone().unwrap().sequence;
    let path = ours.layout().manifest(PARTITION, before);
    let before = store.get(&path, 1 << 20).await.unwrap();
    let before = crate::format::Manifest::decode(&before).unwrap();
    assert!(matches!(before.edit, EditSummary::Reopen { .. }));
    // It is sealed again, beside the other page.
    let done = write_seal(&mut ours, range(0, 40)).await.unwrap();
    assert!(matches!(done, Sealed::Done(_)));
    assert_eq!(ranges(&ours).0, [range(0, 40), range(40, 80)]);
    let mut next = chain(&store, "next", ours.clock()).await;
    let tidied = tidy(&mut next, None).await.unwrap();
    assert!(tidied.retired.is_empty() && tidied.missing.is_empty());
    assert_eq!(listed(&next).await.files().count(), 12);
}

#[tokio::test]
async fn a_repair_of_what_is_live_no_more_leaves_the_page_alone() {
    let store = Store::memory();
    let mut ours = sealed(&store).await;
    let mut late = repair(&listed(&ours).await, 20);
    let mut first = repair(&listed(&ours).await, 20);
    assert!(matches!(
        write_repair(&mut ours, &mut first).await.unwrap(),
        Repaired::Done(_)
    ));
    write_seal(&mut ours, range(0, 40)).await.unwrap();
    let pages = ranges(&ours).0;
    let done = write_repair(&mut ours, &mut late).await.unwrap();
    assert_eq!((done, ranges(&ours).0), (Repaired::Overtaken, pages));
    assert_glob(&store, 0, 120).await;
}

#[tokio::test]
async fn a_repair_whose_range_is_sealed_while_it_is_written_reopens_the_page() {
    let store = Store::memory();
    let mut ours = bound(&store, "ours", &clock(), 0).await;
    for number in 0..3 {
        let mut outcomes = pending(number * 20, number * 20 + 20);
        write_snapshot(&mut ours, &mut outcomes).await.unwrap();
    }
    let mut repair = repair(&listed(&ours).await, 20);
    // Its files have their names already, and their writer does not know of the page.
    assert_eq!(repair.named(&ours).len(), 2);
    let mut theirs = chain(&store, "theirs", ours.clock()).await;
    let sealed = write_seal(&mut theirs, range(0, 40)).await.unwrap();
    assert!(matches!(sealed, Sealed::Done(_)));
    let done = write_repair(&mut ours, &mut repair).await.unwrap();
    assert!(matches!(done, Repaired::Done(_)), "{done:?}");
    assert_eq!(ranges(&ours).0, []);
    assert_glob(&store, 0, 60).await;
}

#[tokio::test]
async fn what_another_has_sealed_first_is_done() {
    let store = Store::memory();
    let mut ours = sealed(&store).await;
    let mut theirs = chain(&store, "theirs", ours.clock()).await;
    let done = write_seal(&mut theirs, range(80, 120)).await.unwrap();
    assert!(matches!(&done, Sealed::Done(_)));
    assert_eq!(write_seal(&mut ours, range(80, 120)).await.unwrap(), done);
    assert_eq!(paths(&store, "events/_pages").await.len(), 4);
    assert_eq!(write_seal(&mut ours, range(80, 120)).await.unwrap(), done);
    assert_eq!(paths(&store, "events/_pages").await.len(), 4);
}

#[tokio::test]
async fn a_file_across_the_border_of_pages_is_tidied_away() {
    let store = Store::memory();
    let ours = sealed(&store).await;
    let over = range(30, 50);
    let layout = ours.layout();
    let across = layout.segment(SegmentKind::Results, PARTITION, over, SegmentId(0xdead));
    let bytes = encoded(30, 50, &identity("other")).results.unwrap().bytes;
    store.put(&across, bytes).await.unwrap();
    let mut next = chain(&store, "next", ours.clock()).await;
    let tidied = tidy(&mut next, None).await.unwrap();
    assert_eq!(tidied.retired, [across]);
    assert_glob(&store, 0, 120).await;
}

/// A segment of another partition's folder would be none of ours.
fn stray(chain: &Chain, start: i64) -> Path {
    let over = range(start, start + 20);
    let layout = chain.layout();
    layout.segment(SegmentKind::Results, PARTITION, over, SegmentId(0xdead))
}

#[tokio::test]
async fn tidying_knows_what_pages_list() {
    let store = Store::memory();
    let ours = sealed(&store).await;
    let all = listed(&ours).await;
    let of_page = |segment: &&Segment| segment.range == range(20, 40);
    let moved: Vec<Segment> = all.segments().iter().filter(of_page).cloned().collect();
    for segment in &moved {
        let attic = ours.layout().attic(&segment.path).unwrap();
        let moved = store.rename(&segment.path, &attic).await.unwrap();
        assert_eq!(moved, crate::store::Moved::Moved);
    }
    // As many files, one of which nobody lists.
    let stray = stray(&ours, 40);
    let bytes = encoded(40, 60, &identity("other")).results.unwrap().bytes;
    store.put(&stray, bytes).await.unwrap();
    let mut next = chain(&store, "next", ours.clock()).await;
    let tidied = tidy(&mut next, None).await.unwrap();
    assert_eq!((tidied.put_back.len(), tidied.retired), (2, vec![stray]));
    assert_glob(&store, 0, 120).await;
}

#[tokio::test]
async fn tidying_moves_nothing_in_the_range_of_a_page_that_cannot_be_read() {
    let store = Store::memory();
    let ours = sealed(&store).await;
    let page = ours.newest().unwrap().pages[0].clone();
    store
        .put(&page.path, Bytes::from_static(b"{}"))
        .await
        .unwrap();
    let inside = stray(&ours, 0);
    let outside = stray(&ours, 40);
    for path in [&inside, &outside] {
        store.put(path, Bytes::from_static(b"x")).await.unwrap();
    }
    let mut next = chain(&store, "next", ours.clock()).await;
    let tidied = tidy(&mut next, None).await.unwrap();
    assert_eq!(tidied.retired, [outside]);
    assert!(tidied.missing.is_empty());
    assert!(store.head(&inside).await.unwrap().is_some());
    // New outcomes are stored all the same.
    write_snapshot(&mut next, &mut pending(120, 140))
        .await
        .unwrap();
    let tail = load_tail(&store, next.layout(), PARTITION).await.unwrap();
    assert_eq!(tail.newest.unwrap().pages.len(), 2);
}

#[tokio::test]
async fn who_changes_page_after_page_seals_what_is_done() {
    let store = Store::memory();
    let mut ours = bound(&store, "ours", &clock(), 0).await;
    let (end, reason) = (257 * 20, crate::format::GapReason::Expired);
    for start in (0..end).step_by(20) {
        let loss = range(start, start + 1);
        let edit = Edit::AcceptLoss {
            range: loss,
            reason,
        };
        let _ = ours.append(edit, None).await.unwrap();
        let mut outcomes = pending(start + 1, start + 20);
        write_snapshot(&mut ours, &mut outcomes).await.unwrap();
    }
    let live = ours.newest().unwrap().live_files();
    assert_eq!(ours.newest().unwrap().open.segments.len(), 514);
    seal_when_long(&mut ours).await.unwrap();
    let newest = ours.newest().unwrap();
    assert_eq!((newest.pages.len(), newest.live_files()), (1, live));
    assert!(newest.open.segments.len() <= 2 * Page::MOST_FILES);
    // Nothing is done while it is short.
    seal_when_long(&mut ours).await.unwrap();
    assert_eq!(ours.newest().unwrap().pages.len(), 1);
}

mod joining;
