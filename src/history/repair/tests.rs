use super::*;
use crate::{
    format::{
        Added, Changes, Identity, Merger, OutcomeText, Rewriter, SegmentKind, read_segment,
        testing::{PARTITION, at, evaluated, identity, range, results_schema},
    },
    history::{
        load_tail,
        race::LISTED_WITHIN,
        testing::{Fault, Faulty, assert_glob, bound, chain, clock, glob, paths, pending},
        tidy, write_snapshot,
    },
    model::Sequence,
    store::Store,
};

fn theirs() -> Identity {
    let mut theirs = identity("repairer");
    theirs.declaration.fingerprint = "ffeeddccbbaa9988".parse().unwrap();
    theirs
}

/// A repair of what is live from `start` to `end`, in which every result has changed.
async fn repair(chain: &Chain, start: i64, end: i64) -> Repair {
    let over = range(start, end);
    let newest = chain.newest().unwrap();
    let outcomes = |segment: &&Segment| segment.kind != SegmentKind::Corrections;
    let live = newest.open.segments.iter().filter(outcomes);
    let live: Vec<Segment> = live.filter(|s| s.range == over).cloned().collect();
    let file = chain
        .store()
        .get(&live[0].path, live[0].bytes)
        .await
        .unwrap();
    let facts = read_segment(file).unwrap().facts().clone();
    let schema = results_schema();
    let mut writer = Rewriter::new(
        over,
        facts.absent,
        facts.declaration.fingerprint,
        &schema,
        theirs(),
    );
    let outcomes = evaluated(over);
    let rows = 0..u32::try_from(outcomes.results.num_rows()).unwrap();
    let changes = Changes {
        results: rows
            .map(|row| (row, OutcomeText::Result { message: "{}" }))
            .collect(),
        ..Changes::default()
    };
    writer.write(&outcomes, &changes).unwrap();
    Repair::new(live, writer.finish(None).unwrap())
}

async fn two_ranges(store: &Store) -> Chain {
    let mut ours = bound(store, "ours", &clock(), 0).await;
    for (start, end) in [(0, 50), (50, 120)] {
        write_snapshot(&mut ours, &mut pending(start, end))
            .await
            .unwrap();
    }
    ours
}

/// The plain glob sees every offset once.
async fn assert_exact(store: &Store, end: i64) {
    let results: Vec<i64> = (0..end).filter(|o| o % 5 != 0).collect();
    assert_eq!(glob(store, "events/results").await, results);
    let rejects: Vec<i64> = (0..end).filter(|o| o % 5 == 0 && o % 10 != 0).collect();
    assert_eq!(glob(store, "events/rejects").await, rejects);
}

fn fingerprints(chain: &Chain) -> Vec<(i64, String)> {
    let outcomes = chain.newest().unwrap().open.segments.iter();
    let results = outcomes.filter(|segment| segment.kind == SegmentKind::Results);
    results
        .map(|s| (s.range.start().get(), s.fingerprint.to_string()))
        .collect()
}

#[tokio::test]
async fn what_a_repair_replaces_goes_to_the_attic() {
    let store = Store::memory();
    let mut ours = two_ranges(&store).await;
    let mut repair = repair(&ours, 0, 50).await;
    let done = write_repair(&mut ours, &mut repair).await.unwrap();
    let Repaired::Done(segments) = done else {
        panic!("nobody else was there")
    };
    assert_eq!(segments.len(), 3);
    assert_exact(&store, 120).await;
    assert_eq!(paths(&store, "events/_attic").await.len(), 2);
    assert_eq!(glob(&store, "events/corrections").await.len(), 40);
    assert_eq!(
        fingerprints(&ours),
        [
            (0, "ffeeddccbbaa9988".to_owned()),
            (50, "00112233445566aa".to_owned())
        ]
    );
    assert_eq!(ours.end(), Some(at(120)));
    // Nothing is left to be done for whoever comes next.
    let mut next = chain(&store, "next", ours.clock()).await;
    let tidied = tidy(&mut next, None).await.unwrap();
    assert!(tidied.retired.is_empty() && tidied.put_back.is_empty() && tidied.missing.is_empty());
}

