//! Stand-in until the branch w/store is merged.
#![allow(missing_docs, clippy::unused_async)]

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
    time::SystemTime,
};

use bytes::Bytes;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(String);

#[derive(Debug, thiserror::Error)]
#[error("bad path {0}")]
pub struct PathError(String);

impl Path {
    pub fn parse(text: &str) -> Result<Path, PathError> {
        let text = text.to_owned();
        let ok = text
            .split('/')
            .all(|part| !part.is_empty() && part != "." && part != "..");
        if ok {
            Ok(Path(text))
        } else {
            Err(PathError(text))
        }
    }
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{0} not found")]
    NotFound(Path),
    #[error("{0} too large")]
    TooLarge(Path),
    #[error("{0} ambiguous")]
    Ambiguous(Path),
}

impl StoreError {
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, StoreError::NotFound(_))
    }
    #[must_use]
    pub fn is_ambiguous(&self) -> bool {
        matches!(self, StoreError::Ambiguous(_))
    }
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.is_ambiguous()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    Created,
    Exists,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    Moved,
    SourceMissing,
}

#[derive(Clone, Debug)]
pub struct Entry {
    pub path: Path,
    pub size: u64,
    pub modified: SystemTime,
}

#[derive(Clone, Debug, Default)]
pub struct Store {
    objects: Arc<Mutex<BTreeMap<Path, (Bytes, SystemTime)>>>,
}

impl Store {
    #[must_use]
    pub fn memory() -> Store {
        Store::default()
    }
    pub async fn put(&self, path: &Path, bytes: Bytes) -> Result<(), StoreError> {
        let mut objects = self.objects.lock().expect("no panics");
        objects.insert(path.clone(), (bytes, SystemTime::now()));
        Ok(())
    }
    pub async fn create(&self, path: &Path, bytes: Bytes) -> Result<Created, StoreError> {
        let mut objects = self.objects.lock().expect("no panics");
        if objects.contains_key(path) {
            return Ok(Created::Exists);
        }
        objects.insert(path.clone(), (bytes, SystemTime::now()));
        Ok(Created::Created)
    }
    pub async fn get(&self, path: &Path, max: u64) -> Result<Bytes, StoreError> {
        let objects = self.objects.lock().expect("no panics");
        let found = objects.get(path).map(|(bytes, _)| bytes.clone());
        let found = found.ok_or_else(|| StoreError::NotFound(path.clone()))?;
        if found.len() as u64 > max {
            return Err(StoreError::TooLarge(path.clone()));
        }
        Ok(found)
    }
    pub async fn head(&self, path: &Path) -> Result<Option<u64>, StoreError> {
        let objects = self.objects.lock().expect("no panics");
        Ok(objects.get(path).map(|(bytes, _)| bytes.len() as u64))
    }
    pub async fn list(&self, prefix: &Path) -> Result<Vec<Entry>, StoreError> {
        let objects = self.objects.lock().expect("no panics");
        let prefix = format!("{prefix}/");
        let matching = objects
            .iter()
            .filter(|(path, _)| path.0.starts_with(&prefix));
        Ok(matching
            .map(|(path, (bytes, modified))| Entry {
                path: path.clone(),
                size: bytes.len() as u64,
                modified: *modified,
            })
            .collect())
    }
    pub async fn rename(&self, from: &Path, to: &Path) -> Result<Moved, StoreError> {
        let mut objects = self.objects.lock().expect("no panics");
        match objects.remove(from) {
            Some(object) => {
                objects.insert(to.clone(), object);
                Ok(Moved::Moved)
            }
            None => Ok(Moved::SourceMissing),
        }
    }
    pub async fn delete(&self, path: &Path) -> Result<(), StoreError> {
        self.objects.lock().expect("no panics").remove(path);
        Ok(())
    }
    #[must_use]
    pub fn locate(&self, path: &Path) -> String {
        format!("memory:{path}")
    }
}
