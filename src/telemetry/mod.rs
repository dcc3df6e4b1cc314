//! Log lines: to stderr, as text or JSON.
//!
//! In: a format and how often `-v` was given. The processor tells what it does at level info; what libraries say is shown
//! from warnings on, librdkafka's own lines only from errors on, because it repeats itself while a broker is away and its
//! errors reach the log through our own as well. `RUST_LOG` overrides all of it.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// Starts logging for the process; a second call changes nothing.
pub fn init(format: LogFormat, verbose: u8) {
    let filter = std::env::var(EnvFilter::DEFAULT_ENV)
        .ok()
        .filter(|directives| !directives.is_empty())
        .and_then(|directives| EnvFilter::try_new(directives).ok())
        .unwrap_or_else(|| EnvFilter::new(directives(verbose)));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none());
    // An error only says that a subscriber is there already: that of a test.
    let _ = match format {
        LogFormat::Text => builder.with_target(verbose > 0).try_init(),
        LogFormat::Json => builder
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .try_init(),
    };
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
