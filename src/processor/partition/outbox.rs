//! The state of one partition's corrections outbox: what is committed, loaded, and in the open transaction.

use crate::{
    format::{Corrected, Segment},
    history::{CorrectionsProgress, PendingCorrections, next_corrections},
    model::Sequence,
};

/// So often in a row corrections may be refused.
const MOST_REFUSALS: u32 = 3;

/// Corrections of one partition on their way to the topics; see [`next_corrections`].
#[derive(Debug, Default)]
pub struct Outbox {
    /// The corrections that are not all published.
    segments: Vec<Segment>,
    /// What the group's commit says.
    progress: Option<CorrectionsProgress>,
    loading: bool,
    loaded: Option<Loaded>,
    /// Where the open transaction brings it.
    sent: Option<CorrectionsProgress>,
    /// The next corrections cannot be read, or no broker takes them: nothing more is published until the next start.
    stuck: bool,
    /// How often in a row they were refused.
    refusals: u32,
}

/// Corrections in memory, as what they are now.
#[derive(Debug)]
pub struct Loaded {
    pub rows: Corrected,
    /// Where the outbox stands when they are published.
    pub progress: CorrectionsProgress,
}

impl Outbox {
    /// What the group's commit says, as recovery found it.
    pub fn start(&mut self, progress: Option<CorrectionsProgress>) {
        self.progress = progress;
        self.forget_published();
    }

    /// Takes in what the newest manifest lists.
    pub fn refresh<'s>(&mut self, segments: impl Iterator<Item = &'s Segment>) {
        let corrections = segments.filter(|segment| segment.revision.is_some());
        self.segments = corrections.cloned().collect();
        self.forget_published();
    }

    /// The group's commit says something else than memory: after a transaction of unknown outcome. Returns how many rows
    /// it turns out to have published.
    pub fn settle(&mut self, progress: Option<CorrectionsProgress>) -> u64 {
        let rows = self.sent_rows();
        let sent = self.sent.take();
        self.progress = progress;
        let published = |loaded: &Loaded| Some(loaded.progress) <= progress;
        self.loaded = self.loaded.take().filter(|loaded| !published(loaded));
        self.forget_published();
        if sent.is_some() && sent <= progress {
            rows
        } else {
            0
        }
    }

    /// Rows that are still to be published.
    pub fn pending_rows(&self) -> u64 {
        let left = |segment: &Segment| segment.rows.saturating_sub(self.done(segment.revision));
        self.segments.iter().map(left).sum()
    }

    /// Whether the next ones cannot be read.
    pub fn is_stuck(&self) -> bool {
        self.stuck
    }

    /// How many rows of a revision are published.
    fn done(&self, revision: Option<Sequence>) -> u64 {
        match self.progress {
            Some(done) if revision == Some(done.sequence) => done.rows,
            _ => 0,
        }
    }

    /// How many rows the open transaction holds.
    fn sent_rows(&self) -> u64 {
        let rows =
            |sent: CorrectionsProgress| sent.rows.saturating_sub(self.done(Some(sent.sequence)));
        self.sent.map_or(0, rows)
    }

    /// Whether everything is published, or will not be by this process.
    pub fn is_done(&self) -> bool {
        self.stuck || self.segments.is_empty()
    }

    /// Whether it holds rows, or is about to.
    pub fn is_busy(&self) -> bool {
        self.loading || self.loaded.is_some()
    }

    /// What to load next; the caller loads it.
    pub fn start_loading(&mut self) -> Option<PendingCorrections> {
        if self.is_done() || self.is_busy() {
            return None;
        }
        let next = next_corrections(&self.segments, self.progress)?;
        self.loading = true;
        Some(next)
    }

    /// The answer to [`start_loading`](Outbox::start_loading); `None` when it can never be read.
    pub fn finish_loading(&mut self, loaded: Option<Loaded>) {
        self.loading = false;
        self.stuck = loaded.is_none();
        self.loaded = loaded;
    }

    /// What belongs into the next transaction.
    pub fn to_send(&self) -> Option<&Loaded> {
        self.loaded.as_ref().filter(|_| self.sent.is_none())
    }

    /// What was [to send](Outbox::to_send) is in the open transaction.
    pub fn mark_sent(&mut self) {
        self.sent = self.loaded.as_ref().map(|loaded| loaded.progress);
    }

    /// Whether the open transaction holds corrections.
    pub fn has_sent(&self) -> bool {
        self.sent.is_some()
    }

    /// The open transaction holds corrections, and is refused for them; the third time in a row nothing more is published.
    /// Whether it holds any.
    pub fn refuse(&mut self) -> bool {
        if self.sent.is_none() {
            return false;
        }
        self.refusals += 1;
        if self.refusals >= MOST_REFUSALS {
            self.stuck = true;
            self.loaded = None;
        }
        true
    }

    /// The open transaction is aborted: they go into the next one.
    pub fn unsend(&mut self) {
        self.sent = None;
    }

    /// What the next commit names.
    pub fn to_commit(&self) -> Option<CorrectionsProgress> {
        self.sent.or(self.progress)
    }

    /// The transaction is committed. Returns how many rows it has published.
    pub fn mark_committed(&mut self) -> u64 {
        let rows = self.sent_rows();
        self.refusals = 0;
        if let Some(sent) = self.sent.take() {
            self.progress = Some(sent);
            self.loaded = None;
            self.forget_published();
        }
        rows
    }

    fn forget_published(&mut self) {
        let progress = self.progress;
        self.segments
            .retain(|segment| next_corrections([segment], progress).is_some());
    }
}

#[cfg(test)]
mod tests;
