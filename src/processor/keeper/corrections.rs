//! Reading the next corrections for the worker to publish. In memory at a time: a small file, or a row group of a large one.

use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use bytes::Bytes;

use super::{
    super::{
        partition::Loaded,
        store_side::StoreSide,
        store_wait::{StoreWait, Until},
        watch::Reason,
    },
    done::{Done, Finished},
    handle::Shown,
};
use crate::{
    failpoint::{self, Point},
    format::{RowsPlace, Segment, SegmentError, read_segment, rows_size, split_corrections},
    history::{Chain, ComparedSegment, FetchError, PendingCorrections, fetch_segment},
};

/// The most corrections in one transaction.
const MOST_ROWS: usize = 50_000;
/// The most memory that they may take, in bytes, unless one row takes more.
const MOST_BYTES: usize = 8 << 20;

/// Of a larger file only the row group is read that has the next corrections: it may have millions of them.
const LARGE: u64 = 4 << 20;

/// Why corrections cannot be read.
#[derive(Debug, thiserror::Error)]
enum LoadError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Segment(#[from] SegmentError),
    #[error("reading it failed: {0}")]
    Panicked(#[from] tokio::task::JoinError),
    #[error("it ends before row {from}")]
    Short { from: u64 },
}

/// Reads the next corrections, waiting out a store that is away.
pub async fn load(
    store_side: Arc<StoreSide>,
    chain: Box<Chain>,
    pending: PendingCorrections,
    shown: Arc<Shown>,
    known: LargeFile,
) -> Finished {
    let partition = chain.partition();
    let until = Until::Leave(Arc::clone(&shown.leaving));
    let mut wait = StoreWait::of_keeper(&store_side, "corrections", partition, until);
    loop {
        let error = match read(&chain, &pending, (LARGE, &known)).await {
            Ok(loaded) => {
                failpoint::at(Point::CorrectionsLoaded);
                return Finished::new(chain, Done::Loaded(Some(Box::new(loaded))));
            }
            Err(error) => error,
        };
        let LoadError::Fetch(FetchError::Store(store)) = &error else {
            tracing::error!(
                "partition {partition}: the corrections of revision {} cannot be published: {error}; bring the file back from a copy and start again",
                pending.sequence
            );
            return Finished::new(chain, Done::Loaded(None));
        };
        let text = format!("corrections wait: {error}");
        if !wait.again(Reason::Store, store.is_retryable(), &text).await {
            return Finished::new(chain, Done::GivenUp);
        }
    }
}

/// A file of corrections that is too large to be read again for each transaction: what is known of it since it was compared with its
/// digest.
#[derive(Clone, Default)]
pub struct LargeFile(Arc<Mutex<Option<Arc<ComparedSegment>>>>);

impl LargeFile {
    fn of(&self, segment: &Segment) -> Option<Arc<ComparedSegment>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.clone().filter(|known| *known.path() == segment.path)
    }

    fn set(&self, known: Option<Arc<ComparedSegment>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = known;
    }
}

async fn read(
    chain: &Chain,
    pending: &PendingCorrections,
    (large, known): (u64, &LargeFile),
) -> Result<Loaded, LoadError> {
    let pending = pending.clone();
    if pending.segment.bytes > large
        && let Some((known, place, part)) = part_of(chain, &pending, known).await?
    {
        let work = move || next_rows(known.rows(&place, part)?, 0, &pending);
        return tokio::task::spawn_blocking(work).await?;
    }
    let file = fetch_segment(chain.store(), chain.layout(), &pending.segment).await?;
    let work = move || next_rows(read_segment(file.bytes)?, pending.from, &pending);
    tokio::task::spawn_blocking(work).await?
}

/// The part of a large file that has the next rows; `None` when it is to be read as a whole, which says what is wrong.
async fn part_of(
    chain: &Chain,
    pending: &PendingCorrections,
    large_file: &LargeFile,
) -> Result<Option<(Arc<ComparedSegment>, RowsPlace, Bytes)>, LoadError> {
    let (segment, from) = (&pending.segment, pending.from);
    let known = match large_file.of(segment) {
        Some(known) => known,
        None => {
            let compared = ComparedSegment::compare(chain.store(), chain.layout(), segment).await;
            let Some(known) = compared.map_err(FetchError::from)? else {
                return Ok(None);
            };
            let known = Arc::new(known);
            large_file.set(Some(Arc::clone(&known)));
            known
        }
    };
    let place = known.rows_from(from).ok_or(LoadError::Short { from })?;
    let part = known.part(&place).await.map_err(FetchError::from)?;
    Ok(part.map(|part| (known, place, part)))
}

/// The next rows of `batches`, after `skip` of them.
fn next_rows(
    batches: impl Iterator<Item = Result<RecordBatch, SegmentError>>,
    mut skip: u64,
    pending: &PendingCorrections,
) -> Result<Loaded, LoadError> {
    for batch in batches {
        let batch = batch?;
        let rows = batch.num_rows() as u64;
        if rows <= skip {
            skip -= rows;
            continue;
        }
        let from = usize::try_from(skip).unwrap_or(usize::MAX);
        let mut count = (batch.num_rows() - from).min(MOST_ROWS);
        let mut part = batch.slice(from, count);
        while count > 1 && rows_size(&part) > MOST_BYTES {
            count /= 2;
            part = batch.slice(from, count);
        }
        let rows = split_corrections(&part)?;
        let progress = pending.published(count as u64);
        return Ok(Loaded { rows, progress });
    }
    Err(LoadError::Short { from: pending.from })
}

#[cfg(test)]
mod tests;