#[tokio::test]
async fn a_repair_that_another_came_before_is_tried_again_on_top_of_it() {
    let store = Store::memory();
    let mut ours = two_ranges(&store).await;
    let mut theirs = chain(&store, "theirs", ours.clock()).await;
    let mut late = repair(&ours, 0, 50).await;
    write_snapshot(&mut theirs, &mut pending(120, 150))
        .await
        .unwrap();
    let mut other = repair(&theirs, 50, 120).await;
    write_repair(&mut theirs, &mut other).await.unwrap();
    let done = write_repair(&mut ours, &mut late).await.unwrap();
    assert!(matches!(done, Repaired::Done(_)));
    assert_exact(&store, 150).await;
    let newest = ours.newest().unwrap();
    assert_eq!((newest.sequence.0, newest.end), (6, at(150)));
    assert_eq!(
        load_tail(&store, ours.layout(), PARTITION).await.unwrap(),
        *ours.tail()
    );
}

#[tokio::test]
async fn a_repair_is_given_up_when_another_has_repaired_the_same_range() {
    let store = Store::memory();
    let mut ours = two_ranges(&store).await;
    let mut theirs = chain(&store, "theirs", ours.clock()).await;
    let mut late = repair(&ours, 0, 50).await;
    let mut first = repair(&theirs, 0, 50).await;
    write_repair(&mut theirs, &mut first).await.unwrap();
    let done = write_repair(&mut ours, &mut late).await.unwrap();
    assert_eq!(done, Repaired::Overtaken);
    assert_eq!(ours.tail(), theirs.tail());
    assert_exact(&store, 120).await;
    // Two that were replaced, and three that came too late.
    assert_eq!(paths(&store, "events/_attic").await.len(), 5);
}

#[tokio::test]
async fn an_answer_that_gets_lost_does_not_repair_twice() {
    for fault in [
        Fault::LandsButFails,
        Fault::Fails,
        Fault::LandsAfter(1),
        Fault::Conflict,
    ] {
        let faulty = Faulty::default();
        let store = faulty.store();
        let mut ours = two_ranges(&store).await;
        let mut repair = repair(&ours, 50, 120).await;
        faulty.next([fault]);
        let done = write_repair(&mut ours, &mut repair).await.unwrap();
        assert!(matches!(done, Repaired::Done(_)), "{fault:?}");
        assert_exact(&store, 120).await;
        assert_eq!(ours.newest().unwrap().sequence.0, 4, "{fault:?}");
    }
}

#[tokio::test]
async fn a_repair_waits_for_a_store_that_is_away_and_goes_on() {
    let faulty = Faulty::default();
    let store = faulty.store();
    let mut ours = two_ranges(&store).await;
    let mut repair = repair(&ours, 0, 50).await;
    faulty.puts_fail(true);
    assert!(write_repair(&mut ours, &mut repair).await.is_err());
    assert_exact(&store, 120).await;
    faulty.puts_fail(false);
    write_repair(&mut ours, &mut repair).await.unwrap();
    assert_exact(&store, 120).await;
}

#[tokio::test]
async fn a_repair_that_is_given_up_leaves_nothing_behind() {
    let faulty = Faulty::default();
    let store = faulty.store();
    let mut ours = two_ranges(&store).await;
    let mut repair = repair(&ours, 0, 50).await;
    faulty.next([Fault::Fails; 6]);
    assert!(write_repair(&mut ours, &mut repair).await.is_err());
    repair.give_up(&mut ours).await.unwrap();
    assert_exact(&store, 120).await;
    assert_eq!(fingerprints(&ours)[0].1, "00112233445566aa");
    // One that has won in truth is not.
    let mut again = super::tests::repair(&ours, 0, 50).await;
    faulty.next([Fault::LandsButFails; 1]);
    write_repair(&mut ours, &mut again).await.unwrap();
    again.give_up(&mut ours).await.unwrap();
    assert_exact(&store, 120).await;
    assert_eq!(fingerprints(&ours)[0].1, "ffeeddccbbaa9988");
}

#[tokio::test]
async fn files_of_a_repair_that_died_before_its_manifest_are_moved_away() {
    let store = Store::memory();
    let mut ours = two_ranges(&store).await;
    let mut repair = repair(&ours, 0, 50).await;
    let put = repair.put.insert(Put::new(&ours, &repair.encoded));
    let points = [Point::RepairHalfPut, Point::RepairPut];
    put.files(&ours, &repair.encoded, points).await.unwrap();
    let mut next = chain(&store, "next", ours.clock()).await;
    assert_eq!(tidy(&mut next, None).await.unwrap().retired.len(), 3);
    assert_exact(&store, 120).await;
    // The dead one was only slow: what it lists is put back.
    let done = write_repair(&mut ours, &mut repair).await.unwrap();
    assert!(matches!(done, Repaired::Done(_)));
    assert_exact(&store, 120).await;
}

