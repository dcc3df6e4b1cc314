//! The answer of `verify`: what was counted, and what was found.

use chrono::SecondsFormat;
use serde::Serialize;

use super::{Finding, Unread, inspect::Inspected, instructions::Commands};
use crate::{
    calculation::Declaration,
    format::{Gap, GapReason},
    model::{Counts, Offset, Partition, is_zero},
    query::UnknownFile,
};

/// What was compared with the output topics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Published {
    /// Messages of the output topics whose outcome is stored.
    pub messages: u64,
    /// Messages beyond the first of their outcome and revision.
    pub copies: u64,
    /// Stored outcomes that the topics cannot tell anything about: their messages are gone, or cannot be read.
    pub not_checkable: u64,
    /// Messages that name no event of the topic that was verified, or stand in a partition that is not theirs.
    pub unknown: u64,
}

/// What Kafka says of the offsets without a row, and of the group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reread {
    /// Filtered events that the condition was evaluated on again.
    pub filtered: u64,
    /// Filtered events that Kafka does not hold any more, or whose stored neighbours cannot be read.
    pub not_checkable: u64,
    /// Filtered events whose calculation this program does not have.
    pub not_compared: u64,
    /// Offsets that the group has committed and that are in no snapshot yet.
    pub unstored: u64,
}

impl Reread {
    pub(super) fn add(&mut self, more: Reread) {
        self.filtered += more.filtered;
        self.not_checkable += more.not_checkable;
        self.not_compared += more.not_compared;
        self.unstored += more.unstored;
    }
}

/// A calculation that stored outcomes were compared with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ComparedWith {
    /// What it is.
    #[serde(flatten)]
    pub declaration: Declaration,
    /// The outcomes that the manifests list under it.
    pub outcomes: u64,
}

/// Offsets of a partition that an operator has accepted as lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LostRange {
    /// The partition.
    pub partition: Partition,
    /// The first offset.
    pub start: Offset,
    /// The offset after the last one.
    pub end: Offset,
    /// Why they have no outcome.
    pub reason: GapReason,
    /// When that was accepted, in UTC.
    pub accepted_at: String,
}

/// What verifying a topic found. Serialised, it is the document of `verify -o json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether nothing has to be done, and everything could be read; accepted losses and notices do not count against it.
    pub clean: bool,
    /// The partitions that were verified.
    pub partitions: u64,
    /// The offsets that their chains account for: the sum of `end - origin`.
    pub offsets: u64,
    /// The rows of results that were read.
    pub results: u64,
    /// The rows of rejects that were read.
    pub rejects: u64,
    /// The offsets that the manifests state as left out by the condition of `--where`.
    pub filtered: u64,
    /// The offsets that the manifests state as never delivered by the log.
    pub absent: u64,
    /// The offsets that the manifests record as lost.
    pub lost: u64,
    /// Each range of these, by partition and offset.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lost_ranges: Vec<LostRange>,
    /// The results and rejects whose calculation this program does not have: compared with nothing.
    pub not_compared: u64,
    /// The results and rejects whose timestamp no reader can show: it stands in `kafka_timestamp_raw`.
    pub raw_timestamps: u64,
    /// The results and rejects that do not know the time or the key of their event: they were made again from what was
    /// published, after Kafka had lost the events. Their values are compared as all others are.
    #[serde(skip_serializing_if = "is_zero")]
    pub not_known: u64,
    /// The calculations that outcomes were compared with, at level semantic.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub calculations: Vec<ComparedWith>,
    /// What was compared with the output topics, at level published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published: Option<Published>,
    /// What Kafka says of the offsets without a row, with `--kafka`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kafka: Option<Reread>,
    /// What was found, by partition and offset.
    pub findings: Vec<Finding>,
    /// What could not be read of the topics, by topic, partition and offset: nothing is said about it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<Unread>,
    /// Files of others beside ours, which harm nobody.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown_files: Vec<UnknownFile>,
}

impl Report {
    /// A partition's share, from its newest manifest: `counts.results` and `counts.rejects` are left to
    /// [`Report::rows`].
    pub(super) fn partition(&mut self, stated: Option<Counts>) {
        let stated = stated.unwrap_or_default();
        self.partitions += 1;
        self.offsets += stated.offsets();
        self.filtered += stated.filtered;
        self.absent += stated.absent;
        self.lost += stated.lost;
    }

    /// What the newest manifest of a partition has on record as lost.
    pub(super) fn lost(&mut self, partition: Partition, gaps: &[Gap]) {
        self.lost_ranges.extend(gaps.iter().map(|gap| LostRange {
            partition,
            start: gap.range.start(),
            end: gap.range.end(),
            reason: gap.reason,
            accepted_at: gap.accepted_at.to_rfc3339_opts(SecondsFormat::Secs, true),
        }));
    }

    /// Rows that were read.
    pub(super) fn rows(&mut self, inspected: Inspected) {
        self.results += inspected.results;
        self.rejects += inspected.rejects;
        self.not_compared += inspected.not_compared;
        self.raw_timestamps += inspected.raw_timestamps;
        self.not_known += inspected.not_known;
        self.findings.extend(inspected.findings);
    }

    /// What a partition's outcomes are compared with.
    pub(super) fn compared_with(&mut self, with: ComparedWith) {
        let known = &mut self.calculations;
        match known
            .iter_mut()
            .find(|known| known.declaration == with.declaration)
        {
            Some(known) => known.outcomes += with.outcomes,
            None => known.push(with),
        }
    }

    /// The report with what comparing the output topics gave.
    pub(super) fn with_published(
        mut self,
        published: Published,
        (findings, unread): (Vec<Finding>, Vec<Unread>),
        commands: &Commands,
    ) -> Report {
        self.published = Some(published);
        self.findings.extend(findings);
        self.unread.extend(unread);
        self.close(commands)
    }

    /// The report with what reading the events again gave.
    pub(super) fn with_reread(
        mut self,
        reread: Reread,
        (findings, unread): (Vec<Finding>, Vec<Unread>),
        commands: &Commands,
    ) -> Report {
        self.kafka = Some(reread);
        self.findings.extend(findings);
        self.unread.extend(unread);
        self.close(commands)
    }

    /// The report, complete: sorted and judged.
    pub(super) fn close(mut self, commands: &Commands) -> Report {
        let findings = self.findings.iter_mut();
        findings.for_each(|finding| commands.complete(finding));
        self.findings.sort_by_cached_key(Finding::order);
        self.lost_ranges
            .sort_by_key(|lost| (lost.partition, lost.start));
        // Several readings of one partition come to the same place.
        self.unread.sort_unstable();
        self.unread.dedup();
        self.unknown_files.sort_unstable();
        self.calculations
            .sort_by(|a, b| a.declaration.fingerprint.cmp(&b.declaration.fingerprint));
        self.clean = self.unread.is_empty() && !self.findings.iter().any(Finding::is_damage);
        self
    }
}
