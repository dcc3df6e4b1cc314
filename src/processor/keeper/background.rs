//! The background work of a keeper: which kind is next, its step on a task of its own, the rest after it.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tokio::{task::JoinSet, time::Instant};

use super::{
    super::{panics::unless_panicked, store_wait::StoreWait, watch::Reason},
    done::{Done, Finished},
    turn::{Turn, Worked},
    work::{Due, Known, Rewritten, Site, Step, Waits, Work, Written},
};
use crate::{
    history::{Chain, CorrectionsProgress},
    model::Sequence,
};

/// After each step a keeper rests for as long as the step took, up to this: at most half of the time goes into the past, and
/// a store that is slow is not asked for more than new events need.
const LONGEST_REST: Duration = Duration::from_secs(1);

/// See the module.
pub struct Background {
    site: Site,
    /// In the order in which they are asked.
    kinds: VecDeque<Box<dyn Work>>,
    /// Nothing was due then.
    idle: Option<Idle>,
    rests_until: Option<Instant>,
    /// At most one.
    steps: JoinSet<(Turn, Step)>,
    made: Option<Turn>,
    /// The store has refused what is made.
    refused: Option<Refused>,
}

/// Since the store refused what is made.
struct Refused {
    wait: StoreWait,
    /// When to try it again.
    again: Instant,
}

/// Nothing is due while this holds.
#[derive(Clone, Copy)]
struct Idle {
    newest: Sequence,
    published: Option<CorrectionsProgress>,
    until: Option<Instant>,
}

impl Background {
    pub fn new(site: Site, kinds: Vec<Box<dyn Work>>) -> Background {
        Background {
            site,
            kinds: kinds.into(),
            idle: None,
            rests_until: None,
            steps: JoinSet::new(),
            made: None,
            refused: None,
        }
    }

    /// Whether an edit is ready, and the store may be asked for it.
    pub fn is_made(&self) -> bool {
        let waits = |refused: &Refused| refused.again > Instant::now();
        self.made.is_some() && !self.refused.as_ref().is_some_and(waits)
    }

    /// When to look again although nothing has happened.
    pub fn wakes_at(&self) -> Option<Instant> {
        let idle_until = self.idle.and_then(|idle| idle.until);
        let again = self.refused.as_ref().map(|refused| refused.again);
        let moments = self.rests_until.into_iter().chain(idle_until).chain(again);
        moments.filter(|moment| *moment > Instant::now()).min()
    }

    /// Whether something may be due.
    pub fn may_begin(&self, newest: Sequence, published: Option<CorrectionsProgress>) -> bool {
        let now = Instant::now();
        let rests = self.rests_until.is_some_and(|until| until > now);
        let is_idle = self.idle.is_some_and(|idle| {
            let goes_on = idle.until.is_none_or(|until| until > now);
            (idle.newest, idle.published) == (newest, published) && goes_on
        });
        self.steps.is_empty() && self.made.is_none() && !rests && !is_idle && !self.kinds.is_empty()
    }

    /// Begins with what is due first, or finds that nothing is.
    pub fn begin(&mut self, chain: &Chain, published: Option<CorrectionsProgress>) {
        let Some(newest) = chain.newest() else { return };
        let known = Known {
            newest,
            published,
            now: Instant::now(),
        };
        let (mut next, mut until): (Option<(usize, Due)>, Option<Instant>) = (None, None);
        for (index, kind) in self.kinds.iter_mut().enumerate() {
            match kind.due(&self.site, &known) {
                Due::Urgent if next.is_none_or(|(_, due)| due != Due::Urgent) => {
                    next = Some((index, Due::Urgent));
                }
                Due::Now if next.is_none() => next = Some((index, Due::Now)),
                Due::At(moment) => until = until.into_iter().chain([moment]).min(),
                Due::Urgent | Due::Now | Due::Nothing => {}
            }
        }
        let next = next.and_then(|(index, _)| self.kinds.remove(index));
        let Some(mut work) = next else {
            self.idle = Some(Idle {
                newest: newest.sequence,
                published,
                until,
            });
            return;
        };
        self.idle = None;
        let (site, chain) = (self.site.clone(), chain.clone());
        let turns = Arc::clone(&site.store_side.turns);
        let runtime = site.store_side.runtime.clone();
        let step = async move {
            #[expect(clippy::expect_used, reason = "nobody closes the semaphore")]
            let permit = turns.acquire_owned().await.expect("it is open");
            let began = Instant::now();
            let step = work.step(&site, &chain).await;
            if let Step::Write(bytes) = step {
                site.throttle().take(bytes).await;
            }
            let turn = Turn::new(work, began, permit);
            (turn, step)
        };
        self.steps.spawn_on(step, &runtime);
    }

    /// Waits until a step has ended; `None` when none is under way.
    pub async fn stepped(&mut self) -> Option<()> {
        let (turn, step) = unless_panicked(self.steps.join_next().await?);
        match step {
            Step::Write(_) => self.made = Some(turn),
            Step::Done => self.rest(turn),
        }
        Some(())
    }

    /// The job that brings what is made into the chain.
    pub fn write(
        &mut self,
        mut chain: Box<Chain>,
    ) -> Result<impl Future<Output = Finished> + Send + 'static, Box<Chain>> {
        let Some(mut turn) = self.made.take() else {
            return Err(chain);
        };
        let site = self.site.clone();
        Ok(async move {
            let written = turn.work.write(&site, &mut chain).await;
            let worked = Worked { turn, written };
            Finished::new(chain, Done::Worked(Box::new(worked)))
        })
    }

    /// Takes the work back; what the store refused is written again later.
    pub fn finish(&mut self, Worked { turn, written }: Worked) -> Option<Rewritten> {
        let rewritten = match written {
            Written::Waits(waits) => {
                self.wait(turn, &waits);
                return None;
            }
            Written::Rewritten(rewritten) => Some(rewritten),
            Written::Nothing => None,
        };
        self.refused = None;
        self.rest(turn);
        rewritten
    }

    fn wait(&mut self, turn: Turn, waits: &Waits) {
        let refused = self.refused.take();
        let mut wait = refused.map_or_else(|| self.site.wait(waits.kind), |refused| refused.wait);
        let pause = wait.postpone(Reason::Store, waits.passes, &waits.text);
        let again = Instant::now() + pause;
        self.refused = Some(Refused { wait, again });
        self.made = Some(turn);
    }

    /// The kind that had its turn is asked last.
    fn rest(&mut self, turn: Turn) {
        self.site.shown.background.set(0);
        self.rests_until = Some(Instant::now() + turn.began.elapsed().min(LONGEST_REST));
        self.kinds.push_back(turn.work);
    }

    /// Forgets what is under way: the next owner does it.
    pub fn abandon(&mut self) {
        self.steps.abort_all();
        self.steps.detach_all();
        self.made = None;
        self.refused = None;
        self.kinds.clear();
        self.site.shown.background.set(0);
    }
}

#[cfg(test)]
mod tests;
