//! Edits that must be in the chain before work goes on.

use super::super::{
    store_side::StoreSide,
    store_wait::{StoreWait, Until},
    watch::Reason,
};
use crate::{
    format::Edit,
    history::{Appended, Chain, ChainError},
};

/// Appends `edit`, waiting out a store that is away; `None` when the processor stops first. `Lost` means that another
/// edit came first, of a process that has or had this partition, or of another pipeline.
pub async fn append_until_done(
    store_side: &StoreSide,
    chain: &mut Chain,
    edit: Edit,
) -> Option<Appended> {
    let partition = [chain.partition()];
    let mut wait = StoreWait::of_recovery(store_side, "an edit", &partition, Until::Stop);
    loop {
        let error = match chain.append(edit.clone(), None).await {
            Ok(appended) => return Some(appended),
            // The chain is not the one that the edit was made for: as if another's edit had come first.
            Err(ChainError::Apply(error)) => {
                tracing::warn!("{error}");
                return Some(Appended::Lost);
            }
            Err(error) => error,
        };
        let text = format!("recovery waits: {error}");
        if !wait.again(Reason::Store, error.is_retryable(), &text).await {
            return None;
        }
    }
}
