//! How the program ends.

use std::process::ExitCode;

use crate::{
    config::ConfigError,
    demo::DemoError,
    load::{LinesError, LoadError},
};

/// The exit codes, the same for every command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[must_use]
pub enum Exit {
    /// What was asked for is done.
    Done = 0,
    /// A check found something wrong, or a plan has something to do.
    Findings = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// The broker or the store cannot be reached.
    Unreachable = 3,
    /// Refused, to protect data.
    Refused = 4,
    /// A newer process has our name.
    Fenced = 5,
    /// Interrupted before it was done.
    Interrupted = 130,
}

impl Exit {
    /// The code for an error that ended a command.
    pub(super) fn of(error: &anyhow::Error) -> Exit {
        if error.downcast_ref::<ConfigError>().is_some() {
            return Exit::Usage;
        }
        match error.downcast_ref::<DemoError>() {
            Some(DemoError::Folder(_)) => return Exit::Usage,
            Some(DemoError::Interrupted) => return Exit::Interrupted,
            Some(DemoError::Child { .. } | DemoError::Stalled { .. }) => return Exit::Findings,
            _ => {}
        }
        let input = matches!(error.downcast_ref::<LoadError>(), Some(LoadError::Input(_)));
        if input || error.downcast_ref::<LinesError>().is_some() {
            return Exit::Usage;
        }
        Exit::Unreachable
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}
