//! The checks at the demo's end: what the topics hold, what the store holds, and what the audit finds in both.

use std::{collections::BTreeMap, time::SystemTime};

use serde::Serialize;

use super::{
    DemoError, Pipeline, Task,
    settings::ASK,
    topics::{self, CatchUp, EventsRead, OutputsRead},
};
use crate::{
    audit::{self, Finding, FindingKind, Level, Options, OutputTopics, Report},
    calculation::{Calculations, builtin},
    format::Layout,
    history::{list_manifests, load_tail},
    kafka::{Admin, Connection},
    model::{Offset, OffsetRange, Partition},
    store::Store,
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

    fn new(claim: &'static str, against: impl IntoIterator<Item = String>) -> Check {
        let (mut wrong, mut examples) = (0, Vec::new());
        for text in against {
            wrong += 1;
            if examples.len() < EXAMPLES {
                examples.push(text);
            }
        }
        Check {
            claim,
            wrong,
            examples,
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
    /// Rejects in the snapshots.
    pub rejects: u64,
    /// Events that are malformed on purpose, by the code of the reason.
    pub malformed: BTreeMap<String, u64>,
    /// Numbers that the calculation rejects, by the code of the reason.
    pub rejected: BTreeMap<String, u64>,
    /// Numbers that the condition leaves out.
    pub filtered: u64,
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
        let outcomes = self.results + self.rejects;
        (outcomes > 0).then(|| self.bytes as f64 / outcomes as f64)
    }
}

/// The checks and the sums.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Every claim, in the order in which to show them.
    pub checks: Vec<Check>,
    /// The sums.
    pub totals: Totals,
}

impl Checked {
    /// Whether every claim holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.checks.iter().all(Check::passed)
    }
}

/// What the checks rest on. Nothing in it comes from the processor's own counters.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Events that the broker acknowledged to the producer.
    pub loaded: u64,
    /// Whether no outcome may be published twice.
    pub exactly_once: bool,
    /// What was calculated.
    pub task: Task,
    /// The events topic.
    pub events: EventsRead,
    /// The output topics, beside these events.
    pub outputs: OutputsRead,
    /// The group's committed offset of each partition.
    pub committed: BTreeMap<Partition, Offset>,
    /// What the newest manifest of each partition accounts for.
    pub chains: BTreeMap<Partition, OffsetRange>,
    /// Manifests with outcomes.
    pub snapshots: u64,
    /// Live segments.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What `verify --level published` says.
    pub report: Report,
}

/// Reads everything that the topics and the store hold, from outside, and compares. Also says how fast the processor was
/// since `restart`.
///
/// # Errors
/// When topics or store cannot be read at all. A damaged file is a failed check.
#[expect(
    clippy::expect_used,
    reason = "reading topics panics only by a defect, which must not pass for an answer"
)]
pub async fn check(
    connection: &Connection,
    pipeline: &Pipeline,
    store: &Store,
    loaded: u64,
    exactly_once: bool,
    task: &Task,
    restart: SystemTime,
) -> Result<(Checked, Option<CatchUp>), DemoError> {
    let layout = Layout::new(&pipeline.events)?;
    let report = verify(connection, pipeline, store, &layout, exactly_once).await?;
    let rule = task.rule()?;
    let asked = (connection.clone(), pipeline.clone());
    let read = tokio::task::spawn_blocking(move || {
        let (connection, pipeline) = asked;
        let admin = Admin::connect(&connection, ASK)?;
        let events = topics::events(&connection, &admin, &pipeline.events, &rule)?;
        let outputs = topics::outputs(&connection, &admin, &pipeline, &events, &rule, restart)?;
        let partitions: Vec<Partition> = events.partitions.keys().copied().collect();
        let committed = admin.committed(&pipeline.group, &pipeline.events, &partitions)?;
        Ok::<_, DemoError>((events, outputs, committed))
    });
    let (events, outputs, committed) = read.await.expect("reading topics does not panic")?;
    let committed = committed.into_iter();
    let mut facts = Facts {
        loaded,
        exactly_once,
        task: task.clone(),
        committed: committed
            .filter_map(|(partition, committed)| Some((partition, committed?.offset)))
            .collect(),
        report,
        ..Facts::default()
    };
    for partition in events.partitions.keys() {
        let numbers = list_manifests(store, &layout, *partition).await?;
        // The first binds the partition to the store and holds no outcome.
        facts.snapshots += (numbers.len() as u64).saturating_sub(1);
        if let Some(newest) = load_tail(store, &layout, *partition).await?.newest {
            facts.chains.insert(*partition, newest.range());
            facts.segments += newest.live_files();
            facts.bytes += newest.live_bytes();
        }
    }
    let catch_up = outputs.catch_up;
    (facts.events, facts.outputs) = (events, outputs);
    Ok((judge(&facts), catch_up))
}

/// What `snapback verify --level published` says.
async fn verify(
    connection: &Connection,
    pipeline: &Pipeline,
    store: &Store,
    layout: &Layout,
    exactly_once: bool,
) -> Result<Report, DemoError> {
    let (calculations, options) = (Calculations::new(builtin), Options::default());
    let level = Level::Published;
    let report = audit::verify(store, layout, level, &calculations, &options, &|_| {}).await?;
    let topics = OutputTopics {
        connection: connection.clone(),
        results: pipeline.results.clone(),
        rejects: pipeline.rejects.clone(),
        is_rejects_default: false,
        at_least_once: !exactly_once,
    };
    let published =
        audit::verify_published(store, layout, &topics, &options, report, &|_, _| {}).await?;
    Ok(published)
}

