//! Rules of the output topics that bear on what is written to them, besides the largest message: read at the start, said,
//! and read again when a broker refuses something.

use std::time::Duration;

use crate::{
    calculation::Carry,
    config::PipelineConfig,
    kafka::{Admin, KafkaError, Topic},
    recovery::Limits,
};

/// A bound on the time of messages that is closer is worth a word: so far apart may clocks be, and so long a message on its way.
const CLOSE: Duration = Duration::from_secs(300);

/// What is written to a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    Results,
    Rejects,
}

/// What an output topic's settings say about the messages that it takes.
#[derive(Debug, Default)]
pub(super) struct Settings {
    pub(super) cleanup_policy: Option<String>,
    pub(super) max_message_bytes: Option<u64>,
    pub(super) timestamp_type: Option<String>,
    /// How far from the broker's clock the time of a message may be, in milliseconds.
    pub(super) before: Option<u64>,
    pub(super) after: Option<u64>,
    /// After how many milliseconds the topic deletes messages, by their times.
    pub(super) retention: Option<u64>,
}

/// Says, in a line each, which settings of the output topics bear on what is written to them, and returns those of the results
/// topic. A topic whose settings may not be read is named by those who need one.
pub(super) fn say(admin: &Admin, pipeline: &PipelineConfig, carry: Carry) -> Option<Settings> {
    let mut of_results = None;
    for (topic, content) in [
        (&pipeline.results, Content::Results),
        (&pipeline.rejects, Content::Rejects),
    ] {
        match Settings::ask(admin, topic) {
            Ok(settings) => {
                let carry = if content == Content::Results {
                    carry
                } else {
                    Carry::default()
                };
                for line in settings.lines(topic, content, carry) {
                    tracing::warn!("{line}");
                }
                if content == Content::Results {
                    of_results = Some(settings);
                }
            }
            Err(error) => tracing::debug!("{error}"),
        }
    }
    of_results
}

impl Settings {
    pub(super) fn ask(admin: &Admin, topic: &str) -> Result<Settings, KafkaError> {
        let [
            cleanup_policy,
            bytes,
            timestamp_type,
            before,
            after,
            difference,
            retention,
        ] = admin.topic_configs(
            topic,
            [
                "cleanup.policy",
                "max.message.bytes",
                "message.timestamp.type",
                "message.timestamp.before.max.ms",
                "message.timestamp.after.max.ms",
                // What brokers before 3.6 have instead of these two.
                "message.timestamp.difference.max.ms",
                "retention.ms",
            ],
        )?;
        let number = |told: Option<String>| told?.parse().ok();
        let difference = number(difference);
        let deletes = cleanup_policy
            .as_deref()
            .is_none_or(|policy| policy.contains("delete"));
        Ok(Settings {
            cleanup_policy,
            max_message_bytes: number(bytes),
            timestamp_type,
            before: number(before).or(difference),
            after: number(after).or(difference),
            retention: number(retention).filter(|_| deletes),
        })
    }

    /// Whether the broker gives messages times of its own.
    pub(super) fn replaces_times(&self) -> bool {
        self.timestamp_type.as_deref() == Some("LogAppendTime")
    }

    /// What they mean for results that carry something of their events.
    fn of_carrying(&self, topic: &str, carry: Carry) -> Vec<String> {
        let mut lines = Vec::new();
        let policy = self.cleanup_policy.as_deref().unwrap_or_default();
        if carry.key() && is_compacted(policy) {
            lines.push(format!(
                "the results topic {topic} is compacted (cleanup.policy={policy}), and with --carry key results have the keys of their events: of those with equal keys only the newest stays, and a correction or retraction, which has its source as its key, replaces none of them"
            ));
        }
        if carry.timestamp() && self.replaces_times() {
            lines.push(format!(
                "the results topic {topic} gives messages the time at which its broker takes them (message.timestamp.type=LogAppendTime): with --carry timestamp, too, results do not have the times of their events. With message.timestamp.type=CreateTime they have"
            ));
        }
        let counts = carry.timestamp() && !self.replaces_times();
        if let Some(millis) = self.retention.filter(|_| counts) {
            lines.push(format!(
                "the results topic {topic} deletes messages whose time is {millis} ms ago (retention.ms): results of older events go without the time of their event, so that they are not deleted at once. With retention.ms=-1 they carry it"
            ));
        }
        lines
    }

    /// What they mean for messages that carry this of their events.
    fn lines(&self, topic: &str, content: Content, carry: Carry) -> Vec<String> {
        let mut lines = self.of_carrying(topic, carry);
        let policy = self.cleanup_policy.as_deref().unwrap_or_default();
        // Of dead letters more is to be said; see `rejects_need_keys`.
        if is_compacted(policy) && content == Content::Results {
            lines.push(format!(
                "the results topic {topic} is compacted (cleanup.policy={policy}): of a result and its corrections only the newest stays"
            ));
        }
        let name = match content {
            Content::Results => "results",
            Content::Rejects => "dead-letter",
        };
        if let Some(bytes) = self.max_message_bytes.filter(|it| *it < Limits::USUAL) {
            let what = match content {
                Content::Results => "an event whose result is larger becomes a reject",
                Content::Rejects => {
                    "a larger dead letter is cut down until it fits, and says so; the snapshot holds the event complete"
                }
            };
            lines.push(format!(
                "the {name} topic {topic} takes messages of at most {bytes} bytes (max.message.bytes): {what}"
            ));
        }
        if self.replaces_times() {
            // Carrying says more.
            if !carry.timestamp() {
                lines.push(format!(
                    "the {name} topic {topic} gives messages the time at which its broker takes them (message.timestamp.type=LogAppendTime)"
                ));
            }
            return lines;
        }
        if carry.timestamp() {
            // The bounds are met: see `CarriedTimes`.
            return lines;
        }
        for (bound, side) in [(self.before, "before"), (self.after, "after")] {
            let close = |millis: &u64| Duration::from_millis(*millis) < CLOSE;
            if let Some(millis) = bound.filter(close) {
                lines.push(format!(
                    "the {name} topic {topic} refuses messages whose time is more than {millis} ms {side} its broker's (message.timestamp.{side}.max.ms): ours have the time of this host's clock when they are made. A refused one holds its partition"
                ));
            }
        }
        lines
    }
}

