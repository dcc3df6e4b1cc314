//! A partition's open list, made short: neighbours merged, and sealed when nothing joins them any more. For who works without a
//! processor that would do it.

use super::{CompactError, Compactor, Merged};
use crate::{
    history::{
        Chain, MergeLimits, Obstacles, Repaired, Sealed, SnapshotError, choose_merge, choose_seal,
        write_repair, write_seal,
    },
    model::OffsetRange,
};

/// So often in a row may others change what is merged.
const RACES: u32 = 32;

/// What was made of an open list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Merges.
    pub merges: usize,
    /// Pages that were made of segments which nothing joins any more.
    pub pages: usize,
    /// What stays as it is although it could be merged, and why.
    pub left: Vec<String>,
}

/// Why an open list was not settled to the end.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// A range could not be merged.
    #[error("offsets {range}: {source}")]
    Merge {
        /// The range.
        range: OffsetRange,
        /// Why.
        source: Box<CompactError>,
    },
    /// What was made of a range could not be stored.
    #[error("offsets {range}: {source}")]
    Write {
        /// The range.
        range: OffsetRange,
        /// Why.
        source: Box<SnapshotError>,
    },
}

fn unwritten(range: OffsetRange) -> impl FnOnce(SnapshotError) -> SettleError {
    move |source| SettleError::Write {
        range,
        source: Box::new(source),
    }
}

impl Compactor {
    /// Merges what is to be merged of a partition, and seals what nothing joins any more; at rest two neighbours are enough.
    ///
    /// # Errors
    /// When the store is away, or new files cannot be made; what was done before stays.
    pub async fn settle(
        &self,
        chain: &mut Chain,
        obstacles: &mut Obstacles,
        at_rest: bool,
    ) -> Result<Settled, SettleError> {
        let (mut settled, mut races) = (Settled::default(), 0);
        while let Some(merge) = chain
            .newest()
            .and_then(|newest| choose_merge(newest, MergeLimits::LARGEST, obstacles, at_rest))
        {
            let range = merge.range;
            let merged = self.merge(chain, &merge).await;
            let merged = match merged {
                Ok(merged) => merged,
                Err(source) if source.is_retryable() => {
                    let source = Box::new(source);
                    return Err(SettleError::Merge { range, source });
                }
                Err(source) => {
                    // These stay as they are; others can be merged all the same.
                    let inputs = merge.inputs.iter().flat_map(|input| input.first());
                    obstacles.apart.extend(inputs.map(|one| one.range.start()));
                    settled.left.push(source.to_string());
                    continue;
                }
            };
            match merged {
                Merged::Ready(mut repair) => {
                    self.throttle.take(2 * repair.files().bytes() as u64).await;
                    let written = write_repair(chain, &mut repair).await;
                    match written.map_err(unwritten(range))? {
                        Repaired::Done(_) => (settled.merges, races) = (settled.merges + 1, 0),
                        Repaired::Overtaken if races < RACES => races += 1,
                        Repaired::Overtaken => {
                            let place = format!("partition {}, offsets {range}", chain.partition());
                            let why = format!("{place}: others change it all the time");
                            settled.left.push(why);
                            break;
                        }
                    }
                }
                Merged::Apart(start) => _ = obstacles.apart.insert(start),
                Merged::Damaged(start, findings) => {
                    obstacles.damaged.insert(start);
                    let findings = findings.iter().map(ToString::to_string);
                    settled.left.extend(findings);
                }
            }
        }
        while let Some(range) = chain
            .newest()
            .and_then(|newest| choose_seal(newest, MergeLimits::LARGEST, obstacles))
        {
            let sealed = write_seal(chain, range).await;
            match sealed.map_err(unwritten(range))? {
                Sealed::Done(_) => settled.pages += 1,
                // Others change it, or it is too much for a page: nothing is wrong with it.
                Sealed::Left(error) => {
                    tracing::info!("{error}");
                    obstacles.unsealed.insert(range);
                }
            }
        }
        Ok(settled)
    }

    /// The same when the open list is longer than `most`, for who adds to it: whoever comes next tries what fails again.
    pub async fn settle_when_longer(
        &self,
        most: usize,
        chain: &mut Chain,
        obstacles: &mut Obstacles,
    ) {
        let newest = chain.newest();
        if newest.is_none_or(|newest| newest.open.segments.len() <= most) {
            return;
        }
        let partition = chain.partition();
        match self.settle(chain, obstacles, false).await {
            Ok(settled) => settled.left.iter().for_each(|left| {
                tracing::warn!("partition {partition}: not merged: {left}");
            }),
            Err(error) => {
                tracing::warn!("partition {partition}: what is stored is not merged: {error}");
            }
        }
    }
}
