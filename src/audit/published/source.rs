//! One partition of the events beside one topic: its messages in, findings out. Knows no Kafka.

use super::{
    cursor::Files,
    equal_keys::EqualKeys,
    expected::{Corrections, First},
    lane::Lane,
    message::{Body, Message},
    rows::What,
    runs::{Run, Runs},
};
use crate::{
    audit::{AuditError, Finding, FindingKind, instructions},
    format::{Listed, SegmentKind},
    model::{Offset, Partition},
};

/// What is known of a topic beside its messages.
#[derive(Clone, Debug)]
pub(super) struct Topic {
    pub name: String,
    /// What is published in it.
    pub kind: SegmentKind,
    /// Whether its log still begins with its first message.
    pub whole: bool,
    /// Whether brokers remove messages whose key was published again.
    pub compacted: bool,
    /// Whether a copy of an outcome is to be expected: at-least-once delivery.
    pub copies: bool,
}

/// What a partition has in a topic.
#[derive(Debug, Default)]
pub(super) struct Compared {
    /// Messages whose outcome is stored.
    pub messages: u64,
    pub copies: u64,
    pub not_checkable: u64,
    pub findings: Vec<Finding>,
}

/// A partition of the events whose outcomes are compared with what one topic has.
pub(super) struct Source {
    partition: Partition,
    topic: Topic,
    /// How far messages may have been replaced that had the keys of their events.
    equal_keys: EqualKeys,
    first: Lane<First>,
    /// Corrections with a value, or with a letter.
    corrected: Lane<Corrections>,
    /// Corrections that take a result back.
    taken_back: Option<Lane<Corrections>>,
}

impl Source {
    pub fn new(files: &Files, manifest: &Listed, topic: Topic) -> Source {
        let compacted = topic.compacted;
        let corrections = |what| {
            let corrections = Corrections::of(files, manifest, what, compacted);
            Lane::new(corrections, topic.whole)
        };
        let (corrected, taken_back) = match topic.kind {
            SegmentKind::Rejects => (corrections(What::CorrectedRejects), None),
            SegmentKind::Results | SegmentKind::Corrections => {
                let taken_back = corrections(What::TakenBack);
                (corrections(What::CorrectedResults), Some(taken_back))
            }
        };
        let first = First::of(files, manifest, topic.kind, compacted);
        Source {
            partition: files.partition,
            equal_keys: match topic.kind {
                // Letters always have the keys of their events.
                SegmentKind::Rejects => EqualKeys::everywhere(),
                SegmentKind::Results | SegmentKind::Corrections => EqualKeys::of(manifest),
            },
            first: Lane::new(first, topic.whole),
            corrected,
            taken_back,
            topic,
        }
    }

    /// Takes in the next of its messages.
    pub fn publish(&mut self, message: &Message<'_>) -> Result<(), AuditError> {
        let (key, body) = (message.key, &message.body);
        if key.revision.is_none() {
            self.first.publish(key, body)?;
            self.share_floor();
            match body {
                Body::Carried(..) => self.equal_keys.pass_carried(key.offset),
                Body::Value(_) => self.equal_keys.pass_plain(key.offset),
                Body::Letter(_) => {}
            }
            self.first.pass_equal_keys(self.equal_keys.before());
            return Ok(());
        }
        match (&mut self.taken_back, body) {
            (Some(taken_back), Body::Value(None)) => taken_back.publish(key, body),
            _ => self.corrected.publish(key, body),
        }
    }

    /// A message of another partition's event has the key of that.
    pub fn pass_carried_by_another(&mut self) {
        self.equal_keys.pass_carried_by_another();
    }

    /// A message has the source of this offset as its key, and is of another event, which has that key.
    pub fn pass_named(&mut self, offset: Offset) {
        if self.topic.compacted {
            self.first.pass_named(offset);
            self.corrected.pass_named(offset);
        }
    }

    /// A message that is none of ours has a key, and may replace what carried the same.
    pub fn pass_of_others(&mut self) {
        self.equal_keys.pass_unknown();
    }

