//! Rules of the output topics that bear on what is written to them, besides the largest message: read at the start, said,
//! and read again when a broker refuses something.

use crate::kafka::{Admin, KafkaError, Topic};

/// Whether the dead-letter topic takes nothing without a key, because it is compacted; says so when that is new.
pub(super) fn rejects_need_keys(admin: &Admin, topic: &str, before: bool) -> bool {
    let policy = config(admin, topic, "cleanup.policy");
    let is_compacted =
        policy.is_some_and(|policy| policy.split(',').any(|one| one.trim() == "compact"));
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
    let told = names.into_iter().filter_map(|name| {
        let value = config(admin, topic, name)?;
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
