//! While a broker refuses who we are, or what we may do, the worker goes on trying: longer each time up to a bound, and says why.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use super::{
    super::{WorkerError, store_wait::Pauses, watch::Reason},
    RETRY_PAUSE, Worker,
    denial::Denial,
};
use crate::model::Partition;

/// When nothing has been refused for so long after an attempt, all rights are back.
const QUIET: Duration = Duration::from_secs(10);

impl Worker {
    /// A broker has refused something, in these words; it is to be tried again after a pause.
    pub(super) fn denied(&mut self, words: &str) -> &mut Denial {
        let board = &self.shared.board;
        let denial = self.denial.get_or_insert_with(|| Denial {
            trouble: board.trouble(&[]),
            pauses: Pauses::OF_RIGHTS,
            until: Instant::now(),
            offsets: false,
            unread: BTreeSet::new(),
        });
        denial.trouble.is(Reason::Denied, words);
        let now = Instant::now();
        if denial.until <= now {
            let pause = denial.pauses.next();
            tracing::error!("{words}; trying again in {pause:.1?}, nothing is lost");
            denial.until = now + pause;
        }
        denial
    }

    /// The events of `partition` may not be read.
    pub(super) fn denied_reading(&mut self, partition: Partition, words: &str) {
        self.denied(words).unread.insert(partition);
    }

    /// Offsets may not be committed: what they are of is published, and they are committed later. Only at-least-once delivery
    /// comes here, and whoever owns the partitions when the right is back may publish it once more: that is said, and no more
    /// is published meanwhile.
    pub(super) fn denied_offsets(&mut self, words: &str) {
        let words = format!(
            "{words}; what is published and not committed may be published once more (at-least-once delivery), and nothing else is published until then"
        );
        let denial = self.denied(&words);
        denial.offsets = true;
        let until = denial.until;
        let pause = until.saturating_duration_since(Instant::now());
        self.cadence.postpone(pause.max(RETRY_PAUSE));
    }

    /// Whether what is published waits for the right to commit its offsets.
    pub(super) fn may_not_commit(&self) -> bool {
        let denied = self.denial.as_ref().is_some_and(|denial| denial.offsets);
        denied && self.cadence.owners().next().is_some()
    }

    /// Serves the group until the next attempt is to be made, or the processor stops.
    pub(super) fn wait_for_rights(&mut self) -> Result<(), WorkerError> {
        while let Some(denial) = &self.denial
            && !self.shared.stop.is_requested()
        {
            let left = denial.until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            self.poll(left.min(RETRY_PAUSE))?;
        }
        Ok(())
    }

    /// Tries again to read what may not be read, and notices when nothing is refused any more.
    pub(super) fn look_at_rights(&mut self) -> Result<(), WorkerError> {
        let Some(denial) = &mut self.denial else {
            return Ok(());
        };
        let since = Instant::now().saturating_duration_since(denial.until);
        if since >= QUIET && denial.unread.is_empty() {
            self.have_rights();
        } else if denial.until <= Instant::now() {
            for partition in std::mem::take(&mut denial.unread) {
                self.gather_anew(partition)?;
            }
        }
        Ok(())
    }

    /// A commit was made: nothing is refused, unless it is the reading. One that `published` something needs all rights.
    pub(super) fn have_committed(&mut self, published: bool) {
        if published {
            self.shared.rights.suffice();
        }
        if self.denial.as_ref().is_some_and(|it| it.unread.is_empty()) {
            self.have_rights();
        }
    }

    fn have_rights(&mut self) {
        self.denial = None;
        tracing::info!("no broker refuses anything any more");
    }
}
