//! Stored history of another calculation, brought under the running one beside the forward path
//! (`--on-new-calculation recalculate`).
//!
//! One range at a time: a step calculates it anew, then one edit brings it into the chain. The next range follows when the
//! corrections of this one are published. Whoever dies in between leaves ranges of both kinds, each complete: the next start
//! goes on.

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use tokio::time::Instant;

use super::{
    super::{WorkerError, limits, watch::Reason},
    rewriting::{Brought, bring},
    work::{Due, Known, Rewritten, Site, Step, Work, Written},
};
use crate::{
    audit::{Outdated, Recalculator, ResultsTopic, outdated},
    config::RunConfig,
    failpoint::{self, Point},
    format::{Listed, PageLink, repair_memory},
    history::{self, Chain, CorrectionsProgress, next_corrections, read_listed_of},
    model::{Digest, Offset, Partition},
    store::Throttle,
};

/// How long Kafka may say nothing while a range is read again.
const PATIENCE: Duration = Duration::from_secs(30);
/// After a page that the store did not give.
const PAGE_AGAIN: Duration = Duration::from_secs(1);
/// How often a long recalculation says how far it is.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// How the stored history of a partition stands to the running calculation.
pub struct Recalculation {
    recalculator: Recalculator,
    /// Where ranges start that stay as they are, until the next start.
    left: BTreeSet<Offset>,
    progress: Option<Progress>,
    /// How far corrections are published.
    published: Option<CorrectionsProgress>,
    /// The range that is next.
    next: Option<Outdated>,
    /// The page that is next, when nothing of the open list is.
    next_page: Option<PageLink>,
    /// Pages of which nothing is left to do, until the next start.
    passed: BTreeSet<Digest>,
    /// The store did not give a page: when to ask again.
    page_again: Option<Instant>,
    calculated: Option<Calculated>,
}

/// A recalculation under way.
struct Progress {
    logged: Instant,
    ranges: usize,
    done: usize,
    outcomes: u64,
    changed: u64,
}

/// A range that has been calculated anew, or cannot be.
struct Calculated {
    range: Outdated,
    repair: Result<history::Repair, String>,
}

/// What brings ranges under the running calculation.
pub fn recalculator(settings: &RunConfig, results_limit: u64) -> Result<Recalculator, WorkerError> {
    let evaluator = settings.calculation.evaluator()?;
    Ok(Recalculator {
        evaluator: Arc::new(evaluator),
        results: ResultsTopic {
            name: settings.pipeline.results.clone(),
            limit: results_limit,
            too_large: limits::too_large,
        },
        events: Some(settings.connection.clone()),
        patience: PATIENCE,
        throttle: Throttle::unlimited(),
    })
}

impl Recalculation {
    pub fn new(recalculator: Recalculator) -> Recalculation {
        Recalculation {
            recalculator,
            left: BTreeSet::new(),
            progress: None,
            published: None,
            next: None,
            next_page: None,
            passed: BTreeSet::new(),
            page_again: None,
            calculated: None,
        }
    }

    /// Whether a page may have ranges of another calculation.
    fn is_outdated(&self, page: &PageLink) -> bool {
        let ours = self.recalculator.evaluator.fingerprint();
        let mut of = page.results.keys();
        of.any(|fingerprint| fingerprint != ours) && !self.passed.contains(&page.digest)
    }

    /// The first range of a page that is to be calculated anew; `None` when none is, or the page cannot be read.
    async fn first_of(&mut self, site: &Site, chain: &Chain, page: PageLink) -> Option<Outdated> {
        let newest = chain.newest()?;
        if !newest.pages.contains(&page) {
            return None;
        }
        let partition = site.partition;
        let listed =
            match read_listed_of(chain.store(), chain.layout(), newest.clone(), page.range).await {
                Ok(listed) => listed,
                Err(error) => {
                    tracing::warn!("partition {partition}: a page cannot be read now: {error}");
                    self.page_again = Some(Instant::now() + PAGE_AGAIN);
                    return None;
                }
            };
        if let Some(unread) = listed.unread().first() {
            tracing::error!(
                "partition {partition}: {} stays under another calculation: {}: {}; `snapback verify` says what to do",
                page.range,
                page.path,
                unread.why()
            );
            self.passed.insert(page.digest);
            return None;
        }
        let ours = self.recalculator.evaluator.declaration();
        let mut ranges = outdated(&listed, &ours, self.published);
        ranges.retain(|range| {
            range.range.overlaps(page.range) && !self.left.contains(&range.range.start())
        });
        if ranges.is_empty() {
            self.passed.insert(page.digest);
            return None;
        }
        self.log_progress(partition, Instant::now(), &ranges);
        Some(ranges.swap_remove(0))
    }

    /// Calculates a range anew, when memory allows it; `None` when it is to end first.
    async fn calculate(&self, site: &Site, chain: &Chain, range: Outdated) -> Option<Calculated> {
        failpoint::at(Point::RepairChosen);
        let mut recalculator = self.recalculator.clone();
        recalculator.results.limit = site.store_side.limits().results;
        if !site.reserve(repair_memory(range.bytes())).await {
            return None;
        }
        site.throttle().take(range.bytes()).await;
        let mut wait = site.wait("recalculating");
        let repair = loop {
            let error = match recalculator.recalculate(chain, &range).await {
                Ok(repair) => break Ok(repair),
                Err(error) => error,
            };
            if !error.is_retryable() {
                break Err(error.to_string());
            }
            let text = waits(site.partition, &range, &error);
            if !wait.again(Reason::Recovery, true, &text).await {
                return None;
            }
        };
        failpoint::at(Point::RepairCalculated);
        Some(Calculated { range, repair })
    }

