//! Neighbours of stored history become one, so that a snapshot costs as much after a year as on the first day.

use std::time::Duration;

use futures::{FutureExt, future::BoxFuture};
use tokio::time::Instant;

use super::{
    super::watch::Reason,
    rewriting::{Brought, bring},
    work::{Due, Known, Site, Step, Work, Written},
};
use crate::{
    audit::{Compactor, Merged},
    failpoint::{self, Point},
    history::{Chain, MANY_SEGMENTS, Merge, MergeLimits, Obstacles, Repair, choose_merge},
    model::{Offset, OffsetRange},
};

/// A partition to which nothing was added for so many snapshot intervals, and for so long, is at rest.
const INTERVALS_OF_REST: u32 = 10;
const REST: Duration = Duration::from_mins(1);

/// What is known of a partition's segments beside their manifest, until the next start.
pub struct Compaction {
    compactor: Compactor,
    obstacles: Obstacles,
    /// Where the chain ended, and since when it has.
    end: Option<(Offset, Instant)>,
    next: Option<Merge>,
    merged: Option<(OffsetRange, Box<Repair>)>,
}

impl Compaction {
    pub fn new(compactor: Compactor) -> Compaction {
        Compaction {
            compactor,
            obstacles: Obstacles::default(),
            end: None,
            next: None,
            merged: None,
        }
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
        let Some((range, mut repair)) = self.merged.take() else {
            return Written::Nothing;
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
                self.merged = Some((range, repair));
                return Written::Waits(waits);
            }
        }
        Written::Nothing
    }
}

impl Work for Compaction {
    fn due(&mut self, site: &Site, known: &Known<'_>) -> Due {
        let background = &site.store_side.background;
        let is_recalculated = site
            .shown
            .recalculated
            .load(std::sync::atomic::Ordering::SeqCst);
        if background.recalculator.is_some() && !is_recalculated {
            // Small ranges are recalculated first.
            return Due::Nothing;
        }
        let newest = known.newest;
        let since = match self.end {
            Some((end, since)) if end == newest.end => since,
            _ => known.now,
        };
        self.end = Some((newest.end, since));
        let rest = site.store_side.snapshot_interval * INTERVALS_OF_REST;
        let rests_at = since + rest.max(REST);
        let at_rest = rests_at <= known.now;
        let limits = MergeLimits::within(site.budget.background);
        self.next = choose_merge(newest, limits, &self.obstacles, at_rest);
        match self.next {
            Some(_) if newest.open.segments.len() > MANY_SEGMENTS => Due::Urgent,
            Some(_) => Due::Now,
            None if at_rest => Due::Nothing,
            None => Due::At(rests_at),
        }
    }

    fn step<'w>(&'w mut self, site: &'w Site, chain: &'w Chain) -> BoxFuture<'w, Step> {
        async move {
            if let Some(merge) = self.next.take() {
                failpoint::at(Point::RepairChosen);
                let repair = self.merge(site, chain, &merge).await;
                self.merged = repair.map(|repair| (merge.range, repair));
            }
            match &self.merged {
                // Written once, and read back.
                Some((_, repair)) => Step::Write(2 * repair.files().bytes() as u64),
                None => Step::Done,
            }
        }
        .boxed()
    }

    fn write<'w>(&'w mut self, site: &'w Site, chain: &'w mut Chain) -> BoxFuture<'w, Written> {
        self.store(site, chain).boxed()
    }
}
