//! What became of one event, in a history of 10,000 ranges and in one of a billion events: milliseconds, requests and bytes, in
//! memory, in a folder, in a bucket.
//!
//! `cargo bench --bench lookup`, or `-- 1000` for so many ranges.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a measurement that cannot go on has failed"
)]
#![allow(unsafe_code, missing_docs, clippy::print_stdout, clippy::print_stderr)]

#[allow(dead_code)]
#[path = "../tests/suite/costs/counted.rs"]
mod counted;
#[allow(dead_code)]
#[path = "../tests/suite/lookup/history.rs"]
mod history;
#[allow(dead_code, unused_imports)]
#[path = "../tests/suite/support/mod.rs"]
mod support;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use snapback::format::Layout;
use snapback::history::Clock;
use snapback::query::{Fate, lookup};
use snapback::store::{Path, Store, StoreConfig};
use tokio::runtime::Handle;

use crate::counted::counted;
use crate::history::{PARTITION, Shape, TOPIC, objects};
use crate::support::S3Server;

const RANGES: u64 = 10_000;
const LOOKUPS: u64 = 40;
/// Objects that are put at a time.
const AT_A_TIME: usize = 64;
/// What a lookup may ask for, of a result and of a reject.
const MOST: [u64; 2] = [6, 10];

/// A history to look up events in.
struct Case {
    name: String,
    shape: Shape,
    objects: Vec<(Path, Bytes)>,
}

impl Case {
    fn new(name: &str, shape: Shape) -> Case {
        let began = Instant::now();
        let objects = objects(shape, |ranges| {
            if ranges.is_multiple_of(2_560) {
                println!(
                    "  {ranges} of {} ranges, {:.0?}",
                    shape.ranges,
                    began.elapsed()
                );
            }
        });
        let bytes: usize = objects.iter().map(|(_, bytes)| bytes.len()).sum();
        let (_, manifest) = objects.last().expect("the newest manifest");
        println!(
            "{name}: {} ranges of {} events, {} objects, {} MB, a manifest of {} kB, made in {:.1?}",
            shape.ranges,
            shape.rows,
            objects.len(),
            bytes / 1_000_000,
            manifest.len() / 1000,
            began.elapsed()
        );
        Case {
            name: name.to_owned(),
            shape,
            objects,
        }
    }

    /// Looks up events that have a result, then such that are rejects; whether the bounds hold.
    async fn measure(&self, place: &str, store: &Store) -> bool {
        let real = (place != "memory").then(Handle::current);
        let (store, counter) = counted(store.clone(), &Clock::system(), self.shape.rows, real);
        let began = Instant::now();
        stream::iter(&self.objects)
            .map(|(path, bytes)| store.put(path, bytes.clone()))
            .buffer_unordered(AT_A_TIME)
            .try_collect::<()>()
            .await
            .expect("a writable store");
        let name = &self.name;
        println!("{name}, {place}: stored in {:.1?}", began.elapsed());
        let layout = Layout::new(TOPIC).expect("a topic");
        let mut holds = true;
        for (index, kind) in ["result", "reject"].into_iter().enumerate() {
            let (mut times, mut requests, mut bytes) = (Vec::new(), 0, 0);
            for number in 0..LOOKUPS {
                let range = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % self.shape.ranges;
                let at = self.shape.events(range)[index];
                let before = counter.counts().all();
                let began = Instant::now();
                let found = lookup(&store, &layout, PARTITION, at).await;
                times.push(began.elapsed());
                let asked = counter.counts().all() - before;
                requests = requests.max(asked.all());
                bytes = bytes.max(asked.bytes_got);
                let fate = found.expect("a readable store").fate;
                let is_right = match kind {
                    "result" => matches!(fate, Fate::Result(_)),
                    _ => matches!(fate, Fate::Reject(_)),
                };
                assert!(is_right, "{at}: {fate:?}");
            }
            times.sort_unstable();
            let ms = |time: Duration| time.as_secs_f64() * 1e3;
            let most = MOST[index];
            println!(
                "{name}, {place}: a {kind} in {:.1} ms (median; the slowest {:.1} ms), {requests} requests (at most {most}), {:.1} kB read",
                ms(times[times.len() / 2]),
                ms(times[times.len() - 1]),
                bytes as f64 / 1e3
            );
            holds &= requests <= most;
        }
        holds
    }
}

/// A store of each kind; folder and server last as long as the others.
async fn stores(
    name: &str,
    folder: &std::path::Path,
    server: &S3Server,
) -> [(&'static str, Store); 3] {
    let folder = folder.display().to_string();
    let local = StoreConfig::new(folder.parse().expect("a folder"));
    let env = server.env().into_iter();
    let bucket = StoreConfig {
        url: format!("s3://{}/{name}", server.bucket())
            .parse()
            .expect("a bucket"),
        s3_endpoint: Some(server.endpoint().to_owned()),
        env: env.map(|(name, value)| (name.to_owned(), value)).collect(),
    };
    let local = Store::open(&local).await.expect("a folder");
    let bucket = Store::open(&bucket).await.expect("a bucket");
    [
        ("memory", Store::memory()),
        ("folder", local),
        ("bucket", bucket),
    ]
}

fn main() -> ExitCode {
    let args = std::env::args().skip(1);
    let ranges = args.filter_map(|arg| arg.parse().ok()).next();
    let many = Shape {
        ranges: ranges.unwrap_or(RANGES),
        rows: 1_000,
        stored_every: 1,
        corrects: false,
    };
    // Of merged segments as large as they become.
    let large = Shape {
        ranges: 1_000,
        rows: 1_000_000,
        stored_every: 500,
        corrects: false,
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let server = S3Server::start();
    let mut holds = true;
    for (name, shape) in [("many", many), ("billion", large)] {
        let case = Case::new(name, shape);
        let folder = tempfile::tempdir().expect("a folder");
        runtime.block_on(async {
            for (place, store) in stores(name, folder.path(), &server).await {
                holds &= case.measure(place, &store).await;
            }
        });
    }
    if holds {
        ExitCode::SUCCESS
    } else {
        println!("not every bound holds");
        ExitCode::FAILURE
    }
}
