//! Neighbours of stored history become one, and what nothing joins any more becomes pages, so that a snapshot costs as much
//! after a year as on the first day.

use std::{cell::LazyCell, sync::atomic::Ordering, time::Duration};

use futures::{FutureExt, future::BoxFuture};
use tokio::time::Instant;

use super::{
    super::watch::Reason,
    rewriting::{Brought, bring},
    work::{Due, Known, Site, Step, Waits, Work, Written},
};
use crate::{
    audit::{Compactor, Merged, filtered_otherwise},
    calculation::Declaration,
    failpoint::{self, Point},
    format::{Listed, Manifest},
    history::{
        Chain, MANY_SEGMENTS, Merge, MergeLimits, Obstacles, Repair, Sealed, choose_merge,
        choose_seal, write_seal,
    },
    model::{Offset, OffsetRange, Sequence},
};

/// A partition to which nothing was added for so many snapshot intervals, and for so long, is at rest.
const INTERVALS_OF_REST: u32 = 10;
const REST: Duration = Duration::from_mins(1);
/// What a page has, about.
const PAGE_BYTES: u64 = 64 << 10;

/// What is known of a partition's segments beside their manifest, until the next start.
pub struct Compaction {
    compactor: Compactor,
    obstacles: Obstacles,
    /// Where the chain ended, and since when it has.
    end: Option<(Offset, Instant)>,
    next: Option<Next>,
    made: Option<Made>,
    /// The newest manifest when a range could not be sealed: with another one it is tried again.
    unsealed_at: Option<Sequence>,
    newest: Option<Sequence>,
}

/// What is to be done.
enum Next {
    Merge(Merge),
    Seal(OffsetRange),
}

/// What is to be brought into the chain.
enum Made {
    Merged(OffsetRange, Box<Repair>),
    /// A range that becomes a page.
    Sealing(OffsetRange),
}

impl Compaction {
    pub fn new(compactor: Compactor) -> Compaction {
        Compaction {
            compactor,
            obstacles: Obstacles::default(),
            end: None,
            next: None,
            made: None,
            unsealed_at: None,
            newest: None,
        }
    }

    /// What is next where nothing is left to be recalculated.
    fn choose(&self, newest: &Manifest, limits: MergeLimits, at_rest: bool) -> Option<Next> {
        let merge = choose_merge(newest, limits, &self.obstacles, at_rest).map(Next::Merge);
        let seal = || choose_seal(newest, limits, &self.obstacles).map(Next::Seal);
        merge.or_else(seal)
    }

    /// What is next beside a recalculation. Ranges that it has yet to come to are recalculated before they are merged: that needs
    /// little memory, and writes them once less. All others, new snapshots among them, are merged meanwhile: it may take
    /// days. What was in a page goes back into one before the next page is opened, so that the list stays short.
    fn choose_beside(
        &self,
        newest: &Manifest,
        limits: MergeLimits,
        at_rest: bool,
        ours: &Declaration,
    ) -> Option<Next> {
        // Of most manifests nothing is to be sealed, and nobody asks.
        let left = LazyCell::new(|| {
            let open = Listed::open_list_of(newest);
            let left = filtered_otherwise(&open, ours).map(|one| one.range);
            left.collect::<Vec<OffsetRange>>()
        });
        let is_done = |range: &OffsetRange| {
            let segments = newest.open.segments.iter();
            let mut inside = segments.filter(|segment| segment.range.overlaps(*range));
            let is_left = left.iter().any(|one| one.overlaps(*range));
            inside.all(|segment| segment.fingerprint == ours.fingerprint) && !is_left
        };
        let mut obstacles = self.obstacles.clone();
        let seal = loop {
            match choose_seal(newest, limits, &obstacles) {
                // One that cannot be recalculated for days must not keep the others.
                Some(range) if !is_done(&range) && obstacles.unsealed.insert(range) => {}
                chosen => break chosen.filter(is_done),
            }
        };
        let merge = || {
            let obstacles = Obstacles {
                only: Some(ours.fingerprint.clone()),
                ..self.obstacles.clone()
            };
            choose_merge(newest, limits, &obstacles, at_rest).map(Next::Merge)
        };
        seal.map(Next::Seal).or_else(merge)
    }

