//! Reading back single segments within a time limit: at the start of a run, and at its end.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    AuditError, Finding, Level,
    groups::{Group, group},
    inspect::Inspected,
    verify::{Verification, examine},
};
use crate::{
    calculation::{Calculation, Evaluator},
    events::Fields,
    format::{Layout, Segment},
    model::Partition,
    store::Store,
};

/// What reading back gave.
#[derive(Debug, Default)]
pub struct Checked {
    /// The segments that were read to the end, or could not be read.
    pub checked: usize,
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

/// Verifies single segments at every level, newest first, for as long as `limit` allows. The results and
/// the rejects of one append are compared with each other when both are given. Segments of another
/// calculation are read, but their values are not compared.
pub async fn check_segments(
    store: &Store,
    fields: &Fields,
    calculation: &Arc<dyn Calculation>,
    segments: Vec<Segment>,
    limit: Duration,
) -> Checked {
    let until = Instant::now() + limit;
    let mut checked = Checked::default();
    let evaluator = match Evaluator::new(fields.clone(), Arc::clone(calculation)) {
        Ok(evaluator) => Arc::new(evaluator),
        Err(error) => {
            checked.unchecked = segments;
            checked.failure = Some(error.into());
            return checked;
        }
    };
    for (layout, partition, group) in groups(segments) {
        let context = Verification {
            store: store.clone(),
            layout,
            level: Level::Semantic,
            evaluator: Arc::clone(&evaluator),
            until: Some(until),
        };
        let segments = group.segments.clone();
        let examined = match checked.failure {
            None => within(context, partition, group, until).await,
            Some(_) => Ok(None),
        };
        match examined {
            Ok(Some(inspected)) => {
                checked.checked += segments.len();
                checked.findings.extend(inspected.findings);
            }
            Ok(None) => checked.unchecked.extend(segments),
            Err(error) => {
                checked.unchecked.extend(segments);
                checked.failure = Some(error);
            }
        }
    }
    checked.findings.sort_by_cached_key(Finding::order);
    checked
}

/// `None` when the time was over before the end.
async fn within(
    context: Verification,
    partition: Partition,
    group: Group,
    until: Instant,
) -> Result<Option<Inspected>, AuditError> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Ok(None);
    }
    match tokio::time::timeout(left, tokio::spawn(examine(context, partition, group))).await {
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
