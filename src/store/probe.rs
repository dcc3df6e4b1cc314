//! Whether a store does what the chain of manifests rests on.

use bytes::Bytes;

use super::{Created, Path, Store, StoreError};

impl Store {
    /// Makes sure that the store is writable and that [`Store::create`] does not overwrite: some
    /// servers ignore the condition, and two processes would destroy each other's manifests.
    ///
    /// # Errors
    /// [`StoreError::IgnoresPutIfAbsent`], or that the store cannot be written.
    pub async fn probe_put_if_absent(&self) -> Result<(), StoreError> {
        let probe = Path::probe(rand::random());
        let (first, second) = (Bytes::from_static(b"first"), Bytes::from_static(b"second"));
        // Nobody else has this name: "exists" is our own attempt that arrived after all.
        let created = self
            .patience
            .persist(|| async { self.create(&probe, first.clone()).await })
            .await;
        let refused = match created {
            Ok(_) => {
                self.patience
                    .persist(|| async { self.create(&probe, second.clone()).await })
                    .await
            }
            Err(error) => return Err(error),
        };
        let kept = self.get(&probe, 1 << 10).await;
        self.delete(&probe).await?;
        if refused? == Created::Exists && kept? == first {
            Ok(())
        } else {
            Err(StoreError::IgnoresPutIfAbsent {
                location: self.uri(),
            })
        }
    }
}