/// Too few rows would be in the data folders: neither its files nor those that it replaced.
#[tokio::test(start_paused = true)]
async fn a_repair_that_won_unheard_after_its_files_were_tidied_away_puts_them_back() {
    let faulty = Faulty::default();
    let store = faulty.store();
    let mut ours = two_ranges(&store).await;
    let mut repair = repair(&ours, 0, 50).await;
    faulty.next([Fault::LandsOnDemand; 6]);
    write_repair(&mut ours, &mut repair).await.unwrap_err();
    let mut next = chain(&store, "next", ours.clock()).await;
    assert_eq!(tidy(&mut next, None).await.unwrap().retired.len(), 3);
    faulty.land().await;
    let done = write_repair(&mut ours, &mut repair).await.unwrap();
    assert!(matches!(done, Repaired::Done(_)));
    assert_exact(&store, 120).await;
}

/// Its winner was suspended before it looked at them.
#[tokio::test]
async fn who_gives_up_a_repair_puts_back_what_is_live_instead() {
    let store = Store::memory();
    let mut ours = two_ranges(&store).await;
    let mut late = repair(&ours, 0, 50).await;
    let mut theirs = chain(&store, "theirs", ours.clock()).await;
    let mut first = repair(&theirs, 0, 50).await;
    write_repair(&mut theirs, &mut first).await.unwrap();
    // As if it had come no further than its manifest, after somebody had tidied.
    let newest = theirs.newest().unwrap();
    let brought: Vec<Path> = newest.added().map(|segment| segment.path.clone()).collect();
    for path in &brought {
        assert!(attic::retire(&store, theirs.layout(), path).await.unwrap());
    }
    for segment in &first.replaced {
        attic::restore_segment(&store, theirs.layout(), &segment.path)
            .await
            .unwrap();
    }
    let done = write_repair(&mut ours, &mut late).await.unwrap();
    assert_eq!(done, Repaired::Overtaken);
    assert_exact(&store, 120).await;
}

/// It was suspended while gc took away what no manifest listed.
#[tokio::test]
async fn a_repair_that_comes_too_late_for_its_files_puts_them_again_under_other_names() {
    let store = Store::memory();
    let mut ours = two_ranges(&store).await;
    let mut repair = repair(&ours, 0, 50).await;
    let put = repair.put.insert(Put::new(&ours, &repair.encoded));
    let points = [Point::RepairHalfPut, Point::RepairPut];
    put.files(&ours, &repair.encoded, points).await.unwrap();
    let first = put.segments.clone();
    let mut theirs = chain(&store, "theirs", ours.clock()).await;
    for end in 121..=120 + LISTED_WITHIN as i64 {
        let mut outcomes = pending(end - 1, end);
        write_snapshot(&mut theirs, &mut outcomes).await.unwrap();
    }
    for segment in &first {
        store.delete(&segment.path).await.unwrap();
    }
    let done = write_repair(&mut ours, &mut repair).await.unwrap();
    let Repaired::Done(brought) = done else {
        panic!("nobody changed the range: {done:?}")
    };
    let mut paths = brought.iter().map(|segment| &segment.path);
    assert!(paths.all(|path| first.iter().all(|old| old.path != *path)));
    assert_exact(&store, 120 + LISTED_WITHIN as i64).await;
    let tidied = tidy(&mut theirs, None).await.unwrap();
    assert_eq!(tidied.missing, []);
}

