//! From outcomes that can be had from nowhere any more to a gap in the chain, whoever else appends meanwhile.

use super::{
    Appended, Chain, ChainError, listed::find_page, race::are_live, repair::retire, write::RACES,
};
use crate::{
    failpoint::{self, Point},
    format::{ApplyError, Edit, Gap, GapReason, Page, Segment},
    model::OffsetRange,
};

/// What became of a range that was to be given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivenUp {
    /// It is a gap.
    Done,
    /// Another edit has changed the range meanwhile: what is live there is not what was to be given up.
    Overtaken,
}

/// Makes a gap of `range`, whose live results and rejects `replaced` are, and moves what is left of their files to the attic.
///
/// After an error that [`ChainError::is_retryable`], call it again. Dropping the future is safe for the store: the next
/// owner's tidying moves the files.
///
/// # Errors
/// When the store is away, or the edit does not fit.
pub async fn give_up(
    chain: &mut Chain,
    range: OffsetRange,
    reason: GapReason,
    replaced: &[Segment],
) -> Result<GivenUp, ChainError> {
    if chain.is_unsure() {
        chain.reload().await?;
    }
    for _ in 0..RACES {
        let newest = chain.newest();
        let mut gaps = newest.into_iter().flat_map(|newest| &newest.gaps);
        if gaps.any(|gap: &Gap| gap.range == range) {
            // An attempt that seemed to fail had won, or another did the same.
            retire(chain, replaced).await;
            return Ok(GivenUp::Done);
        }
        let live = newest.into_iter().flat_map(|newest| newest.open.files());
        if !are_live(replaced, live) {
            let is_live = |page: &Page| are_live(replaced, page.files());
            let Some(page) = find_page(chain, range, is_live).await? else {
                return Ok(GivenUp::Overtaken);
            };
            // Only what is in the open list is changed.
            _ = chain.append(Edit::Reopen { page }, None).await?;
            continue;
        }
        let edit = Edit::GiveUp {
            range,
            reason,
            replaced: replaced.to_vec(),
        };
        match chain.append(edit, None).await {
            // Not all that is live in the range was to be given up.
            Err(ChainError::Apply(ApplyError::NotLive { .. })) => return Ok(GivenUp::Overtaken),
            Err(error) => return Err(error),
            Ok(Appended::Won { .. }) => {
                failpoint::at(Point::LossAccepted);
                retire(chain, replaced).await;
                return Ok(GivenUp::Done);
            }
            Ok(Appended::Lost) => {}
        }
    }
    Err(ChainError::Outrun {
        partition: chain.partition(),
        races: RACES,
    })
}

#[cfg(test)]
mod tests;
