//! From other outcomes for a range to a manifest in the chain, whoever else appends meanwhile.

use super::{
    Appended, Chain, ChainError, SnapshotError,
    attic::{self, check_segment},
    listed::{find_page, read_listed_of, whole},
    race::{LISTED_WITHIN, are_live, is_never_listed, is_silent},
    write::{Put, RACES, sweep},
};
use crate::{
    failpoint::{self, Point},
    format::{ApplyError, Edit, Encoded, Gap, Manifest, Page, Segment, SilentRange},
    model::OffsetRange,
    store::{Path, StoreError},
};

/// A repair on its way into the chain. It stays here until it is in it, or given up, so that an attempt that failed because
/// the store was away is simply made again.
#[derive(Debug)]
pub struct Repair {
    range: OffsetRange,
    purpose: Purpose,
    replaced: Vec<Segment>,
    /// What it was made of where the range had no row, so that nothing is replaced.
    silent: Option<SilentRange>,
    encoded: Encoded,
    put: Option<Put>,
}

/// What the files are for.
#[derive(Clone, Copy, Debug)]
enum Purpose {
    /// They are other outcomes.
    Repair,
    /// They are the same outcomes in fewer files.
    Compact,
    /// They are outcomes that the chain does not have.
    Fill,
}

/// What became of a repair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repaired {
    /// It is in the chain; these are the segments that it brought, corrections included.
    Done(Vec<Segment>),
    /// The range has changed since it was made: it would undo what another has done, and was given up.
    Overtaken,
}

impl Repair {
    /// Files that are to take the place of `replaced`, the live results and rejects of their range.
    #[must_use]
    pub fn new(replaced: Vec<Segment>, encoded: Encoded) -> Repair {
        Repair {
            range: encoded.range,
            purpose: Purpose::Repair,
            replaced,
            silent: None,
            encoded,
            put: None,
        }
    }

    /// Files of the outcomes that events have which had been filtered: nothing of their range had a row.
    #[must_use]
    pub fn of_silent(silent: SilentRange, encoded: Encoded) -> Repair {
        Repair {
            silent: Some(silent),
            ..Repair::new(Vec::new(), encoded)
        }
    }

    /// Files that hold the same outcomes as `replaced`, the live results and rejects of their range.
    #[must_use]
    pub fn compacting(replaced: Vec<Segment>, encoded: Encoded) -> Repair {
        Repair {
            purpose: Purpose::Compact,
            ..Repair::new(replaced, encoded)
        }
    }

    /// Files of outcomes that the chain does not have: of a gap, or from before its origin.
    #[must_use]
    pub fn filling(encoded: Encoded) -> Repair {
        Repair {
            purpose: Purpose::Fill,
            ..Repair::new(Vec::new(), encoded)
        }
    }

    /// The new files as a manifest will list them.
    pub fn named(&mut self, chain: &Chain) -> &[Segment] {
        let put = self
            .put
            .get_or_insert_with(|| Put::new(chain, &self.encoded));
        &put.segments
    }

    /// Puts the files; those of a compaction are read back: nothing else has what was in the files that they replace.
    async fn put(&mut self, chain: &Chain) -> Result<Vec<Segment>, SnapshotError> {
        let put = self
            .put
            .get_or_insert_with(|| Put::new(chain, &self.encoded));
        let points = [Point::RepairHalfPut, Point::RepairPut];
        put.files(chain, &self.encoded, points).await?;
        if let Purpose::Compact = self.purpose {
            for segment in &put.segments {
                check_segment(chain.store(), chain.layout(), segment).await?;
            }
        }
        Ok(put.segments.clone())
    }

    /// Whether too many have appended since its files were put: gc may be taking them away.
    fn is_stale(&self, chain: &Chain) -> bool {
        let head = self.put.as_ref().and_then(|put| put.head);
        let highest = chain.tail().highest;
        head.zip(highest)
            .is_some_and(|(head, highest)| is_never_listed(head, highest, LISTED_WITHIN))
    }

    /// Has its files put again under other names.
    async fn take_other_names(&mut self, chain: &Chain) {
        let put = self.put.take().into_iter().flat_map(|put| put.segments);
        sweep(chain, put.map(|segment| segment.path).collect()).await;
    }

    fn edit(&self, segments: Vec<Segment>) -> Edit {
        let (range, replaced) = (self.range, self.replaced.clone());
        match self.purpose {
            Purpose::Repair => Edit::Repair {
                range,
                replaced,
                segments,
                record: self.encoded.record.clone(),
            },
            Purpose::Compact => Edit::Compact {
                range,
                replaced,
                segments,
            },
            Purpose::Fill => Edit::Backfill {
                range,
                segments,
                counts: self.encoded.counts,
                record: self.encoded.record.clone(),
            },
        }
    }

    /// The offsets.
    #[must_use]
    pub fn range(&self) -> OffsetRange {
        self.range
    }

    /// The new files.
    #[must_use]
    pub fn files(&self) -> &Encoded {
        &self.encoded
    }

    /// Gives the repair up: what was put goes to the attic, unless an attempt that seemed to fail has won.
    ///
    /// # Errors
    /// When the store does not tell; then the next owner's tidying does it.
    pub async fn give_up(&mut self, chain: &mut Chain) -> Result<(), ChainError> {
        if self.put.is_some() {
            chain.reload().await?;
            self.abandon(chain).await;
        }
        Ok(())
    }