    /// Messages of the topic could not be read here.
    pub fn pass_unread(&mut self) {
        // What goes back after a failure may come late.
        let late = self.topic.copies;
        self.equal_keys.pass_unknown();
        self.first.pass_unread(late);
        self.corrected.pass_unread(late);
        if let Some(taken_back) = &mut self.taken_back {
            taken_back.pass_unread(late);
        }
    }

    /// A correction follows its first publication, so it is in the log if that is.
    fn share_floor(&mut self) {
        let floor = self.first.floor;
        for lane in [&mut self.corrected]
            .into_iter()
            .chain(&mut self.taken_back)
        {
            lane.floor = floor;
        }
    }

    /// The topic ends here.
    pub fn finish(mut self) -> Result<Compared, AuditError> {
        let mut compared = Compared::default();
        let before = self.equal_keys.at_end();
        self.first.pass_equal_keys(before.unwrap_or(Offset::MAX));
        self.first.finish()?;
        let (whole, floor) = (self.topic.whole, self.first.floor);
        compared.not_checkable = self.first.expected.not_checkable(whole, floor)?;
        compared.not_checkable += self.first.unread + self.first.replaced;
        let mut lanes = vec![(
            FindingKind::Unpublished,
            self.first.messages,
            self.first.faults,
        )];
        for mut lane in [self.corrected].into_iter().chain(self.taken_back) {
            lane.finish()?;
            compared.not_checkable += lane.unread + lane.replaced;
            lanes.push((FindingKind::StaleRevision, lane.messages, lane.faults));
        }
        for (missing, messages, faults) in lanes {
            compared.messages += messages;
            compared.copies += faults.twice.count();
            let about = About {
                partition: self.partition,
                topic: &self.topic,
            };
            compared
                .findings
                .extend(about.findings(missing, &faults.missing));
            compared
                .findings
                .extend(about.findings(FindingKind::PublishedTwice, &faults.twice));
            compared
                .findings
                .extend(about.findings(FindingKind::PublishedWrong, &faults.wrong));
        }
        Ok(compared)
    }
}

/// What findings are about.
struct About<'a> {
    partition: Partition,
    topic: &'a Topic,
}

impl About<'_> {
    fn findings(&self, kind: FindingKind, runs: &Runs) -> Vec<Finding> {
        let finding = |(run, summed): (&Run, bool)| {
            let detail = self.detail(kind, run, summed);
            let remedy = match kind {
                FindingKind::Unpublished => instructions::unpublished(&self.topic.name),
                FindingKind::PublishedTwice => instructions::published_twice(self.topic.copies),
                FindingKind::StaleRevision => instructions::stale_revision(&self.topic.name),
                _ => instructions::published_wrong(),
            };
            let finding = Finding::new(kind, self.partition, run.range, detail, remedy);
            match kind {
                FindingKind::PublishedTwice if self.topic.copies => finding.into_notice(),
                _ => finding,
            }
        };
        runs.iter().map(finding).collect()
    }

    fn detail(&self, kind: FindingKind, run: &Run, summed: bool) -> String {
        let topic = &self.topic.name;
        let one = match self.topic.kind {
            SegmentKind::Rejects => "dead letter",
            SegmentKind::Results | SegmentKind::Corrections => "result",
        };
        let (start, last): (Offset, i64) = (run.range.start(), run.range.end().get() - 1);
        let mut subject = match run.count {
            1 => format!("the {one} of offset {start}"),
            count => format!("{count} {one}s of offsets {start} to {last}"),
        };
        if let Some(revision) = run.revision {
            subject = format!("{subject} with revision {revision}");
        }
        if summed {
            subject = format!("beyond those, {subject}");
        }
        let verb = if run.count == 1 { "is" } else { "are" };
        match kind {
            FindingKind::PublishedTwice => {
                format!("{subject} {verb} in the topic {topic} more than once")
            }
            FindingKind::PublishedWrong => {
                let why = run.detail.as_deref().unwrap_or("not what is stored");
                format!("{subject} in the topic {topic}: {why}")
            }
            _ => format!("{subject} {verb} not in the topic {topic}"),
        }
    }
}
