//! The process dies at every named point of the code, on both kinds of store, and is continued: every event is an outcome
//! exactly once, whatever was half done.
//!
//! A run takes some of the crashes, chosen by a seed that is printed. `SNAPBACK_TEST_SWEEP=full` takes all of them.

mod scene;
mod ways;

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use snapback::failpoint::Point;

use crate::outside::Place;
use crate::support::{heavy, s3, seed, snapback};
use scene::{Ending, Scene};

/// How many crashes of each kind of store a run takes that is not the full sweep.
const SOME: usize = 6;
/// How many crashes happen side by side.
const SIDE_BY_SIDE: usize = 3;

/// A kind of store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Folder,
    Bucket,
}

impl Kind {
    const ALL: [Kind; 2] = [Kind::Folder, Kind::Bucket];

    fn name(self) -> &'static str {
        match self {
            Kind::Folder => "folder",
            Kind::Bucket => "bucket",
        }
    }

    /// Whether a process with such a store can come to the point.
    fn has(self, point: Point) -> bool {
        match point {
            Point::FileStaged
            | Point::FileSynced
            | Point::FileNamed
            | Point::FolderSynced
            | Point::FileMoved => self == Kind::Folder,
            Point::ObjectCopied => self == Kind::Bucket,
            _ => true,
        }
    }

    fn place(self) -> Place {
        match self {
            Kind::Folder => Place::folder(),
            Kind::Bucket => Place::bucket(s3()),
        }
    }
}

/// A crash to be brought about; the seed decides everything that is random in it.
#[derive(Clone, Copy, Debug)]
struct Crash {
    point: Point,
    kind: Kind,
    seed: u64,
}

/// What became of one.
struct Row {
    crash: Crash,
    took: Duration,
    outcome: Result<Ending, String>,
}

/// Every crash that there is, in the order of the points.
fn all(seed: u64) -> Vec<Crash> {
    let mut random = StdRng::seed_from_u64(seed);
    let pairs = Point::ALL
        .iter()
        .flat_map(|point| Kind::ALL.map(|kind| (*point, kind)));
    let possible = pairs.filter(|(point, kind)| kind.has(*point));
    // Each has its seed, whatever else is run.
    possible
        .map(|(point, kind)| Crash {
            point,
            kind,
            seed: random.random(),
        })
        .collect()
}

fn some(mut crashes: Vec<Crash>, seed: u64) -> Vec<Crash> {
    crashes.shuffle(&mut StdRng::seed_from_u64(seed));
    let of = |kind| {
        let crashes = crashes.iter().copied();
        crashes.filter(move |crash| crash.kind == kind).take(SOME)
    };
    of(Kind::Folder).chain(of(Kind::Bucket)).collect()
}

/// Makes the crashes, a few side by side, and tells of each.
fn walk(crashes: Vec<Crash>) -> Vec<Row> {
    let queue = Mutex::new(VecDeque::from(crashes));
    let rows = Mutex::new(Vec::new());
    let next = || {
        let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.pop_front()
    };
    std::thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                while let Some(crash) = next() {
                    let row = survive(crash);
                    rows.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(row);
                }
            });
        }
    });
    let mut rows = rows.into_inner().unwrap_or_else(PoisonError::into_inner);
    rows.sort_by_key(|row| (row.crash.point, row.crash.kind.name()));
    rows
}

/// Lets the process die there, goes on, and looks at everything.
fn survive(crash: Crash) -> Row {
    let since = Instant::now();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let random = StdRng::seed_from_u64(crash.seed);
        let mut scene = Scene::new(crash.kind.place(), random, ways::partitions(crash.point));
        ways::die(&mut scene, crash.point);
        scene.finish()
    }));
    let told = |panic: Box<dyn std::any::Any + Send>| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        text.unwrap_or_else(|| "a panic without words".to_owned())
    };
    Row {
        crash,
        took: since.elapsed(),
        outcome: outcome.map_err(told),
    }
}

/// A line for each crash, and for each point that had none.
fn table(rows: &[Row]) -> String {
    let mut table = format!(
        "{:<22} {:<7} {:>7}  {:<8} {:>8} {:>8} {:>8} {:>7}  holds\n",
        "died at", "store", "passage", "delivery", "results", "rejects", "replayed", "seconds"
    );
    for point in Point::ALL {
        let mut rows = rows
            .iter()
            .filter(|row| row.crash.point == *point)
            .peekable();
        if rows.peek().is_none() {
            writeln!(table, "{:<22} not in this run", point.name()).expect("a string takes all");
        }
        for Row {
            crash,
            took,
            outcome,
        } in rows
        {
            let (name, store, took) = (point.name(), crash.kind.name(), took.as_secs_f32());
            let line = match outcome {
                Ok(end) => format!(
                    "{name:<22} {store:<7} {:>7}  {:<8} {:>8} {:>8} {:>8} {took:>7.1}  yes",
                    end.passage, end.delivery, end.results, end.rejects, end.replayed
                ),
                Err(_) => format!("{name:<22} {store:<7} {:>53.1}  NO", took),
            };
            writeln!(table, "{line}").expect("a string takes all");
        }
    }
    table
}

#[test]
fn dead_at_every_point_every_event_is_there_once() {
    let _turn = heavy();
    let seed = seed("which crashes, and what is random in them");
    let mut crashes = all(seed);
    match std::env::var("SNAPBACK_TEST_SWEEP").as_deref() {
        Ok("full") => {}
        // Some points alone, to look into them.
        Ok(names) => {
            crashes.retain(|crash| names.split(',').any(|name| name == crash.point.name()))
        }
        Err(_) => crashes = some(crashes, seed),
    }
    assert!(!crashes.is_empty(), "SNAPBACK_TEST_SWEEP is full or points");
    let rows = walk(crashes);
    // Past the test harness, which shows only what failed tests print.
    let mut stderr = std::io::stderr().lock();
    write!(stderr, "\nSNAPBACK_TEST_SEED={seed}\n{}\n", table(&rows))
        .expect("standard error takes it");
    drop(stderr);
    let failed: Vec<String> = rows
        .iter()
        .filter_map(|row| {
            let (point, kind) = (row.crash.point.name(), row.crash.kind.name());
            let text = row.outcome.as_ref().err()?;
            Some(format!("{point}, {kind}: {text}"))
        })
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

#[test]
fn the_program_under_test_has_fail_points_and_dies_at_them() {
    let died = snapback(["--version"])
        .env("FAILPOINTS", "started=return")
        .run();
    assert_eq!(died.signal, Some(libc::SIGABRT), "{died:?}");
    assert!(
        died.stderr.contains("dies at the fail point started"),
        "{died:?}"
    );
    snapback(["--version"]).run().expect_code(0);
}
