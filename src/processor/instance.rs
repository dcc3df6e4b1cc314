//! The name of this process in the group: given by the operator, or the host and the lowest free slot.
//!
//! A name must be held by one living process at a time, and must be the same after a crash: the broker then
//! takes the restarted process back at once, and its first call ends the dead one's open transaction.
//!
//! A lock file tells who lives on this host. Whether a member of the group is the dead predecessor or lives elsewhere under the
//! same host name, the ids tell that the group gave to the members of this slot: they are kept in that file.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions, TryLockError},
    io::{Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use crate::model::Digest;

/// More processes of one pipeline on one host than this is a mistake in a supervisor, not a deployment.
const SLOTS: usize = 256;

/// More of a lock file than this is not ours.
const MAX_LOCK_FILE: u64 = 64 << 10;

/// The name of this process; it holds the slot's lock file until it is dropped.
#[derive(Debug)]
pub struct Instance {
    name: String,
    slot: Option<Slot>,
}

/// A slot of this host, and the ids of its members by their names.
#[derive(Debug)]
struct Slot {
    host: Host,
    number: usize,
    lock: Mutex<(File, BTreeMap<String, String>)>,
}

/// Where the lock files of one pipeline are, and how the names of this host begin.
#[derive(Clone, Debug)]
struct Host {
    folder: PathBuf,
    name: String,
    stem: String,
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
            slot: None,
        }
    }

    /// `<host>-<slot>` with the lowest slot whose lock file in `folder` is free for `pipeline` (any text that
    /// tells pipelines apart). The operating system frees the lock when the process ends, however it ends.
    ///
    /// # Errors
    /// When the lock file cannot be made or every slot is taken.
    pub fn claim(folder: &Path, host: &str, pipeline: &str) -> Result<Instance, InstanceError> {
        let digest = Digest::of(pipeline.as_bytes()).to_string();
        Host {
            folder: folder.to_owned(),
            name: host.to_owned(),
            stem: format!("snapback-{}", &digest["sha256:".len()..][..12]),
        }
        .claim(0)
    }

    /// The next free slot of this host, which this one is given up for; `None` when the operator gave the name.
    ///
    /// # Errors
    /// As [`claim`](Instance::claim).
    pub fn next(&self) -> Result<Option<Instance>, InstanceError> {
        let slot = self.slot.as_ref();
        slot.map(|slot| slot.host.claim(slot.number + 1))
            .transpose()
    }

    /// Whether the name is one of a host's slots, and was not given by the operator.
    #[must_use]
    pub fn is_claimed(&self) -> bool {
        self.slot.is_some()
    }

    /// The id that the group last gave to the member `name` of this slot, as far as it is known.
    #[must_use]
    pub fn last_id(&self, name: &str) -> Option<String> {
        let slot = self.slot.as_ref()?;
        let locked = slot.lock.lock().unwrap_or_else(PoisonError::into_inner);
        locked.1.get(name).cloned()
    }

    /// Keeps the id that the group gave to the member `name`, for the next process of this slot.
    ///
    /// # Errors
    /// When the lock file cannot be written; the next process then waits until the member's session has expired.
    pub fn keep_id(&self, name: &str, id: &str) -> std::io::Result<()> {
        let Some(slot) = &self.slot else {
            return Ok(());
        };
        let mut locked = slot.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let (file, ids) = &mut *locked;
        if ids.get(name).is_some_and(|known| known == id) {
            return Ok(());
        }
        ids.insert(name.to_owned(), id.to_owned());
        let lines: String = ids
            .iter()
            .map(|(name, id)| format!("{name} {id}\n"))
            .collect();
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(lines.as_bytes())
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

impl Host {
    /// The lowest free slot from `first` on.
    fn claim(&self, first: usize) -> Result<Instance, InstanceError> {
        for number in first..SLOTS {
            let path = self.folder.join(format!("{}-{number}.lock", self.stem));
            let opened = OpenOptions::new()
                .create(true)
                .truncate(false)
                .read(true)
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
                    let ids = ids(&file);
                    return Ok(Instance {
                        name: format!("{}-{number}", self.name),
                        slot: Some(Slot {
                            host: self.clone(),
                            number,
                            lock: Mutex::new((file, ids)),
                        }),
                    });
                }
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(source)) => {
                    return Err(InstanceError::LockFile { path, source });
                }
            }
        }
        let pattern = self.folder.join(format!("{}-*.lock", self.stem));
        Err(InstanceError::NoFreeSlot {
            pattern: pattern.display().to_string(),
        })
    }
}

/// A member's name and its id in each line. What else there may be says nothing: the ids only spare a wait.
fn ids(file: &File) -> BTreeMap<String, String> {
    let mut text = String::new();
    if file.take(MAX_LOCK_FILE).read_to_string(&mut text).is_err() {
        return BTreeMap::new();
    }
    let pairs = text.lines().filter_map(|line| line.rsplit_once(' '));
    pairs
        .map(|(name, id)| (name.to_owned(), id.to_owned()))
        .collect()
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
    fn the_next_process_of_a_slot_knows_the_ids_of_its_members() {
        let folder = tempfile::tempdir().unwrap();
        let claim = || Instance::claim(folder.path(), "host", "pipeline").unwrap();
        let first = claim();
        assert_eq!(first.last_id("g.e.host-0.0"), None);
        for (name, id) in [("0", "long-id"), ("1", "b"), ("0", "a")] {
            first.keep_id(&format!("g.e.host-0.{name}"), id).unwrap();
        }
        drop(first);
        let again = claim();
        assert_eq!(again.last_id("g.e.host-0.0").unwrap(), "a");
        assert_eq!(again.last_id("g.e.host-0.1").unwrap(), "b");
        let next = again.next().unwrap().unwrap();
        assert_eq!((next.name(), next.last_id("0")), ("host-1", None));
        assert!(Instance::named("given").next().unwrap().is_none());
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
