//! Log lines: to stderr, as text or JSON.
//!
//! In: a format and how often `-v` was given. The processor tells what it does at level info; what libraries say is shown
//! from warnings on, librdkafka's own lines only from errors on, because it repeats itself while a broker is away and its
//! errors reach the log through our own as well. `RUST_LOG` overrides all of it.
//!
//! A line that cannot be written (its reader has ended or stopped, the disk is full) is dropped and counted. Whatever
//! becomes of the log, the thread that logs goes on.

mod lines;

use std::{
    io::{self, IsTerminal as _, Stderr},
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
};

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;
use lines::Lines;

/// The one way to standard error.
static STDERR: LazyLock<Mutex<Lines<Stderr>>> =
    LazyLock::new(|| Mutex::new(Lines::new(io::stderr())));

fn stderr() -> MutexGuard<'static, Lines<Stderr>> {
    STDERR.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts logging for the process; a second call changes nothing.
pub fn init(format: LogFormat, verbose: u8) {
    stderr().set_format(format);
    let wanted = std::env::var(EnvFilter::DEFAULT_ENV).unwrap_or_default();
    let parsed = match wanted.trim() {
        "" => Ok(EnvFilter::new(directives(verbose))),
        wanted => EnvFilter::try_new(wanted),
    };
    let unusable = parsed.as_ref().err().map(ToString::to_string);
    let filter = parsed.unwrap_or_else(|_| EnvFilter::new(directives(verbose)));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Log)
        .with_ansi(
            io::stderr().is_terminal()
                && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        );
    // An error only says that a subscriber is there already: that of a test.
    let _ = match format {
        LogFormat::Text => builder.with_target(verbose > 0).try_init(),
        LogFormat::Json => builder
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .try_init(),
    };
    if let Some(why) = unusable {
        tracing::warn!(
            "{}={wanted:?} is no filter, and is ignored: {why}",
            EnvFilter::DEFAULT_ENV
        );
    }
}

/// Says something to whoever watches the program: a line on stderr that is no log line.
pub fn say(text: &str) {
    stderr().write(format!("{text}\n").as_bytes());
}

/// Lines for stderr that could not be written since the start.
#[must_use]
pub fn dropped_lines() -> u64 {
    stderr().dropped()
}

/// What the subscriber writes its lines to, one with each call.
struct Log;

impl io::Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        stderr().write(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The filter for a number of `-v`.
fn directives(verbose: u8) -> &'static str {
    match verbose {
        0 => "warn,snapback=info,librdkafka=error,rdkafka=error",
        1 => "warn,snapback=debug,librdkafka=warn,rdkafka=warn",
        2 => "info,snapback=trace,librdkafka=info,rdkafka=info",
        _ => "trace",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_v_is_a_valid_filter() {
        for verbose in 0..5 {
            assert!(EnvFilter::try_new(directives(verbose)).is_ok(), "{verbose}");
        }
    }
}
