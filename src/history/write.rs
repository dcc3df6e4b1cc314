//! From encoded outcomes to a manifest in the chain, whoever else appends meanwhile.

use chrono::{DateTime, Utc};

use super::{
    Appended, Chain, ChainError, FetchError, attic,
    chain::FRESH,
    race::{Rebased, rebase},
};
use crate::{
    failpoint::{self, Point},
    format::{ApplyError, Edit, Encoded, Identity, Manifest, Segment, SegmentError},
    model::{Digest, Offset, OffsetRange, Sequence},
    store::{Path, StoreError},
};

/// How often in a row others may append first.
pub(super) const RACES: u32 = 32;

/// Why a snapshot was not written.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The rows cannot be encoded: a defect, and they are gone from memory.
    #[error("the outcomes of {range} cannot be encoded: {source}")]
    Encode {
        /// The range.
        range: OffsetRange,
        /// Why.
        source: Box<SegmentError>,
    },
    /// Encoding panicked: a defect, and the rows are gone from memory.
    #[error("encoding the outcomes of {range} panicked")]
    Panicked {
        /// The range.
        range: OffsetRange,
    },
    /// An earlier attempt failed to encode the rows, or was dropped while it did: only a replay helps.
    #[error("the outcomes of {range} are no longer in memory")]
    Spent {
        /// The range.
        range: OffsetRange,
    },
    /// A segment cannot be put.
    #[error("cannot write the segment {path}: {source}")]
    Put {
        /// The segment.
        path: Path,
        /// Why.
        source: Box<StoreError>,
    },
    /// What was put cannot be read back.
    #[error("what was put cannot be read back: {0}")]
    ReadBack(#[from] FetchError),
    /// The chain cannot be continued.
    #[error(transparent)]
    Chain(#[from] ChainError),
}

impl SnapshotError {
    /// Whether the same call may succeed later: nothing is lost, the outcomes are still pending.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            SnapshotError::Put { source, .. } => source.is_retryable(),
            SnapshotError::ReadBack(FetchError::Store(source)) => source.is_retryable(),
            SnapshotError::Chain(error) => error.is_retryable(),
            _ => false,
        }
    }

    /// Whether it is the store that fails, not what is to be stored: the outcomes are still pending. Not all of that passes
    /// by itself: permissions, a bucket or a folder may need a person.
    #[must_use]
    pub fn is_about_the_store(&self) -> bool {
        let stores = matches!(
            self,
            SnapshotError::Put { .. } | SnapshotError::Chain(ChainError::Store(_))
        );
        stores || self.is_retryable()
    }
}

/// Outcomes on their way into the chain. They stay here until they are in it, so that an attempt that failed
/// because the store was away is simply made again.
#[derive(Debug)]
pub struct Pending {
    range: OffsetRange,
    state: State,
    put: Option<Put>,
    /// Segments that were put under a range that the chain has overtaken.
    abandoned: Vec<Path>,
}

#[derive(Debug)]
enum State {
    Encoded(Box<Encoded>),
    Spent,
}

/// The files of an edit on their way into the store.
#[derive(Debug)]
pub(super) struct Put {
    pub(super) segments: Vec<Segment>,
    /// When they were put.
    pub(super) at: Option<DateTime<Utc>>,
    /// The highest number of a manifest that was known before.
    pub(super) head: Option<Sequence>,
}

/// What [`write_snapshot`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The newest manifest now, ours or another's that covers everything that was pending.
    pub head: (Sequence, Digest),
    /// Where the chain ends now.
    pub end: Offset,
    /// The offsets that our manifest added; `None` when others had them all.
    pub appended: Option<OffsetRange>,
    /// The segments that it added.
    pub segments: Vec<Segment>,
    /// Whether another's manifest came first, so that ours was made again.
    pub rebased: bool,
}

impl From<Encoded> for Pending {
    fn from(encoded: Encoded) -> Pending {
        Pending {
            range: encoded.range,
            state: State::Encoded(Box::new(encoded)),
            put: None,
            abandoned: Vec::new(),
        }
    }
}

impl Pending {
    /// The offsets that are to be added.
    #[must_use]
    pub fn range(&self) -> OffsetRange {
        self.range
    }

    /// The memory of the files, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match &self.state {
            State::Encoded(encoded) => encoded.bytes(),
            State::Spent => 0,
        }
    }

    /// The files without the outcomes before `start`: decoded and encoded again, off the asynchronous threads, when there
    /// are any.
    async fn encode(
        &mut self,
        start: Offset,
        identity: &Identity,
    ) -> Result<Encoded, SnapshotError> {
        let range = self.range;
        let encoded = match std::mem::replace(&mut self.state, State::Spent) {
            State::Spent => return Err(SnapshotError::Spent { range }),
            State::Encoded(encoded) if start > range.start() => {
                let identity = identity.clone();
                let trimmed =
                    tokio::task::spawn_blocking(move || encoded.trim_before(start, &identity))
                        .await
                        .map_err(|_| SnapshotError::Panicked { range })?
                        .map_err(|source| SnapshotError::Encode {
                            range,
                            source: Box::new(source),
                        })?;
                let overtaken = self.put.take().into_iter().flat_map(|put| put.segments);
                self.abandoned.extend(overtaken.map(|segment| segment.path));
                trimmed
            }
            State::Encoded(encoded) => *encoded,
        };
        self.range = encoded.range;
        self.state = State::Encoded(Box::new(encoded.clone()));
        Ok(encoded)
    }

    /// Puts the files under names of their own; again when the last time is a while ago.
    async fn put(&mut self, chain: &Chain, encoded: &Encoded) -> Result<(), SnapshotError> {
        let put = self.put.get_or_insert_with(|| Put::new(chain, encoded));
        let points = [Point::SegmentsHalfPut, Point::SegmentsPut];
        put.files(chain, encoded, points).await
    }

    async fn sweep(&mut self, chain: &Chain) {
        sweep(chain, std::mem::take(&mut self.abandoned)).await;
    }
}

