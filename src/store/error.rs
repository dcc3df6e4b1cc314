//! What can go wrong with a store, said so that the reader can act.

use std::{error::Error as StdError, io, path::PathBuf, time::Duration};

use super::disk::Action;

/// The error that a back end gave, kept as the cause.
pub(super) type Cause = Box<dyn StdError + Send + Sync>;

/// What can go wrong with a store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Nothing is stored there.
    #[error("{location} does not exist")]
    NotFound {
        /// The object, as [`Store::locate`](super::Store::locate) shows it.
        location: String,
    },
    /// The object is larger than the caller is ready to hold.
    #[error(
        "{location} has {size} bytes, more than the {limit} that it may have; it was not written by snapback, or is damaged"
    )]
    TooLarge {
        /// The object.
        location: String,
        /// Its size in bytes.
        size: u64,
        /// The size that was allowed.
        limit: u64,
    },
    /// The text does not say where a store is.
    #[error(
        "'{url}' is not a store: {reason}; write a folder such as ./snapshots, or s3://bucket/prefix"
    )]
    InvalidUrl {
        /// The text.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A setting for S3 cannot be used.
    #[error("{setting} cannot be used: {reason}")]
    InvalidSetting {
        /// The flag or variable.
        setting: String,
        /// What is wrong with its value.
        reason: String,
    },
    /// A file stands where the store's folder should be.
    #[error("{} is a file; the store needs a folder", path.display())]
    NotAFolder {
        /// The path.
        path: PathBuf,
    },
    /// The folder does not exist, and was only to be read.
    #[error("there is no folder {}; is --store right?", path.display())]
    NoFolder {
        /// The path.
        path: PathBuf,
    },
    /// The folder's file system cannot make hard links, so it cannot create a file only if it is absent.
    #[error("the file system of {} has no hard links, without which two processes could overwrite each other's snapshots; \
             choose a folder on another file system, or a bucket", path.display())]
    NoHardLinks {
        /// The file that was to be created.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A step on the local disk failed.
    #[error("cannot {action} {}: {}", path.display(), plainly(source))]
    Local {
        /// What was being done, as a verb ("write", "rename", ...).
        action: String,
        /// The file or folder.
        path: PathBuf,
        /// Whether the object may be there in spite of the failure.
        landed: bool,
        /// What the system said.
        source: io::Error,
    },
    /// The bucket does not exist.
    #[error(
        "the bucket '{bucket}' does not exist at {endpoint}; create it (aws s3 mb s3://{bucket} --endpoint-url {endpoint}), or correct --store"
    )]
    NoBucket {
        /// The bucket's name.
        bucket: String,
        /// The server that was asked.
        endpoint: String,
        /// What the back end said.
        source: Cause,
    },
    /// No credentials were given.
    #[error(
        "no credentials for {location}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (profiles in ~/.aws are not read)"
    )]
    NoCredentials {
        /// The store.
        location: String,
    },
    /// The credentials are wrong, or do not allow this.
    #[error("{operation} {location} was denied{}; check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN when they are temporary), \
             and that they may list, read, write and delete there", code.as_deref().map(|code| format!(" ({code})")).unwrap_or_default())]
    Denied {
        /// What was being done.
        operation: &'static str,
        /// To which object, or in which store.
        location: String,
        /// The server's word for the reason, like `SignatureDoesNotMatch`.
        code: Option<String>,
        /// What the back end said.
        source: Cause,
    },
    /// The bucket is in another region than the request was signed for.
    #[error("the bucket of {location} is in another region; set AWS_REGION to it")]
    WrongRegion {
        /// The object or store.
        location: String,
        /// What the back end said.
        source: Cause,
    },
    /// The server's certificate is not accepted, so nothing was sent.
    #[error(
        "the certificate of {endpoint} is not accepted: {reason}; if its authority is one of your own, name a file with that authority's certificate in AWS_CA_BUNDLE"
    )]
    Untrusted {
        /// The server.
        endpoint: String,
        /// What is wrong with the certificate.
        reason: String,
        /// What the back end said.
        source: Cause,
    },
    /// The server speaks TLS and the endpoint says that it does not, or the other way round.
    #[error("{endpoint} does not speak this protocol; write it with {instead}")]
    WrongProtocol {
        /// The server.
        endpoint: String,
        /// How its address begins.
        instead: &'static str,
        /// What the back end said.
        source: Cause,
    },
    /// No connection could be made, so nothing was sent.
    #[error("cannot connect to {endpoint}; is it running, and is --s3-endpoint right?")]
    Unreachable {
        /// The server.
        endpoint: String,
        /// What the network said.
        source: Cause,
    },
    /// The store answered that it cannot now, or the connection broke; it may have done what was asked.
    #[error("{operation} {location}: the store is not available at the moment")]
    Unavailable {
        /// What was being done.
        operation: &'static str,
        /// To which object.
        location: String,
        /// What the back end said.
        source: Cause,
    },
    /// No answer within the time that it may take; the store may have done what was asked.
    #[error("{operation} {location}: no answer within {after:.1?}")]
    Timeout {
        /// What was being done.
        operation: &'static str,
        /// To which object.
        location: String,
        /// How long we waited.
        after: Duration,
    },
    /// The store overwrites what it should only create; two processes would destroy each other's work.
    #[error(
        "{location} ignores 'If-None-Match: *': it replaced an object that was to be created only if absent. snapback cannot keep snapshots safe there; \
             use a server with conditional writes (Amazon S3, MinIO, versitygw without --nometa, ...)"
    )]
    IgnoresPutIfAbsent {
        /// The store.
        location: String,
    },
    /// The back end said something that is none of the above.
    #[error("{operation} {location} failed")]
    Backend {
        /// What was being done.
        operation: &'static str,
        /// To which object.
        location: String,
        /// What the back end said.
        source: Cause,
    },
}

