//! Parts of objects, for who needs little of a large one.

use std::ops::Range;

use bytes::Bytes;
use object_store::{GetOptions, GetRange};

use super::{Path, Store, StoreError, classify::GET, patience::deadline};

impl Store {
    /// The last bytes of an object, no more than `most`, and its size: one request.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or that the store cannot be read.
    pub async fn get_end(&self, path: &Path, most: u64) -> Result<(Bytes, u64), StoreError> {
        self.get_part(path, GetRange::Suffix(most), most).await
    }

    /// These bytes of an object that is known to have them: one request.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or that the store cannot be read.
    pub async fn get_range(&self, path: &Path, range: Range<u64>) -> Result<Bytes, StoreError> {
        let length = range.end.saturating_sub(range.start);
        let part = GetRange::Bounded(range);
        let (bytes, _) = self.get_part(path, part, length).await?;
        Ok(bytes)
    }

    async fn get_part(
        &self,
        path: &Path,
        part: GetRange,
        most: u64,
    ) -> Result<(Bytes, u64), StoreError> {
        let key = self.place.key(path);
        let read = || async {
            let options = GetOptions {
                range: Some(part.clone()),
                ..GetOptions::default()
            };
            let object = self.backend.get_opts(&key, options);
            let object = self.call(GET, path, deadline(0), object).await?;
            let size = object.meta.size;
            let stated = object.range.end.saturating_sub(object.range.start);
            let bytes = self.call(GET, path, deadline(most), object.bytes()).await?;
            self.whole(path, stated, bytes.len() as u64)?;
            Ok((bytes, size))
        };
        self.patience.persist(read).await
    }
}
