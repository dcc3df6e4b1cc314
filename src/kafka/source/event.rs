//! What happens to a source.

use crate::{
    kafka::{error::KafkaError, fault::Fault},
    model::{Offset, Partition},
};

/// What happened to a [`Source`](super::Source).
#[derive(Debug)]
#[non_exhaustive]
pub enum SourceEvent {
    /// These partitions are ours (possibly none). Nothing is fetched from any partition until [`Source::assign`](super::Source::assign) has
    /// answered, with these partitions, some or none of them.
    Assigned(Vec<Partition>),
    /// These partitions go to somebody else as soon as [`Source::unassign`](super::Source::unassign) has answered with all of them; commit or
    /// abort first. Nothing is fetched from any partition until then.
    Revoked(Vec<Partition>),
    /// The same, but somebody else may have them already: abort, nothing of theirs can be committed.
    Lost(Vec<Partition>),
    /// The partition's next offset is not in the log; it delivers nothing until [`Source::restart`](super::Source::restart).
    OutOfRange {
        /// The partition.
        partition: Partition,
        /// The offset that was wanted.
        offset: Offset,
    },
    /// The partition's next messages cannot be read; it delivers nothing until [`Source::restart`](super::Source::restart).
    Unreadable {
        /// The partition.
        partition: Partition,
        /// The offset from which on nothing was delivered.
        offset: Offset,
        /// Why.
        fault: Fault,
    },
    /// A newer process has this instance's name: this source is of no more use.
    Fenced {
        /// The instance's name.
        instance: String,
    },
    /// Something that the client tries to overcome by itself; reported at most every 5 s per kind.
    Trouble {
        /// What the client says.
        text: String,
    },
    /// The group does not take this member in until somebody changes something; reported at most every 5 s. The client
    /// goes on trying.
    Refused(KafkaError),
    /// The client is of no more use.
    Fatal(KafkaError),
}
