//! What a processor and `verify` need on a store that is old: the real program, on a store that a keeper has filled in months.

use std::process::Command;
use std::time::{Duration, Instant};

use snapback::format::{Head, Layout, Manifest, Pipeline as Identity};
use snapback::history::load_tail;
use snapback::recovery::{CommitMetadata, Limits};
use snapback::store::{Store, StoreConfig};

use crate::aging::{Aging, PARTITION, Trickle, evaluator};
use crate::measure::{Watcher, usage_if_ended};
use crate::outside::{LIMIT, Pipeline, Place, committed_events};
use crate::support::process::Running;
use crate::support::{commit_with_metadata, create_topic, eventually, produce};
use crate::table::Table;
use crate::years::{grow, jumping, real};

/// Starts that are measured; the median counts.
const STARTS: usize = 5;
/// Of a store that is young.
const FEW: u64 = 100;
/// What `verify` may take.
const VERIFY: f64 = 200.0;

/// A partition that grows old in a folder, and the programs that meet it then.
pub fn on_disk(snapshots: u64, table: &mut Table) {
    let young = Pipeline::without_events_topic(Place::folder());
    let mut ignored = Table::default();
    aged(&young, FEW, &mut ignored);
    let before = first_result(&young);
    let old = Pipeline::without_events_topic(Place::folder());
    aged(&old, snapshots, table);
    verify(&old, table);
    let after = first_result(&old);
    let of = "disk";
    for (measure, time) in [("young", before), ("old", after)] {
        let measure = format!("from exec to the first new result, {measure}");
        table.value(of, &measure, format!("{:.0} ms", time.as_secs_f64() * 1e3));
    }
    let ratio = after.as_secs_f64() / before.as_secs_f64();
    table.bound(
        of,
        "from exec to the first new result, to a young store",
        ratio,
        1.2,
        "",
    );
}

/// Fills the pipeline's store and topics as if a processor had done it.
fn aged(pipeline: &Pipeline, snapshots: u64, table: &mut Table) {
    let trickle = Trickle {
        topic: pipeline.events.clone(),
        ..Trickle::usual()
    };
    create_topic(&pipeline.brokers, &pipeline.events, 1);
    create_topic(&pipeline.brokers, &pipeline.results, 1);
    let config = StoreConfig {
        url: pipeline.store.url().parse().expect("a folder"),
        s3_endpoint: None,
        env: Vec::new(),
    };
    let real = real();
    let store = real.block_on(Store::open(&config)).expect("a folder");
    let identity = Identity {
        cluster_id: None,
        group: pipeline.group.clone(),
        events_topic: pipeline.events.clone(),
        events_topic_id: None,
        events_partitions: Some(1),
        results_topic: pipeline.results.clone(),
        results_partitions: 1,
    };
    jumping(async {
        let handle = Some(real.handle().clone());
        let mut aging = Aging::begin(store, handle, identity, trickle.clone()).await;
        if snapshots <= FEW {
            aging.snapshots(snapshots).await;
            aging.end().await;
        } else {
            grow(aging, snapshots, "disk", false, table).await;
        }
    });
    let newest = real.block_on(newest(&config, &pipeline.events));
    let events = newest.end.get().unsigned_abs();
    let records = (0..events).map(|n| (Some(0), None, Some(trickle.payload(n))));
    produce(&pipeline.brokers, &pipeline.events, records);
    commit(pipeline, &newest);
}

async fn newest(config: &StoreConfig, topic: &str) -> Manifest {
    let store = Store::open(config).await.expect("a folder");
    let layout = Layout::new(topic).expect("a topic");
    let tail = load_tail(&store, &layout, PARTITION).await;
    tail.expect("a readable store").newest.expect("a manifest")
}

/// The group's commit of everything that is stored.
fn commit(pipeline: &Pipeline, newest: &Manifest) {
    let declaration = evaluator().declaration();
    let (sequence, digest) = newest.head();
    let metadata = CommitMetadata {
        by: "snapback 0.1.0 age/0".to_owned(),
        offset: newest.end,
        calculation: Some(declaration.calculation.clone()),
        condition: None,
        fields: Some(declaration.fields.clone()),
        fingerprint: declaration.fingerprint,
        head: Head { sequence, digest },
        outcomes: newest.counts.outcomes(),
        kinds: Some(newest.counts.into()),
        limits: Limits::default(),
        lost: 0,
        corrections: None,
    };
    commit_with_metadata(
        &pipeline.brokers,
        &pipeline.group,
        &pipeline.events,
        (0, newest.end.get()),
        &metadata.encode(),
    );
}

/// The median time from the start of a process, after one that was killed, to its first new result.
fn first_result(pipeline: &Pipeline) -> Duration {
    let start = || pipeline.run().args(["--instance", "age"]).spawn();
    let all = committed_events(pipeline);
    let mut running = Some(start());
    pipeline.send_numbers(0, [all]);
    eventually(LIMIT, "a commit", || {
        (committed_events(pipeline) > all).then_some(())
    });
    let mut times: Vec<Duration> = (0..STARTS)
        .map(|_| {
            running.take().map(Running::kill);
            pipeline.send_numbers(0, [1]);
            let mut watcher = Watcher::new(&pipeline.brokers, &pipeline.results, 1);
            let began = Instant::now();
            running = Some(start());
            watcher.wait_for_new_record(LIMIT);
            began.elapsed()
        })
        .collect();
    running.take().map(Running::kill);
    times.sort_unstable();
    println!("from exec to the first new result: {times:.2?}");
    times[STARTS / 2]
}

// It is waited for, by wait4, which also tells what it used.
#[allow(clippy::zombie_processes)]
fn verify(pipeline: &Pipeline, table: &mut Table) {
    let began = Instant::now();
    let child = Command::new(env!("CARGO_BIN_EXE_snapback"))
        .args(["verify", "--events", &pipeline.events])
        .args(pipeline.store_args())
        .spawn()
        .expect("verify starts");
    let (cpu, bytes) = loop {
        match usage_if_ended(child.id()) {
            Some(usage) => break usage,
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    let took = began.elapsed();
    table.value("disk", "verify", format!("{took:.2?}, {cpu:.2?} of CPU"));
    let memory = bytes as f64 / (1024.0 * 1024.0);
    table.bound("disk", "memory of verify", memory, VERIFY, "MiB");
}
