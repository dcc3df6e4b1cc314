//! Where a store is, as a user writes it.

use std::{fmt, path::PathBuf, str::FromStr};

use super::{Path, StoreError};

/// The place of a store: a local folder, or a bucket of S3 or of a server that speaks its protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// A folder, as it was written (`./snapshots` stays relative to the working folder).
    Local(PathBuf),
    /// A bucket, and the path inside it under which everything is kept (the root for all of it).
    S3 {
        /// The bucket's name.
        bucket: String,
        /// What stands before every path of the store.
        prefix: Path,
    },
}

impl FromStr for StoreUrl {
    type Err = StoreError;

    /// Reads `./folder`, `/folder`, `file:///folder`, `s3://bucket` or `s3://bucket/prefix`.
    fn from_str(url: &str) -> Result<StoreUrl, StoreError> {
        let invalid = |reason: String| StoreError::InvalidUrl {
            url: url.to_owned(),
            reason,
        };
        if url.trim().is_empty() {
            return Err(invalid("it is empty".to_owned()));
        }
        let Some((scheme, rest)) = url.split_once("://") else {
            if url.starts_with("s3:") || url.starts_with("file:") {
                return Err(invalid(
                    "two slashes are missing after the colon".to_owned(),
                ));
            }
            return Ok(StoreUrl::Local(PathBuf::from(url)));
        };
        match scheme {
            "file" if rest.starts_with('/') => Ok(StoreUrl::Local(PathBuf::from(rest))),
            "file" => Err(invalid(
                "a file URL has three slashes and an absolute path".to_owned(),
            )),
            "s3" => {
                let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
                check_bucket(bucket).map_err(invalid)?;
                let prefix = match prefix.strip_suffix('/').unwrap_or(prefix) {
                    "" => Path::root(),
                    prefix => {
                        Path::parse(prefix).map_err(|error| invalid(error.reason.to_string()))?
                    }
                };
                Ok(StoreUrl::S3 {
                    bucket: bucket.to_owned(),
                    prefix,
                })
            }
            other => Err(invalid(format!("'{other}' is not supported"))),
        }
    }
}

/// S3's rules for names of buckets, as far as a slip of the pen breaks them.
fn check_bucket(bucket: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if bucket.is_empty() {
        Err("the name of the bucket is missing".to_owned())
    } else if bucket.len() < 3 || bucket.len() > 63 {
        Err(format!(
            "a bucket's name has 3 to 63 characters, '{bucket}' has {}",
            bucket.len()
        ))
    } else if !bucket.chars().all(allowed) {
        Err(format!(
            "'{bucket}' cannot be a bucket: letters, digits, '.' and '-' only"
        ))
    } else {
        Ok(())
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreUrl::Local(folder) => write!(f, "{}", folder.display()),
            StoreUrl::S3 { bucket, prefix } if prefix.as_str().is_empty() => {
                write!(f, "s3://{bucket}")
            }
            StoreUrl::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}

/// The variables that say through which proxy requests go; they are read by the HTTP client itself.
pub const PROXY_VARIABLES: [&str; 8] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
];

/// Everything that opening a store takes.
#[derive(Clone)]
pub struct StoreConfig {
    /// Where the store is.
    pub url: StoreUrl,
    /// The server to speak to instead of Amazon's, like `http://localhost:9000`; goes before
    /// `AWS_ENDPOINT_URL_S3` and `AWS_ENDPOINT_URL`.
    pub s3_endpoint: Option<String>,
    /// The usual `AWS_*` variables and those of proxies, as names and values; others are ignored, so the whole
    /// environment may be given. Not looked at for a local folder.
    pub env: Vec<(String, String)>,
}

impl StoreConfig {
    /// A store at `url` without an endpoint or variables: enough for a local folder.
    #[must_use]
    pub fn new(url: StoreUrl) -> StoreConfig {
        StoreConfig {
            url,
            s3_endpoint: None,
            env: Vec::new(),
        }
    }
}

/// Shows the names of the variables; their values are secrets.
impl fmt::Debug for StoreConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.env.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("StoreConfig")
            .field("url", &self.url)
            .field("s3_endpoint", &self.s3_endpoint)
            .field("env", &names)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_a_folder_or_a_bucket_and_reads_back_as_it_was_written() {
        let local = |folder: &str| StoreUrl::Local(PathBuf::from(folder));
        let s3 = |bucket: &str, prefix: &str| StoreUrl::S3 {
            bucket: bucket.to_owned(),
            prefix: if prefix.is_empty() {
                Path::root()
            } else {
                Path::parse(prefix).unwrap()
            },
        };
        let cases = [
            ("./snapshots", local("./snapshots"), "./snapshots"),
            (
                "/var/lib/snap back",
                local("/var/lib/snap back"),
                "/var/lib/snap back",
            ),
            (
                "file:///var/snapshots",
                local("/var/snapshots"),
                "/var/snapshots",
            ),
            ("s3://bucket", s3("bucket", ""), "s3://bucket"),
            ("s3://bucket/", s3("bucket", ""), "s3://bucket"),
            ("s3://bucket/a/b/", s3("bucket", "a/b"), "s3://bucket/a/b"),
        ];
        for (text, url, shown) in cases {
            assert_eq!(text.parse::<StoreUrl>().unwrap(), url);
            assert_eq!(url.to_string(), shown);
            assert_eq!(shown.parse::<StoreUrl>().unwrap(), url);
        }
    }

    #[test]
    fn a_url_that_is_neither_says_what_is_wrong() {
        let cases = [
            ("", "it is empty"),
            ("gs://bucket/x", "'gs' is not supported"),
            ("http://localhost:9000/bucket", "'http' is not supported"),
            ("s3://", "the name of the bucket is missing"),
            ("s3:///x", "the name of the bucket is missing"),
            ("s3:/bucket", "two slashes are missing after the colon"),
            (
                "s3://a/x",
                "a bucket's name has 3 to 63 characters, 'a' has 1",
            ),
            (
                "s3://buc ket",
                "'buc ket' cannot be a bucket: letters, digits, '.' and '-' only",
            ),
            ("s3://bucket/a/../b", "'.' and '..' are not allowed"),
            ("s3://bucket//a", "it has an empty part"),
            (
                "file://relative",
                "a file URL has three slashes and an absolute path",
            ),
        ];
        for (text, wrong) in cases {
            match text.parse::<StoreUrl>().unwrap_err() {
                StoreError::InvalidUrl { url, reason } => {
                    assert_eq!((url.as_str(), reason.as_str()), (text, wrong))
                }
                other => panic!("{other}"),
            }
        }
    }

    #[test]
    fn a_configuration_never_shows_a_secret() {
        let mut config = StoreConfig::new("s3://bucket".parse().unwrap());
        config.env = vec![("AWS_SECRET_ACCESS_KEY".to_owned(), "hush".to_owned())];
        let shown = format!("{config:?}");
        assert!(
            shown.contains("AWS_SECRET_ACCESS_KEY") && !shown.contains("hush"),
            "{shown}"
        );
    }
}
