//! The scrub of a partition: its stored history, verified again and again, and mended where that is safe.
//!
//! One group of segments at a time, at a rate that leaves nearly all of a core to others. What was verified when is kept in an
//! object beside the chain, so that a restart goes on where this process ended.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures::{FutureExt, future::BoxFuture};
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
    audit::{self, Finding, Mend, Mended, Scrubbed, Source, Takes, Then, read_back},
    format::{Listed, Verified, repair_memory},
    history::{Chain, Pages, Repair, load_verified},
    model::{Offset, Partition, Sequence},
};

/// How often what was verified is written down, once the first round is over: each time is a request, and what is verified again
/// after a restart because it was not written down is little.
const SAVE_EVERY: Duration = Duration::from_secs(10 * 60);
/// When to try again what could not be read, or mended now.
const LATER: Duration = Duration::from_secs(15);
/// The rows that are read at a time, decoded and calculated again.
const BATCHES: u64 = 2 << 20;

/// The rest with which so many partitions together take `percent` of one core.
fn rest(took: Duration, percent: u32, partitions: usize) -> Duration {
    let partitions = u32::try_from(partitions).unwrap_or(u32::MAX);
    let all = took.saturating_mul(100).saturating_mul(partitions);
    (all / percent.max(1)).saturating_sub(took)
}

/// See the module.
pub struct Scrub {
    settings: ScrubSettings,
    shown: Scrubbing,
    /// The pages of the newest manifest.
    pages: Pages,
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
            pages: Pages::default(),
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
        let Some(newest) = chain.newest().cloned() else {
            return Step::Done;
        };
        let listed = self
            .pages
            .listed(chain.store(), chain.layout(), newest)
            .await;
        let newest = match listed {
            Ok(listed) => listed,
            Err(error) => return self.later(site, &error.to_string()),
        };
        self.show_unread(site, chain, &newest);
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
        verified.follow(&newest, now);
        let Takes { bytes, memory } = scrubber.next_takes(&newest, &verified, now);
        if bytes > 0 && !site.reserve(memory + BATCHES).await {
            return Step::Done;
        }
        site.throttle().take(bytes).await;
        scrubber.recalculator.results.limit = site.store_side.limits().results;
        let began = Instant::now();
        let mut step = scrubber.look(chain, &newest, &mut verified, now).await;
        if let Ok(audit::Step::Scrubbed(scrubbed)) = &mut step
            && matches!(scrubbed.then, Then::Damaged)
        {
            if !site.reserve(repair_memory(bytes)).await {
                return Step::Done;
            }
            let settled = scrubber.settle(chain, scrubbed, &mut verified, now).await;
            if let Err(error) = settled {
                scrubbed.then = Then::Later(error.to_string());
            }
        }
        let ScrubSettings {
            percent,
            partitions,
            ..
        } = &self.settings;
        // One is the process's own.
        let partitions = Arc::strong_count(partitions).saturating_sub(1).max(1);
        let rest = rest(began.elapsed(), *percent, partitions);
        self.rests_until = Some(Instant::now() + rest);
        self.shown.verified_since(verified.since(&newest));
        let done = match step {
            Ok(audit::Step::Rest(until)) => {
                let rest = until.and_then(|until| (until - now).to_std().ok());
                let until = Instant::now() + rest.unwrap_or(self.settings.scrubber.every);
                self.idle = Some((newest.sequence, until));
                Step::Done
            }
            Ok(audit::Step::Scrubbed(scrubbed)) => {
                self.is_saved = false;
                self.judge(site, &mut verified, *scrubbed)
            }
            Err(error) => self.later(site, &error.to_string()),
        };
        if !self.is_saved {
            let is_first = self.saved.is_none() && self.idle.is_some();
            let due = self.saved.unwrap_or(self.began) + SAVE_EVERY;
            if is_first || due <= Instant::now() {
                self.save(chain, &verified).await;
            } else if let Some((_, until)) = &mut self.idle {
                *until = due.min(*until);
            }
        }
        self.verified = Some(verified);
        done
    }

    /// Shows which pages cannot be read, and says so once: what they list is verified by nobody.
    fn show_unread(&self, site: &Site, chain: &Chain, newest: &Listed) {
        let findings = audit::unread_pages(chain.store(), newest);
        let shown = &site.store_side.findings;
        for new in shown.of_pages_are(site.partition, &findings) {
            tracing::error!("found by the scrub: {new}");
        }
    }

    /// Shows what was found, and keeps what mends it.
    fn judge(&mut self, site: &Site, verified: &mut Verified, scrubbed: Scrubbed) -> Step {
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
                verified.forget(&segments);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_partitions_together_take_their_share_of_a_core() {
        let took = Duration::from_millis(10);
        for (percent, partitions, rests) in [
            (1, 1, 990),
            (1, 8, 7990),
            (50, 1, 10),
            (50, 4, 70),
            (100, 1, 0),
        ] {
            assert_eq!(
                rest(took, percent, partitions),
                Duration::from_millis(rests)
            );
        }
    }
}
