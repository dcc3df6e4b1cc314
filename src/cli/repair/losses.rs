//! What `--accept-loss` is about, and what is said of it.

use std::collections::BTreeSet;

use super::{super::rewriting::Rewriting, no_such_loss::NoSuchLoss};
use crate::{
    audit::{self, Acceptance, AuditError, Loss, Mend, RepairPlan, SourceError},
    format::Gap,
    model::{Offset, OffsetRange, Partition},
    recovery::Invocation,
};

/// Whether the accepted losses are of the partitions that are to be mended.
///
/// # Errors
/// [`NoSuchLoss`] when one is not.
pub(super) fn among(
    accepted: &[(Partition, OffsetRange)],
    partitions: Option<&BTreeSet<Partition>>,
) -> Result<(), NoSuchLoss> {
    let is_left_out =
        |partition: &Partition| partitions.is_some_and(|chosen| !chosen.contains(partition));
    let mut accepted = accepted.iter().copied();
    match accepted.find(|(partition, _)| is_left_out(partition)) {
        Some((partition, range)) => Err(NoSuchLoss {
            partition,
            range,
            there: format!("--partition leaves partition {partition} out"),
        }),
        None => Ok(()),
    }
}

/// A range that is a gap now.
#[derive(serde::Serialize)]
pub(super) struct Lost {
    partition: Partition,
    start: Offset,
    end: Offset,
    /// What follows it and was damaged with it, and was made again from Kafka.
    kept: Option<Kept>,
}

/// A range that was made again.
#[derive(serde::Serialize)]
struct Kept {
    start: Offset,
    end: Offset,
}

impl Lost {
    pub fn of(partition: Partition, lost: OffsetRange, kept: Option<OffsetRange>) -> Lost {
        Lost {
            partition,
            start: lost.start(),
            end: lost.end(),
            kept: kept.map(|kept| Kept {
                start: kept.start(),
                end: kept.end(),
            }),
        }
    }

    /// Whether it was lost of this range.
    pub fn is_of(&self, mend: &Mend) -> bool {
        self.partition == mend.partition && self.start == mend.range.range.start()
    }
}

/// Where a range is, for people.
pub(super) fn place(mend: &Mend) -> String {
    format!("partition {}, offsets {}", mend.partition, mend.range.range)
}

/// The losses that the operator has accepted.
pub(super) struct Losses {
    accepted: Vec<(Partition, OffsetRange)>,
    /// Those that are gaps already.
    gaps: Vec<(Partition, Gap)>,
    /// The command, to say it with a loss more.
    invocation: Invocation,
}

impl Losses {
    /// Judges each by what there is to mend.
    ///
    /// # Errors
    /// [`NoSuchLoss`] for anything but a range that has to be made again from Kafka, or is a gap already.
    pub async fn of(
        accepted: &[(Partition, OffsetRange)],
        invocation: Invocation,
        rewriting: &Rewriting,
        plan: &RepairPlan,
    ) -> anyhow::Result<Losses> {
        let mut losses = Losses {
            accepted: accepted.to_vec(),
            gaps: Vec::new(),
            invocation,
        };
        for (partition, range) in accepted.iter().copied() {
            let (store, layout) = (&rewriting.store, &rewriting.layout);
            match audit::judge_loss(store, layout, plan, (partition, range)).await? {
                Acceptance::Range => {}
                Acceptance::Gap(gap) => losses.gaps.push((partition, gap)),
                Acceptance::Nothing(ranges) => {
                    let ranges = ranges.iter().map(|range| format!("{partition}:{range}"));
                    let ranges: Vec<String> = ranges.collect();
                    let there = match ranges.is_empty() {
                        true => format!("partition {partition} has none"),
                        false => format!("partition {partition} has {}", ranges.join(", ")),
                    };
                    return Err(NoSuchLoss {
                        partition,
                        range,
                        there,
                    }
                    .into());
                }
            }
        }
        Ok(losses)
    }

    /// Whether a range may become a gap.
    pub fn accepts(&self, mend: &Mend) -> bool {
        self.accepted.contains(&(mend.partition, mend.range.range))
    }

    /// Those that are gaps already.
    pub fn gaps(&self) -> &[(Partition, Gap)] {
        &self.gaps
    }

    /// What to say of a range that cannot be mended: why, what is lost of it, and the command that records that.
    pub fn offer(&self, mend: &Mend, loss: &Loss, why: &str) -> String {
        let (partition, range) = (mend.partition, mend.range.range);
        let accepting = self.invocation.clone().accepting(partition, range);
        let (results, rejects) = (loss.counts.results, loss.counts.rejects);
        let mut text = format!(
            "{why}. Restore its files from a backup, as `snapback verify` says; without one, `{}` records {} of its {} offsets as lost, \
             for good: {}; {range} has {results} results and {rejects} rejects",
            accepting.with_switch("--apply"),
            loss.lost.len(),
            range.len(),
            loss.lost,
        );
        if let Some(kept) = loss.kept {
            text.push_str(&format!(". Kafka has {kept}, which is made again"));
        }
        for segment in &loss.whole {
            text.push_str(&format!(
                ". The file of its {} {} is whole: what it has of {} is lost all the same, and the file goes to the attic; keep a copy",
                segment.rows, segment.kind, loss.lost
            ));
        }
        text
    }

    /// What has become of them.
    pub fn text(&self, lost: &[Lost]) -> String {
        let mut text = String::new();
        for (partition, gap) in &self.gaps {
            let (range, at) = (gap.range, gap.accepted_at.to_rfc3339());
            text.push_str(&format!(
                "partition {partition}, offsets {range}: recorded as lost already, at {at}\n"
            ));
        }
        for lost in lost {
            let (start, end) = (lost.start, lost.end);
            let is_recorded = |(partition, gap): &(Partition, Gap)| {
                *partition == lost.partition && gap.range.start() == start
            };
            if self.gaps.iter().any(is_recorded) && lost.kept.is_none() {
                continue;
            }
            let rest = lost.kept.as_ref().map_or_else(String::new, |kept| {
                let (start, end) = (kept.start, kept.end);
                format!("; {start}-{end} were made again from the events in Kafka")
            });
            text.push_str(&format!(
                "LOST: partition {}, offsets {start}-{end}: Kafka does not have them any more; they are a gap now{rest}\n",
                lost.partition
            ));
        }
        text
    }
}

/// Whether the topic that the store was made from is no more: its events are gone.
pub(super) fn is_of_no_topic(error: &anyhow::Error) -> bool {
    let source = error.downcast_ref().or_else(|| match error.downcast_ref() {
        Some(AuditError::Source(error)) => Some(error),
        _ => None,
    });
    source.is_some_and(SourceError::is_gone)
}
