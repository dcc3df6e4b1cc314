//! What stored history costs while it grows, in requests and bytes: the real keeper on a clock that jumps, with its merges and its gc.
//! `docs/operating.md` has the figures, and this is what holds them.

pub mod aging;
pub mod counted;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use snapback::store::{Store, StoreConfig};

use self::aging::{Aging, Trickle, pipeline};
use self::counted::{Counts, Purpose};
use crate::outside::Place;
use crate::support::proxy::Proxy;
use crate::support::{heavy, s3};

/// A clock that jumps to the next moment at which somebody waits for one.
fn on_a_clock_that_jumps<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build();
    runtime.expect("a runtime").block_on(work)
}

/// A short `--keep`, so that gc has something to do soon.
fn trickle(reject_every: Option<u64>) -> Trickle {
    Trickle {
        keep: Duration::from_hours(6),
        scrub: Some(Duration::from_hours(1)),
        reject_every,
        ..Trickle::usual()
    }
}

async fn in_memory(trickle: Trickle) -> Aging {
    let pipeline = pipeline(&trickle.topic);
    Aging::begin(Store::memory(), None, pipeline, trickle).await
}

fn per(requests: u64, snapshots: u64) -> f64 {
    requests as f64 / snapshots as f64
}

/// A row of the table in `docs/operating.md`, without and with rejects.
fn stated(row: &str) -> [f64; 2] {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operating.md");
    let docs = std::fs::read_to_string(docs).expect("the documentation");
    let found = docs
        .lines()
        .find(|line| line.starts_with(&format!("| {row} |")));
    let found = found.unwrap_or_else(|| panic!("no row {row:?}"));
    let values = found.split('|').skip(2).map(str::trim);
    let values: Vec<f64> = values.filter_map(|value| value.parse().ok()).collect();
    values.try_into().unwrap_or_else(|_| panic!("{found}"))
}

/// Compares what snapshots have cost with the table's column, and with what they may cost.
fn is_documented(counts: &Counts, snapshots: u64, column: usize) {
    println!("{counts:#?}");
    let all = counts.all();
    let kilobytes = |bytes| per(bytes, snapshots) / 1e3;
    for (row, measured) in [
        ("PUT and copies", per(all.put, snapshots)),
        ("GET", per(all.get, snapshots)),
        ("LIST", per(all.list, snapshots)),
        ("HEAD", per(all.head, snapshots)),
        ("DELETE", per(all.delete, snapshots)),
        ("all requests", per(all.all(), snapshots)),
        ("kB of manifests written", kilobytes(counts.manifest_bytes)),
        (
            "kB of manifests read",
            kilobytes(counts.of(Purpose::Gc).bytes_got),
        ),
    ] {
        let stated = stated(row)[column];
        let off = (measured - stated).abs();
        assert!(
            off <= (0.05 * stated).max(0.06),
            "{row}: {stated} in docs/operating.md, and {measured:.2} measured"
        );
    }
    let most = [16.0, 24.0][column];
    assert!(per(all.all(), snapshots) <= most, "more than {most}");
}

/// Hours of snapshots, so that a window holds as many collections as any other.
const HOURS: u64 = 5 * 120;

#[test]
fn a_snapshot_costs_the_same_after_two_thousand_as_after_one_hundred() {
    let _turn = heavy();
    on_a_clock_that_jumps(async {
        let mut aging = in_memory(trickle(None)).await;
        aging.snapshots(100).await;
        let young = aging.snapshots(HOURS / 2).await;
        aging.snapshots(2_000 - 100 - HOURS / 2 - HOURS).await;
        let old = aging.snapshots(HOURS).await;
        let stored = |counts: &Counts, snapshots| {
            let mut stored = counts.of(Purpose::Snapshot);
            stored += counts.of(Purpose::Merge);
            per(stored.all(), snapshots)
        };
        let (before, after) = (stored(&young, HOURS / 2), stored(&old, HOURS));
        assert!(after <= 1.2 * before, "{before} requests, then {after}");
        is_documented(&old, HOURS, 0);
        assert!(old.largest <= 128 << 10, "{} bytes", old.largest);
        let mean = old.manifest_bytes / old.manifests();
        assert!(mean <= 32 << 10, "{mean} bytes of a manifest on average");
        assert!(old.open <= 256, "{} segments", old.open);
        // A day after the last event.
        aging.rest(Duration::from_hours(30)).await;
        let objects = aging.counter.size(None).objects;
        assert!(objects <= 400, "{objects} objects at rest");
        aging.end().await;
    });
}

#[test]
fn a_snapshot_with_rejects_costs_what_the_documentation_says() {
    let _turn = heavy();
    on_a_clock_that_jumps(async {
        let mut aging = in_memory(trickle(Some(5))).await;
        aging.snapshots(10 * 120).await;
        let counts = aging.snapshots(HOURS).await;
        is_documented(&counts, HOURS, 1);
        aging.end().await;
    });
}

#[test]
fn a_condition_that_takes_nothing_beside_transactions_leaves_manifests_small() {
    const SNAPSHOTS: u64 = 240;
    let _turn = heavy();
    on_a_clock_that_jumps(async {
        // Written out, its markers would take 2 MB after these two hours.
        let trickle = Trickle {
            events: 1_800,
            condition: Some("number < 0"),
            marker_every: Some(3),
            ..trickle(None)
        };
        let mut aging = in_memory(trickle).await;
        let counts = aging.snapshots(SNAPSHOTS).await;
        println!("{counts:#?}");
        assert!(counts.largest <= 128 << 10, "{} bytes", counts.largest);
        let mean = counts.manifest_bytes / counts.manifests();
        assert!(mean <= 64 << 10, "{mean} bytes of a manifest on average");
        assert_eq!(counts.segment_bytes, 0);
        aging.end().await;
    });
}

#[test]
fn a_bucket_gets_the_requests_that_are_counted() {
    const SNAPSHOTS: u64 = 60;
    let _turn = heavy();
    let server = s3();
    let proxy = Proxy::before(server.endpoint(), 0);
    let config = StoreConfig {
        url: Place::bucket(server).url().parse().expect("a store"),
        s3_endpoint: Some(proxy.endpoint().to_owned()),
        env: server
            .env()
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    };
    let real = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let store = real.block_on(Store::open(&config)).expect("a bucket");
    let before = proxy.requests();
    let trickle = Trickle {
        interval: Duration::from_mins(30),
        ..trickle(Some(5))
    };
    let counts = on_a_clock_that_jumps(async {
        let pipeline = pipeline(&trickle.topic);
        let handle = real.handle().clone();
        let mut aging = Aging::begin(store, Some(handle), pipeline, trickle).await;
        aging.snapshots(SNAPSHOTS).await;
        let counter = aging.counter.clone();
        aging.end().await;
        counter.counts()
    });
    let counted = counts.all();
    println!("{counts:#?}");
    let counted: BTreeMap<&str, u64> = [
        ("DELETE", counted.delete),
        ("GET", counted.get),
        ("HEAD", counted.head),
        ("LIST", counted.list),
        ("PUT", counted.put),
    ]
    .into();
    let mut seen = proxy.requests();
    for (kind, number) in before {
        *seen.entry(kind).or_default() -= number;
    }
    assert_eq!(seen, counted);
    let edits = |kind: &str| counts.edits.get(kind).copied().unwrap_or(0);
    assert_eq!(edits("append"), SNAPSHOTS);
    assert!(edits("compact") > SNAPSHOTS / 16);
    assert!(counts.of(Purpose::Gc).list > 0, "gc looks once an hour");
}