fn is_compacted(policy: &str) -> bool {
    policy.split(',').any(|one| one.trim() == "compact")
}

/// Whether the dead-letter topic takes nothing without a key, because it is compacted; says so when that is new.
pub(super) fn rejects_need_keys(admin: &Admin, topic: &str, before: bool) -> bool {
    let policy = config(admin, topic, "cleanup.policy");
    let is_compacted = policy.as_deref().is_some_and(is_compacted);
    if is_compacted && !before {
        tracing::warn!(
            "the dead-letter topic {topic} is compacted: a dead letter whose event has no key gets its source as key and the header snapback-key-made-of, and of letters with the same key only the newest stays. cleanup.policy=delete keeps all of them"
        );
    }
    is_compacted
}

/// What is needed to write to a topic that fewer brokers hold than have to acknowledge; `None` when enough do.
pub(super) fn too_few_replicas(admin: &Admin, name: &str, topic: &Topic) -> Option<u32> {
    let needed = config(admin, name, "min.insync.replicas")?.parse().ok()?;
    (topic.replicas > 0 && needed > topic.replicas).then_some(needed)
}

/// The settings of a topic by which brokers refuse messages, as its administrator writes them.
pub(super) fn rules(admin: &Admin, topic: &str) -> String {
    let names = [
        "cleanup.policy",
        "max.message.bytes",
        "message.timestamp.type",
        "message.timestamp.before.max.ms",
        "message.timestamp.after.max.ms",
        "min.insync.replicas",
    ];
    let values = admin.topic_configs(topic, names).unwrap_or_else(|error| {
        tracing::warn!("{error}; the settings of {topic} are not known");
        [const { None }; 6]
    });
    let told = names.into_iter().zip(values).filter_map(|(name, value)| {
        let value = value?;
        // Bounds that nothing exceeds.
        (value != i64::MAX.to_string()).then(|| format!("{name}={value}"))
    });
    let told: Vec<String> = told.collect();
    match told.is_empty() {
        true => "the broker does not tell its settings".to_owned(),
        false => told.join(", "),
    }
}

/// A setting of a topic; who cannot be asked tells nothing.
fn config(admin: &Admin, topic: &str, name: &str) -> Option<String> {
    let told: Result<Option<String>, KafkaError> = admin.topic_config(topic, name);
    told.unwrap_or_else(|error| {
        tracing::warn!("{error}; {name} of {topic} is taken to be what brokers usually have");
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_settings_are_not_worth_a_word() {
        let usual = || Settings {
            cleanup_policy: Some("delete".to_owned()),
            max_message_bytes: Some(Limits::USUAL),
            timestamp_type: Some("CreateTime".to_owned()),
            before: Some(i64::MAX as u64),
            after: Some(3_600_000),
            retention: None,
        };
        for settings in [usual(), Settings::default()] {
            for content in [Content::Results, Content::Rejects] {
                assert!(
                    settings.lines("t", content, Carry::default()).is_empty(),
                    "{settings:?}"
                );
            }
        }
        // The broker's own time is never out of its bounds.
        let its_own = Settings {
            timestamp_type: Some("LogAppendTime".to_owned()),
            before: Some(1),
            after: Some(1),
            retention: None,
            ..usual()
        };
        for (carry, part) in [
            ("key", "takes them"),
            ("timestamp", "do not have the times of their events"),
        ] {
            let lines = its_own.lines("t", Content::Results, Carry::parse(carry).unwrap());
            assert!(lines.len() == 1 && lines[0].contains(part), "{lines:?}");
        }
    }

    #[test]
    fn each_setting_that_bears_on_what_is_written_is_a_line() {
        let narrow = Settings {
            cleanup_policy: Some("compact,delete".to_owned()),
            max_message_bytes: Some(1_000),
            timestamp_type: Some("CreateTime".to_owned()),
            before: Some(1),
            after: Some(2),
            retention: None,
        };
        let results = narrow.lines("squares", Content::Results, Carry::default());
        let rejects = narrow.lines("dlq", Content::Rejects, Carry::default());
        for (line, said) in [
            (&results[0], "only the newest stays"),
            (&results[1], "becomes a reject"),
            (&results[2], "message.timestamp.before.max.ms"),
            (&results[3], "more than 2 ms after"),
            (&rejects[0], "at most 1000 bytes"),
            (&rejects[1], "the dead-letter topic dlq refuses"),
        ] {
            assert!(line.contains(said), "{said} is not in {line}");
        }
        assert_eq!((results.len(), rejects.len()), (4, 3));
        // Times that are carried are within the bounds.
        let carrying = narrow.lines(
            "squares",
            Content::Results,
            Carry::parse("timestamp").unwrap(),
        );
        assert_eq!(carrying, results[..2]);
    }
}
