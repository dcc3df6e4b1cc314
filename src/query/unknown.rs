//! Files beside ours: left alone by everything, and named as what they are.

use serde::Serialize;

use crate::store::{Entry, Store};

/// A file in the folders of a topic that snapback has not written, and that no reader of the documented globs reads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct UnknownFile {
    /// Its path, relative to the store's root.
    pub path: String,
    /// What it is, as far as its name says.
    pub what: &'static str,
}

impl UnknownFile {
    /// The file that a listing shows.
    #[must_use]
    pub fn of(entry: &Entry) -> UnknownFile {
        let path = entry.path.as_str();
        UnknownFile {
            path: path.to_owned(),
            what: what(path, entry.size),
        }
    }

    /// Where it is, for people.
    #[must_use]
    pub fn location(&self, store: &Store) -> String {
        match self.path.parse() {
            Ok(path) => store.locate(&path),
            Err(_) => self.path.clone(),
        }
    }
}

fn what(path: &str, size: u64) -> &'static str {
    let mut folders: Vec<&str> = path.split('/').collect();
    let name = folders.pop().unwrap_or_default();
    let within = |folder: &str| folders.contains(&folder);
    if within("_delta_log") {
        return "part of the log of a Delta table";
    }
    if within(".hoodie") {
        return "part of the log of a Hudi table";
    }
    if within("_spark_metadata") || within("_temporary") {
        return "left by a Spark job";
    }
    let ends_with = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
    match name {
        "_SUCCESS" => "the mark of a Spark or Hadoop job",
        ".DS_Store" | "Thumbs.db" | "desktop.ini" => "left by a file manager",
        _ if name.starts_with("._") => "left by a file manager",
        _ if name.starts_with("_committed_") || name.starts_with("_started_") => {
            "the mark of a Spark job"
        }
        _ if ends_with(&["_$folder$"]) => "the mark of a folder in a bucket",
        _ if size == 0 && name.starts_with("partition=") => "the mark of a folder in a bucket",
        _ if ends_with(&["~", ".swp", ".swo", ".bak", ".orig", ".old"]) => "an editor's backup",
        _ if ends_with(&[".crc"]) => "a checksum of Hadoop",
        _ if ends_with(&[".tmp", ".part", ".partial", ".crdownload"]) => "an unfinished copy",
        _ => "not written by snapback",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_as_what_it_is() {
        for (path, size, expected) in [
            ("t/results/_SUCCESS", 0, "Spark"),
            ("t/results/partition=0/.DS_Store", 9, "file manager"),
            ("t/results/partition=0/._x.parquet", 9, "file manager"),
            ("t/results/partition=0/a.parquet~", 9, "editor"),
            ("t/results/partition=0/.a.parquet.swp", 9, "editor"),
            ("t/results/partition=0/.a.parquet.crc", 9, "Hadoop"),
            ("t/results/_delta_log/00.checkpoint.parquet", 9, "Delta"),
            ("t/results/partition=0", 0, "folder in a bucket"),
            ("t/results/notes.txt", 9, "not written by snapback"),
        ] {
            let found = what(path, size);
            assert!(found.contains(expected), "{path}: {found}");
        }
    }
}
