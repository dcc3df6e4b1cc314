//! Pages: what nothing joins any more is listed apart from manifests by a running processor, and everything that reads a store
//! reads it as before; a page that is damaged or gone is found, and made again to the byte.
//!
//! Nothing joins two segments between which offsets are lost: so a few small ones are enough.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use snapback::calculation::{Evaluator, builtin};
use snapback::events::Fields;
use snapback::format::{Accumulation, Edit, GapReason, Identity, RangeOutcomes};
use snapback::history::{Appended, Chain, Clock, Pending, write_snapshot};
use snapback::model::{Event, Offset, OffsetRange, Partition};

use crate::a_long_history::gc;
use crate::compaction::POLL;
use crate::outside::{
    LIMIT, Pipeline, Place, committed_events, number_of_events, wait_until_committed,
};
use crate::recovery::commit_elsewhere;
use crate::support::{Program, Status, block_on, eventually, python, snapback};

/// Enough segments for a page.
const SEGMENTS: i64 = 70;
/// So many offsets each, and between them a lost one.
const EACH: i64 = 2;

pub fn feed(pipeline: &Pipeline) {
    pipeline.send_numbers(0, 5_000..5_001);
}

/// A partition whose history has been cut by losses again and again.
pub fn closed_segments(place: Place) -> Pipeline {
    let pipeline = Pipeline::new(1, place);
    pipeline.send_numbers(0, 0..EACH);
    pipeline.run_to_end().run().expect_code(0);
    let end = EACH + SEGMENTS * (EACH + 1);
    pipeline.send_numbers(0, EACH..end);
    block_on(append_between_losses(&pipeline));
    commit_elsewhere(&pipeline, end);
    pipeline
}

/// The same, listed by a page.
pub fn one_page(place: Place) -> Pipeline {
    let pipeline = closed_segments(place);
    let compacted = compact(&pipeline);
    assert_eq!(compacted["partitions"][0]["pages"], 1, "{compacted}");
    pipeline
}

async fn append_between_losses(pipeline: &Pipeline) {
    let store = pipeline.open_store().await;
    let fields = Fields::parse("number BIGINT NOT NULL").expect("a declaration");
    let square = builtin("square").expect("a calculation");
    let evaluator = Evaluator::new(fields, square).expect("they fit");
    let identity = Identity {
        topic: pipeline.events.clone(),
        partition: Partition(0),
        declaration: evaluator.declaration(),
        writer: "an earlier process".to_owned(),
    };
    let chain = Chain::load(store, identity, Clock::system()).await;
    let mut chain = chain.expect("a chain");
    for _ in 0..SEGMENTS {
        let end = chain.end().expect("a manifest");
        let range = OffsetRange::new(end, end.plus(1)).expect("ascending");
        let reason = GapReason::Expired;
        let lost = chain.append(Edit::AcceptLoss { range, reason }, None).await;
        assert!(matches!(lost, Ok(Appended::Won { .. })), "{lost:?}");
        let start = range.end();
        let range = OffsetRange::new(start, start.plus(EACH as u64)).expect("ascending");
        let numbers = range.start().get()..range.end().get();
        let payloads: Vec<_> = numbers
            .map(|n| (n, format!("{{\"number\": {n}}}")))
            .collect();
        let events = payloads.iter().map(|(offset, payload)| Event {
            offset: Offset::new(*offset).expect("an offset"),
            timestamp: None,
            key: None,
            payload: Some(payload.as_bytes()),
        });
        let evaluated = evaluator.evaluate(events).expect("squares");
        let mut outcomes = Accumulation::new(start);
        let evaluated = RangeOutcomes::new(range, evaluated).expect("of the range");
        outcomes.append(&evaluated).expect("rows");
        let encoded = outcomes.close(chain.identity()).expect("files");
        let written = write_snapshot(&mut chain, &mut Pending::from(encoded)).await;
        written.expect("a snapshot");
    }
}

fn compact(pipeline: &Pipeline) -> Value {
    let compacted = snapback(["compact", "--apply", "-o", "json"])
        .args(["--events", &pipeline.events])
        .args(pipeline.store_args())
        .envs(pipeline.env())
        .limit(LIMIT)
        .run()
        .expect_code(0);
    serde_json::from_str(&compacted.stdout).expect("JSON")
}

fn snapshots(pipeline: &Pipeline, flags: &[&str]) -> Value {
    let finished = snapback(["snapshots"])
        .args(flags)
        .args(["-o", "json", "--events", &pipeline.events])
        .args(pipeline.store_args())
        .envs(pipeline.env())
        .limit(LIMIT)
        .run();
    serde_json::from_str(&finished.stdout).unwrap_or_default()
}

fn shown(pipeline: &Pipeline) -> Value {
    snapshots(pipeline, &["show", "0"])
}

pub fn repair(pipeline: &Pipeline) -> Program {
    snapback(["repair", "--apply", "-o", "json"])
        .args(["--brokers", &pipeline.brokers])
        .args(["--events", &pipeline.events])
        .args(pipeline.store_args())
        .envs(pipeline.env())
        .limit(LIMIT)
}

/// Each event is a result or known to be lost, and nothing is wrong.
pub fn check(pipeline: &Pipeline) {
    let report = pipeline.verify(0);
    let committed = committed_events(pipeline);
    assert_eq!(report["clean"], true, "{report}");
    assert_eq!(report["offsets"].as_i64(), Some(committed));
    assert_eq!(report["lost"].as_i64(), Some(SEGMENTS));
    assert_eq!(report["results"].as_i64(), Some(committed - SEGMENTS));
}

