//! How the program ends.

use std::process::ExitCode;

use super::session::MissingStore;
use crate::{
    audit::AuditError,
    config::ConfigError,
    demo::DemoError,
    format::LayoutError,
    history::ChainError,
    kafka::KafkaError,
    load::{LinesError, LoadError},
    processor::{InstanceError, ProcessorError, WorkerError},
    query::QueryError,
    status::StatusError,
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
        if error.is::<ConfigError>()
            || error.is::<InstanceError>()
            || error.is::<LayoutError>()
            || error.is::<MissingStore>()
            || error.is::<StatusError>()
            || matches!(error.downcast_ref(), Some(QueryError::Topic(_)))
            || matches!(
                error.downcast_ref(),
                Some(
                    AuditError::Topic(_)
                        | AuditError::Calculation(_)
                        | AuditError::OtherTopics { .. }
                        | AuditError::Kafka(KafkaError::MissingTopic { .. })
                )
            )
            || error.downcast_ref().is_some_and(is_of_the_command_line)
        {
            return Exit::Usage;
        }
        match error.downcast_ref::<DemoError>() {
            Some(DemoError::Folder(_)) => return Exit::Usage,
            Some(DemoError::Interrupted) => return Exit::Interrupted,
            Some(
                DemoError::Child { .. }
                | DemoError::Stalled { .. }
                | DemoError::Audit(AuditError::Topic(_)),
            ) => return Exit::Findings,
            _ => {}
        }
        let input = matches!(error.downcast_ref(), Some(LoadError::Input(_)));
        if input || error.is::<LinesError>() {
            return Exit::Usage;
        }
        let chain = match (error.downcast_ref(), error.downcast_ref()) {
            (Some(AuditError::Chain(chain)), _) | (_, Some(QueryError::Chain(chain))) => {
                Some(chain)
            }
            _ => None,
        };
        if matches!(
            chain,
            Some(ChainError::Newer { .. } | ChainError::StrayNumber { .. })
        ) {
            return Exit::Refused;
        }
        match error.downcast_ref::<ProcessorError>() {
            Some(
                ProcessorError::Configuration(_)
                | ProcessorError::Worker(WorkerError::Configuration(_))
                | ProcessorError::Layout(_)
                | ProcessorError::NoEventsTopic { .. }
                | ProcessorError::NoOutputTopic { .. },
            ) => Exit::Usage,
            Some(ProcessorError::Kafka(error)) if is_of_the_command_line(error) => Exit::Usage,
            Some(ProcessorError::Refused { .. }) => Exit::Refused,
            Some(ProcessorError::Worker(WorkerError::Fenced { .. })) => Exit::Fenced,
            _ => Exit::Unreachable,
        }
    }
}

/// Whether a Kafka client refused what was typed, not what it met.
fn is_of_the_command_line(error: &KafkaError) -> bool {
    matches!(
        error,
        KafkaError::OwnedProperty { .. }
            | KafkaError::NotAProperty { .. }
            | KafkaError::Property { .. }
    )
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}
