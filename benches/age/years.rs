//! A keeper that grows old, on every kind of store.

use std::time::{Duration, Instant};

use snapback::format::Layout;
use snapback::history::{Chain, Clock, tidy};
use snapback::store::{Store, StoreConfig};
use tokio::runtime::{Builder, Runtime};

use crate::aging::{Aging, PARTITION, Trickle, pipeline};
use crate::counted::{Counted, Counts, Purpose, Requests};
use crate::support::{S3Server, resident_memory};
use crate::table::Table;

/// So many snapshots are compared.
const FEW: u64 = 100;
/// From the first ones and the last ones, the costs of a snapshot with all that follows: merges, and gc once an hour.
const MANY: u64 = 1_200;
/// How often it is said how far it is.
const PROGRESS: u64 = 20_000;
const A_DAY: Duration = Duration::from_hours(24);
const MIB: f64 = 1024.0 * 1024.0;

/// The runtime that stores are asked on, in real time.
pub fn real() -> Runtime {
    let runtime = Builder::new_multi_thread().enable_all().build();
    runtime.expect("a runtime")
}

/// Runs on a clock that jumps to the next moment at which somebody waits for one.
pub fn jumping<T>(work: impl Future<Output = T>) -> T {
    let mut builder = Builder::new_current_thread();
    let runtime = builder.enable_all().start_paused(true).build();
    runtime.expect("a runtime").block_on(work)
}

pub fn in_memory(snapshots: u64, table: &mut Table) {
    jumping(async {
        let trickle = Trickle::usual();
        let pipeline = pipeline(&trickle.topic);
        let aging = Aging::begin(Store::memory(), None, pipeline, trickle).await;
        grow(aging, snapshots, "memory", true, table).await;
    });
}

pub fn in_a_bucket(snapshots: u64, table: &mut Table) {
    let (server, real) = (S3Server::start(), real());
    let env = server.env().into_iter();
    let config = StoreConfig {
        url: format!("s3://{}/age", server.bucket())
            .parse()
            .expect("a store"),
        s3_endpoint: Some(server.endpoint().to_owned()),
        env: env.map(|(name, value)| (name.to_owned(), value)).collect(),
    };
    let store = real.block_on(Store::open(&config)).expect("a bucket");
    jumping(async {
        // With rejects: the dearest case.
        let trickle = Trickle {
            reject_every: Some(5),
            ..Trickle::usual()
        };
        let pipeline = pipeline(&trickle.topic);
        let handle = Some(real.handle().clone());
        let aging = Aging::begin(store, handle, pipeline, trickle).await;
        grow(aging, snapshots, "s3", false, table).await;
    });
}

/// What some snapshots have cost.
struct Cost {
    snapshots: u64,
    cpu: Duration,
    took: Duration,
    counts: Counts,
}

impl Cost {
    async fn of(aging: &mut Aging, snapshots: u64) -> Cost {
        let (cpu, began) = (cpu_time(), Instant::now());
        let counts = aging.snapshots(snapshots).await;
        Cost {
            snapshots,
            cpu: cpu_time() - cpu,
            took: began.elapsed(),
            counts,
        }
    }

    fn per(&self, number: u64) -> f64 {
        number as f64 / self.snapshots as f64
    }

    fn milliseconds(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e3 / self.snapshots as f64
    }

    /// Requests of a snapshot, with its merges.
    fn stored(&self) -> f64 {
        let mut stored = self.counts.of(Purpose::Snapshot);
        stored += self.counts.of(Purpose::Merge);
        self.per(stored.all())
    }

    fn shown(&self) -> String {
        let shown = |purpose| {
            let by = self.counts.of(purpose);
            format!(
                "{purpose:?} {:.2} (PUT {:.2}, GET {:.2}, LIST {:.2}, HEAD {:.2}, DELETE {:.2}; {:.1} kB sent, {:.1} kB read)",
                self.per(by.all()),
                self.per(by.put),
                self.per(by.get),
                self.per(by.list),
                self.per(by.head),
                self.per(by.delete),
                self.per(by.bytes_put) / 1e3,
                self.per(by.bytes_got) / 1e3,
            )
        };
        let parts = [Purpose::Snapshot, Purpose::Merge, Purpose::Gc].map(shown);
        let took = self.took.as_secs_f64() * 1e3 / self.snapshots as f64;
        format!(
            "{:.2} ms of CPU, {took:.2} ms; {}",
            self.milliseconds(),
            parts.join("; ")
        )
    }
}

