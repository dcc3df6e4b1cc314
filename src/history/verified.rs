//! What a scrub knows of one partition, read from beside its chain.

use super::of_the_object;
use crate::{
    format::{Layout, Verified},
    model::Partition,
    store::{Store, StoreError},
};

/// When each live segment was last verified, as far as that is known: what cannot be read says nothing, and fails nobody.
///
/// # Errors
/// When the store does not answer.
pub async fn load_verified(
    store: &Store,
    layout: &Layout,
    partition: Partition,
) -> Result<Verified, StoreError> {
    let path = layout.verified(partition);
    let read = of_the_object(store.get(&path, Verified::MOST_BYTES).await)?;
    Ok(read.map_or_else(Verified::default, |bytes| Verified::decode(&bytes)))
}
