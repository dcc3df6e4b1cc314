//! What pages list is verified page by page.

use super::*;
use crate::{
    audit::tests::fixture::{bind, layout, range, snapshot},
    format::Edit,
    history::{Appended, Sealed, write_seal},
};

/// Partition 0 with a page of its first two snapshots.
async fn paged() -> Store {
    let store = sample().await;
    let mut chain = chain(&store, 0).await;
    let over = range(100, 300);
    let sealed = write_seal(&mut chain, over).await.unwrap();
    assert!(matches!(sealed, Sealed::Done(_)));
    store
}

#[tokio::test]
async fn what_a_page_lists_is_verified_once_a_round_and_known_as_one() {
    let store = paged().await;
    let scrubber = scrubber(true);
    let mut verified = Verified::default();
    let done = round(&store, &scrubber, &mut verified).await;
    let starts = done.iter().map(|one| one.segments[0].range.start().get());
    assert_eq!(starts.collect::<Vec<_>>(), [300, 200, 100]);
    let newest = newest(&store, 0).await;
    assert!(verified.since(&newest).is_some());
    assert_eq!(verified.entries(), 2 + 1);
    assert_eq!(round(&store, &scrubber, &mut verified).await.len(), 0);
    // After a restart, too.
    let mut read = Verified::decode(&verified.encode());
    assert_eq!(round(&store, &scrubber, &mut read).await.len(), 0);
}

#[tokio::test]
async fn what_was_verified_stays_so_when_it_becomes_a_page_and_is_verified_again_when_it_is_open() {
    let store = sample().await;
    let scrubber = scrubber(true);
    let mut verified = Verified::default();
    assert_eq!(round(&store, &scrubber, &mut verified).await.len(), 3);
    let mut chain = chain(&store, 0).await;
    let over = range(100, 300);
    let Sealed::Done(link) = write_seal(&mut chain, over).await.unwrap() else {
        panic!("it is not sealed")
    };
    assert_eq!(round(&store, &scrubber, &mut verified).await.len(), 0);
    let page = load_page(&store, chain.layout(), &link).await.unwrap();
    let page = Box::new(page.unwrap());
    let reopened = Edit::Reopen { page };
    let won = chain.append(reopened, None).await.unwrap();
    assert!(matches!(won, Appended::Won { .. }));
    // The files of the page, none of which is known by itself.
    assert_eq!(round(&store, &scrubber, &mut verified).await.len(), 2);
    assert_eq!(verified.entries(), 6);
}

#[tokio::test]
async fn what_took_the_place_of_something_verified_is_verified_in_its_page() {
    let store = sample().await;
    with_wrong_values(&store, false).await;
    let scrubber = scrubber(true);
    let mut verified = Verified::default();
    let done = round(&store, &scrubber, &mut verified).await;
    let mut mends = done.into_iter().filter_map(|one| match one.then {
        Then::Mend(mend) => Some(mend.1),
        _ => None,
    });
    let mut repair = mends.next().unwrap();
    // The scrub sees neither what is mended nor what came after it until it is in a page, which lists as many files.
    let mut chain = chain(&store, 0).await;
    let written = write_repair(&mut chain, &mut repair).await.unwrap();
    assert!(matches!(written, Repaired::Done(_)));
    let sealed = write_seal(&mut chain, range(100, 300)).await.unwrap();
    assert!(matches!(sealed, Sealed::Done(_)));
    let again = round(&store, &scrubber, &mut verified).await;
    let ranges = again.iter().map(|one| one.segments[0].range);
    assert_eq!(ranges.collect::<Vec<_>>(), [range(200, 300); 2]);
    assert!(verified.since(&newest(&store, 0).await).is_some());
}

