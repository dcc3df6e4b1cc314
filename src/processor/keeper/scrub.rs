//! The scrub of a partition: its stored history, verified again and again, and mended where that is safe.
//!
//! One group of segments at a time, at a rate that leaves nearly all of a core to others. What was verified when is kept in an
//! object beside the chain, so that a restart goes on where this process ended. Of the pages of the history one at a time is in memory.

mod pages;
mod rest;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use futures::{FutureExt, future::BoxFuture};
use pages::ScrubPages;
use rest::rest;
use tokio::time::Instant;

use super::{
    super::{
        report::News,
        store_side::ScrubSettings,
        watch::{Board, Scrubbing},
    },
    rewriting::{Brought, bring},
    work::{Due, Known, Rewritten, Site, Step, Work, Written},
};
use crate::{
    audit::{self, Finding, Mend, Mended, Scrubbed, Source, Then, Turn, read_back},
    format::{Manifest, PageLink, Verified, repair_memory},
    history::{Chain, Repair, load_verified},
    model::{Offset, Partition, Sequence},
};

/// How often what was verified is written down, once the first round is over: each time is a request, and what is verified again
/// after a restart because it was not written down is little.
const SAVE_EVERY: Duration = Duration::from_secs(10 * 60);
/// When to try again what could not be read, or mended now.
const LATER: Duration = Duration::from_secs(15);
/// The rows that are read at a time, decoded and calculated again.
const BATCHES: u64 = 2 << 20;

/// See the module.
pub struct Scrub {
    settings: ScrubSettings,
    shown: Scrubbing,
    pages: ScrubPages,
    /// Until it is read, `None`.
    verified: Option<Verified>,
    began: Instant,
    saved: Option<Instant>,
    is_saved: bool,
    rests_until: Option<Instant>,
    /// Nothing is due before, as of this manifest.
    idle: Option<(Sequence, Instant)>,
    /// What mends a range.
    made: Option<(Mend, Repair)>,
    /// Where ranges start that are not right although they were mended: never again until the next start.
    left: BTreeSet<Offset>,
}

impl Scrub {
    pub fn new(settings: ScrubSettings, board: Board, partition: Partition) -> Scrub {
        Scrub {
            settings,
            shown: Scrubbing::new(board, partition),
            pages: ScrubPages::default(),
            verified: None,
            began: Instant::now(),
            saved: None,
            is_saved: true,
            rests_until: None,
            idle: None,
            made: None,
            left: BTreeSet::new(),
        }
    }

    async fn take_step(&mut self, site: &Site, chain: &Chain) -> Step {
        let Some(newest) = chain.newest() else {
            return Step::Done;
        };
        self.pages.follow(newest);
        if let Some(link) = self.pages.unknown(newest) {
            return self.open(site, chain, link).await;
        }
        let mut verified = match self.verified.take() {
            Some(verified) => verified,
            // What earlier rounds have verified.
            None => match load_verified(chain.store(), chain.layout(), chain.partition()).await {
                Ok(verified) => verified,
                Err(error) => return self.later(site, &error.to_string()),
            },
        };
        let mut scrubber = self.settings.scrubber.clone();
        let now = chain.clock().now();
        let (page, unread) = (self.pages.page(), self.pages.unread_digests());
        let turn = scrubber.next(newest, page, &unread, &mut verified, now);
        let chosen = match turn {
            Turn::Open(link) => {
                self.verified = Some(verified);
                return self.open(site, chain, link).await;
            }
            Turn::Rest(until) => {
                self.shown.verified_since(self.since(&verified, newest));
                let rest = until.and_then(|until| (until - now).to_std().ok());
                let until = Instant::now() + rest.unwrap_or(self.settings.scrubber.every);
                let until = self
                    .pages
                    .again_at()
                    .map_or(until, |again| again.min(until));
                self.idle = Some((newest.sequence, until));
                self.save_if_due(chain, &verified).await;
                self.verified = Some(verified);
                return Step::Done;
            }
            Turn::Verify(chosen) => chosen,
        };
        let bytes = chosen.bytes();
        let page_bytes = self.pages.page().map_or(0, |page| page.link.bytes);
        if !site.reserve(chosen.memory() + BATCHES + page_bytes).await {
            self.verified = Some(verified);
            return Step::Done;
        }
        site.throttle().take(bytes).await;
        scrubber.recalculator.results.limit = site.store_side.limits().results;
        let began = Instant::now();
        let page = self.pages.page();
        let looked = scrubber.look(chain, newest, (chosen, page), &mut verified, now);
        let mut looked = looked.await;
        if let Ok(scrubbed) = &mut looked
            && matches!(scrubbed.then, Then::Damaged)
        {
            if !site.reserve(repair_memory(bytes) + page_bytes).await {
                self.verified = Some(verified);
                return Step::Done;
            }
            let settled = scrubber.settle(chain, (scrubbed, page), &mut verified, now);
            if let Err(error) = settled.await {
                scrubbed.then = Then::Later(error.to_string());
            }
        }
        self.rest_after(began);
        self.shown.verified_since(self.since(&verified, newest));
        let done = match looked {
            Ok(scrubbed) => {
                self.is_saved = false;
                self.judge(site, &mut verified, scrubbed, now)
            }
            Err(error) => self.later(site, &error.to_string()),
        };
        self.save_if_due(chain, &verified).await;
        self.verified = Some(verified);
        done
    }

