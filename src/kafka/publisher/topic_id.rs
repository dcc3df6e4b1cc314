//! A topic's id, asked for through a producer: its connections are not held up by a fetch that waits for events.

use std::time::Duration;

use rdkafka::{error::RDKafkaErrorCode as Code, producer::ThreadedProducer};

use super::Publisher;
use crate::kafka::{
    codes::is_passing,
    context::Context,
    error::{Failure, PublishError},
    raw::TopicQuestion as Question,
};

const DOING: &str = "ask for the id of the events topic";

/// A question for a topic's id, on its way to a broker.
pub struct TopicQuestion {
    question: Question<ThreadedProducer<Context>>,
    topic: String,
}

impl Publisher {
    /// Asks a broker for the id of `topic`; the [answer](Publisher::topic_id) can be waited for later.
    ///
    /// # Errors
    /// When the client cannot ask.
    pub fn ask_topic_id(&self, topic: &str) -> Result<TopicQuestion, PublishError> {
        let question = Question::of_producer(&self.producer, topic)
            .map_err(|failure| self.failed(DOING, failure))?;
        let topic = topic.to_owned();
        Ok(TopicQuestion { question, topic })
    }

    /// The answer: `None` when there is no such topic, or the broker knows no ids.
    ///
    /// # Errors
    /// See [`PublishError::disposition`]; when it may be repeated, the broker has been asked again.
    pub fn topic_id(
        &self,
        asked: &mut TopicQuestion,
        timeout: Duration,
    ) -> Result<Option<String>, PublishError> {
        let failure = match asked.question.answer(timeout) {
            Ok(id) => return Ok(id),
            Err(failure) => failure,
        };
        let retriable = is_passing(failure.code);
        // After a time-out the answer may still come.
        if retriable && failure.code != Code::OperationTimedOut {
            *asked = self.ask_topic_id(&asked.topic)?;
        }
        let failure = Failure {
            retriable,
            ..failure
        };
        Err(self.failed(DOING, failure))
    }
}
