//! A disk that fails to sync, and then the power: what the process had been told is durable is there, and nothing else need be.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::outside::{LIMIT, Pipeline, Place, wait_until_committed};
use crate::support::{eventually, heavy};

const SYNCS: &str = include_str!("power/syncs.c");

/// The library that fails syncs, built by the compiler that builds librdkafka.
fn library(folder: &Path) -> PathBuf {
    let (source, library) = (folder.join("syncs.c"), folder.join("syncs.so"));
    fs::write(&source, SYNCS).expect("a source");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]);
    let built = compiler.arg(&library).arg(&source).arg("-ldl").status();
    assert!(built.expect("a C compiler (`cc`)").success());
    library
}

/// A name that was made in the store.
enum Name {
    Durable,
    /// It is not; where the file was before, if it was in the store.
    Pending(Option<PathBuf>),
    /// The sync that should have made it durable failed: none that follows will.
    GivenUp(Option<PathBuf>),
}

/// Takes from the store what a power failure would have, by what was written down of syncs; how many names that were.
fn lose_power(log: &str) -> usize {
    let mut names: HashMap<PathBuf, Name> = HashMap::new();
    for line in log.lines() {
        let (what, path) = line.split_at(2);
        let made = |names: &mut HashMap<PathBuf, Name>, path: &Path, from: Option<PathBuf>| {
            // Replaced by the same bytes, it is as durable as it was.
            if !matches!(names.get(path), Some(Name::Durable)) {
                names.insert(path.to_owned(), Name::Pending(from));
            }
        };
        let inside = |folder: &Path, name: &Path| name.parent() == Some(folder);
        match what {
            "N " => made(&mut names, Path::new(path), None),
            "M " => {
                let (from, to) = path.split_once('\t').expect("two paths");
                let from = Some(PathBuf::from(from))
                    .filter(|from| !from.to_string_lossy().contains("/.staging/"));
                if let Some(from) = &from {
                    names.remove(from);
                    names.remove(Path::new(to));
                }
                made(&mut names, Path::new(to), from);
            }
            "S " | "F " => {
                let here = names.iter_mut();
                for (_, state) in here.filter(|(name, _)| inside(Path::new(path), name)) {
                    if let Name::Pending(from) = state {
                        *state = match what {
                            "S " => Name::Durable,
                            _ => Name::GivenUp(from.take()),
                        };
                    }
                }
            }
            _ => panic!("a line of another kind: {line}"),
        }
    }
    let mut lost = 0;
    for (name, state) in names {
        let (Name::Pending(from) | Name::GivenUp(from)) = state else {
            continue;
        };
        // What has been moved on or deleted since is not there.
        let gone = match from {
            Some(from) => fs::rename(&name, from),
            None => fs::remove_file(&name),
        };
        lost += usize::from(gone.is_ok());
    }
    lost
}

/// How syncs fail.
#[derive(Clone, Copy)]
enum Failing {
    /// So many of them; then the process goes on.
    Some(usize),
    /// All of them, until the power fails.
    All,
}

/// Runs on a disk whose syncs fail, beginning with `first`, and loses the power; how many names that cost.
fn survives(library: &Path, first: usize, failing: Failing) -> usize {
    let pipeline = Pipeline::new(1, Place::folder());
    let root = pipeline.store.path();
    // A first start that fails is no question of what is stored.
    pipeline.send_numbers(0, 0..10);
    pipeline.run_to_end().run().expect_code(0);
    let log = root.with_extension("syncs");
    let (failures, seen) = match failing {
        Failing::Some(failures) => (failures, failures),
        Failing::All => (1_000_000, 4),
    };
    let running = pipeline
        .run()
        .args(["--snapshot-interval", "100ms", "--commit-interval", "20ms"])
        .env("LD_PRELOAD", library)
        .env("SYNCS_ROOT", &root)
        .env("SYNCS_LOG", &log)
        .env("SYNCS_FAIL", first.to_string())
        .env("SYNCS_FAILURES", failures.to_string())
        .spawn();
    let written = || fs::read_to_string(&log).unwrap_or_default();
    let failed = || written().matches("F /").count();
    let mut sent = 10;
    let mut feed = || {
        pipeline.send_numbers(0, sent..sent + 10);
        sent += 10;
        sent
    };
    eventually(LIMIT, "the syncs to fail", || {
        feed();
        (failed() >= seen).then_some(())
    });
    if let Failing::Some(_) = failing {
        let before = pipeline.manifests(0).len();
        eventually(LIMIT, "snapshots to go on", || {
            feed();
            (pipeline.manifests(0).len() > before + 2).then_some(())
        });
        wait_until_committed(&pipeline, feed());
    }
    let killed = running.kill();
    assert_eq!(killed.signal, Some(libc::SIGKILL), "{killed:?}");
    let lost = lose_power(&written());
    feed();
    pipeline.run_to_end().run().expect_code(0);
    pipeline.check();
    assert_eq!(pipeline.verify(0)["clean"], true);
    lost
}

#[test]
fn whichever_sync_fails_nothing_is_lost_when_the_power_goes() {
    let _turn = heavy();
    let folder = tempfile::tempdir().expect("a folder for a library");
    let library = library(folder.path());
    // The moment at which the power fails is one between two names once in a while.
    let lost = (0..3)
        .map(|_| with_every_sync(&library))
        .find(|lost| *lost > 0);
    println!("{lost:?} names were lost with the power");
    assert!(lost.is_some(), "no name was in doubt when the power went");
}

/// Lets each sync of a snapshot fail in turn; how many names all of that cost.
fn with_every_sync(library: &Path) -> usize {
    // Of a snapshot: a segment and its folder, the manifest and its folder.
    let all = (6..14)
        .step_by(2)
        .chain([9])
        .map(|first| (first, Failing::All));
    let cases = all.chain([
        (7, Failing::Some(1)),
        (8, Failing::Some(4)),
        (11, Failing::Some(2)),
    ]);
    std::thread::scope(|scope| {
        let running =
            cases.map(|(first, failing)| scope.spawn(move || survives(library, first, failing)));
        let running: Vec<_> = running.collect();
        let ended = running
            .into_iter()
            .map(|running| running.join().expect("to survive"));
        ended.sum()
    })
}