/// Grows a partition to so many snapshots and lets it rest for a day, with the costs on the way. `is_in_memory`: the store is
/// a part of this process.
pub async fn grow(
    mut aging: Aging,
    snapshots: u64,
    of: &str,
    is_in_memory: bool,
    table: &mut Table,
) -> Store {
    let has_rejects = aging.trickle.reject_every.is_some();
    let first = Cost::of(&mut aging, FEW).await;
    let young = Cost::of(&mut aging, MANY).await;
    let mut done = FEW + MANY;
    let mut memory_before = None;
    while done + MANY + FEW < snapshots {
        let next = PROGRESS.min(snapshots - MANY - FEW - done);
        let cost = Cost::of(&mut aging, next).await;
        done += next;
        println!("{of}, {done} snapshots: {}", cost.shown());
        // Until gc has taken away as much as comes, what is stored grows, and the lists of it.
        memory_before.get_or_insert_with(|| own_memory(&aging.counter, is_in_memory));
    }
    let old = Cost::of(&mut aging, MANY).await;
    let last = Cost::of(&mut aging, FEW).await;
    let memory_after = own_memory(&aging.counter, is_in_memory);
    for (measure, cost) in [
        ("a snapshot, the first hundred", &first),
        ("a snapshot, the next 1,200", &young),
        ("a snapshot, at the end, of 1,200", &old),
        ("a snapshot, the last hundred", &last),
    ] {
        table.value(of, measure, cost.shown());
    }
    let ratio = last.milliseconds() / first.milliseconds();
    table.bound(of, "CPU, the last hundred to the first", ratio, 1.2, "");
    let ratio = old.milliseconds() / young.milliseconds();
    table.bound(of, "CPU, at the end to the first 1,200", ratio, 1.2, "");
    let ratio = old.stored() / young.stored();
    table.bound(
        of,
        "requests of snapshots and merges, to the first",
        ratio,
        1.2,
        "",
    );
    let all = old.per(old.counts.all().all());
    let most = if has_rejects { 24.0 } else { 16.0 };
    table.bound(of, "all requests of a snapshot", all, most, "");
    let counts = aging.counter.counts();
    table.bound(
        of,
        "largest manifest",
        counts.largest as f64 / 1024.0,
        128.0,
        "KiB",
    );
    let mean = counts.manifest_bytes / counts.manifests();
    table.bound(
        of,
        "manifests on average",
        mean as f64 / 1024.0,
        32.0,
        "KiB",
    );
    table.bound(of, "open list", counts.open as f64, 256.0, "segments");
    if let Some(before) = memory_before {
        let [before, after] = [before, memory_after].map(|bytes| bytes / MIB);
        table.bound(
            of,
            "memory at the end, to that after a week",
            after / before,
            1.2,
            "",
        );
        table.value(of, "memory", format!("{before:.0} -> {after:.0} MiB"));
    }

    aging.rest(A_DAY + Duration::from_hours(7)).await;
    let size = aging.counter.size(None);
    let segments = aging.counter.size(Some("results")).bytes as f64;
    let most = 400.0 + 2.0 * (segments / (128.0 * MIB)).ceil();
    table.bound(
        of,
        "objects a day after the load",
        size.objects as f64,
        most,
        "",
    );
    table.value(
        of,
        "bytes of all of them",
        format!("{:.1} MiB", size.bytes as f64 / MIB),
    );
    let (counter, trickle) = (aging.counter.clone(), aging.trickle.clone());
    let store = aging.end().await;
    start(&store, &counter, &trickle, of, table).await;
    store
}

