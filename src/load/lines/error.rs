//! Why the next line cannot be read.

use std::io;

/// No broker takes a message as long as this.
pub(super) const LONGEST: usize = 64 * 1024 * 1024;

/// Lines that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LinesError {
    /// There is no such file, or not for us.
    #[error("cannot open {name}: {source}")]
    Open {
        /// The file.
        name: String,
        /// Why not.
        source: io::Error,
    },
    /// The input broke off.
    #[error("cannot read {name} after line {line}: {source}")]
    Read {
        /// The input.
        name: String,
        /// The last line that could be read.
        line: u64,
        /// Why.
        source: io::Error,
    },
    /// A line without an end.
    #[error("line {line} of {name} is longer than {LONGEST} bytes; each line is one event")]
    TooLong {
        /// The input.
        name: String,
        /// The line.
        line: u64,
    },
}