    /// Rests, so that all partitions together take their share of a core.
    fn rest_after(&mut self, began: Instant) {
        let ScrubSettings {
            percent,
            partitions,
            ..
        } = &self.settings;
        // One is the process's own.
        let partitions = Arc::strong_count(partitions).saturating_sub(1).max(1);
        let rest = rest(began.elapsed(), *percent, partitions);
        self.rests_until = Some(Instant::now() + rest);
    }

    async fn save_if_due(&mut self, chain: &Chain, verified: &Verified) {
        if self.is_saved {
            return;
        }
        let is_first = self.saved.is_none() && self.idle.is_some();
        let due = self.saved.unwrap_or(self.began) + SAVE_EVERY;
        if is_first || due <= Instant::now() {
            self.save(chain, verified).await;
        } else if let Some((_, until)) = &mut self.idle {
            *until = due.min(*until);
        }
    }

    /// Everything that is live was verified then or later; what lies in pages that cannot be read was not.
    fn since(&self, verified: &Verified, newest: &Manifest) -> Option<DateTime<Utc>> {
        let is_known = self.pages.again_at().is_none();
        verified.since(newest).filter(|_| is_known)
    }

    /// Reads one page. It keeps to the rate and needs no rest: after a start there are many, and until the last of them is read nothing
    /// is verified.
    async fn open(&mut self, site: &Site, chain: &Chain, link: PageLink) -> Step {
        if !site.reserve(link.bytes).await {
            return Step::Done;
        }
        site.throttle().take(link.bytes).await;
        if let Err(error) = self.pages.open(chain, link).await {
            return self.later(site, &error.to_string());
        }
        self.show_unread(site, chain);
        Step::Done
    }

    /// Shows which pages cannot be read, and says so once: what they list is verified by nobody.
    fn show_unread(&self, site: &Site, chain: &Chain) {
        let findings = audit::unread_pages(chain.store(), site.partition, self.pages.unread());
        let shown = &site.store_side.findings;
        for new in shown.of_pages_are(site.partition, &findings) {
            tracing::error!("found by the scrub: {new}");
        }
    }

    /// Shows what was found, and keeps what mends it.
    fn judge(
        &mut self,
        site: &Site,
        verified: &mut Verified,
        scrubbed: Scrubbed,
        now: DateTime<Utc>,
    ) -> Step {
        let partition = site.partition;
        let Scrubbed {
            segments,
            rows,
            findings,
            then,
        } = scrubbed;
        let store_side = &site.store_side;
        let bytes = segments.iter().map(|segment| segment.bytes).sum();
        self.shown.verified(segments.len() as u64, rows, bytes);
        let damage: Vec<Finding> = findings.into_iter().filter(Finding::is_damage).collect();
        let new = store_side.findings.are(&segments, &damage);
        let path = segments.first().map(|segment| segment.path.to_string());
        let path = path.unwrap_or_default();
        // What can be done about it is said when it is not done here.
        for Finding { kind, detail, .. } in &new {
            tracing::error!("partition {partition}: {kind}: {detail}");
        }
        match then {
            Then::Damaged => {}
            Then::Nothing => site.reporter.tell(News::Verified(segments)),
            Then::PutBack => {
                store_side.findings.are(&segments, &[]);
                self.shown.mended();
                verified.forget(&segments, now);
                tracing::warn!(
                    "partition {partition}: the scrub has put {} back from the attic",
                    path
                );
            }
            Then::Left(why) if new.is_empty() => {
                tracing::debug!("partition {partition}: {} stays as it is: {why}", path);
            }
            Then::Left(why) => {
                let remedy = new.last().map_or("", |finding| finding.remedy.as_str());
                tracing::error!(
                    "partition {partition}: {} stays as it is: {why}. {remedy}",
                    path
                );
            }
            Then::Later(why) => return self.later(site, &why),
            Then::Mend(mend) => {
                let (mend, repair) = *mend;
                if self.left.contains(&mend.range.range.start()) {
                    return Step::Done;
                }
                let bytes = repair.files().bytes() as u64;
                self.made = Some((mend, repair));
                return Step::Write(bytes);
            }
        }
        Step::Done
    }

