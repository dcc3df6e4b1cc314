//! The group says that another member has our name.
//!
//! Usually somebody has started a second process under it, and this one ends. But a client also fences itself: after a
//! session that ended beside a dead broker it joins as a new member, and a request that it had sent as the old one arrives
//! later, or the answer is lost. The group does not tell whose a member is. It tells whether it lives: one that is nobody
//! is gone when its session is over.

use std::time::{Duration, Instant};

use super::{super::WorkerError, RETRY_PAUSE, Worker};
use crate::kafka::Source;

/// How much longer than a session the other member is looked at: the broker notices its end with a delay.
const MARGIN: Duration = Duration::from_secs(5);
/// How long keepers may go on storing what is committed.
const KEEPERS_LEAVE: Duration = Duration::from_secs(5);
/// An answer that took longer came from a broker that was away; sessions begin anew when it is back.
const PROMPT: Duration = Duration::from_secs(1);

impl Worker {
    /// Ends when another process has our name; otherwise joins the group as a new member.
    pub(super) fn fenced(&mut self) -> Result<(), WorkerError> {
        // Nothing can be committed any more, and what is committed may be stored (I1).
        self.arriving = None;
        self.forget_all(KEEPERS_LEAVE);
        if self.has_a_rival()? {
            return Err(WorkerError::Fenced {
                instance: self.shared.instance.name().to_owned(),
                name: self.name.clone(),
            });
        }
        tracing::warn!(
            "no other process has the name {}: the group had taken this one for an older one; joining it anew",
            self.name
        );
        let settings = &self.shared.settings;
        let config = self
            .shared
            .source_config(&self.name, self.budget.fetch_queue);
        let anew = Source::join(&settings.connection, &config)?;
        std::mem::replace(&mut self.source, anew).leave();
        self.joined += 1;
        self.assigned = false;
        self.abandon_transaction()
    }

    /// Whether the member that has our name outlives a session without us.
    fn has_a_rival(&mut self) -> Result<bool, WorkerError> {
        let wait = self.shared.session_timeout() + MARGIN;
        let is_there = |worker: &Worker| Ok(worker.shared.has_member(&worker.name)?);
        let mut since = Instant::now();
        let mut told = false;
        loop {
            let asked = Instant::now();
            if !self.until_it_answers(is_there)? {
                return Ok(false);
            }
            if asked.elapsed() > PROMPT {
                since = Instant::now();
            }
            if since.elapsed() >= wait {
                return Ok(true);
            }
            if self.shared.stop.is_requested() {
                let reason = format!("the group has another member named {}", self.name);
                return Err(WorkerError::NotCommitted { reason });
            }
            if !told {
                told = true;
                tracing::warn!(
                    "the group has another member named {}; waiting for at most {wait:?} whether it is alive",
                    self.name
                );
            }
            std::thread::sleep(RETRY_PAUSE);
        }
    }
}
