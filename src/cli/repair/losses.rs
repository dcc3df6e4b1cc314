//! What `--accept-loss` is about, and what is said of it.

use super::{super::rewriting::Rewriting, no_such_loss::NoSuchLoss};
use crate::{
    audit::{self, Acceptance, Mend, RepairPlan, SourceError},
    format::Gap,
    model::{Offset, OffsetRange, Partition},
    recovery::Invocation,
};

/// A range that is a gap now.
#[derive(serde::Serialize)]
pub(super) struct Lost {
    partition: Partition,
    start: Offset,
    end: Offset,
}

impl Lost {
    pub fn of(mend: &Mend) -> Lost {
        let range = mend.range.range;
        Lost {
            partition: mend.partition,
            start: range.start(),
            end: range.end(),
        }
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

    /// What to say of a range that nothing has any more: why, and the command that records it as lost.
    pub fn offer(&self, mend: &Mend, why: &str) -> String {
        let (partition, range) = (mend.partition, mend.range.range);
        let accepting = self.invocation.clone().accepting(partition, range);
        format!(
            "{}: {why}. Restore its files from a backup, as `snapback verify` says; without one, `{}` records its {} offsets as lost, \
             for good",
            place(mend),
            accepting.with_switch("--apply"),
            range.len()
        )
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
            text.push_str(&format!(
                "LOST: partition {}, offsets {}-{}: nothing has them any more; they are a gap now\n",
                lost.partition, lost.start, lost.end
            ));
        }
        text
    }
}

/// Whether Kafka has another topic under the name of the one that the store was made from: its events are gone.
pub(super) fn is_of_other_topic(error: &anyhow::Error) -> bool {
    matches!(
        error.downcast_ref(),
        Some(SourceError::Other { what: "topic", .. })
    )
}
