//! What is downloaded or built once for all runs: jars, server binaries, the Python environment.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of everything installed for the tests.
fn folder() -> Result<PathBuf, String> {
    let set = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    set("SNAPBACK_TEST_CACHE")
        .or_else(|| Some(set("XDG_CACHE_HOME")?.join("snapback-tests")))
        .or_else(|| Some(set("HOME")?.join(".cache/snapback-tests")))
        .ok_or_else(|| "no cache folder: set SNAPBACK_TEST_CACHE or HOME".to_owned())
}

/// The folder `name` of the cache, filled by `fill` unless an earlier run did. The name says the version. What is
/// there is complete: it is filled under another name and renamed, while other processes wait.
pub fn installed(
    name: &str,
    fill: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<PathBuf, String> {
    let cache = folder()?;
    let done = cache.join(name);
    if done.is_dir() {
        return Ok(done);
    }
    let context = |what: &str| {
        let what = format!("{what} in {}", cache.display());
        move |error| format!("{what}: {error}")
    };
    fs::create_dir_all(&cache).map_err(context("cannot make a folder"))?;
    let lock = File::create(cache.join(format!("{name}.lock")))
        .map_err(context("cannot create a lock file"))?;
    lock.lock().map_err(context("cannot lock a file"))?;
    if done.is_dir() {
        return Ok(done);
    }
    let filling = tempfile::Builder::new()
        .prefix(&format!("{name}.installing-"))
        .tempdir_in(&cache)
        .map_err(context("cannot make a folder"))?;
    fill(filling.path())?;
    fs::rename(filling.keep(), &done).map_err(context("cannot rename a folder"))?;
    Ok(done)
}

/// Runs a tool to its end and gives its output. A missing tool is an error that says what to install.
pub fn run_tool(command: &mut Command, install: &str) -> Result<String, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            format!("the tests need `{program}`, which is not on the PATH: install {install}")
        }
        _ => format!("cannot run `{program}`: {error}"),
    })?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    if output.status.success() {
        return Ok(stdout.into_owned());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(format!(
        "{command:?} ended with {}\n{stdout}{stderr}\n(it comes with {install})",
        output.status
    ))
}
