//! From readings to verdicts: pure arithmetic over what topics and store hold.

use std::collections::BTreeMap;

use serde::Serialize;

use super::readings::{Calculated, Outcome, PartitionReadings, Readings};
use crate::{
    load::Content,
    model::{Offset, Partition},
};

/// How many examples of one fault are worth reading.
const EXAMPLES: usize = 5;

/// A claim, and what contradicts it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What is claimed.
    pub claim: &'static str,
    /// How many things contradict it.
    pub wrong: u64,
    /// The first of them.
    pub examples: Vec<String>,
}

impl Check {
    /// Whether nothing contradicts it.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.wrong == 0
    }

    fn new(claim: &'static str) -> Check {
        Check {
            claim,
            wrong: 0,
            examples: Vec::new(),
        }
    }

    fn contradict(&mut self, by: impl FnOnce() -> String) {
        self.wrong += 1;
        if self.examples.len() < EXAMPLES {
            self.examples.push(by());
        }
    }

    fn contradict_all(&mut self, by: &[String]) {
        for text in by {
            self.contradict(|| text.clone());
        }
    }
}

/// Sums over everything that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Events in the events topic.
    pub events: u64,
    /// Results in the snapshots.
    pub results: u64,
    /// Rejects in the snapshots, by the code of their reason.
    pub rejects: BTreeMap<String, u64>,
    /// Offsets of the events topic that deliver no event.
    pub absent: u64,
    /// Offsets in accepted gaps.
    pub lost: u64,
    /// Manifests with outcomes.
    pub snapshots: u64,
    /// Parquet files.
    pub segments: u64,
    /// The bytes of these files.
    pub bytes: u64,
    /// Copies of outcomes in the output topics beyond the first.
    pub published_twice: u64,
}

impl Totals {
    /// Bytes in the snapshots for each outcome.
    #[must_use]
    pub fn bytes_per_event(&self) -> Option<f64> {
        let outcomes = self.results + self.rejects.values().sum::<u64>();
        (outcomes > 0).then(|| self.bytes as f64 / outcomes as f64)
    }
}

/// The verdicts and the sums.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Every claim, in the order in which to tell them.
    pub checks: Vec<Check>,
    /// The sums.
    pub totals: Totals,
}

impl Account {
    /// Whether every claim holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.checks.iter().all(Check::passed)
    }
}

/// Compares what was read: every event against its outcome in the store and in the output topics.
#[must_use]
pub fn account(readings: &Readings) -> Account {
    let (results, rejects) = if readings.exactly_once {
        (
            "each number's result is in the results topic exactly once, and nothing else is",
            "each malformed event is in the dead-letter topic exactly once, and nothing else is",
        )
    } else {
        (
            "each number's result is in the results topic, and nothing else is",
            "each malformed event is in the dead-letter topic, and nothing else is",
        )
    };
    let mut checks = Checks {
        loaded: Check::new("the events topic holds what was produced"),
        once: Check::new("each event is in the snapshots exactly once, as a result or as a reject"),
        values: Check::new(
            "each stored result is the square of its event's number, recomputed here",
        ),
        reasons: Check::new(
            "each stored reject is an event that was malformed on purpose, with its reason",
        ),
        results: Check::new(results),
        letters: Check::new(rejects),
        complete: Check::new(
            "committed offsets and snapshots reach the end of each partition, without a gap",
        ),
        audit: Check::new("`snapback verify` finds nothing"),
    };
    let mut totals = Totals::default();
    for partition in &readings.partitions {
        checks.partition(partition, readings.exactly_once, &mut totals);
    }
    if totals.events != readings.loaded {
        let (found, loaded) = (totals.events, readings.loaded);
        let counts = || format!("{found} events were read, {loaded} were acknowledged");
        checks.loaded.contradict(counts);
    }
    checks.once.contradict_all(&readings.unreadable);
    checks.results.contradict_all(&readings.strangers);
    checks.audit.contradict_all(&readings.findings);
    Account {
        checks: checks.into(),
        totals,
    }
}

struct Checks {
    loaded: Check,
    once: Check,
    values: Check,
    reasons: Check,
    results: Check,
    letters: Check,
    complete: Check,
    audit: Check,
}

impl From<Checks> for Vec<Check> {
    fn from(checks: Checks) -> Vec<Check> {
        let Checks {
            loaded,
            once,
            values,
            reasons,
            results,
            letters,
            complete,
            audit,
        } = checks;
        vec![
            loaded, once, values, reasons, results, letters, complete, audit,
        ]
    }
}

impl Checks {
    fn partition(&mut self, read: &PartitionReadings, exactly_once: bool, totals: &mut Totals) {
        let partition = read.partition;
        totals.events += read.events.len() as u64;
        totals.absent += read.log.len().saturating_sub(read.events.len() as u64);
        totals.lost += read.gaps.iter().map(|gap| gap.len()).sum::<u64>();
        totals.snapshots += read.snapshots;
        totals.segments += read.segments;
        totals.bytes += read.bytes;

        for (offset, content) in &read.events {
            if content.is_none() {
                let stranger = || at(partition, *offset, "is no event of this demo");
                self.loaded.contradict(stranger);
            }
        }
        self.stored(read, totals);
        self.published(read, exactly_once, totals);
        self.completeness(read);
    }

