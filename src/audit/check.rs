//! Reading back single segments within a time limit: at the start of a run, and at its end.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{
    AuditError, Finding,
    examine::examine,
    groups::{Group, group},
    inspect::Inspected,
    instructions::Commands,
    verification::Verification,
};
use crate::{
    calculation::{Calculations, Declaration},
    format::{Layout, Segment},
    model::Partition,
    recovery::Invocation,
    store::Store,
};

/// What reading back gave.
#[derive(Debug, Default)]
pub struct Checked {
    /// The segments that were read to the end, or could not be read.
    pub checked: usize,
    /// Their results and rejects whose calculation this program does not have: compared with nothing.
    pub not_compared: u64,
    /// What is wrong with them, by partition and offset.
    pub findings: Vec<Finding>,
    /// The segments for which there was no time, or which the store did not give.
    pub unchecked: Vec<Segment>,
    /// Why the check ended early, if not for the time.
    pub failure: Option<AuditError>,
}

impl Checked {
    /// Whether something is wrong that has to be mended.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.findings.iter().any(Finding::is_damage)
    }
}

/// Verifies single segments at every level, newest first, for as long as `limit` allows, each under its own calculation,
/// which `declared` says. The results and the rejects of one append are compared with each other when both are given.
pub async fn check_segments(
    store: &Store,
    calculations: &Calculations,
    declared: &[Declaration],
    invocation: &Invocation,
    segments: Vec<Segment>,
    limit: Duration,
) -> Checked {
    let until = Instant::now() + limit;
    let mut checked = Checked::default();
    for (layout, partition, group) in groups(segments) {
        let context = Verification {
            until: Some(until),
            ..Verification::semantic(store.clone(), layout, calculations.clone())
        };
        let evaluators = context.evaluators(declared, &group);
        let segments = group.segments.clone();
        let examined = match checked.failure {
            None => within(examine(context, partition, group, evaluators), until).await,
            Some(_) => Ok(None),
        };
        match examined {
            Ok(Some(inspected)) => {
                checked.checked += segments.len();
                checked.not_compared += inspected.not_compared;
                checked.findings.extend(inspected.findings);
            }
            Ok(None) => checked.unchecked.extend(segments),
            Err(error) => {
                checked.unchecked.extend(segments);
                checked.failure = Some(error);
            }
        }
    }
    let commands = Commands::of(invocation);
    let findings = checked.findings.iter_mut();
    findings.for_each(|finding| commands.complete(finding));
    checked.findings.sort_by_cached_key(Finding::order);
    checked
}

/// `None` when the time was over before the end.
async fn within(
    examined: impl Future<Output = Result<Option<Inspected>, AuditError>> + Send + 'static,
    until: Instant,
) -> Result<Option<Inspected>, AuditError> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Ok(None);
    }
    match tokio::time::timeout(left, tokio::spawn(examined)).await {
        Ok(examined) => examined?,
        Err(_) => Ok(None),
    }
}

/// The segments of each topic and partition, put together, newest first. A segment whose path is not its
/// own cannot come from a manifest and is left out.
fn groups(segments: Vec<Segment>) -> Vec<(Layout, Partition, Group)> {
    let mut by_partition: BTreeMap<(String, Partition), Vec<Segment>> = BTreeMap::new();
    for segment in segments {
        let topic = segment
            .path
            .as_str()
            .split('/')
            .next()
            .unwrap_or_default()
            .to_owned();
        let name = Layout::new(&topic)
            .ok()
            .and_then(|layout| layout.parse_segment(&segment.path));
        if let Some(name) = name {
            by_partition
                .entry((topic, name.partition))
                .or_default()
                .push(segment);
        }
    }
    let mut groups = Vec::new();
    for ((topic, partition), segments) in by_partition {
        let Ok(layout) = Layout::new(&topic) else {
            continue;
        };
        let group = group(&segments, false);
        groups.extend(
            group
                .into_iter()
                .map(|group| (layout.clone(), partition, group)),
        );
    }
    groups.sort_by_key(|(_, _, group)| std::cmp::Reverse(group.range.end()));
    groups
}
