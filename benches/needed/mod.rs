//! What a process needs: seconds, CPU, memory.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use crate::support::{Program, python};

/// For who waits for it.
const LIMIT: Duration = Duration::from_secs(3600);
const MEASURE: &str = include_str!("measure.py");

/// What a process needed: seconds, seconds of CPU, and the most bytes of memory.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Needed {
    pub seconds: f64,
    pub cpu: f64,
    pub peak: u64,
}

impl Needed {
    /// By a process that runs this line in a folder, on so many cores.
    pub fn of(line: &[String], folder: &Path, cores: usize) -> Needed {
        let folder = folder.to_str().expect("UTF-8");
        let cores = cores.to_string();
        let args = [folder, cores.as_str()];
        let args = args.into_iter().chain(line.iter().map(String::as_str));
        let args: Vec<&str> = args.collect();
        let program = python().program(MEASURE, &args).limit(LIMIT);
        let output = program.run().expect_code(0);
        serde_json::from_str(&output.stdout).expect("what it needed")
    }
}

/// The line that starts a program.
pub fn words(program: &Program) -> Vec<String> {
    let line = program.line().into_iter();
    line.map(|word| word.into_string().expect("UTF-8"))
        .collect()
}

/// The cores of this machine.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
