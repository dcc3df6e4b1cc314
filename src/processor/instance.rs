//! The name of this process in the group: given by the operator, or the host and the lowest free slot.
//!
//! A name must be held by one living process at a time, and must be the same after a crash: the broker then
//! takes the restarted process back at once, and its first call ends the dead one's open transaction.

use std::{
    fs::{File, OpenOptions, TryLockError},
    path::{Path, PathBuf},
};

use crate::model::Digest;

/// More processes of one pipeline on one host than this is a mistake in a supervisor, not a deployment.
const SLOTS: usize = 256;

/// The name of this process; it holds the slot's lock file until it is dropped.
#[derive(Debug)]
pub struct Instance {
    name: String,
    _lock: Option<File>,
}

/// No name could be taken.
#[derive(Debug, thiserror::Error)]
pub enum InstanceError {
    /// The lock file cannot be made.
    #[error(
        "cannot create the lock file {path}: {source}; make the folder writable or name this process with --instance"
    )]
    LockFile {
        /// The lock file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Every slot is taken.
    #[error(
        "{SLOTS} processes of this pipeline run on this host already (lock files {pattern}); name this one with --instance"
    )]
    NoFreeSlot {
        /// The lock files that were tried.
        pattern: String,
    },
}

impl Instance {
    /// The name that the operator gave, unchecked: the broker fences the older of two.
    #[must_use]
    pub fn named(name: &str) -> Instance {
        Instance {
            name: name.to_owned(),
            _lock: None,
        }
    }

    /// `<host>-<slot>` with the lowest slot whose lock file in `folder` is free for `pipeline` (any text that
    /// tells pipelines apart). The operating system frees the lock when the process ends, however it ends.
    ///
    /// # Errors
    /// When the lock file cannot be made or every slot is taken.
    pub fn claim(folder: &Path, host: &str, pipeline: &str) -> Result<Instance, InstanceError> {
        let digest = Digest::of(pipeline.as_bytes()).to_string();
        let stem = format!("snapback-{}", &digest["sha256:".len()..][..12]);
        for slot in 0..SLOTS {
            let path = folder.join(format!("{stem}-{slot}.lock"));
            let opened = OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .open(&path);
            let file = match opened {
                Ok(file) => file,
                // Another user's: whether a process of theirs lives cannot be told, so the slot counts as taken.
                Err(_) if path.exists() => continue,
                Err(source) => return Err(InstanceError::LockFile { path, source }),
            };
            match file.try_lock() {
                Ok(()) => {
                    return Ok(Instance {
                        name: format!("{host}-{slot}"),
                        _lock: Some(file),
                    });
                }
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(source)) => {
                    return Err(InstanceError::LockFile { path, source });
                }
            }
        }
        Err(InstanceError::NoFreeSlot {
            pattern: folder.join(format!("{stem}-*.lock")).display().to_string(),
        })
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of a worker among all clients of the cluster: `group.events.instance.worker`. Where a part has a dot of its
    /// own, others could be joined to the same text (`a` and `b.c`, `a.b` and `c`): a digest of the parts follows.
    #[must_use]
    pub fn worker_name(&self, group: &str, events: &str, worker: usize) -> String {
        let parts = [group, events, self.name()];
        let joined = format!("{}.{worker}", parts.join("."));
        if !parts.iter().any(|part| part.contains('.')) {
            return joined;
        }
        // No part can have this byte: Kafka's names cannot, and neither can an argument or a variable.
        let digest = Digest::of(parts.join("\0").as_bytes()).to_string();
        let (_, digits) = digest.split_once(':').unwrap_or(("", &digest));
        let digits: String = digits.chars().take(8).collect();
        format!("{joined}.{digits}")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_second_process_takes_the_next_slot_and_a_freed_slot_is_taken_again() {
        let folder = tempfile::tempdir().unwrap();
        let first = Instance::claim(folder.path(), "host", "pipeline").unwrap();
        let second = Instance::claim(folder.path(), "host", "pipeline").unwrap();
        assert_eq!((first.name(), second.name()), ("host-0", "host-1"));
        drop(first);
        let again = Instance::claim(folder.path(), "host", "pipeline").unwrap();
        assert_eq!(again.name(), "host-0");
    }

    #[test]
    fn a_lock_file_that_cannot_be_opened_counts_as_taken() {
        let folder = tempfile::tempdir().unwrap();
        drop(Instance::claim(folder.path(), "host", "pipeline").unwrap());
        let entry = std::fs::read_dir(folder.path()).unwrap().next().unwrap();
        let path = entry.unwrap().path();
        // For root, who may open every file.
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        let next = Instance::claim(folder.path(), "host", "pipeline").unwrap();
        assert_eq!(next.name(), "host-1");
    }

    #[test]
    fn pipelines_do_not_share_slots() {
        let folder = tempfile::tempdir().unwrap();
        let one = Instance::claim(folder.path(), "host", "a").unwrap();
        let other = Instance::claim(folder.path(), "host", "b").unwrap();
        assert_eq!((one.name(), other.name()), ("host-0", "host-0"));
    }

    #[test]
    fn names_of_different_pipelines_never_meet() {
        let name =
            |group, events, instance| Instance::named(instance).worker_name(group, events, 0);
        assert_eq!(name("g", "events", "host-0"), "g.events.host-0.0");
        let met = [
            ("a", "b.c", "h"),
            ("a.b", "c", "h"),
            ("a", "b", "c.h"),
            ("a.b.c", "h", "h"),
        ];
        let names: BTreeSet<String> = met.iter().map(|(g, e, i)| name(g, e, i)).collect();
        assert_eq!(names.len(), met.len(), "{names:?}");
        // Rights are given to what begins like this.
        assert!(
            names
                .iter()
                .take(2)
                .all(|name| name.starts_with("a.b.c.h.0."))
        );
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = Instance::claim(Path::new("/nonexistent"), "host", "a").unwrap_err();
        assert!(error.to_string().contains("/nonexistent/snapback-"));
    }
}