#[tokio::test]
async fn a_page_is_verified_by_its_own_segments_alone() {
    let store = sample().await;
    let mut chain = chain(&store, 0).await;
    let (begin, minute) = (Utc::now(), TimeDelta::minutes(1));
    let mut verified = Verified::default();
    let all = chain.newest().unwrap().open.segments.clone();
    let (first, others) = all.split_at(2);
    verified.follow(chain.newest().unwrap(), begin);
    verified.mark(first, None, begin, 0);
    verified.mark(others, None, begin + minute, 0);
    let mut pages = Vec::new();
    for over in [range(100, 200), range(200, 300)] {
        let Sealed::Done(link) = write_seal(&mut chain, over).await.unwrap() else {
            panic!("it is not sealed")
        };
        let page = load_page(&store, chain.layout(), &link).await.unwrap();
        let page = page.unwrap();
        pages.push(OpenPage { link, page });
        verified.follow(chain.newest().unwrap(), begin);
        verified.read(&pages[0]);
    }
    // The turn of the first has come again, and the second was opened meanwhile: what is known of that one's segments says
    // nothing of the first.
    verified.begin(&pages[0].link);
    let open = chain.newest().unwrap().open.segments.clone();
    verified.mark(&open, Some(&pages[1]), begin + minute * 2, 0);
    let of_first = verified.of_page(&pages[0].link);
    assert_eq!(of_first, Some((begin, Some(begin))));
    // It goes on with the first.
    verified.mark(first, Some(&pages[0]), begin + minute * 3, 0);
    let of_first = verified.of_page(&pages[0].link);
    assert_eq!(of_first, Some((begin, Some(begin + minute * 3))));
}

#[tokio::test]
async fn a_page_half_verified_is_gone_on_with_after_a_restart() {
    let store = paged().await;
    let scrubber = scrubber(true);
    let chain = chain(&store, 0).await;
    let mut verified = Verified::default();
    for _ in 0..2 {
        let one = step(&scrubber, &chain, &mut verified).await;
        assert!(matches!(one, Step::Scrubbed(_)));
    }
    assert_eq!(verified.since(chain.newest().unwrap()), None);
    let mut verified = Verified::decode(&verified.encode());
    let done = round(&store, &scrubber, &mut verified).await;
    let starts = done.iter().map(|one| one.segments[0].range.start().get());
    assert_eq!(starts.collect::<Vec<_>>(), [100]);
}

#[tokio::test]
async fn of_a_page_only_what_was_wrong_is_looked_at_again_sooner() {
    let store = paged().await;
    let page = newest(&store, 0).await.pages[0].clone();
    let page = load_page(&store, &layout(), &page).await;
    let page = page.unwrap().unwrap();
    let wrong = page
        .segments
        .iter()
        .find(|one| one.range.start().get() == 200);
    let wrong = wrong.unwrap().clone();
    store.delete(&wrong.path).await.unwrap();
    let scrubber = scrubber(false);
    let mut verified = Verified::default();
    let done = round(&store, &scrubber, &mut verified).await;
    assert_eq!(done.len(), 3);
    assert_eq!(verified.entries(), 2 + 1 + 2);
    let newest = newest(&store, 0).await;
    let link = newest.pages[0].clone();
    let (open, none) = (OpenPage { link, page }, BTreeSet::new());
    let second = chrono::TimeDelta::seconds(1);
    let later = Utc::now() + second * 61;
    let mut next = |now| scrubber.next(&newest, Some(&open), &none, &mut verified, now);
    let Turn::Verify(chosen) = next(later) else {
        panic!("nothing is due")
    };
    assert_eq!(chosen.0.range, range(200, 300));
    verified.mark(&chosen.0.segments, Some(&open), later, 1);
    let mut next = |now| scrubber.next(&newest, Some(&open), &none, &mut verified, now);
    let Turn::Rest(Some(until)) = next(later) else {
        panic!("something is due")
    };
    assert_eq!(until, later + second * 60);
}

#[tokio::test]
async fn however_many_pages_there_are_one_is_known_in_parts() {
    let store = Store::memory();
    let mut chain = chain(&store, 0).await;
    bind(&mut chain, 0).await;
    for number in 0..24 {
        let start = number * 10;
        snapshot(&mut chain, start, start + 10, |_| false).await;
        if number % 4 == 3 {
            let over = range(start - 30, start + 10);
            let sealed = write_seal(&mut chain, over).await.unwrap();
            assert!(matches!(sealed, Sealed::Done(_)));
        }
    }
    let scrubber = scrubber(true);
    let mut verified = Verified::default();
    let (mut steps, mut most) = (0, 0);
    while let Step::Scrubbed(one) = step(&scrubber, &chain, &mut verified).await {
        assert!(one.findings.is_empty());
        steps += 1;
        most = most.max(verified.entries());
    }
    assert_eq!(steps, 24);
    // Six pages, and the segments of one of them.
    assert!(most <= 6 + 8, "{most} entries");
    assert!(verified.since(chain.newest().unwrap()).is_some());
}