#[tokio::test]
async fn a_repair_that_won_unheard_and_was_repaired_since_leaves_nothing_behind() {
    let faulty = Faulty::default();
    let store = faulty.store();
    let mut ours = two_ranges(&store).await;
    let mut repair = super::tests::repair(&ours, 0, 50).await;
    // Its manifest is there, and nobody hears of it.
    faulty.next([Fault::LandsOnDemand]);
    faulty.next([Fault::Fails; 5]);
    assert!(write_repair(&mut ours, &mut repair).await.is_err());
    faulty.land().await;
    let mut theirs = chain(&store, "theirs", ours.clock()).await;
    assert_eq!(fingerprints(&theirs)[0].1, "ffeeddccbbaa9988");
    let mut next = super::tests::repair(&theirs, 0, 50).await;
    write_repair(&mut theirs, &mut next).await.unwrap();
    let done = write_repair(&mut ours, &mut repair).await.unwrap();
    // Of what it brought, the corrections are still live.
    let Repaired::Done(live) = done else {
        panic!("it had won: {done:?}")
    };
    assert!(live.iter().all(|segment| segment.revision.is_some()));
    assert_exact(&store, 120).await;
}

/// A chain of three snapshots, and what is to take their place.
async fn mergeable(store: &Store) -> (Chain, Repair) {
    let mut chain = bound(store, "ours", &clock(), 0).await;
    for start in [0, 10, 20] {
        write_snapshot(&mut chain, &mut pending(start, start + 10))
            .await
            .unwrap();
    }
    let replaced = chain.newest().unwrap().open.segments.clone();
    let mut merger = Merger::new(range(0, 30), chain.identity().clone());
    for pair in replaced.chunks(2) {
        let mut files = Vec::new();
        for segment in pair {
            let fetched = crate::history::fetch_segment(store, chain.layout(), segment)
                .await
                .unwrap();
            files.push(fetched.bytes);
        }
        assert_eq!(merger.add(files).unwrap(), Added::Whole);
    }
    let merged = Repair::compacting(replaced, merger.finish().unwrap());
    (chain, merged)
}

#[tokio::test]
async fn merged_segments_take_the_place_of_their_inputs_whoever_appends_meanwhile() {
    let store = Store::memory();
    let (mut ours, mut merged) = mergeable(&store).await;
    let before = ours.newest().unwrap().counts;
    let mut other = chain(&store, "other", &clock()).await;
    write_snapshot(&mut other, &mut pending(30, 40))
        .await
        .unwrap();
    let done = write_repair(&mut ours, &mut merged).await.unwrap();
    assert!(matches!(done, Repaired::Done(segments) if segments.len() == 2));
    let newest = ours.newest().unwrap();
    assert_eq!(newest.open.segments.len(), 4);
    assert_eq!(newest.edit.name(), "compact");
    assert_eq!(newest.counts.outcomes(), before.outcomes() + 9);
    assert_glob(&store, 0, 40).await;
}

#[tokio::test]
async fn a_merge_whose_inputs_have_changed_is_given_up() {
    let store = Store::memory();
    let (mut ours, mut merged) = mergeable(&store).await;
    let (replaced, encoded) = (merged.replaced.clone(), merged.encoded.clone());
    merged.put(&ours).await.unwrap();
    let mut other = chain(&store, "other", &clock()).await;
    let mut theirs = Repair::compacting(replaced, encoded);
    write_repair(&mut other, &mut theirs).await.unwrap();
    let done = write_repair(&mut ours, &mut merged).await.unwrap();
    assert_eq!(done, Repaired::Overtaken);
    assert_glob(&store, 0, 30).await;
}

#[tokio::test]
async fn files_of_a_merge_that_died_before_its_edit_go_to_the_attic_and_are_never_adopted() {
    let store = Store::memory();
    let (ours, mut merged) = mergeable(&store).await;
    let head = ours.tail().head();
    merged.put(&ours).await.unwrap();
    drop((ours, merged));
    let mut next = chain(&store, "ours", &clock()).await;
    let tidied = tidy(&mut next, head).await.unwrap();
    assert_eq!((tidied.retired.len(), tidied.adopted.len()), (2, 0));
    assert_glob(&store, 0, 30).await;

    // The same when the manifests of all but the first snapshot are lost.
    let (ours, mut merged) = mergeable(&Store::memory()).await;
    let (store, head) = (ours.store().clone(), ours.tail().head());
    merged.put(&ours).await.unwrap();
    for number in [2, 3, 4] {
        let path = ours.layout().manifest(PARTITION, Sequence(number));
        store.put(&path, "lost".into()).await.unwrap();
    }
    let mut next = chain(&store, "ours", &clock()).await;
    let tidied = tidy(&mut next, head).await.unwrap();
    assert_eq!(tidied.adopted, [range(0, 10), range(10, 20), range(20, 30)]);
    assert_glob(&store, 0, 30).await;
}
