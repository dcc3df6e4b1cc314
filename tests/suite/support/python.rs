//! Python with the packages of snapback's readers and neighbours.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use sha2::{Digest, Sha256};

use super::cache::{installed, run_tool};
use super::process::Program;

const PYTHON: &str = "Python 3.11 or newer with venv (Debian: python3 and python3-venv)";
/// DuckDB hands out timestamps with a time zone only where pytz is installed.
const REQUIREMENTS: [&str; 4] = [
    "duckdb==2.0.0",
    "pyarrow==26.0.1",
    "confluent-kafka==2.16.1",
    "pytz==2026.6",
];

/// Spark, which brings its own jars and needs Java.
const SPARK: [&str; 1] = ["pyspark==4.3.0"];

/// A Python interpreter in a virtual environment.
pub struct Python {
    interpreter: PathBuf,
}

/// The interpreter that all tests share, made on first use.
#[track_caller]
pub fn python() -> &'static Python {
    static SHARED: OnceLock<Result<Python, String>> = OnceLock::new();
    SHARED
        .get_or_init(|| Python::install("python", &REQUIREMENTS))
        .as_ref()
        .unwrap_or_else(|error| panic!("{error}"))
}

/// One that has Spark.
#[track_caller]
pub fn spark() -> &'static Python {
    static SHARED: OnceLock<Result<Python, String>> = OnceLock::new();
    SHARED
        .get_or_init(|| Python::install("spark", &SPARK))
        .as_ref()
        .unwrap_or_else(|error| panic!("{error}"))
}

impl Python {
    /// Runs a script (its text) to its end and gives what it printed; panics with its traceback when it fails.
    #[track_caller]
    pub fn run(&self, script: &str, args: &[&str]) -> String {
        self.program(script, args).run().expect_code(0).stdout
    }

    /// A script (its text) as a program, to be started and watched.
    pub fn program(&self, script: &str, args: &[&str]) -> Program {
        Program::new(&self.interpreter)
            .env("PYTHONUNBUFFERED", "1")
            .file("script.py", script)
            .arg("script.py")
            .args(args)
    }

    fn install(name: &str, requirements: &[&str]) -> Result<Self, String> {
        // An environment points to the interpreter that made it, so that interpreter is part of the name.
        let base = run_tool(
            Command::new("python3").args(["-c", "import sys; print(sys.version, sys.base_prefix)"]),
            PYTHON,
        )?;
        let mut digest = Sha256::new();
        digest.update(&base);
        requirements
            .iter()
            .for_each(|requirement| digest.update(requirement));
        let key = hex::encode(&digest.finalize()[..8]);
        let environment = installed(&format!("{name}-{key}"), |folder| {
            run_tool(
                Command::new("python3").args(["-m", "venv"]).arg(folder),
                PYTHON,
            )?;
            let pip = ["-m", "pip", "install", "--quiet", "--no-input"].map(OsStr::new);
            let interpreter = folder.join("bin/python");
            run_tool(
                Command::new(interpreter).args(pip).args(requirements),
                PYTHON,
            )?;
            Ok(())
        })?;
        Ok(Self {
            interpreter: environment.join("bin/python"),
        })
    }
}
