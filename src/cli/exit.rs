//! How the program ends.

use std::process::ExitCode;

use super::{
    calculation::no_query::NoQuery, fields::no_proposal::NoProposal, open_files::TooFewFiles,
    program::NoSuchCommand, repair::no_such_loss::NoSuchLoss, session::MissingStore,
};
use crate::{
    audit::{
        AuditError, DifferencesFileError, RecalculateError, RepairError, SourceError,
        StatementError,
    },
    config::ConfigError,
    demo::DemoError,
    format::LayoutError,
    history::ChainError,
    kafka::{KafkaError, PublishError},
    load::{LinesError, LoadError},
    processor::{InstanceError, ProcessorError, WorkerError},
    query::QueryError,
    status::StatusError,
    store::StoreError,
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
    /// A person has to change something: the command line, the configuration, a topic, credentials or rights.
    Usage = 2,
    /// The broker or the store cannot be reached: trying again may help.
    Unreachable = 3,
    /// Refused, to protect data.
    Refused = 4,
    /// A newer process has our name.
    Fenced = 5,
    /// Interrupted before it was done.
    Interrupted = 130,
}

impl Exit {
    /// All of them.
    pub const ALL: [Exit; 7] = [
        Exit::Done,
        Exit::Findings,
        Exit::Usage,
        Exit::Unreachable,
        Exit::Refused,
        Exit::Fenced,
        Exit::Interrupted,
    ];

    /// What it means, as the help and the README say it.
    pub(super) const fn meaning(self) -> &'static str {
        match self {
            Exit::Done => "done",
            Exit::Findings => {
                "findings: a check found something wrong, or a plan has something to do"
            }
            Exit::Usage => {
                "needs a person: command line, configuration, topic, bucket, credentials or rights"
            }
            Exit::Unreachable => {
                "Kafka, the store or the output cannot be reached; trying again may help"
            }
            Exit::Refused => {
                "refused, to protect data; the text says what would be lost, and what resolves it"
            }
            Exit::Fenced => "fenced: a newer process has our name",
            Exit::Interrupted => "interrupted before it was done",
        }
    }

    /// The code for an error that ended a command.
    pub(super) fn of(error: &anyhow::Error) -> Exit {
        if let Some(error) = error.downcast_ref() {
            return of_processor(error);
        }
        if let Some(error) = error.downcast_ref() {
            return of_audit(error);
        }
        if let Some(error) = error.downcast_ref() {
            return of_repair(error);
        }
        if let Some(error) = error.downcast_ref() {
            return of_source(error);
        }
        if let Some(error) = error.downcast_ref() {
            return of_recalculation(error);
        }
        if let Some(error) = error.downcast_ref() {
            return of_query(error);
        }
        if let Some(error) = error.downcast_ref() {
            return of_demo(error);
        }
        if let Some(error) = error.downcast_ref() {
            return of_load(error);
        }
        if let Some(error) = error.downcast_ref() {
            return of_store(error);
        }
        if let Some(error) = error.downcast_ref() {
            return of_kafka(error);
        }
        if let Some(error) = error.downcast_ref() {
            return of_publishing(error);
        }
        if error.is::<NoSuchLoss>() {
            return Exit::Refused;
        }
        let needs_a_person = error.is::<ConfigError>()
            || error.is::<InstanceError>()
            || error.is::<LayoutError>()
            || error.is::<LinesError>()
            || error.is::<MissingStore>()
            || error.is::<NoQuery>()
            || error.is::<NoProposal>()
            || error.is::<NoSuchCommand>()
            || error.is::<StatementError>()
            || error.is::<DifferencesFileError>()
            || error.is::<StatusError>()
            || error.is::<TooFewFiles>();
        needs(needs_a_person)
    }
}

/// The code where a person has to act, or where trying again may help.
fn needs(a_person: bool) -> Exit {
    match a_person {
        true => Exit::Usage,
        false => Exit::Unreachable,
    }
}

