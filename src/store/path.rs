//! Paths of objects, relative to the root of a store, valid on every back end.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::folder::STAGING;

/// The longest path, in bytes: what S3 allows for a key, less room for the root's prefix.
const MAX_PATH: usize = 900;

/// The longest part of a path, in bytes: what common file systems allow for a name.
const MAX_PART: usize = 255;

/// Where an object is, relative to the root of its store: parts separated by `/`.
///
/// A path that exists is valid: it cannot leave the root, has no empty part, and means the same file
/// on a disk and the same key in a bucket, byte for byte (so `partition=3` stays `partition=3`).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Path(String);

/// Why a text is not a [`Path`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path:?} is not a path inside a store: {reason}")]
pub struct PathError {
    /// The text that was given.
    pub path: String,
    /// What is wrong with it.
    pub reason: PathFault,
}

/// What is wrong with a text that should be a [`Path`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathFault {
    /// Nothing at all, or nothing between two slashes, before the first, or after the last.
    #[error("it has an empty part")]
    EmptyPart,
    /// `.` or `..`, which would lead elsewhere.
    #[error("'.' and '..' are not allowed")]
    Relative,
    /// A control character, a backslash or a `#`, which back ends treat differently.
    #[error("control characters, '\\' and '#' are not allowed")]
    Character,
    /// Longer than a file system or S3 takes.
    #[error("it is too long (at most {MAX_PART} bytes between two slashes, {MAX_PATH} in all)")]
    TooLong,
    /// Inside the folder for files being written.
    #[error("'{STAGING}' is reserved")]
    Reserved,
}

impl Path {
    /// Checks a path.
    ///
    /// # Errors
    /// When it is absolute, empty, has an empty part, `.`, `..`, a forbidden character, or is too long.
    pub fn parse(path: &str) -> Result<Path, PathError> {
        match fault(path) {
            None => Ok(Path(path.to_owned())),
            Some(reason) => Err(PathError {
                path: path.to_owned(),
                reason,
            }),
        }
    }

    /// The root of the store, which as a prefix holds everything. It is the only path without parts.
    #[must_use]
    pub const fn root() -> Path {
        Path(String::new())
    }

    /// Where a probe that nobody else has is written.
    pub(super) fn probe(random: u128) -> Path {
        Path(format!("_probe/{random:032x}"))
    }

    /// This path followed by `rest`, which may have several parts.
    ///
    /// # Errors
    /// When `rest` is not a path, or the two together are too long.
    pub fn join(&self, rest: &str) -> Result<Path, PathError> {
        if self.0.is_empty() {
            Path::parse(rest)
        } else {
            Path::parse(&format!("{}/{rest}", self.0))
        }
    }

    /// The path as text, without a leading or trailing slash; empty for the root.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last part; `None` for the root.
    #[must_use]
    pub fn file_name(&self) -> Option<&str> {
        self.0.rsplit('/').next().filter(|name| !name.is_empty())
    }

    /// What remains of this path below `prefix`, or `None` when it is not below it. Parts are
    /// compared whole: `partition=10` is not below `partition=1`.
    #[must_use]
    pub fn below(&self, prefix: &Path) -> Option<&str> {
        if prefix.0.is_empty() {
            return Some(&self.0)
                .filter(|rest| !rest.is_empty())
                .map(String::as_str);
        }
        self.0.strip_prefix(&prefix.0)?.strip_prefix('/')
    }
}

fn fault(path: &str) -> Option<PathFault> {
    let forbidden = |c: char| c.is_control() || c == '\\' || c == '#';
    if path.len() > MAX_PATH || path.split('/').any(|part| part.len() > MAX_PART) {
        Some(PathFault::TooLong)
    } else if path.split('/').any(str::is_empty) {
        Some(PathFault::EmptyPart)
    } else if path.split('/').any(|part| part == "." || part == "..") {
        Some(PathFault::Relative)
    } else if path.chars().any(forbidden) {
        Some(PathFault::Character)
    } else if path.split('/').next() == Some(STAGING) {
        Some(PathFault::Reserved)
    } else {
        None
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Path({:?})", self.0)
    }
}

impl FromStr for Path {
    type Err = PathError;

    fn from_str(path: &str) -> Result<Path, PathError> {
        Path::parse(path)
    }
}

impl TryFrom<String> for Path {
    type Error = PathError;

    fn try_from(path: String) -> Result<Path, PathError> {
        Path::parse(&path)
    }
}

impl From<Path> for String {
    fn from(path: Path) -> String {
        path.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_that_could_leave_the_root_is_refused() {
        let cases = [
            ("", PathFault::EmptyPart),
            ("/etc/passwd", PathFault::EmptyPart),
            ("a//b", PathFault::EmptyPart),
            ("a/", PathFault::EmptyPart),
            ("..", PathFault::Relative),
            ("a/../b", PathFault::Relative),
            ("./a", PathFault::Relative),
            ("a\\..\\b", PathFault::Character),
            ("a\nb", PathFault::Character),
            ("a\0b", PathFault::Character),
            ("a\u{85}b", PathFault::Character),
            ("a#1", PathFault::Character),
            (".staging/a", PathFault::Reserved),
        ];
        for (path, reason) in cases {
            assert_eq!(Path::parse(path).unwrap_err().reason, reason, "{path:?}");
            assert!(serde_json::from_value::<Path>(path.into()).is_err());
        }
        let long = "a".repeat(MAX_PART + 1);
        assert_eq!(Path::parse(&long).unwrap_err().reason, PathFault::TooLong);
    }

    #[test]
    fn parts_are_compared_whole() {
        let path = Path::parse("t/results/partition=10/a.parquet").unwrap();
        let below = |prefix: &str| path.below(&Path::parse(prefix).unwrap());
        assert_eq!(below("t/results/partition=1"), None);
        assert_eq!(below("t/results/partition=10"), Some("a.parquet"));
        assert_eq!(below("t/results/partition=10/a.parquet"), None);
        assert_eq!(path.below(&Path::root()), Some(path.as_str()));
        assert_eq!(Path::root().below(&Path::root()), None);
        assert_eq!(path.file_name(), Some("a.parquet"));
        assert_eq!(Path::root().file_name(), None);
    }

    proptest! {
        #[test]
        fn every_path_is_one_to_the_back_ends_and_stays_below_a_folder(text in ".{0,40}") {
            if let Ok(path) = Path::parse(&text) {
                let object = object_store::path::Path::parse(path.as_str()).unwrap();
                prop_assert_eq!(object.as_ref(), path.as_str());
                let disk = std::path::Path::new("/root").join(path.as_str());
                prop_assert!(disk.starts_with("/root"));
                prop_assert!(disk.components().count() == 2 + path.as_str().split('/').count());
            }
        }
    }
}