    /// Moves what was put to the attic, and what it was made of when that is live no more: an attempt that seemed to fail may
    /// have won and been repaired by another since, who has not moved it. What is live instead is put back first: its writer
    /// may not have come to it.
    async fn abandon(&mut self, chain: &Chain) {
        let put = self.put.take().into_iter().flat_map(|put| put.segments);
        let mut paths: Vec<Path> = put.map(|segment| segment.path).collect();
        match restore_live(chain, self.range).await {
            Ok(()) => paths.extend(self.replaced.iter().map(|segment| segment.path.clone())),
            Err(error) => {
                tracing::warn!(range = %self.range, %error, "cannot check the live segments");
            }
        }
        sweep(chain, paths).await;
        failpoint::at(Point::RepairAbandoned);
    }
}

/// Brings a repair into the chain: puts the segments, appends the manifest, moves what it replaced to the attic. When
/// another's manifest came first, it is tried again on that one, as long as what it was made of is live (I6).
///
/// After an error that [`SnapshotError::is_retryable`], call it again with the same `repair`. Dropping the future, or the
/// repair, is safe for the store: the next owner's tidying moves away what was put.
///
/// # Errors
/// When the store is away, or the edit does not fit.
pub async fn write_repair(
    chain: &mut Chain,
    repair: &mut Repair,
) -> Result<Repaired, SnapshotError> {
    if chain.is_unsure() {
        chain.reload().await?;
    }
    for file in repair.encoded.segments() {
        chain.learn(&file.facts.declaration);
    }
    for _ in 0..RACES {
        let newest = chain.newest();
        let live = || newest.into_iter().flat_map(|newest| newest.open.files());
        let put = repair.put.iter().flat_map(|put| &put.segments);
        let ours: Vec<Segment> = live()
            .filter(|segment| put.clone().any(|put| put.path == segment.path))
            .cloned()
            .collect();
        if !ours.is_empty() {
            // An attempt that seemed to fail had won. What it brought may have been taken for dead meanwhile.
            restore(chain, &ours).await.map_err(ChainError::from)?;
            retire(chain, &repair.replaced).await;
            return Ok(Repaired::Done(ours));
        }
        let is_live = match &repair.silent {
            _ if matches!(repair.purpose, Purpose::Fill) => newest.is_some_and(|newest| {
                newest.lacks(repair.range) && newest.pages_over(repair.range).next().is_none()
            }),
            Some(silent) => newest.is_some_and(|newest| is_silent(silent, &newest.open.silent)),
            None => are_live(&repair.replaced, live()),
        };
        if !is_live {
            // What nothing joins any more is sealed: a merge of it is not needed.
            if matches!(repair.purpose, Purpose::Repair | Purpose::Fill)
                && let Some(page) = page_of(chain, repair).await?
            {
                // Only what is in the open list is changed. It is sealed again when it has come to rest.
                _ = chain.append(Edit::Reopen { page }, None).await?;
                failpoint::at(Point::PageReopened);
                continue;
            }
            repair.abandon(chain).await;
            return Ok(Repaired::Overtaken);
        }
        if repair.is_stale(chain) {
            repair.take_other_names(chain).await;
        }
        let segments = repair.put(chain).await?;
        let edit = repair.edit(segments);
        let put_at = repair.put.as_ref().and_then(|put| put.at);
        let appended = match chain.append(edit, put_at).await {
            // What is live, or silent, in the range is not what it was made of.
            Err(ChainError::Apply(ApplyError::NotLive { .. } | ApplyError::NotLacking { .. })) => {
                repair.abandon(chain).await;
                return Ok(Repaired::Overtaken);
            }
            appended => appended?,
        };
        match appended {
            Appended::Won { .. } => {
                failpoint::at(Point::RepairAppended);
                retire(chain, &repair.replaced).await;
                let added = chain.newest().into_iter().flat_map(Manifest::added);
                return Ok(Repaired::Done(added.cloned().collect()));
            }
            Appended::Lost => failpoint::at(Point::RepairLost),
        }
    }
    Err(SnapshotError::Chain(ChainError::Outrun {
        partition: chain.partition(),
        races: RACES,
    }))
}

/// Makes sure that everything that is live in a range is at its own path.
async fn restore_live(chain: &Chain, range: OffsetRange) -> Result<(), ChainError> {
    let Some(newest) = chain.newest().cloned() else {
        return Ok(());
    };
    let listed = whole(read_listed_of(chain.store(), chain.layout(), newest, range).await?)?;
    let live = listed.files().filter(|one| one.range.overlaps(range));
    let live: Vec<Segment> = live.cloned().collect();
    Ok(restore(chain, &live).await?)
}

/// Makes sure that live segments are at their own paths.
async fn restore(chain: &Chain, live: &[Segment]) -> Result<(), StoreError> {
    for segment in live {
        let (store, layout) = (chain.store(), chain.layout());
        attic::restore_segment(store, layout, &segment.path).await?;
    }
    Ok(())
}

/// The page of the newest manifest that lists what a repair was made of; `None` when none does.
async fn page_of(chain: &Chain, repair: &Repair) -> Result<Option<Box<Page>>, ChainError> {
    let in_gap = |gap: &Gap| gap.range.includes(repair.range);
    let is_live = |page: &Page| match &repair.silent {
        _ if matches!(repair.purpose, Purpose::Fill) => page.gaps.iter().any(in_gap),
        Some(silent) => is_silent(silent, &page.silent),
        None => are_live(&repair.replaced, page.files()),
    };
    find_page(chain, repair.range, is_live).await
}

/// The winner moves what it superseded to the attic. What fails here, the next owner's tidying finishes.
pub(super) async fn retire(chain: &Chain, replaced: &[Segment]) {
    for segment in replaced {
        let path = &segment.path;
        match attic::retire(chain.store(), chain.layout(), path).await {
            Ok(_) => failpoint::at(Point::SupersededMoved),
            Err(error) => {
                tracing::warn!(%path, %error, "cannot move a superseded segment to the attic");
            }
        }
    }
}

#[cfg(test)]
mod tests;
