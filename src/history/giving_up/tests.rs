use super::*;
use crate::{
    format::{Layout, testing::range},
    history::{
        Sealed,
        testing::{Fault, Faulty, bound, chain, clock, glob, paths, pending},
        tidy, write_seal, write_snapshot,
    },
    store::Store,
};

async fn two_ranges(store: &Store) -> Chain {
    let mut ours = bound(store, "ours", &clock(), 0).await;
    for (start, end) in [(0, 50), (50, 120)] {
        let mut outcomes = pending(start, end);
        write_snapshot(&mut ours, &mut outcomes).await.unwrap();
    }
    ours
}

fn live(chain: &Chain, over: OffsetRange) -> Vec<Segment> {
    let newest = chain.newest().unwrap();
    let segments = newest.open.segments.iter().filter(|one| one.range == over);
    segments.cloned().collect()
}

async fn lose(chain: &mut Chain, over: OffsetRange, replaced: &[Segment]) -> GivenUp {
    let lost = give_up(chain, over, GapReason::Damaged, replaced).await;
    lost.unwrap()
}

#[tokio::test]
async fn what_is_left_of_its_files_goes_to_the_attic_and_the_rest_stays() {
    let store = Store::memory();
    let mut ours = two_ranges(&store).await;
    let over = range(0, 50);
    let lost = live(&ours, over);
    // One file is damaged, its twin is gone.
    store.put(&lost[0].path, "damaged".into()).await.unwrap();
    store.delete(&lost[1].path).await.unwrap();
    assert_eq!(lose(&mut ours, over, &lost).await, GivenUp::Done);
    let attic = Layout::new("events").unwrap().attic(&lost[0].path);
    assert_eq!(paths(&store, "events/_attic").await, [attic.unwrap()]);
    assert_eq!(glob(&store, "events/results").await.first(), Some(&51));
    let newest = ours.newest().unwrap();
    assert_eq!((newest.gaps.len(), newest.counts.lost), (1, 50));
    // Once more changes nothing, and nothing is left to be done for whoever comes next.
    let before = newest.clone();
    assert_eq!(lose(&mut ours, over, &lost).await, GivenUp::Done);
    let mut next = chain(&store, "next", ours.clock()).await;
    let tidied = tidy(&mut next, None).await.unwrap();
    assert!(tidied.retired.is_empty() && tidied.put_back.is_empty() && tidied.missing.is_empty());
    assert_eq!(next.newest(), Some(&before));
    // What follows goes on behind it.
    write_snapshot(&mut next, &mut pending(120, 150))
        .await
        .unwrap();
    assert_eq!(next.newest().unwrap().counts.lost, 50);
}

#[tokio::test]
async fn what_another_has_mended_meanwhile_is_not_given_up() {
    let store = Store::memory();
    let mut ours = two_ranges(&store).await;
    let over = range(0, 50);
    let lost = live(&ours, over);
    let mut theirs = chain(&store, "theirs", ours.clock()).await;
    let encoded = crate::format::testing::encoded(0, 50, theirs.identity());
    let mut repair = crate::history::Repair::new(lost.clone(), encoded);
    let mended = crate::history::write_repair(&mut theirs, &mut repair).await;
    assert!(matches!(mended, Ok(crate::history::Repaired::Done(_))));
    assert_eq!(lose(&mut ours, over, &lost).await, GivenUp::Overtaken);
    assert_eq!(ours.newest(), theirs.newest());
    let live = live(&ours, over);
    assert!(live.iter().all(|segment| !lost.contains(segment)));
    for segment in live {
        assert!(store.head(&segment.path).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn beside_a_writer_it_takes_the_next_number_and_a_lost_answer_is_no_second_loss() {
    let faulty = Faulty::default();
    let store = faulty.store();
    let mut ours = two_ranges(&store).await;
    let mut writer = chain(&store, "writer", ours.clock()).await;
    let mut outcomes = pending(120, 150);
    write_snapshot(&mut writer, &mut outcomes).await.unwrap();
    let over = range(50, 120);
    let lost = live(&ours, over);
    // The first number is the writer's.
    faulty.next([Fault::LandsButFails, Fault::LandsButFails]);
    assert_eq!(lose(&mut ours, over, &lost).await, GivenUp::Done);
    let newest = ours.newest().unwrap();
    assert_eq!((newest.end.get(), newest.gaps.len()), (150, 1));
    assert_eq!(newest.open.segments.len(), 4);
    // The writer goes on beside it.
    let mut outcomes = pending(150, 160);
    write_snapshot(&mut writer, &mut outcomes).await.unwrap();
    assert_eq!(writer.newest().unwrap().counts.lost, 70);
    assert_eq!(writer.newest().unwrap().gaps, newest.gaps);
}

#[tokio::test]
async fn what_a_page_lists_is_given_up_after_the_page_was_reopened() {
    let store = Store::memory();
    let mut ours = two_ranges(&store).await;
    let over = range(0, 50);
    let lost = live(&ours, over);
    let sealed = write_seal(&mut ours, range(0, 120)).await.unwrap();
    assert!(matches!(sealed, Sealed::Done(_)));
    assert_eq!(lose(&mut ours, over, &lost).await, GivenUp::Done);
    let newest = ours.newest().unwrap();
    assert_eq!((newest.pages.len(), newest.counts.lost), (0, 50));
    assert_eq!(newest.gaps[0].range, over);
    // With the gap, what is left is sealed again.
    let sealed = write_seal(&mut ours, range(0, 120)).await.unwrap();
    assert!(matches!(sealed, Sealed::Done(_)), "{sealed:?}");
    assert_eq!(lose(&mut ours, over, &lost).await, GivenUp::Done);
}
