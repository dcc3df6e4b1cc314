//! A range that was made anew, on its way into the chain: one attempt, so that between two a snapshot may go first.

use std::time::Duration;

use super::work::{Site, Waits};
use crate::{
    format::Segment,
    history::{Chain, Repair, Repaired, SnapshotError, write_repair},
    model::OffsetRange,
};

/// What tidying up may take of work that is given up.
const GIVE_UP: Duration = Duration::from_secs(2);

/// What has become of it.
pub enum Brought {
    /// It is in the chain, with these segments.
    Done(Vec<Segment>),
    /// Another has changed the range meanwhile.
    Overtaken,
    /// It can never be: the store is not the reason.
    Refused(SnapshotError),
    /// The store refused it for now: the same repair may be brought again.
    Waits(Waits),
}

/// Brings a repair of `range` into the chain; `doing` says for people what waits for the store: `merging`.
pub async fn bring(
    site: &Site,
    chain: &mut Chain,
    (range, repair): (OffsetRange, &mut Repair),
    doing: &'static str,
) -> Brought {
    let partition = site.partition;
    let error = match write_repair(chain, repair).await {
        Ok(Repaired::Done(segments)) => return Brought::Done(segments),
        Ok(Repaired::Overtaken) => {
            tracing::info!("partition {partition}: another has changed {range} meanwhile");
            return Brought::Overtaken;
        }
        Err(error) => error,
    };
    if !error.is_about_the_store() {
        give_up(chain, repair).await;
        return Brought::Refused(error);
    }
    Brought::Waits(Waits {
        kind: doing,
        passes: error.is_retryable(),
        text: format!("partition {partition}: {doing} {range} waits: {error}"),
    })
}

/// Moves away what was put for nothing, if there is time; the next owner's tidying does it otherwise.
async fn give_up(chain: &mut Chain, repair: &mut Repair) {
    let given_up = repair.give_up(chain);
    if let Ok(Err(error)) = tokio::time::timeout(GIVE_UP, given_up).await {
        tracing::debug!("what was stored of a repair stays for the next owner: {error}");
    }
}
