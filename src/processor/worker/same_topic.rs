//! Whether what was fetched is of the topic whose offsets are to be committed.
//!
//! When a topic is deleted and created again under its name, the client goes on at the same offset of the other topic, and
//! says nothing. Only the topic's id tells the two apart. So a broker is asked for it after the last fetch, with every commit:
//! when it still has the id that the plans were made for, all that was fetched is of that topic.

use super::{super::WorkerError, Worker, commit::BrokerWait};
use crate::{
    kafka::{PublishError, TopicQuestion},
    model::Partition,
};

impl Worker {
    /// Asks for the topic's id, without waiting for the answer; `None` where no partition knows an id to compare it with.
    pub(super) fn ask_topic(&self) -> Result<Option<TopicQuestion>, PublishError> {
        if !self.owned.values().any(|owned| owned.topic_id.is_some()) {
            return Ok(None);
        }
        let events = &self.shared.settings.pipeline.events;
        self.publisher.ask_topic_id(events).map(Some)
    }

    /// Whether the topic was still that of every partition when it was asked for. Partitions with another one are marked.
    pub(super) fn is_same_topic(
        &mut self,
        question: Option<TopicQuestion>,
        wait: &BrokerWait,
    ) -> Result<bool, PublishError> {
        let Some(mut question) = question else {
            return Ok(true);
        };
        let mut found = None;
        wait.repeat(|slice| {
            found = self.publisher.topic_id(&mut question, slice)?;
            Ok(())
        })?;
        let mut same = true;
        for owned in self.owned.values_mut().filter(|owned| !owned.is_held()) {
            let planned = owned.topic_id.as_ref();
            owned.is_of_other_topic = planned.is_some() && planned != found.as_ref();
            same &= !owned.is_of_other_topic;
        }
        Ok(same)
    }

    /// Whether what was fetched for the replay of `partition` is of the topic that it was planned for, as far as a broker answers.
    pub(super) fn has_replayed_same_topic(&mut self, partition: Partition) -> bool {
        let wait = self.broker_wait();
        let asked = self.ask_topic();
        match asked.and_then(|question| self.is_same_topic(question, &wait)) {
            Ok(_) => {
                let owned = self.owned.get(&partition);
                owned.is_some_and(|owned| !owned.is_of_other_topic)
            }
            Err(error) => {
                tracing::warn!("{error}; what was replayed is read again");
                false
            }
        }
    }

    /// Nothing of what was fetched is committed; the facts of the partitions that were marked say what follows.
    pub(super) fn give_up_topic(&mut self) -> Result<(), WorkerError> {
        let events = &self.shared.settings.pipeline.events;
        tracing::error!(
            "the topic {events} was deleted, or deleted and created again: what was fetched since the last commit may be of another topic, and none of it is committed"
        );
        self.abandon_transaction()?;
        let marked = self.owned.values().filter(|owned| owned.is_of_other_topic);
        let marked: Vec<Partition> = marked.map(|owned| owned.partition).collect();
        for partition in marked {
            self.gather_anew(partition)?;
        }
        Ok(())
    }
}