    fn stored(&mut self, read: &PartitionReadings, totals: &mut Totals) {
        let mut rows: BTreeMap<Offset, u64> = BTreeMap::new();
        for stored in &read.stored {
            let source = stored.source;
            *rows.entry(source).or_default() += 1;
            let event = read.events.get(&source).copied().flatten();
            match &stored.outcome {
                Outcome::Result(value) => {
                    totals.results += 1;
                    if expected_result(event) != Some(*value) {
                        self.values
                            .contradict(|| wrong_result(read.partition, source, event, *value));
                    }
                }
                Outcome::Reject { reason, content } => {
                    *totals.rejects.entry(reason.clone()).or_default() += 1;
                    if expected_reason(event) != Some(reason) || *content != event {
                        self.reasons
                            .contradict(|| wrong_reject(read.partition, source, event, reason));
                    }
                }
            }
        }
        compare(
            &mut self.once,
            read,
            "in the snapshots",
            &rows,
            |_| true,
            true,
        );
    }

    fn published(&mut self, read: &PartitionReadings, exactly_once: bool, totals: &mut Totals) {
        let mut results: BTreeMap<Offset, u64> = BTreeMap::new();
        for published in &read.published {
            *results.entry(published.source).or_default() += 1;
            let event = read.events.get(&published.source).copied().flatten();
            if matches!(event, Some(Content::Number(_)))
                && expected_result(event) != Some(published.value)
            {
                self.results.contradict(|| {
                    wrong_result(read.partition, published.source, event, published.value)
                });
            }
        }
        let is_number = |event| matches!(event, Some(Content::Number(_)));
        compare(
            &mut self.results,
            read,
            "in the results topic",
            &results,
            is_number,
            exactly_once,
        );

        let mut letters: BTreeMap<Offset, u64> = BTreeMap::new();
        for letter in &read.letters {
            *letters.entry(letter.source).or_default() += 1;
            let event = read.events.get(&letter.source).copied().flatten();
            let malformed = matches!(event, Some(Content::Malformed(_)));
            if malformed
                && (expected_reason(event) != Some(&letter.reason) || letter.content != event)
            {
                self.letters.contradict(|| {
                    wrong_reject(read.partition, letter.source, event, &letter.reason)
                });
            }
        }
        let is_malformed = |event| matches!(event, Some(Content::Malformed(_)));
        compare(
            &mut self.letters,
            read,
            "in the dead-letter topic",
            &letters,
            is_malformed,
            exactly_once,
        );
        let copies = results.values().chain(letters.values());
        totals.published_twice += copies.map(|copies| copies - 1).sum::<u64>();
    }

    fn completeness(&mut self, read: &PartitionReadings) {
        let (partition, log) = (read.partition, read.log);
        if log.is_empty() {
            return;
        }
        if read.committed != Some(log.end()) {
            let committed = read
                .committed
                .map_or("nothing".to_owned(), |at| at.to_string());
            self.complete.contradict(|| {
                format!(
                    "partition {partition}: committed is {committed}, the log ends at {}",
                    log.end()
                )
            });
        }
        if read.chain != Some(log) {
            let chain = read
                .chain
                .map_or("nothing".to_owned(), |range| range.to_string());
            self.complete.contradict(|| {
                format!("partition {partition}: the snapshots cover {chain}, the log is {log}")
            });
        }
        for gap in &read.gaps {
            self.complete
                .contradict(|| format!("partition {partition}: {gap} was given up as lost"));
        }
    }
}

/// Each event that `belongs` must be there, once when `once`; nothing else may.
fn compare(
    check: &mut Check,
    read: &PartitionReadings,
    place: &str,
    found: &BTreeMap<Offset, u64>,
    belongs: impl Fn(Option<Content>) -> bool,
    once: bool,
) {
    for (offset, content) in &read.events {
        if belongs(*content) && !found.contains_key(offset) {
            check.contradict(|| at(read.partition, *offset, &format!("is not {place}")));
        }
    }
    for (offset, copies) in found {
        match read.events.get(offset) {
            None => check.contradict(|| {
                at(
                    read.partition,
                    *offset,
                    &format!("is {place}, but is no event"),
                )
            }),
            Some(content) if !belongs(*content) => {
                check.contradict(|| {
                    at(
                        read.partition,
                        *offset,
                        &format!("is {place}, where it does not belong"),
                    )
                });
            }
            Some(_) if once && *copies > 1 => {
                check.contradict(|| {
                    at(
                        read.partition,
                        *offset,
                        &format!("is {place} {copies} times"),
                    )
                });
            }
            Some(_) => {}
        }
    }
}

fn expected_result(event: Option<Content>) -> Option<Calculated> {
    match event? {
        Content::Number(number) => Some(Calculated {
            number,
            result: i128::from(number) * i128::from(number),
        }),
        Content::Malformed(_) => None,
    }
}

fn expected_reason(event: Option<Content>) -> Option<&'static str> {
    match event? {
        Content::Malformed(way) => Some(way.reason().as_str()),
        Content::Number(_) => None,
    }
}

fn wrong_result(
    partition: Partition,
    offset: Offset,
    event: Option<Content>,
    found: Calculated,
) -> String {
    let Calculated { number, result } = found;
    at(
        partition,
        offset,
        &format!("has the result {result} of {number}, {}", means(event)),
    )
}

fn wrong_reject(
    partition: Partition,
    offset: Offset,
    event: Option<Content>,
    reason: &str,
) -> String {
    at(
        partition,
        offset,
        &format!("is a reject for {reason}, {}", means(event)),
    )
}

fn means(event: Option<Content>) -> String {
    match event {
        Some(Content::Number(number)) => format!("the event is {number}"),
        Some(Content::Malformed(way)) => format!("the event is malformed ({})", way.reason()),
        None => "there is no such event".to_owned(),
    }
}

fn at(partition: Partition, offset: Offset, what: &str) -> String {
    format!("{partition}/{offset} {what}")
}

#[cfg(test)]
mod tests;