fn of_processor(error: &ProcessorError) -> Exit {
    match error {
        ProcessorError::Configuration(_)
        | ProcessorError::Instance(_)
        | ProcessorError::Layout(_)
        | ProcessorError::NoEventsTopic { .. }
        | ProcessorError::NoOutputTopic { .. }
        | ProcessorError::TooFewReplicas { .. } => Exit::Usage,
        ProcessorError::Refused { .. }
        | ProcessorError::WrongDeclaration { .. }
        | ProcessorError::MixedTypes { .. } => Exit::Refused,
        ProcessorError::EndNotReached { .. } => Exit::Unreachable,
        ProcessorError::Kafka(error) => of_kafka(error),
        ProcessorError::Store(error) => of_store(error),
        ProcessorError::Worker(WorkerError::Configuration(_)) => Exit::Usage,
        ProcessorError::Worker(WorkerError::Kafka(error)) => of_kafka(error),
        // A right that is taken away while it runs ends nothing; one that was never there comes by a person.
        ProcessorError::Worker(WorkerError::Publish(error)) => of_publishing(error),
        ProcessorError::Worker(WorkerError::Fenced { .. }) => Exit::Fenced,
        ProcessorError::Worker(_) => Exit::Unreachable,
    }
}

fn of_audit(error: &AuditError) -> Exit {
    match error {
        AuditError::Topic(_) | AuditError::Calculation(_) | AuditError::OtherTopics { .. } => {
            Exit::Usage
        }
        AuditError::Unreadable { .. } => Exit::Findings,
        AuditError::Kafka(error) => of_kafka(error),
        AuditError::Source(error) => of_source(error),
        AuditError::Chain(error) => of_chain(error),
        AuditError::Store(error) => of_store(error),
        AuditError::Task(_) => Exit::Unreachable,
    }
}

fn of_source(error: &SourceError) -> Exit {
    match error {
        SourceError::Other { .. } | SourceError::NoTopic { .. } => Exit::Refused,
        SourceError::Kafka(error) => of_kafka(error),
    }
}

fn of_repair(error: &RepairError) -> Exit {
    match error {
        RepairError::Chain(error) => of_chain(error),
        RepairError::Store(error) => of_store(error),
        RepairError::Audit(error) => of_audit(error),
        RepairError::Read(error) => of_recalculation(error),
        RepairError::Write(_) => Exit::Unreachable,
    }
}

fn of_recalculation(error: &RecalculateError) -> Exit {
    match error {
        RecalculateError::Events { source, .. } => of_kafka(source),
        RecalculateError::Differences(_) => Exit::Usage,
        _ => Exit::Unreachable,
    }
}

fn of_query(error: &QueryError) -> Exit {
    match error {
        QueryError::Topic(_) => Exit::Usage,
        QueryError::Chain(error) => of_chain(error),
        QueryError::Store(error) => of_store(error),
        QueryError::Damaged { .. } => Exit::Unreachable,
    }
}

fn of_chain(error: &ChainError) -> Exit {
    match error {
        ChainError::Newer { .. }
        | ChainError::NewerPage { .. }
        | ChainError::StrayNumber { .. } => Exit::Refused,
        ChainError::Store(error) => of_store(error),
        _ => Exit::Unreachable,
    }
}

fn of_demo(error: &DemoError) -> Exit {
    match error {
        DemoError::Folder(_) | DemoError::Calculation(_) => Exit::Usage,
        DemoError::Interrupted => Exit::Interrupted,
        DemoError::Child { .. }
        | DemoError::Stalled { .. }
        | DemoError::Audit(AuditError::Topic(_)) => Exit::Findings,
        DemoError::Audit(error) => of_audit(error),
        DemoError::Kafka(error) => of_kafka(error),
        DemoError::Load(error) => of_load(error),
        DemoError::Publish(error) => of_publishing(error),
        _ => Exit::Unreachable,
    }
}

fn of_load(error: &LoadError) -> Exit {
    match error {
        LoadError::Input(_) => Exit::Usage,
        LoadError::Publish { source, .. } => of_publishing(source),
    }
}

fn of_store(error: &StoreError) -> Exit {
    needs(error.needs_a_person())
}

fn of_kafka(error: &KafkaError) -> Exit {
    needs(error.needs_a_person())
}

fn of_publishing(error: &PublishError) -> Exit {
    needs(error.needs_a_person())
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}