    /// Brings a range that was calculated anew into the chain.
    async fn store(&mut self, site: &Site, chain: &mut Chain, calculated: Calculated) -> Written {
        let (partition, range) = (site.partition, calculated.range);
        let mut repair = match calculated.repair {
            Ok(repair) => repair,
            Err(reason) => {
                self.leave(partition, &range, &reason);
                return Written::Nothing;
            }
        };
        let brought = bring(site, chain, (range.range, &mut repair), "recalculating").await;
        let segments = match brought {
            Brought::Done(segments) => Some(segments),
            Brought::Overtaken => None,
            Brought::Refused(error) => {
                self.leave(partition, &range, &error.to_string());
                None
            }
            Brought::Waits(waits) => {
                self.calculated = Some(Calculated {
                    range,
                    repair: Ok(repair),
                });
                return Written::Waits(waits);
            }
        };
        failpoint::at(Point::RepairStored);
        let Some(segments) = segments else {
            return Written::Nothing;
        };
        let outcomes = range.outcomes();
        if let Some(progress) = &mut self.progress {
            let corrections = segments.iter().filter(|segment| segment.revision.is_some());
            progress.done += 1;
            progress.outcomes += outcomes;
            progress.changed += corrections.map(|segment| segment.rows).sum::<u64>();
        }
        Written::Rewritten(Rewritten { segments, outcomes })
    }

    /// Says that it begins, or now and then how far it is; `ranges` are what is left to do.
    fn log_progress(&mut self, partition: Partition, now: Instant, ranges: &[Outdated]) {
        let Some(progress) = &mut self.progress else {
            let outcomes: u64 = ranges.iter().map(Outdated::outcomes).sum();
            tracing::info!(
                "partition {partition}: {} ranges with {outcomes} outcomes are of another calculation; recalculating them",
                ranges.len()
            );
            self.progress = Some(Progress {
                logged: now,
                ranges: ranges.len(),
                done: 0,
                outcomes: 0,
                changed: 0,
            });
            return;
        };
        if now - progress.logged >= LOG_EVERY {
            progress.logged = now;
            tracing::info!(
                "partition {partition}: recalculated {} of {} ranges; {} of {} outcomes have changed",
                progress.done,
                progress.ranges,
                progress.changed,
                progress.outcomes
            );
        }
    }

    /// Says that nothing is left to do.
    fn log_end(&mut self, partition: Partition) {
        let Some(progress) = self.progress.take() else {
            return;
        };
        tracing::info!(
            "partition {partition}: its stored history is recalculated: {} ranges with {} outcomes, {} of which have changed and are published as corrections",
            progress.done,
            progress.outcomes,
            progress.changed
        );
        if !self.left.is_empty() {
            tracing::warn!(
                "partition {partition}: {} ranges stay under their calculation; `snapback verify` names them",
                self.left.len()
            );
        }
    }

    /// A range stays as it is. The first is said loudly: others mostly have the same reason.
    fn leave(&mut self, partition: Partition, range: &Outdated, reason: &str) {
        let text = format!(
            "partition {partition}: {} stays as it is, under another calculation: {reason}. Nothing is lost: `snapback verify` names it and the command that checks it; the next start tries again",
            range.range
        );
        if self.left.is_empty() {
            tracing::error!("{text}");
        } else {
            tracing::debug!("{text}");
        }
        self.left.insert(range.range.start());
    }
}

impl Work for Recalculation {
    fn due(&mut self, site: &Site, known: &Known<'_>) -> Due {
        let (newest, published) = (known.newest, known.published);
        if next_corrections(&newest.open.corrections, published).is_some() {
            return Due::Nothing;
        }
        let ours = self.recalculator.evaluator.declaration();
        // Pages are read one at a time, in a step.
        let open = Listed::open_list_of(newest);
        let mut ranges = outdated(&open, &ours, published);
        ranges.retain(|range| !self.left.contains(&range.range.start()));
        self.published = published;
        self.next_page = newest
            .pages
            .iter()
            .find(|page| self.is_outdated(page))
            .cloned();
        if ranges.is_empty() && self.next_page.is_some() {
            self.next = None;
            let again = self.page_again.filter(|again| *again > known.now);
            return again.map_or(Due::Now, Due::At);
        }
        if ranges.is_empty() {
            self.log_end(site.partition);
            site.shown.recalculated.store(true, Ordering::SeqCst);
            return Due::Nothing;
        }
        self.log_progress(site.partition, known.now, &ranges);
        self.next = Some(ranges.swap_remove(0));
        Due::Now
    }

    fn step<'w>(&'w mut self, site: &'w Site, chain: &'w Chain) -> BoxFuture<'w, Step> {
        async move {
            let mut next = self.next.take();
            if let Some(page) = self.next_page.take().filter(|_| next.is_none()) {
                next = self.first_of(site, chain, page).await;
            }
            if let Some(range) = next {
                self.calculated = self.calculate(site, chain, range).await;
            }
            match &self.calculated {
                Some(Calculated { repair, .. }) => {
                    let bytes = repair.as_ref().map_or(0, |repair| repair.files().bytes());
                    Step::Write(bytes as u64)
                }
                None => Step::Done,
            }
        }
        .boxed()
    }

    fn write<'w>(&'w mut self, site: &'w Site, chain: &'w mut Chain) -> BoxFuture<'w, Written> {
        async move {
            match self.calculated.take() {
                Some(calculated) => self.store(site, chain, calculated).await,
                None => Written::Nothing,
            }
        }
        .boxed()
    }
}

fn waits(partition: Partition, range: &Outdated, error: &impl std::fmt::Display) -> String {
    let range = range.range;
    format!("partition {partition}: recalculating {range} waits: {error}")
}