    /// With another manifest, ranges that could not be sealed may be tried again.
    fn see(&mut self, newest: Sequence) {
        self.newest = Some(newest);
        if self.unsealed_at != self.newest {
            self.obstacles.unsealed.clear();
        }
    }

    /// Does not try to seal a range again before the chain has changed.
    fn leave(&mut self, chain: &Chain, range: OffsetRange) {
        self.obstacles.unsealed.insert(range);
        // The attempt may have opened pages.
        self.unsealed_at = chain.newest().map(|newest| newest.sequence);
    }

    /// Merges, when memory allows it; `None` when nothing came of it.
    async fn merge(&mut self, site: &Site, chain: &Chain, merge: &Merge) -> Option<Box<Repair>> {
        let (partition, range) = (site.partition, merge.range);
        if !site.reserve(merge.memory()).await {
            return None;
        }
        let mut wait = site.wait("merging");
        loop {
            let error = match self.compactor.merge(chain, merge).await {
                Ok(Merged::Ready(repair)) => {
                    failpoint::at(Point::RepairCalculated);
                    return Some(repair);
                }
                Ok(Merged::Apart(start)) => {
                    self.obstacles.apart.insert(start);
                    return None;
                }
                Ok(Merged::Damaged(start, findings)) => {
                    self.obstacles.damaged.insert(start);
                    let damaged = merge.segments().filter(|one| one.range.start() == start);
                    let damaged: Vec<_> = damaged.cloned().collect();
                    for finding in &findings {
                        tracing::error!("found while merging: {finding}");
                    }
                    site.store_side.findings.are(&damaged, &findings);
                    return None;
                }
                Err(error) => error,
            };
            if !error.is_retryable() {
                // Until the next start; nothing has changed.
                self.obstacles
                    .apart
                    .extend(merge.inputs.iter().flatten().map(|s| s.range.start()));
                tracing::error!("partition {partition}: {range} stays in parts: {error}");
                return None;
            }
            let text = format!("partition {partition}: merging {range} waits: {error}");
            if !wait.again(Reason::Store, true, &text).await {
                return None;
            }
        }
    }

    async fn store(&mut self, site: &Site, chain: &mut Chain) -> Written {
        let (range, mut repair) = match self.made.take() {
            Some(Made::Merged(range, repair)) => (range, repair),
            Some(Made::Sealing(range)) => return self.seal(site, chain, range).await,
            None => return Written::Nothing,
        };
        let partition = site.partition;
        match bring(site, chain, (range, &mut repair), "merging").await {
            Brought::Done(_) => {
                failpoint::at(Point::RepairStored);
                tracing::debug!("partition {partition}: {range} is one");
            }
            Brought::Refused(error) => {
                tracing::debug!("partition {partition}: {range} stays in parts: {error}");
            }
            Brought::Overtaken => {}
            Brought::Waits(waits) => {
                self.made = Some(Made::Merged(range, repair));
                return Written::Waits(waits);
            }
        }
        Written::Nothing
    }

    /// Moves a range from the open list to a page.
    async fn seal(&mut self, site: &Site, chain: &mut Chain, range: OffsetRange) -> Written {
        let partition = site.partition;
        match write_seal(chain, range).await {
            Ok(Sealed::Done(page)) => {
                tracing::debug!(
                    "partition {partition}: {range} is a page of {} segments",
                    page.files
                );
            }
            Ok(Sealed::Left(error)) => {
                self.leave(chain, range);
                tracing::debug!("partition {partition}: {error}");
            }
            Err(error) if error.is_about_the_store() => {
                self.made = Some(Made::Sealing(range));
                let text = format!("partition {partition}: sealing {range} waits: {error}");
                let passes = error.is_retryable();
                let kind = "sealing";
                return Written::Waits(Waits { kind, text, passes });
            }
            Err(error) => {
                self.leave(chain, range);
                tracing::error!("partition {partition}: {range} does not become a page: {error}");
            }
        }
        Written::Nothing
    }
}

