//! Garbage collection: once an hour a keeper takes away what the history does not need any more.

use std::time::Duration;

use chrono::TimeDelta;
use futures::{FutureExt, future::BoxFuture};
use tokio::time::Instant;

use super::work::{Due, Known, Site, Step, Work};
use crate::{
    format::Manifest,
    history::{BlockedBy, Chain, Collected, Walk, collect},
};

/// From one collection to the next.
const EVERY: Duration = Duration::from_secs(60 * 60);
/// From the start of a keeper to its first: what a start has to do goes first.
const FIRST: Duration = Duration::from_secs(10);
/// After a collection that the store let fail.
const AGAIN: Duration = Duration::from_secs(5 * 60);
/// What a collection holds for each live file, whose name it knows: in the listing, among the files, among those that are listed.
const BYTES_EACH: u64 = 512;
/// Deletions of one step.
const MOST: u64 = 1_000;

/// See the module.
pub struct Collecting {
    keep: TimeDelta,
    /// What earlier collections of this keeper have read.
    walk: Walk,
    next: Option<Instant>,
    /// What stopped the last one, which has been said.
    stopped: Option<BlockedBy>,
}

impl Collecting {
    pub fn new(keep: Duration) -> Collecting {
        Collecting {
            keep: TimeDelta::from_std(keep).unwrap_or(TimeDelta::MAX),
            walk: Walk::default(),
            next: None,
            stopped: None,
        }
    }

    fn log(&mut self, site: &Site, chain: &Chain, collected: &Collected) {
        let partition = site.partition;
        let Collected {
            manifests,
            files,
            bytes,
            blocked,
            ..
        } = *collected;
        if manifests + files > 0 {
            tracing::info!(
                "partition {partition}: removed {manifests} old manifests and {files} segments that nothing needs, {bytes} bytes"
            );
        }
        if let Some(by) = blocked.filter(|_| blocked != self.stopped) {
            let path = by.path(chain.layout(), partition);
            tracing::warn!(
                "partition {partition}: {path} cannot be read, so nothing old is removed; `snapback verify` says what to do"
            );
        }
        self.stopped = blocked;
    }
}

impl Work for Collecting {
    fn due(&mut self, _site: &Site, known: &Known<'_>) -> Due {
        let next = *self.next.get_or_insert(known.now + FIRST);
        if next <= known.now {
            Due::Now
        } else {
            Due::At(next)
        }
    }

    fn step<'w>(&'w mut self, site: &'w Site, chain: &'w Chain) -> BoxFuture<'w, Step> {
        async move {
            // Its edits and the keeper's race like those of two processes.
            let mut chain = chain.clone();
            let live = chain.newest().map_or(0, Manifest::live_files);
            if !site.reserve(live * BYTES_EACH).await {
                return Step::Done;
            }
            let rest = match collect(&mut chain, &mut self.walk, self.keep, MOST).await {
                Ok(collected) => {
                    self.log(site, &chain, &collected);
                    site.store_side.board.collected(site.partition, &collected);
                    if collected.more {
                        Duration::ZERO
                    } else {
                        EVERY
                    }
                }
                Err(error) => {
                    let partition = site.partition;
                    tracing::warn!(
                        "partition {partition}: what is old cannot be removed now: {error}"
                    );
                    AGAIN
                }
            };
            self.next = Some(Instant::now() + rest);
            Step::Done
        }
        .boxed()
    }
}