pub fn files(pipeline: &Pipeline, folder: &str) -> Vec<PathBuf> {
    let folder = pipeline.store.path().join(&pipeline.events).join(folder);
    let entries = fs::read_dir(folder.join("partition=0")).into_iter();
    let mut paths: Vec<PathBuf> = entries.flatten().flatten().map(|one| one.path()).collect();
    paths.sort();
    paths
}

fn fate(pipeline: &Pipeline, offset: i64, code: i32) -> Value {
    let source = format!("0/{offset}");
    let finished = snapback(["lookup", &source, "-o", "json"])
        .args(["--events", &pipeline.events])
        .args(pipeline.store_args())
        .limit(LIMIT)
        .run()
        .expect_code(code);
    let found: Value = serde_json::from_str(&finished.stdout).unwrap_or_default();
    found["fate"].clone()
}

fn findings(pipeline: &Pipeline) -> Vec<String> {
    let report = pipeline.verify(1);
    let findings = report["findings"].as_array().expect("findings");
    let kinds = findings.iter().map(|finding| finding["kind"].as_str());
    kinds.map(|kind| kind.expect("a kind").to_owned()).collect()
}

fn repaired(pipeline: &Pipeline) -> Value {
    let finished = repair(pipeline).run().expect_code(0);
    serde_json::from_str(&finished.stdout).expect("JSON")
}

#[test]
fn a_processor_seals_what_nothing_joins_any_more_and_readers_of_the_glob_see_all_of_it() {
    let pipeline = closed_segments(Place::folder());
    let segments = files(&pipeline, "results");
    let root = pipeline.store.path().join(&pipeline.events);
    let lost = SEGMENTS.to_string();
    let poller = python().program(POLL, &[root.to_str().expect("text"), &lost]);
    let mut poller = poller.open_stdin().limit(LIMIT).spawn();
    let mut running = pipeline
        .run()
        .args(["--commit-interval", "5ms", "--snapshot-interval", "100ms"])
        .spawn();
    eventually(LIMIT, "a page", || {
        feed(&pipeline);
        (!shown(&pipeline)["pages"].is_null()).then_some(())
    });
    wait_until_committed(&pipeline, number_of_events(&pipeline));
    running.signal(libc::SIGTERM);
    running.wait(LIMIT).expect_code(0);
    poller.enter();
    let polled = poller.wait(LIMIT).expect_code(0).stdout;
    println!("reads, with rows twice, made again, offsets: {polled}");
    check(&pipeline);
    // Nothing was moved, but for what new segments join.
    let closed = &segments[..segments.len() - 1];
    assert!(closed.iter().all(|segment| segment.exists()));
    // The newest manifest lists few of them itself.
    let newest = pipeline.manifests(0).pop().expect("a manifest");
    let newest: Value =
        serde_json::from_slice(&fs::read(newest).expect("a manifest")).expect("JSON");
    let open = newest["segments"].as_array().expect("an open list");
    assert!(open.len() < 30, "{} segments", open.len());
}

#[test]
fn what_is_sealed_is_read_like_everything_else_and_a_damaged_page_is_made_again() {
    let pipeline = one_page(Place::folder());
    check(&pipeline);
    let before = shown(&pipeline);
    let pages = files(&pipeline, "_pages");
    let [page] = &pages[..] else {
        panic!("{pages:?}");
    };
    assert_eq!(before["pages"].as_u64(), Some(1));
    let segments = files(&pipeline, "results");
    assert_eq!(before["segments"].as_u64(), Some(segments.len() as u64));
    assert_eq!(fate(&pipeline, EACH + 1, 0), "result");

    // Damaged, then gone: the segments are there, and nobody takes them for orphans.
    let good = fs::read(page).expect("a page");
    fs::write(page, &good[..good.len() / 2]).expect("a file");
    assert_eq!(findings(&pipeline), ["page-damaged"]);
    fate(&pipeline, 0, 3);
    assert_eq!(repaired(&pipeline)["pages"], 1);
    assert_eq!(fs::read(page).expect("a page"), good);
    fs::remove_file(page).expect("a file");
    assert_eq!(findings(&pipeline), ["page-missing"]);
    let gc = gc(&pipeline, &[]).run().expect_code(1);
    let name = page.file_name().expect("a name").to_string_lossy();
    assert!(gc.stdout.contains(&*name), "{gc:?}");
    // New events are processed all the same, and whoever watches is told.
    feed(&pipeline);
    let mut running = pipeline.run().args(Status::ANYWHERE).spawn();
    let status = Status::of(&running);
    status.wait_until(LIMIT, "the page that is gone", |seen| {
        Status::detail(seen, "findings").is_some_and(|text| text.to_string().contains(&*name))
    });
    wait_until_committed(&pipeline, number_of_events(&pipeline));
    running.signal(libc::SIGTERM);
    running.wait(LIMIT);
    assert_eq!(findings(&pipeline), ["page-missing"]);
    assert_eq!(repaired(&pipeline)["pages"], 1);
    assert_eq!(fs::read(page).expect("a page"), good);
    check(&pipeline);

    // A damaged segment of it is made again; the page is open then, until enough is closed again.
    fs::write(&segments[3], b"nothing").expect("a file");
    assert_eq!(findings(&pipeline), ["digest-mismatch"]);
    assert_eq!(repaired(&pipeline)["ranges"], 1);
    check(&pipeline);
    assert_eq!(shown(&pipeline)["pages"], Value::Null);

    let compacted = compact(&pipeline);
    assert_eq!(compacted["partitions"][0]["pages"], 1, "{compacted}");
    check(&pipeline);
    pipeline.run_to_end().run().expect_code(0);
    check(&pipeline);
}
