//! The folder that a demo leaves behind, and that the next one replaces.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// The file that says what the folder is.
const MARKER: &str = ".snapback-demo";
/// Where the logs of the child processes go.
const LOGS: &str = "logs";
const MARKER_TEXT: &str =
    "This folder was made by `snapback demo`. The next demo replaces everything in it.\n";

/// The demo's folder. While this lives no other demo takes it.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    _marker: File,
}

/// A folder that the demo will not or cannot use.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It is somebody's, as far as we know.
    #[error(
        "{path} exists and was not made by a demo (it has no file {MARKER}); nothing was touched. Move it away, or choose another folder with --dir"
    )]
    NotOurs {
        /// The folder.
        path: PathBuf,
    },
    /// It is a file, or a link to somewhere else.
    #[error("{path} is not a folder; nothing was touched. Choose another with --dir")]
    NotAFolder {
        /// The path.
        path: PathBuf,
    },
    /// Another demo runs in it.
    #[error("another demo is running in {path}; choose another folder with --dir")]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// It cannot be used.
    #[error("cannot {doing} {path}: {source}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl Folder {
    /// Takes `path`: makes it, or empties it when an earlier demo left it there. An empty folder is as good as none.
    ///
    /// # Errors
    /// When it holds anything else, is not a folder, or another demo runs in it; it is untouched then.
    pub fn take(path: &Path) -> Result<Folder, FolderError> {
        let failed = |doing, source| FolderError::Io {
            doing,
            path: path.to_owned(),
            source,
        };
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(path).map_err(|error| failed("make the folder", error))?;
            }
            Err(error) => return Err(failed("look at", error)),
            Ok(found) if !found.is_dir() => {
                return Err(FolderError::NotAFolder {
                    path: path.to_owned(),
                });
            }
            Ok(_) => {}
        }
        let marker = path.join(MARKER);
        let empty = || Ok::<_, io::Error>(fs::read_dir(path)?.next().is_none());
        if !is_marker(&marker) && !empty().map_err(|error| failed("list", error))? {
            return Err(FolderError::NotOurs {
                path: path.to_owned(),
            });
        }
        let mut file = File::options()
            .create(true)
            .append(true)
            .open(&marker)
            .map_err(|error| failed("write to", error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(FolderError::InUse {
                    path: path.to_owned(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(failed("lock", error)),
        }
        clear(path).map_err(|error| failed("empty", error))?;
        let written = file
            .set_len(0)
            .and_then(|()| file.write_all(MARKER_TEXT.as_bytes()));
        written.map_err(|error| failed("write to", error))?;
        let logs = path.join(LOGS);
        fs::create_dir(&logs).map_err(|error| failed("make a folder in", error))?;
        // Absolute, because the child processes work in it.
        let path = fs::canonicalize(path).map_err(|error| failed("find", error))?;
        Ok(Folder {
            path,
            _marker: file,
        })
    }

    /// Its absolute path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a log file.
    #[must_use]
    pub fn log(&self, name: &str) -> PathBuf {
        self.path.join(LOGS).join(name)
    }
}

/// A regular file; anybody can have a folder of that name.
fn is_marker(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_file())
}

/// Removes everything but the marker, which stays locked. Links are removed, not followed.
fn clear(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_name() == MARKER {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_folder_is_made_and_an_empty_one_is_used() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a/b");
        drop(Folder::take(&path).unwrap());
        assert!(path.join(MARKER).is_file());
        let empty = root.path().join("empty");
        fs::create_dir(&empty).unwrap();
        Folder::take(&empty).unwrap();
    }

    #[test]
    fn what_an_earlier_demo_left_is_replaced() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("demo");
        drop(Folder::take(&path).unwrap());
        fs::create_dir_all(path.join("events/results")).unwrap();
        fs::write(path.join("events/results/old.parquet"), "old").unwrap();
        let folder = Folder::take(&path).unwrap();
        assert!(!path.join("events").exists());
        assert!(folder.log("run.log").parent().unwrap().is_dir());
    }

    #[test]
    fn a_folder_of_somebody_else_is_refused_and_untouched() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("thesis");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("chapter-1"), "years of work").unwrap();
        let error = Folder::take(&path).unwrap_err();
        assert!(matches!(error, FolderError::NotOurs { .. }));
        assert!(
            error.to_string().contains(path.to_str().unwrap()),
            "{error}"
        );
        let left: Vec<_> = fs::read_dir(&path)
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(left, ["chapter-1"]);
    }

    #[test]
    fn a_file_or_a_link_is_refused_and_links_inside_are_not_followed() {
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("target");
        fs::create_dir(&target).unwrap();
        fs::write(target.join("precious"), "x").unwrap();
        let link = root.path().join("link");
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert!(matches!(
            Folder::take(&link),
            Err(FolderError::NotAFolder { .. })
        ));
        let file = target.join("precious");
        assert!(matches!(
            Folder::take(&file),
            Err(FolderError::NotAFolder { .. })
        ));

        let path = root.path().join("demo");
        drop(Folder::take(&path).unwrap());
        std::os::unix::fs::symlink(&target, path.join("elsewhere")).unwrap();
        drop(Folder::take(&path).unwrap());
        assert!(file.exists() && !path.join("elsewhere").exists());
    }

    #[test]
    fn a_folder_in_which_a_demo_runs_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("demo");
        let running = Folder::take(&path).unwrap();
        fs::write(path.join("snapshot"), "x").unwrap();
        assert!(matches!(
            Folder::take(&path),
            Err(FolderError::InUse { .. })
        ));
        assert!(path.join("snapshot").exists());
        drop(running);
        Folder::take(&path).unwrap();
    }
}
