//! From what a back end says to a [`StoreError`].
//!
//! object_store's error types say little (a list with a wrong key is "generic"), so the chain of
//! causes decides: our own disk errors, its HTTP errors, and failing those the status and the S3
//! error code in the text.

use std::{error::Error as StdError, io, time::Duration};

use object_store::{
    Error,
    client::{HttpError, HttpErrorKind},
};

use super::{
    StoreError,
    disk::{Action, DiskError},
    place::Place,
};

/// Where Amazon's machines ask for their credentials: what is tried when none are given.
const METADATA_SERVICE: &str = "169.254.169.254";

/// How our TLS begins to say that a certificate is not accepted, and why.
const CERTIFICATE: &str = "invalid peer certificate: ";

/// What is said where one side speaks TLS and the other does not, by servers and by our TLS; and what the endpoint should
/// begin with. Servers that say nothing of it look like any that breaks connections.
const PROTOCOLS: [(&str, &str); 3] = [
    ("HTTP request to an HTTPS server", "https://"),
    ("plain HTTP request was sent to HTTPS port", "https://"),
    (
        "received corrupt message of type InvalidContentType",
        "http://",
    ),
];

/// The call that failed.
pub(super) struct Call<'a> {
    pub operation: &'static str,
    pub location: String,
    pub place: &'a Place,
    pub elapsed: Duration,
}

impl Call<'_> {
    /// What `error` means.
    pub fn failed(self, error: Error) -> StoreError {
        if let Some(disk) = find::<DiskError>(&error)
            && !(self.reads_names() && disk.source.kind() == io::ErrorKind::NotFound)
        {
            return StoreError::local(
                disk.action,
                disk.path.clone(),
                disk.landed,
                copy(&disk.source),
            );
        }
        match self.place {
            Place::Folder { .. } => self.folder_failed(error),
            Place::Bucket { .. } | Place::Named(_) => self.server_failed(error),
        }
    }

    /// Whether a missing object is an answer to this call, not a fault of the store.
    fn reads_names(&self) -> bool {
        !matches!(self.operation, PUT | CREATE | LIST)
    }

    fn folder_failed(self, error: Error) -> StoreError {
        if matches!(error, Error::NotFound { .. }) {
            return StoreError::NotFound {
                location: self.location,
            };
        }
        match find::<io::Error>(&error) {
            // A path that leads through a file leads nowhere.
            Some(io) if self.reads_names() && io.kind() == io::ErrorKind::NotADirectory => {
                StoreError::NotFound {
                    location: self.location,
                }
            }
            Some(io) => StoreError::local(Action::Read, self.location.into(), false, copy(io)),
            None => self.other(error),
        }
    }

    fn server_failed(self, error: Error) -> StoreError {
        let text = chain_text(&error);
        let code = between(&text, "<Code>", "</Code>");
        let status = between(&text, "non-2xx status code: ", ":")
            .and_then(|code| code.get(..3)?.parse::<u16>().ok());
        if text.contains(METADATA_SERVICE) {
            return StoreError::NoCredentials {
                location: self.place.to_string(),
            };
        }
        // versitygw answers 404 to an unknown access key.
        let denied = matches!(
            error,
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. }
        ) || code == Some("XAdminUserNotFound");
        let missing = matches!(error, Error::NotFound { .. }) || status == Some(404);
        match code {
            Some("NoSuchBucket") => return self.no_bucket(error),
            None if missing && !self.reads_names() => return self.no_bucket(error),
            // Only these say that it is the object that is missing.
            None | Some("NoSuchKey" | "NoSuchVersion" | "NotFound") if missing => {
                return StoreError::NotFound {
                    location: self.location,
                };
            }
            _ => {}
        }
        if denied || matches!(status, Some(401 | 403)) {
            return StoreError::Denied {
                operation: self.operation,
                location: self.location,
                code: code.map(str::to_owned),
                source: Box::new(error),
            };
        }
        let elsewhere = text.contains("incorrectly configured region");
        if elsewhere
            || matches!(status, Some(301 | 307))
            || code == Some("AuthorizationHeaderMalformed")
        {
            return StoreError::WrongRegion {
                location: self.location,
                source: Box::new(error),
            };
        }
        let endpoint = || self.place.endpoint().to_owned();
        if let Some((_, reason)) = text.split_once(CERTIFICATE) {
            let reason = reason.split(" <- ").next().unwrap_or_default();
            return StoreError::Untrusted {
                endpoint: endpoint(),
                reason: reason.to_owned(),
                source: Box::new(error),
            };
        }
        let instead = PROTOCOLS.iter().find(|(said, _)| text.contains(said));
        if let Some((_, instead)) = instead {
            return StoreError::WrongProtocol {
                endpoint: endpoint(),
                instead,
                source: Box::new(error),
            };
        }
        match (find::<HttpError>(&error).map(HttpError::kind), status) {
            (Some(HttpErrorKind::Connect), _) => StoreError::Unreachable {
                endpoint: self.place.endpoint().to_owned(),
                source: Box::new(error),
            },
            (Some(HttpErrorKind::Timeout), _) => StoreError::Timeout {
                operation: self.operation,
                location: self.location,
                after: self.elapsed,
            },
            // 200 with an error inside is how S3 reports that a copy failed underway.
            (Some(_), _) | (None, Some(408 | 429 | 500..)) => self.unavailable(Box::new(error)),
            (None, None) if text.contains("Server returned error response") => {
                self.unavailable(Box::new(error))
            }
            _ => self.other(error),
        }
    }

    fn no_bucket(self, error: Error) -> StoreError {
        match self.place {
            Place::Bucket {
                bucket, endpoint, ..
            } => StoreError::NoBucket {
                bucket: bucket.clone(),
                endpoint: endpoint.clone(),
                source: Box::new(error),
            },
            Place::Folder { .. } | Place::Named(_) => self.other(error),
        }
    }

    /// The store cannot now.
    pub fn unavailable(self, source: super::error::Cause) -> StoreError {
        StoreError::Unavailable {
            operation: self.operation,
            location: self.location,
            source,
        }
    }

    fn other(self, error: Error) -> StoreError {
        StoreError::Backend {
            operation: self.operation,
            location: self.location,
            source: Box::new(error),
        }
    }
}

/// Names of calls, as they stand in messages.
pub(super) const PUT: &str = "writing";
pub(super) const CREATE: &str = "creating";
pub(super) const LIST: &str = "listing";
pub(super) const GET: &str = "reading";
pub(super) const HEAD: &str = "looking for";
pub(super) const RENAME: &str = "moving";
pub(super) const DELETE: &str = "deleting";

/// The first error of type `T` among an error and its causes.
fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// All texts of an error and its causes.
fn chain_text(error: &Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text.push_str(" <- ");
        text.push_str(&error.to_string());
        next = error.source();
    }
    text
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    Some(rest.split_once(after)?.0)
}

/// An I/O error cannot be cloned; its number or, failing that, its kind and text say the same.
fn copy(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(number) => io::Error::from_raw_os_error(number),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

#[cfg(test)]
mod tests;
