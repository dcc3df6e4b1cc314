//! The jobs of a keeper that touch the chain: each takes it, and gives it back.

use std::sync::Arc;

use super::{
    super::{
        store_side::StoreSide,
        store_wait::{StoreWait, Until},
        watch::Reason,
    },
    append::append_until_done,
    done::{Done, Finished},
    handle::Shown,
};
use crate::{
    failpoint::{self, Point},
    format::{Accumulation, Edit, GapReason},
    history::{Chain, Pending, write_snapshot},
    recovery::{AcceptLoss, LossReason},
};

/// Closes the files of what was accumulated and stores them, trying again while the store is away.
pub async fn store(
    store_side: Arc<StoreSide>,
    mut chain: Box<Chain>,
    accumulation: Accumulation,
    shown: Arc<Shown>,
) -> Finished {
    let partition = chain.partition();
    let range = accumulation.range();
    let identity = chain.identity().clone();
    let encoded = store_side
        .encode(move || accumulation.close(&identity))
        .await;
    let mut pending = match encoded {
        Ok(encoded) => Pending::from(encoded),
        Err(error) => {
            let reason = format!("the outcomes of {range} cannot be encoded: {error}");
            return Finished::new(chain, Done::NotStored(reason));
        }
    };
    shown.storing.set(pending.bytes());
    let mut wait = StoreWait::of_keeper(&store_side, "snapshots", partition, Until::Abort);
    loop {
        let error = match write_snapshot(&mut chain, &mut pending).await {
            Ok(written) => {
                failpoint::at(Point::SnapshotStored);
                tracing::debug!("partition {partition}: snapshot of {range} stored");
                return Finished::new(chain, Done::Stored(written.segments));
            }
            Err(error) => error,
        };
        if !error.is_about_the_store() {
            return Finished::new(chain, Done::NotStored(error.to_string()));
        }
        store_side.board.snapshot_failed();
        let text =
            format!("partition {partition}: the snapshot of {range} cannot be stored yet: {error}");
        if !wait.again(Reason::Store, error.is_retryable(), &text).await {
            return Finished::new(chain, Done::GivenUp);
        }
    }
}

/// Records an accepted gap, now that the group's offset lies after it (I1).
pub async fn record_loss(
    store_side: Arc<StoreSide>,
    mut chain: Box<Chain>,
    loss: AcceptLoss,
) -> Finished {
    let (partition, range) = (chain.partition(), loss.range);
    tracing::warn!("partition {partition}: {range} is recorded as lost, as the operator said");
    failpoint::at(Point::LossBegun);
    let reason = match loss.reason {
        LossReason::Expired => GapReason::Expired,
        LossReason::Foreign => GapReason::Foreign,
        LossReason::Changed => GapReason::Compacted,
        LossReason::Unreadable => GapReason::Unreadable,
        LossReason::Refused => GapReason::Refused,
    };
    let edit = Edit::AcceptLoss { range, reason };
    // Lost: another's edit came first; the facts, gathered anew, tell whether it was this one.
    let done = match append_until_done(&store_side, &mut chain, edit).await {
        Some(_) => Done::LossRecorded,
        None => Done::GivenUp,
    };
    Finished::new(chain, done)
}

/// Looks for manifests that others have added: their corrections are the owner's to publish.
pub async fn look(mut chain: Box<Chain>) -> Finished {
    if let Err(error) = chain.reload().await {
        let partition = chain.partition();
        tracing::debug!("partition {partition}: its chain cannot be looked at: {error}");
    }
    Finished::new(chain, Done::Looked)
}
