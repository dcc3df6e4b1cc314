//! Why a cluster coordinates no groups or no transactions.

use rdkafka::{admin::ResourceSpecifier, consumer::Consumer, error::RDKafkaErrorCode as Code};

use super::{Admin, topics::wait};
use crate::kafka::error::{Failure, KafkaError};

/// Topics that brokers make for themselves, and the setting that says how many replicas they are to have.
const OF_GROUPS: (&str, &str) = ("__consumer_offsets", "offsets.topic.replication.factor");
const OF_TRANSACTIONS: (&str, &str) = (
    "__transaction_state",
    "transaction.state.log.replication.factor",
);

impl Admin {
    /// What keeps the cluster from coordinating groups, and with `transactions` also these; `None` when nothing is seen.
    ///
    /// # Errors
    /// When no broker answers.
    pub fn coordinators_missing(&self, transactions: bool) -> Result<Option<String>, KafkaError> {
        let mut needed = vec![OF_GROUPS];
        if transactions {
            needed.push(OF_TRANSACTIONS);
        }
        for (topic, setting) in needed {
            let doing = format!("look for {topic}");
            let metadata = self.ask(&self.stable, &doing, |consumer, timeout| {
                consumer.fetch_metadata(Some(topic), timeout)
            })?;
            let found = metadata.topics().iter().find(|found| found.name() == topic);
            let brokers = metadata.brokers();
            let missing = match found.map(|found| found.error().map(Code::from)) {
                None | Some(Some(Code::UnknownTopicOrPartition | Code::UnknownTopic)) => true,
                Some(Some(code)) => {
                    return Err(self.failed(&self.stable, &doing, Failure::of(code)));
                }
                Some(None) => false,
            };
            if missing {
                let replicas = brokers
                    .first()
                    .and_then(|broker| self.broker_setting(broker.id(), setting));
                return Ok(Some(no_topic(topic, setting, replicas, brokers.len())));
            }
            let partitions = found.map_or(&[][..], |found| found.partitions());
            let without = partitions.iter().filter(|one| one.leader() < 0).count();
            if without > 0 {
                return Ok(Some(format!(
                    "{without} of the {} partitions of {topic} have no leader: brokers of the cluster are down. It goes on by itself when they are back",
                    partitions.len()
                )));
            }
        }
        Ok(None)
    }

    /// A setting of a broker, as far as it tells.
    fn broker_setting(&self, broker: i32, name: &str) -> Option<String> {
        let asked = [ResourceSpecifier::Broker(broker)];
        let client = self.admin_client().ok()?;
        let answers = wait(client.describe_configs(&asked, &self.options())).ok()?;
        let answer = answers.into_iter().next()?.ok()?;
        answer.get(name)?.value.clone()
    }
}

/// Why there is no coordinator without `topic`.
fn no_topic(topic: &str, setting: &str, replicas: Option<String>, brokers: usize) -> String {
    let wants = match replicas {
        Some(replicas) => format!("it is to have {replicas} replicas ({setting})"),
        None => format!("{setting} says how many replicas it is to have"),
    };
    format!(
        "the brokers have no coordinator for it, because they have not made the topic {topic}: {wants}, and the cluster has {brokers} brokers. Start more brokers, or set {setting} to {brokers} or less in the brokers' configuration"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_that_cannot_be_made_is_named_with_the_setting_that_helps() {
        let (topic, setting) = OF_GROUPS;
        let text = no_topic(topic, setting, Some("3".to_owned()), 1);
        for part in [
            topic,
            "3 replicas (offsets.topic.replication.factor)",
            "has 1 brokers",
        ] {
            assert!(text.contains(part), "{text}");
        }
        assert!(no_topic(topic, setting, None, 2).contains("says how many"));
    }
}
