//! Reading the next corrections for the worker to publish.

use std::sync::Arc;

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
    format::{SegmentError, read_segment, rows_size, split_corrections},
    history::{Chain, FetchError, PendingCorrections, fetch_segment},
};

/// The most corrections in one transaction.
const MOST_ROWS: usize = 50_000;
/// The most memory that they may take, in bytes, unless one row takes more.
const MOST_BYTES: usize = 8 << 20;

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
) -> Finished {
    let partition = chain.partition();
    let until = Until::Leave(Arc::clone(&shown.leaving));
    let mut wait = StoreWait::of_keeper(&store_side, "corrections", partition, until);
    loop {
        let error = match read(&chain, &pending).await {
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

async fn read(chain: &Chain, pending: &PendingCorrections) -> Result<Loaded, LoadError> {
    let file = fetch_segment(chain.store(), chain.layout(), &pending.segment).await?;
    let pending = pending.clone();
    tokio::task::spawn_blocking(move || {
        let mut skip = pending.from;
        for batch in read_segment(file.bytes)? {
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
    })
    .await?
}