impl Put {
    /// Names for the files, none of which is put.
    pub(super) fn new(chain: &Chain, encoded: &Encoded) -> Put {
        let segments = encoded
            .segments()
            .map(|segment| segment.named(chain.layout(), chain.clock().segment_id()));
        Put {
            segments: segments.collect(),
            at: None,
            head: chain.tail().highest,
        }
    }

    /// Puts the files; again when the last time is a while ago. `points` are between two files and after the last.
    pub(super) async fn files(
        &mut self,
        chain: &Chain,
        encoded: &Encoded,
        points: [Point; 2],
    ) -> Result<(), SnapshotError> {
        let now = chain.clock().now();
        if self.at.is_some_and(|at| at <= now && now - at <= FRESH) {
            return Ok(());
        }
        for (index, (segment, file)) in self.segments.iter().zip(encoded.segments()).enumerate() {
            if index > 0 {
                failpoint::at(points[0]);
            }
            let result = chain.store().put(&segment.path, file.bytes.clone()).await;
            result.map_err(|source| SnapshotError::Put {
                path: segment.path.clone(),
                source: Box::new(source),
            })?;
        }
        failpoint::at(points[1]);
        self.at = Some(now);
        Ok(())
    }
}

/// The loser moves its own segments to the attic. Only those that no manifest lists: an attempt that
/// seemed to fail may have won, and what is listed belongs at its own path (I3). What fails here, the next owner's
/// tidying finishes.
pub(super) async fn sweep(chain: &Chain, abandoned: Vec<Path>) {
    for path in abandoned {
        let (store, layout) = (chain.store(), chain.layout());
        let listed = match chain.lists(&path).await {
            Ok(listed) => listed,
            Err(error) => {
                tracing::warn!(%path, %error, "it is not known whether a segment is listed, so it stays");
                continue;
            }
        };
        if listed {
            if let Err(error) = attic::restore_segment(store, layout, &path).await {
                tracing::warn!(%path, %error, "cannot check a listed segment");
            }
            continue;
        }
        match attic::retire(store, layout, &path).await {
            Ok(_) => failpoint::at(Point::LoserMoved),
            Err(error) => {
                tracing::warn!(%path, %error, "cannot move an overtaken segment to the attic");
            }
        }
    }
}

/// Brings pending outcomes into the chain: puts the segments, appends the manifest. When another's manifest came first, what it covers is trimmed and the rest is tried again.
///
/// After an error that [`SnapshotError::is_retryable`], call it again with the same `pending`. Dropping the
/// future is safe for the store; the outcomes may then have to be replayed.
///
/// # Errors
/// When the store is away, or the chain ends before the outcomes start ([`ChainError::Diverged`]).
pub async fn write_snapshot(
    chain: &mut Chain,
    pending: &mut Pending,
) -> Result<Written, SnapshotError> {
    if chain.is_unsure() {
        chain.reload().await?;
    }
    let mut rebased = false;
    for _ in 0..RACES {
        let end = chain.end().ok_or(ChainError::Apply(ApplyError::NotBound))?;
        let range = pending.range;
        match rebase(range, end) {
            Rebased::Diverged => return Err(diverged(chain, end, range).into()),
            Rebased::Covered => {
                let put = pending.put.take().into_iter().flat_map(|put| put.segments);
                pending.abandoned.extend(put.map(|segment| segment.path));
                pending.state = State::Spent;
                pending.sweep(chain).await;
                return Ok(written(chain, end, None, rebased));
            }
            Rebased::Append(_) => {}
        }
        let identity = chain.identity().clone();
        let encoded = pending.encode(end, &identity).await?;
        failpoint::at(Point::SnapshotEncoded);
        pending.put(chain, &encoded).await?;
        let put = pending.put.as_ref();
        let segments = put.map(|put| put.segments.clone()).unwrap_or_default();
        let edit = Edit::Append {
            range: encoded.range,
            segments,
            counts: encoded.counts,
            record: encoded.record.clone(),
        };
        match chain.append(edit, put.and_then(|put| put.at)).await? {
            Appended::Won { .. } => {
                pending.put = None;
                pending.state = State::Spent;
                pending.sweep(chain).await;
                chain.sweep_covered().await;
                let newest = chain.newest().into_iter();
                let segments = newest.flat_map(Manifest::added).cloned().collect();
                let added = Some((encoded.range, segments));
                return Ok(written(chain, encoded.range.end(), added, rebased));
            }
            Appended::Lost => {
                failpoint::at(Point::AppendLost);
                rebased = true;
            }
        }
    }
    Err(SnapshotError::Chain(ChainError::Outrun {
        partition: chain.partition(),
        races: RACES,
    }))
}

fn diverged(chain: &Chain, end: Offset, range: OffsetRange) -> ChainError {
    ChainError::Diverged {
        partition: chain.partition(),
        end,
        range,
    }
}

#[expect(
    clippy::expect_used,
    reason = "a chain with an end has a newest manifest"
)]
fn written(
    chain: &Chain,
    end: Offset,
    added: Option<(OffsetRange, Vec<Segment>)>,
    rebased: bool,
) -> Written {
    let head = chain.tail().head();
    let (appended, segments) = added.unzip();
    Written {
        head: head.expect("a chain with an end has a newest manifest"),
        end,
        appended,
        segments: segments.unwrap_or_default(),
        rebased,
    }
}

#[cfg(test)]
mod tests;
