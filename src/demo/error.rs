//! Why the demo ended early.

use std::{path::PathBuf, time::Duration};

use super::FolderError;
use crate::{
    audit::AuditError,
    calculation::CalculationError,
    format::{LayoutError, SegmentError},
    history::{ChainError, FetchError, SnapshotError},
    kafka::{KafkaError, PublishError},
    load::LoadError,
    store::StoreError,
};

/// Why the demo ended early.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A child process could not be started.
    #[error("cannot start {program} as the {role}: {source}")]
    Start {
        /// The program.
        program: PathBuf,
        /// What it was to be.
        role: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// A child process cannot be waited for or killed, or its log cannot be written.
    #[error("cannot watch the {role}: {source}")]
    Watch {
        /// What it is.
        role: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// A child process ended when it should not have.
    #[error("the {role} ended by itself ({status}); the end of its log:\n{lines}\n(all of it: {log})", log = .log.display())]
    Child {
        /// What it was.
        role: &'static str,
        /// How it ended.
        status: String,
        /// The end of its log.
        lines: String,
        /// Its log.
        log: PathBuf,
    },
    /// Nothing happens any more.
    #[error("nothing has happened for {waited:?} while waiting for {what}; the end of the processor's log:\n{lines}\n(all of it: {log})", log = .log.display())]
    Stalled {
        /// What was waited for.
        what: &'static str,
        /// How long.
        waited: Duration,
        /// The end of its log.
        lines: String,
        /// Its log.
        log: PathBuf,
    },
    /// The events could not be produced.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The producer cannot be made.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// Kafka cannot be asked.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The store or the topics cannot be verified.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The manifests cannot be read.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A segment cannot be read or written.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// A segment cannot be had.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// What was to be damaged cannot be stored.
    #[error(transparent)]
    Write(#[from] SnapshotError),
    /// The events topic cannot be a folder.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// What was asked for cannot be calculated.
    #[error(transparent)]
    Calculation(#[from] CalculationError),
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}
