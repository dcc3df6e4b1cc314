//! What a processor needs while millions of corrections wait to be published: `--memory`, and no more than for as many events.
//!
//! Events of one partition are processed, what is stored is merged into large files, and all of it is brought under another
//! calculation while no processor runs. The next one then publishes a correction for each of them.
//!
//! `cargo bench --bench corrections`, or `-- 1000000` for so many.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a measurement that cannot go on has failed"
)]
#![allow(unsafe_code, missing_docs, clippy::print_stdout, clippy::print_stderr)]

mod needed;
#[allow(dead_code, unused_imports)]
#[path = "../tests/suite/support/mod.rs"]
mod support;

use std::path::Path;
use std::process::ExitCode;

use crate::needed::{Needed, cores, words};
use crate::support::{Kafka, snapback};

const CORRECTIONS: u64 = 10_000_000;
const MEMORY: &str = "256MiB";
/// The same in bytes.
const BYTES: f64 = 256.0 * 1024.0 * 1024.0;

fn measure(name: &str, folder: &Path, args: &[&str]) -> Needed {
    let needed = Needed::of(&words(&snapback(args)), folder, cores());
    println!(
        "{name:<34}{:>9.1}{:>9.1}{:>9.0}",
        needed.seconds,
        needed.cpu,
        needed.peak as f64 / 1e6
    );
    needed
}

fn main() -> ExitCode {
    let args = std::env::args().skip(1);
    let count = args.filter_map(|arg| arg.parse().ok()).next();
    let count: u64 = count.unwrap_or(CORRECTIONS);
    let broker = Kafka::start(&[]);
    let brokers = ["--brokers", broker.brokers()];
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let with = |args: &[&'static str]| -> Vec<&str> { [args, &brokers].concat() };
    let number = count.to_string();
    let produce = [
        &with(&["produce", "--partitions", "1"])[..],
        &["--count", &number],
    ];
    println!(
        "{count} events\n{:<34}{:>9}{:>9}{:>9}",
        "", "seconds", "CPU s", "MB"
    );
    measure("produce", folder, &produce.concat());
    let run = with(&["run", "--exit-at-end", "--memory", MEMORY]);
    let events = measure("run: events", folder, &run);
    measure("compact", folder, &with(&["compact", "--apply"]));
    let other = ["--calculation", "CAST(number AS DECIMAL(38,0)) AS result"];
    let recalculate = [&with(&["recalculate", "--apply"])[..], &other].concat();
    measure("recalculate", folder, &recalculate);
    let corrections = measure("run: corrections", folder, &[&run[..], &other].concat());
    let published = with(&["verify", "--level", "published"]);
    measure("verify --level published", folder, &published);
    let holds = (corrections.peak as f64) < BYTES.max(1.1 * events.peak as f64);
    match holds {
        true => ExitCode::SUCCESS,
        false => {
            println!(
                "publishing corrections takes more than {MEMORY}, and more than processing events"
            );
            ExitCode::FAILURE
        }
    }
}