impl Work for Compaction {
    fn due(&mut self, site: &Site, known: &Known<'_>) -> Due {
        let newest = known.newest;
        self.see(newest.sequence);
        let since = match self.end {
            Some((end, since)) if end == newest.end => since,
            _ => known.now,
        };
        self.end = Some((newest.end, since));
        let rest = site.store_side.snapshot_interval * INTERVALS_OF_REST;
        let rests_at = since + rest.max(REST);
        let at_rest = rests_at <= known.now;
        let limits = MergeLimits::within(site.budget.background);
        let recalculator = site.store_side.background.recalculator.as_ref();
        let is_recalculated = site.shown.recalculated.load(Ordering::SeqCst);
        let ours = recalculator.filter(|_| !is_recalculated);
        let ours = ours.map(|recalculator| recalculator.evaluator.declaration());
        self.next = match &ours {
            Some(ours) => self.choose_beside(newest, limits, at_rest, ours),
            None => self.choose(newest, limits, at_rest),
        };
        let is_many = newest.open.segments.len() > MANY_SEGMENTS;
        match self.next {
            // Before the next page is opened.
            Some(Next::Seal(_)) if ours.is_some() => Due::Urgent,
            Some(_) if is_many => Due::Urgent,
            Some(_) => Due::Now,
            None if at_rest => Due::Nothing,
            None => Due::At(rests_at),
        }
    }

    fn step<'w>(&'w mut self, site: &'w Site, chain: &'w Chain) -> BoxFuture<'w, Step> {
        async move {
            match self.next.take() {
                Some(Next::Merge(merge)) => {
                    failpoint::at(Point::RepairChosen);
                    let repair = self.merge(site, chain, &merge).await;
                    self.made = repair.map(|repair| Made::Merged(merge.range, repair));
                }
                Some(Next::Seal(range)) => self.made = Some(Made::Sealing(range)),
                None => {}
            }
            match &self.made {
                // Written once, and read back.
                Some(Made::Merged(_, repair)) => Step::Write(2 * repair.files().bytes() as u64),
                Some(Made::Sealing(_)) => Step::Write(2 * PAGE_BYTES),
                None => Step::Done,
            }
        }
        .boxed()
    }

    fn write<'w>(&'w mut self, site: &'w Site, chain: &'w mut Chain) -> BoxFuture<'w, Written> {
        self.store(site, chain).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::compactor, *};
    use crate::{
        format::testing::range,
        history::{
            testing::{bound, clock, pending},
            write_snapshot,
        },
        store::Store,
    };

    #[tokio::test]
    async fn what_could_not_be_sealed_is_left_until_another_edit_than_the_attempts_own() {
        let store = Store::memory();
        let mut chain = bound(&store, "ours", &clock(), 0).await;
        let mut compaction = Compaction::new(compactor());
        compaction.see(chain.newest().unwrap().sequence);
        // The attempt adds a manifest, as it opens a page, before it fails.
        let mut outcomes = pending(0, 20);
        write_snapshot(&mut chain, &mut outcomes).await.unwrap();
        compaction.leave(&chain, range(0, 20));
        compaction.see(chain.newest().unwrap().sequence);
        assert!(compaction.obstacles.unsealed.contains(&range(0, 20)));
        let mut outcomes = pending(20, 40);
        write_snapshot(&mut chain, &mut outcomes).await.unwrap();
        compaction.see(chain.newest().unwrap().sequence);
        assert!(compaction.obstacles.unsealed.is_empty());
    }
}