/// From facts to verdicts.
#[must_use]
pub fn judge(facts: &Facts) -> Checked {
    let (events, report) = (&facts.events, &facts.report);
    let published = report.published.unwrap_or_default();
    let logs = || events.partitions.values().map(|(log, _)| log.len());
    let totals = Totals {
        events: events.events(),
        results: report.results,
        rejects: report.rejects,
        malformed: events.malformed.clone(),
        rejected: events.rejected.clone(),
        filtered: report.filtered,
        absent: logs().sum::<u64>().saturating_sub(events.events()),
        lost: report.lost,
        snapshots: facts.snapshots,
        segments: facts.segments,
        bytes: facts.bytes,
        published_twice: published.copies,
    };
    let malformed: u64 = events.malformed.values().sum();
    let rejected: u64 = events.rejected.values().sum();
    let (are_results, are_rejects) = match facts.task.is_own() {
        false => (
            "events are numbers, stored results are",
            "events are malformed, stored rejects are",
        ),
        true => (
            "events have a result, stored are",
            "events are malformed or rejected by the calculation, stored rejects are",
        ),
    };
    // A number that is neither rejected nor left out has a result.
    let numbers = events.numbers.saturating_sub(rejected + events.filtered);
    let found = |belongs: fn(FindingKind) -> bool| {
        let damage = report.findings.iter().filter(|finding| finding.is_damage());
        damage
            .filter(move |finding| belongs(finding.kind))
            .map(Finding::to_string)
    };
    let loaded = differs(
        facts.loaded,
        totals.events,
        "events were acknowledged, read were",
    );
    let counts = [
        differs(numbers, report.results, are_results),
        differs(malformed + rejected, report.rejects, are_rejects),
        differs(
            events.filtered,
            report.filtered,
            "events are left out by the condition, filtered are",
        ),
        differs(
            totals.absent,
            report.absent,
            "offsets deliver no event, recorded as absent are",
        ),
    ];
    let unknown = match published.unknown {
        0 => None,
        unknown => Some(format!("{unknown} messages name no event of this demo")),
    };
    let in_topics = if facts.exactly_once {
        "each result is in the results topic and each reject in the dead-letter topic exactly once, and nothing else is"
    } else {
        "each result is in the results topic and each reject in the dead-letter topic, and nothing else is"
    };
    let checks = vec![
        Check::new(
            "the events topic holds what was produced",
            loaded.into_iter().chain(events.unknown.iter().cloned()),
        ),
        Check::new(
            match facts.task.condition {
                None => "each event is in the snapshots exactly once, as a result or as a reject",
                Some(_) => {
                    "each event is in the snapshots exactly once, as a result or as a reject, or is counted there as filtered"
                }
            },
            found(|kind| !is_value(kind) && !is_published(kind))
                .chain(counts.into_iter().flatten()),
        ),
        Check::new(
            match facts.task.is_own() {
                false => "each result is the square of its event's number, recomputed here",
                true => {
                    "each result is what the calculation gives for its event, calculated here once more"
                }
            },
            found(|kind| kind == FindingKind::WrongResult)
                .chain(facts.outputs.wrong_results.iter().cloned()),
        ),
        Check::new(
            match facts.task.is_own() {
                false => "each reject is an event that was malformed on purpose, with its reason",
                true => {
                    "each reject is an event that was malformed on purpose, or that cannot be calculated, with its reason"
                }
            },
            found(|kind| kind == FindingKind::WrongReject)
                .chain(facts.outputs.wrong_letters.iter().cloned()),
        ),
        Check::new(in_topics, found(is_published).chain(unknown)),
        Check::new(
            "committed offsets and snapshots reach the end of each partition, without a gap",
            incomplete(facts),
        ),
        Check::new(
            "`snapback verify --level published` finds nothing",
            found(|_| true),
        ),
    ];
    Checked { checks, totals }
}

fn is_value(kind: FindingKind) -> bool {
    matches!(kind, FindingKind::WrongResult | FindingKind::WrongReject)
}

fn is_published(kind: FindingKind) -> bool {
    matches!(
        kind,
        FindingKind::Unpublished
            | FindingKind::PublishedTwice
            | FindingKind::PublishedWrong
            | FindingKind::StaleRevision
    )
}

fn differs(expected: u64, found: u64, text: &str) -> Option<String> {
    (expected != found).then(|| format!("{expected} {text} {found}"))
}

/// Partitions whose end was not reached, and offsets that were given up.
fn incomplete(facts: &Facts) -> Vec<String> {
    let mut incomplete = Vec::new();
    for (partition, (log, _)) in &facts.events.partitions {
        if log.is_empty() {
            continue;
        }
        let committed = facts.committed.get(partition);
        if committed != Some(&log.end()) {
            let end = log.end();
            let committed = committed.map_or("nothing".to_owned(), Offset::to_string);
            incomplete.push(format!(
                "partition {partition}: committed is {committed}, the log ends at {end}"
            ));
        }
        let chain = facts.chains.get(partition);
        if chain != Some(log) {
            let chain = chain.map_or("nothing".to_owned(), OffsetRange::to_string);
            incomplete.push(format!(
                "partition {partition}: the snapshots cover {chain}, the log is {log}"
            ));
        }
    }
    if facts.report.lost > 0 {
        incomplete.push(format!(
            "{} offsets were given up as lost",
            facts.report.lost
        ));
    }
    incomplete
}

#[cfg(test)]
mod tests;
