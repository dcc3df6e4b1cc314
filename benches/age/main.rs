//! A year in an hour: the real keeper on a clock that jumps, under a trickle of events, for as many snapshots of a partition as a
//! year has at the default interval; what each of them costs, at the beginning and at the end; and how a processor starts on what
//! they have left behind.
//!
//! ```text
//! cargo bench --bench age                        everything; an hour and a half
//! cargo bench --bench age -- memory 100000       so many snapshots in memory
//! cargo bench --bench age -- disk 5000 s3 5000   in a folder, with the start of a processor; in a bucket
//! cargo bench --bench age -- month 3             so many days at 1,000 events/s
//! ```
//!
//! It prints a table, with the bounds that must hold, and ends with 1 where one does not.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a measurement that cannot go on has failed"
)]
#![allow(unsafe_code, missing_docs, clippy::print_stdout, clippy::print_stderr)]

#[path = "../../tests/suite/costs/aging.rs"]
mod aging;
#[path = "../../tests/suite/costs/counted.rs"]
mod counted;
#[allow(dead_code)]
#[path = "../pipeline/measure.rs"]
mod measure;
#[allow(dead_code, unused_imports)]
#[path = "../../tests/suite/outside/mod.rs"]
mod outside;
mod restart;
#[allow(dead_code, unused_imports)]
#[path = "../../tests/suite/support/mod.rs"]
mod support;
mod table;
mod years;

use std::process::ExitCode;

use table::Table;

/// 347 days of 30 s.
const A_YEAR: u64 = 1_000_000;
const A_WEEK: u64 = 20_000;
const DAYS: u64 = 3;

/// A part, for so many snapshots or days.
type Part = fn(u64, &mut Table);

/// What to do, each with its usual number.
const PARTS: [(&str, u64, Part); 4] = [
    ("memory", A_YEAR, years::in_memory),
    ("disk", A_WEEK, restart::on_disk),
    ("s3", A_WEEK, years::in_a_bucket),
    ("month", DAYS, years::a_month),
];

fn main() -> ExitCode {
    let args = std::env::args().skip(1);
    let args: Vec<String> = args.filter(|arg| !arg.starts_with('-')).collect();
    let number = |name: &str| {
        let at = args.iter().position(|arg| arg == name)?;
        Some(args.get(at + 1).and_then(|number| number.parse().ok()))
    };
    let mut table = Table::default();
    for (name, usual, part) in PARTS {
        let number = match number(name) {
            Some(number) => number.unwrap_or(usual),
            None if args.is_empty() => usual,
            None => continue,
        };
        part(number, &mut table);
    }
    if table.print() {
        ExitCode::SUCCESS
    } else {
        println!("\nnot every bound holds");
        ExitCode::FAILURE
    }
}