impl StoreError {
    /// Whether the object is known not to exist.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, StoreError::NotFound { .. })
    }

    /// Whether what was asked may have been done in spite of this error, so that a caller who tried
    /// to create something has to read back whether it is there.
    #[must_use]
    pub fn is_ambiguous(&self) -> bool {
        match self {
            StoreError::Timeout { .. }
            | StoreError::Unavailable { .. }
            | StoreError::Backend { .. } => true,
            StoreError::Local { landed, .. } => *landed,
            _ => false,
        }
    }

    /// Whether the same call may succeed later although nobody changes the configuration: an outage,
    /// a full disk.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            StoreError::Local { source, .. } => !matches!(
                source.kind(),
                io::ErrorKind::ReadOnlyFilesystem
                    | io::ErrorKind::PermissionDenied
                    | io::ErrorKind::NotADirectory
            ),
            _ => self.is_transient(),
        }
    }

    /// Whether nothing changes until somebody changes the configuration, the credentials, or rights.
    #[must_use]
    pub fn needs_a_person(&self) -> bool {
        match self {
            StoreError::InvalidUrl { .. }
            | StoreError::InvalidSetting { .. }
            | StoreError::NotAFolder { .. }
            | StoreError::NoFolder { .. }
            | StoreError::NoHardLinks { .. }
            | StoreError::NoBucket { .. }
            | StoreError::NoCredentials { .. }
            | StoreError::Denied { .. }
            | StoreError::WrongRegion { .. }
            | StoreError::Untrusted { .. }
            | StoreError::WrongProtocol { .. }
            | StoreError::IgnoresPutIfAbsent { .. } => true,
            StoreError::Local { .. } => !self.is_retryable(),
            StoreError::NotFound { .. }
            | StoreError::TooLarge { .. }
            | StoreError::Unreachable { .. }
            | StoreError::Unavailable { .. }
            | StoreError::Timeout { .. }
            | StoreError::Backend { .. } => false,
        }
    }

    /// Whether the error is about this one object, and says something about what is stored: it is there, and cannot be read.
    /// Otherwise nothing is known about it, because the store is away, or this process has no file left to open.
    #[must_use]
    pub fn concerns_the_object(&self) -> bool {
        match self {
            // Before it reads, a folder makes durable what it could not before.
            StoreError::Local { action, source, .. } => {
                *action == Action::Read.to_string() && !is_out_of_resources(source)
            }
            StoreError::TooLarge { .. } => true,
            _ => false,
        }
    }

    /// Whether it is worth trying again within seconds.
    pub(super) fn is_transient(&self) -> bool {
        matches!(
            self,
            StoreError::Unreachable { .. }
                | StoreError::Unavailable { .. }
                | StoreError::Timeout { .. }
        )
    }

    /// A step on the disk that failed.
    pub(super) fn local(
        action: Action,
        path: PathBuf,
        landed: bool,
        source: io::Error,
    ) -> StoreError {
        // EPERM is what Linux says where links do not exist (FAT, exFAT); network and FUSE file
        // systems say that it is not supported.
        let no_links = source.kind() == io::ErrorKind::Unsupported
            || source.raw_os_error() == Some(libc::EPERM);
        if action == Action::Link && no_links {
            StoreError::NoHardLinks { path, source }
        } else {
            StoreError::Local {
                action: action.to_string(),
                path,
                landed,
                source,
            }
        }
    }
}

/// Whether the system could not serve this process, whatever it asked for.
fn is_out_of_resources(error: &io::Error) -> bool {
    let resources = [
        libc::EMFILE,
        libc::ENFILE,
        libc::ENOMEM,
        libc::ENOBUFS,
        libc::EAGAIN,
        libc::EINTR,
        libc::ENOSPC,
        libc::EDQUOT,
        libc::EROFS,
    ];
    let number = error.raw_os_error();
    number.is_some_and(|number| resources.contains(&number))
        || error.kind() == io::ErrorKind::OutOfMemory
}

/// What the system said, in words that say what to do where there is something to do.
fn plainly(error: &io::Error) -> String {
    if [Some(libc::EMFILE), Some(libc::ENFILE)].contains(&error.raw_os_error()) {
        return format!(
            "too many files are open; raise the limit (ulimit -n, LimitNOFILE=) ({error})"
        );
    }
    let advice = match error.kind() {
        io::ErrorKind::StorageFull => "the disk is full; free some space",
        io::ErrorKind::QuotaExceeded => "the disk quota is used up; free some space",
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only",
        io::ErrorKind::PermissionDenied => "no permission; check the owner and mode of the folder",
        io::ErrorKind::NotADirectory => "a file stands where a folder is needed",
        io::ErrorKind::NotFound => {
            "a file or folder vanished; does something else clean up in there?"
        }
        _ => return error.to_string(),
    };
    format!("{advice} ({error})")
}
