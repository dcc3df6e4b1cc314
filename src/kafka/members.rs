//! Who of a group has which partitions.

use rdkafka::{consumer::Consumer, groups::GroupList};

use super::{admin::Admin, error::KafkaError};
use crate::model::Partition;

/// A member of a group, and what it has of one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its id: of a static member its name, a dash, and a UUID.
    pub id: String,
    /// The partitions that the group gave it.
    pub partitions: Vec<Partition>,
}

impl Member {
    /// Whether this is the static member of that name.
    #[must_use]
    pub fn is_named(&self, name: &str) -> bool {
        is_named(&self.id, name)
    }
}

fn is_named(id: &str, name: &str) -> bool {
    const UUID: usize = 36;
    let rest = id.strip_prefix(name);
    rest.is_some_and(|rest| rest.len() == 1 + UUID && rest.starts_with('-'))
}

impl Admin {
    /// The id of the group's static member of that name, whatever it is doing; `None` when there is none. The broker in this
    /// process does not tell.
    ///
    /// # Errors
    /// When no broker answers, or we may not know about the group.
    pub fn member(&self, group: &str, name: &str) -> Result<Option<String>, KafkaError> {
        if self.is_mock() {
            return Ok(None);
        }
        let groups = self.describe(group)?;
        let found = groups.groups().iter().find(|found| found.name() == group);
        let members = found.map_or(&[][..], |found| found.members()).iter();
        let ids = members.map(|member| member.id());
        Ok(ids
            .into_iter()
            .find(|id| is_named(id, name))
            .map(str::to_owned))
    }

    /// The members of a group that want `topic`, with their partitions of it; `None` while the group divides them, and when its
    /// members do not say.
    ///
    /// # Errors
    /// When no broker answers, or we may not know about the group.
    pub fn members(&self, group: &str, topic: &str) -> Result<Option<Vec<Member>>, KafkaError> {
        // The broker in this process does not tell.
        if self.is_mock() {
            return Ok(None);
        }
        let groups = self.describe(group)?;
        let found = groups.groups().iter().find(|found| found.name() == group);
        let Some(found) = found.filter(|found| found.state() == "Stable") else {
            return Ok(None);
        };
        let mut members = Vec::new();
        for member in found.members() {
            let Some(wants) = wants(topic, member.metadata().unwrap_or_default()) else {
                return Ok(None);
            };
            let partitions = match member.assignment() {
                None | Some([]) => Some(Vec::new()),
                Some(bytes) => partitions_of(topic, bytes),
            };
            let (id, Some(partitions)) = (member.id().to_owned(), partitions) else {
                return Ok(None);
            };
            if wants {
                members.push(Member { id, partitions });
            }
        }
        Ok(Some(members))
    }

    fn describe(&self, group: &str) -> Result<GroupList, KafkaError> {
        let doing = format!("describe the group {group:?}");
        self.ask(self.client(), &doing, |consumer, timeout| {
            consumer.fetch_group_list(Some(group), timeout)
        })
    }
}

/// Bytes of Kafka's consumer protocol; each call takes what it reads, and gives `None` when there is not that much.
struct Protocol<'a>(&'a [u8]);

impl<'a> Protocol<'a> {
    fn take(&mut self, count: i32) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(count).ok()?)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<i32> {
        self.take(4)?.try_into().ok().map(i32::from_be_bytes)
    }

    fn short(&mut self) -> Option<i32> {
        let bytes = self.take(2)?.try_into().ok()?;
        Some(i32::from(i16::from_be_bytes(bytes)))
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let length = self.short()?;
        self.take(length)
    }
}

/// Reads a subscription: a version, then topics. `None` when it is something else.
fn wants(topic: &str, bytes: &[u8]) -> Option<bool> {
    let mut bytes = Protocol(bytes);
    bytes.short()?;
    let mut wants = false;
    for _ in 0..bytes.number()? {
        wants |= bytes.text()? == topic.as_bytes();
    }
    Some(wants)
}

/// Reads an assignment: a version, then topics with their partitions. `None` when it is something else.
fn partitions_of(topic: &str, bytes: &[u8]) -> Option<Vec<Partition>> {
    let mut bytes = Protocol(bytes);
    bytes.short()?;
    let mut found = Vec::new();
    for _ in 0..bytes.number()? {
        let name = bytes.text()?;
        for _ in 0..bytes.number()? {
            let partition = Partition(bytes.number()?);
            if name == topic.as_bytes() {
                found.push(partition);
            }
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignment_is_read_and_only_a_whole_one() {
        let mut bytes = vec![0, 1, 0, 0, 0, 2];
        for (name, partitions) in [("other", vec![7]), ("events", vec![0, 258])] {
            bytes.extend([0, name.len() as u8]);
            bytes.extend(name.as_bytes());
            bytes.extend((partitions.len() as i32).to_be_bytes());
            partitions
                .iter()
                .for_each(|partition: &i32| bytes.extend(partition.to_be_bytes()));
        }
        let whole = bytes.len();
        bytes.extend([0, 0, 0, 0]);
        for length in [whole, whole + 4] {
            let found = partitions_of("events", &bytes[..length]);
            assert_eq!(found, Some(vec![Partition(0), Partition(258)]));
        }
        assert_eq!(partitions_of("none", &bytes), Some(vec![]));
        for length in 0..whole {
            assert_eq!(partitions_of("events", &bytes[..length]), None, "{length}");
        }
    }

    #[test]
    fn a_subscription_names_its_topics() {
        let bytes = b"\0\x01\0\0\0\x02\0\x05other\0\x06eventsand what later versions add";
        assert_eq!(wants("events", bytes), Some(true));
        assert_eq!(wants("event", bytes), Some(false));
        assert_eq!(wants("events", &bytes[..12]), None);
    }

    #[test]
    fn a_static_member_is_known_by_its_name() {
        let member = |id: &str| Member {
            id: id.to_owned(),
            partitions: Vec::new(),
        };
        let named = member("g.e.a.0-0b2f3c1e-52a5-4d31-9f3c-6a1f6a5d9f10");
        assert!(named.is_named("g.e.a.0"));
        assert!(!named.is_named("g.e.a"));
        assert!(!named.is_named("g.e.a.0-0b2f3c1e"));
        assert!(!member("rdkafka-0b2f3c1e-52a5-4d31-9f3c-6a1f6a5d9f10").is_named("g.e.a.0"));
    }
}
