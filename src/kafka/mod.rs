//! Everything that knows Kafka: the only module that speaks `rdkafka`.
//!
//! In: the name of a cluster ([`Connection`]), a group to join, bytes to publish. Out: [`Batch`]es of
//! borrowed [`Event`](crate::model::Event)s, [`SourceEvent`]s, and errors that say what the caller may do
//! next ([`PublishError::disposition`]).
//!
//! - [`Source`]: one member of a consumer group, owned by one thread. Rebalances are deferred: the client
//!   reports them, and waits until the owner has committed or aborted its transaction and answers with
//!   [`Source::assign`] or [`Source::unassign`].
//! - [`Publisher`]: a transactional or idempotent producer.
//! - [`Admin`]: questions about topics, offsets and groups; it joins nothing.
//! - [`GroupWatch`]: what a group commits, asked again and again.
//! - [`Reader`]: reads ranges of a topic from outside, the way that any other consumer would.
//! - [`sample`]: some of a topic's events, read from outside in a short time.
//! - [`MockBroker`]: a broker in this process, for the demo.
//!
//! Kept here:
//! - I5: offsets are committed in a transaction only as a living member of the group
//!   ([`Source::is_member`]); anything else the broker would not fence.
//! - I4: [`Source::fetch`] delivers every offset at most once and in order, and [`Source::position`] passes
//!   only offsets that were delivered or are known to hold no event.
//! - I8: [`SourceConfig::queue_bytes`] and [`PublisherConfig::queue_bytes`] bound librdkafka's queues.
//!
//! Every call that waits takes a time-out. No text contains the value of a secret property.

mod admin;
mod batch;
mod codes;
mod connection;
mod context;
mod error;
mod fault;
mod group;
mod members;
mod mock;
mod publisher;
mod raw;
mod reader;
mod record;
mod sample;
mod source;

pub use admin::{Admin, CommittedOffset, Topic, Watermarks};
pub use batch::Batch;
pub use connection::Connection;
pub use error::{Disposition, Failure, KafkaError, PublishError};
pub use fault::{Fault, FaultKind};
pub use group::GroupWatch;
pub use members::Member;
pub use mock::MockBroker;
pub use publisher::{Publisher, PublisherConfig, TopicQuestion};
pub use reader::Reader;
pub use record::Record;
pub use sample::{Ends, Sampled, sample, timestamp_at};
pub use source::{Source, SourceConfig, SourceEvent};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_may_move_to_the_thread_that_uses_it() {
        fn is_send<T: Send>() {}
        is_send::<Source>();
        is_send::<Batch>();
        is_send::<Publisher>();
        is_send::<Admin>();
        is_send::<Reader>();
        is_send::<MockBroker>();
        is_send::<PublishError>();
    }
}
