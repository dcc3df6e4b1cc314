//! What the log is told of partitions that are held: one line for one cause, with its partitions, whichever worker they are of.

use std::{
    mem::{discriminant, take},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::{model::Partition, recovery::Refusal};

/// How long after the first the others of a batch are waited for.
const TOGETHER: Duration = Duration::from_secs(3);

/// See the module.
#[derive(Debug, Default)]
pub struct Holds(Mutex<Unsaid>);

/// Those that were not said yet.
#[derive(Debug, Default)]
struct Unsaid {
    refusals: Vec<Refusal>,
    since: Option<Instant>,
}

impl Holds {
    /// A partition is held from now on.
    pub fn add(&self, refusal: Refusal) {
        let mut unsaid = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        unsaid.since.get_or_insert_with(Instant::now);
        unsaid.refusals.push(refusal);
    }

    /// Says what is due.
    pub fn say(&self) {
        self.say_after(TOGETHER);
    }

    /// Says all of it.
    pub fn say_all(&self) {
        self.say_after(Duration::ZERO);
    }

    fn say_after(&self, wait: Duration) {
        for line in self.due(wait) {
            tracing::error!("{line}");
        }
    }

    fn due(&self, wait: Duration) -> Vec<String> {
        let mut unsaid = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if unsaid.since.is_none_or(|since| since.elapsed() < wait) {
            return Vec::new();
        }
        let Unsaid { refusals, .. } = take(&mut *unsaid);
        lines(refusals)
    }
}

/// A line for each cause.
fn lines(mut refusals: Vec<Refusal>) -> Vec<String> {
    refusals.sort_by_key(|refusal| refusal.partition);
    let mut lines = Vec::new();
    while let Some(first) = refusals.first() {
        let kind = discriminant(&first.cause);
        let of_its_kind: Vec<Refusal> = refusals
            .extract_if(.., |other| discriminant(&other.cause) == kind)
            .collect();
        lines.push(line(&of_its_kind));
    }
    lines
}

/// Refusals of one cause, which may have different words for each partition.
fn line(refusals: &[Refusal]) -> String {
    let mut said: Vec<(String, Vec<Partition>)> = Vec::new();
    for refusal in refusals {
        let words = refusal.cause.to_string();
        match said.iter_mut().find(|(known, _)| *known == words) {
            Some((_, partitions)) => partitions.push(refusal.partition),
            None => said.push((words, vec![refusal.partition])),
        }
    }
    match (refusals, &said[..]) {
        ([only], _) => only.to_string(),
        ([first, ..], [(words, partitions)]) => format!(
            "{} of topic {} are held: {words}",
            named(partitions),
            first.pipeline.events_topic
        ),
        ([first, ..], _) => {
            let all: Vec<Partition> = refusals.iter().map(|one| one.partition).collect();
            let parts = said
                .iter()
                .map(|(words, partitions)| format!("{words} ({})", named(partitions)));
            format!(
                "{} of topic {} are held: {}",
                named(&all),
                first.pipeline.events_topic,
                parts.collect::<Vec<_>>().join("; ")
            )
        }
        ([], _) => String::new(),
    }
}

fn named(partitions: &[Partition]) -> String {
    let names: Vec<String> = partitions.iter().map(ToString::to_string).collect();
    match &names[..] {
        [only] => format!("partition {only}"),
        _ => format!("partitions {}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        format::Pipeline,
        model::{Offset, OffsetRange},
        recovery::{Cause, Remedy},
    };

    fn refusal(partition: i32, cause: Cause) -> Refusal {
        Refusal {
            partition: Partition(partition),
            pipeline: Pipeline {
                cluster_id: None,
                group: "g".to_owned(),
                events_topic: "events".to_owned(),
                events_topic_id: None,
                events_partitions: None,
                results_topic: "results".to_owned(),
                results_partitions: 1,
            },
            store: "./snapshots".to_owned(),
            cause,
            remedies: vec![Remedy::LetRead],
        }
    }

    fn moved_to(end: u64) -> Cause {
        let range = OffsetRange::new(Offset::ZERO, Offset::ZERO.plus(end));
        let range = range.expect("in order");
        Cause::CommittedByOther { range }
    }

    fn closed(error: &str) -> Cause {
        let error = error.to_owned();
        Cause::Closed { error }
    }

    #[test]
    fn one_cause_is_one_line_with_its_partitions() {
        let holds = Holds::default();
        for partition in [7, 0, 3] {
            holds.add(refusal(partition, moved_to(40)));
        }
        holds.add(refusal(5, closed("no right to read it")));
        assert!(holds.due(TOGETHER).is_empty(), "others may follow");
        assert_eq!(
            holds.due(Duration::ZERO),
            [
                "partitions 0, 3, 7 of topic events are held: somebody else committed 0-40",
                "partition 5 of topic events is held: what is stored of it cannot be read: no right to read it",
            ]
        );
        assert!(holds.due(Duration::ZERO).is_empty(), "they are said once");
    }

    #[test]
    fn what_differs_between_partitions_is_said_with_them() {
        let refusals = [
            refusal(0, moved_to(40)),
            refusal(1, moved_to(40)),
            refusal(2, moved_to(7)),
        ];
        assert_eq!(
            lines(refusals.into()),
            [
                "partitions 0, 1, 2 of topic events are held: somebody else committed 0-40 (partitions 0, 1); somebody else committed 0-7 (partition 2)"
            ]
        );
    }
}