    /// Nothing can be said or done now.
    fn later(&mut self, site: &Site, why: &str) -> Step {
        tracing::warn!(
            "partition {}: the scrub waits, and tries again in {LATER:?}: {why}",
            site.partition
        );
        self.rests_until = Some(Instant::now() + LATER);
        Step::Done
    }

    async fn save(&mut self, chain: &Chain, verified: &Verified) {
        let path = chain.layout().verified(chain.partition());
        self.saved = Some(Instant::now());
        match chain.store().put(&path, verified.encode()).await {
            Ok(()) => self.is_saved = true,
            // It is advice only.
            Err(error) => tracing::debug!("{path} cannot be written: {error}"),
        }
    }

    async fn mend(
        &mut self,
        site: &Site,
        chain: &mut Chain,
        mend: Mend,
        mut repair: Repair,
    ) -> Written {
        let (partition, range) = (site.partition, mend.range.range);
        let segments = match bring(site, chain, (range, &mut repair), "mending").await {
            Brought::Done(segments) => segments,
            Brought::Refused(error) => {
                tracing::error!("partition {partition}: {range} cannot be mended: {error}");
                self.left.insert(range.start());
                return Written::Nothing;
            }
            Brought::Overtaken => return Written::Nothing,
            Brought::Waits(waits) => {
                self.made = Some((mend, repair));
                return Written::Waits(waits);
            }
        };
        let calculations = &self.settings.scrubber.calculations;
        match read_back(calculations, chain, &mend, segments.clone()).await {
            Ok(Mended::Left(why) | Mended::Gone(why)) => {
                tracing::error!("partition {partition}: {range} was mended, but {why}");
                self.left.insert(range.start());
            }
            Ok(Mended::Done { corrections, .. }) => {
                self.shown.mended();
                let from = match mend.source {
                    Source::Events | Source::Kafka => "made again from the events in Kafka",
                    Source::Attic | Source::StoredInputs => {
                        "calculated again, twice, from the inputs stored beside it"
                    }
                };
                tracing::warn!(
                    "partition {partition}: the scrub has mended {range}, {from}; {}",
                    match corrections {
                        0 => "nothing has to be published again".to_owned(),
                        1 => "1 correction is published".to_owned(),
                        count => format!("{count} corrections are published"),
                    }
                );
            }
            // The next round verifies it.
            Ok(Mended::Overtaken | Mended::Lost { .. }) => {}
            Err(error) => tracing::warn!(
                "partition {partition}: {range} was mended, and is not read back: {error}"
            ),
        }
        Written::Rewritten(Rewritten {
            segments,
            outcomes: 0,
        })
    }
}

impl Work for Scrub {
    fn due(&mut self, _site: &Site, known: &Known<'_>) -> Due {
        let idle = self
            .idle
            .filter(|(sequence, _)| *sequence == known.newest.sequence);
        let idle = idle.map(|(_, until)| until);
        match self
            .rests_until
            .max(idle)
            .filter(|until| *until > known.now)
        {
            Some(until) => Due::At(until),
            None => Due::Now,
        }
    }

    fn step<'w>(&'w mut self, site: &'w Site, chain: &'w Chain) -> BoxFuture<'w, Step> {
        self.idle = None;
        self.take_step(site, chain).boxed()
    }

    fn write<'w>(&'w mut self, site: &'w Site, chain: &'w mut Chain) -> BoxFuture<'w, Written> {
        async move {
            match self.made.take() {
                Some((mend, repair)) => self.mend(site, chain, mend, repair).await,
                None => Written::Nothing,
            }
        }
        .boxed()
    }
}