/// What the start of a partition reads of its store, and puts in order.
async fn start(store: &Store, counter: &Counted, trickle: &Trickle, of: &str, table: &mut Table) {
    let before = counter.counts().all();
    let identity = snapback::format::Identity {
        topic: trickle.topic.clone(),
        partition: PARTITION,
        declaration: crate::aging::evaluator().declaration(),
        writer: "age".to_owned(),
    };
    let chain = Chain::load(store.clone(), identity, Clock::system()).await;
    let mut chain = chain.expect("a readable store");
    tidy(&mut chain, None).await.expect("it is in order");
    let asked = counter.counts().all() - before;
    let Requests {
        put,
        get,
        list,
        head,
        delete,
        bytes_got,
        ..
    } = asked;
    table.value(
        of,
        "a start",
        format!(
            "{} requests (PUT {put}, GET {get}, LIST {list}, HEAD {head}, DELETE {delete}), {:.1} kB read",
            asked.all(),
            bytes_got as f64 / 1e3
        ),
    );
}

/// Days at 1,000 events/s, and what a month of them leaves beside the outcomes.
pub fn a_month(days: u64, table: &mut Table) {
    const EVENTS: u64 = 30_000;
    const SNAPSHOTS: u64 = 2_880;
    const MONTH: u64 = 30;
    let (folder, real) = (tempfile::tempdir().expect("a folder"), real());
    let config = StoreConfig::new(
        folder
            .path()
            .display()
            .to_string()
            .parse()
            .expect("a folder"),
    );
    let store = real.block_on(Store::open(&config)).expect("a folder");
    jumping(async {
        let trickle = Trickle {
            events: EVENTS,
            ..Trickle::usual()
        };
        let pipeline = pipeline(&trickle.topic);
        let handle = Some(real.handle().clone());
        let mut aging = Aging::begin(store, handle, pipeline, trickle).await;
        for day in 1..=days {
            let cost = Cost::of(&mut aging, SNAPSHOTS).await;
            println!("1,000/s, day {day}: {}", cost.shown());
        }
        // The hour's collection.
        aging.rest(Duration::from_mins(61)).await;
        let (all, live) = (aging.counter.size(None), live_bytes(&aging).await);
        let counts = aging.counter.counts();
        let (of, month) = ("1,000/s", (MONTH * SNAPSHOTS * EVENTS) as f64);
        let beside = all.bytes - live;
        let sizes = ["_manifests", "_attic", "_pages"].map(|folder| {
            let size = aging.counter.size(Some(folder));
            format!("{folder} {:.1} MB", size.bytes as f64 / 1e6)
        });
        table.value(
            of,
            "beside the live segments",
            format!("{:.1} MB ({})", beside as f64 / 1e6, sizes.join(", ")),
        );
        table.bound(
            of,
            "bytes beside the live segments, per event of a month",
            beside as f64 / month,
            2.0,
            "",
        );
        let written = counts.segment_bytes as f64 / counts.first_bytes as f64;
        table.bound(of, "write amplification", written, 4.0, "");
        let per = live as f64 / (days * SNAPSHOTS * EVENTS) as f64;
        table.value(of, "live bytes of an event", format!("{per:.2}"));
        aging.end().await;
    });
}

/// The bytes of the segments that the newest manifest lists.
async fn live_bytes(aging: &Aging) -> u64 {
    let layout = Layout::new(&aging.trickle.topic).expect("a topic");
    let tail = snapback::history::load_tail(&aging.store, &layout, PARTITION).await;
    let newest = tail.expect("a readable store").newest;
    newest.expect("a manifest").live_bytes()
}

/// What this process has for itself, without the objects of a store in memory.
fn own_memory(counter: &Counted, is_in_memory: bool) -> f64 {
    let all = resident_memory(std::process::id()).expect("this process");
    let objects = if is_in_memory {
        counter.size(None).bytes
    } else {
        0
    };
    all.saturating_sub(objects) as f64
}

/// The CPU time of this process.
fn cpu_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the clock exists, and `time` is ours.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    assert_eq!(failed, 0, "the process has a clock");
    let seconds = u64::try_from(time.tv_sec).expect("positive");
    Duration::new(
        seconds,
        u32::try_from(time.tv_nsec).expect("below a second"),
    )
}
