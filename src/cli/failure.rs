//! Errors with the exit code that belongs to them.

/// Why a command ended, and the process's exit code.
#[derive(Debug)]
pub struct Failure {
    /// The exit code (DESIGN section 6).
    pub code: u8,
    /// What to say.
    pub error: anyhow::Error,
}

impl Failure {
    /// An error with its exit code.
    pub fn new(code: u8, error: impl Into<anyhow::Error>) -> Failure {
        Failure {
            code,
            error: error.into(),
        }
    }
}
