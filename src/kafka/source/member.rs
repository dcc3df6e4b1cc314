//! A source as a member of its group: committing and leaving.

use std::{
    sync::mpsc,
    time::{Duration, Instant},
};

use rdkafka::{TopicPartitionList, consumer::Consumer};

use super::Source;
use crate::{
    failpoint::{self, Call},
    kafka::{
        context::answer,
        error::KafkaError,
        raw::{self, Membership},
    },
    model::{Offset, Partition},
};

/// How long [`Source::leave`] waits for the group to let go.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);

impl Source {
    /// Commits offsets with metadata, outside of any transaction, and waits for the answer.
    ///
    /// # Errors
    /// [`KafkaError::NotAMember`], or when the group's coordinator refuses or does not answer in time.
    pub fn commit(
        &self,
        offsets: &[(Partition, Offset, String)],
        timeout: Duration,
    ) -> Result<(), KafkaError> {
        if !self.is_member() {
            return Err(KafkaError::NotAMember {
                group: self.config.group.clone(),
            });
        }
        let list = self.offsets(offsets);
        raw::commit(&self.consumer, &list, timeout)
            .map_err(|failure| self.failed("commit offsets", failure))
    }

    /// Whether this is a member of its group at present.
    #[must_use]
    pub fn is_member(&self) -> bool {
        self.membership().is_some()
    }

    /// The id that the group gave to this member; `None` while it is none.
    #[must_use]
    pub fn member_id(&self) -> Option<String> {
        Some(self.membership()?.id())
    }

    /// The group's name.
    #[must_use]
    pub fn group(&self) -> &str {
        &self.config.group
    }

    /// The client's last error text, when it is recent: for a status page.
    #[must_use]
    pub fn last_trouble(&self) -> Option<String> {
        self.consumer.context().why()
    }

    /// Leaves the group, so that others get the partitions at once. Returns within seconds.
    pub fn leave(self) {
        // The client's destructor can wait for ever when it leaves while it joins; whoever leaves need not.
        let (done, left) = mpsc::channel();
        std::thread::spawn(move || {
            drop(self);
            // Nobody listens any more when it took too long.
            let _ = done.send(());
        });
        if left.recv_timeout(2 * LEAVE_TIMEOUT).is_err() {
            tracing::debug!("the consumer's client does not end; it is left behind");
        }
    }

    /// Leaves the group and joins it again, which makes the group divide the partitions anew. The owner has committed what
    /// it has; nothing is assigned any more. Returns within seconds.
    ///
    /// # Errors
    /// When the client refuses.
    pub fn rejoin(&mut self) -> Result<(), KafkaError> {
        self.depart();
        self.events.clear();
        self.consumer.context().stay();
        let subscribed = self.consumer.subscribe(&[&self.config.topic]);
        subscribed.map_err(|error| self.failed("subscribe", error))
    }

    pub(in crate::kafka) fn membership(&self) -> Option<Membership> {
        Membership::of(&self.consumer).filter(|_| !failpoint::fails(Call::Membership))
    }

    #[expect(
        clippy::expect_used,
        reason = "only a negative offset is refused, and the model has none"
    )]
    pub(in crate::kafka) fn offsets(
        &self,
        offsets: &[(Partition, Offset, String)],
    ) -> TopicPartitionList {
        let mut list = TopicPartitionList::with_capacity(offsets.len());
        for (partition, offset, metadata) in offsets {
            let mut element = list.add_partition(&self.config.topic, partition.0);
            element.set_metadata(metadata);
            element
                .set_offset(rdkafka::Offset::Offset(offset.get()))
                .expect("an offset of the model is never negative");
        }
        list
    }

    fn depart(&mut self) {
        self.consumer.context().leave();
        self.held.clear();
        while let Some(rebalance) = self
            .pending
            .take()
            .or_else(|| self.consumer.context().next_rebalance())
        {
            answer(&self.consumer, &rebalance);
        }
        // A static member that only closes would keep its partitions from the others until its session times out.
        if self.consumer.client().fatal_error().is_none() {
            self.consumer.unsubscribe();
            let deadline = Instant::now() + LEAVE_TIMEOUT;
            while Instant::now() < deadline && Membership::of(&self.consumer).is_some() {
                self.consumer.poll(Duration::from_millis(10));
            }
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.depart();
    }
}
