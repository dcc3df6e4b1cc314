//! An S3 server: versitygw, or MinIO with `SNAPBACK_TEST_S3=minio`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::TryStreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::{Certificate, ClientOptions, ObjectStore, RetryConfig};

use super::blocking::block_on;
use super::cache::{installed, run_tool};
use super::certificates::Certificates;
use super::port::Port;
use super::server::Server;
use super::wait::poll;

const GO: &str = "Go 1.24 or newer (https://go.dev/dl)";
const ACCESS_KEY: &str = "snapback-tests";
const SECRET_KEY: &str = "a-secret-of-the-tests";
const BUCKET: &str = "snapshots";
const REGION: &str = "us-east-1";
/// How long a server may take to answer after its start; half a second is usual.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// Built within two minutes, and its buckets are plain folders: what every change is tested with.
const VERSITYGW: Tool = Tool {
    name: "versitygw",
    package: "github.com/versity/versitygw/cmd/versitygw",
    version: "v1.8.0",
    configure: |command, address| {
        command.args(["--quiet", "--port", address, "posix", "data"]);
        command.envs([
            ("ROOT_ACCESS_KEY", ACCESS_KEY),
            ("ROOT_SECRET_KEY", SECRET_KEY),
        ]);
    },
};
/// The last version of MinIO's community edition, which has no tags as a Go module.
const MINIO: Tool = Tool {
    name: "minio",
    package: "github.com/minio/minio",
    version: "v0.0.0-20260212201848-7aac2a2c5b7c",
    configure: |command, address| {
        command.args(["server", "data", "--quiet", "--address", address]);
        command.envs([
            ("MINIO_ROOT_USER", ACCESS_KEY),
            ("MINIO_ROOT_PASSWORD", SECRET_KEY),
        ]);
        command.env("MINIO_BROWSER", "off");
    },
};

/// The server that `SNAPBACK_TEST_S3` names: versitygw unless it says minio.
fn chosen() -> Result<&'static Tool, String> {
    match std::env::var("SNAPBACK_TEST_S3").as_deref() {
        Err(_) | Ok("versitygw") => Ok(&VERSITYGW),
        Ok("minio") => Ok(&MINIO),
        Ok(other) => Err(format!(
            "SNAPBACK_TEST_S3 is versitygw or minio, not {other:?}"
        )),
    }
}

/// An S3 server with one empty bucket, stopped and removed when dropped.
pub struct S3Server {
    name: &'static str,
    server: Server,
    endpoint: String,
    /// Of an authority that only the tests know.
    certificates: Option<Certificates>,
    _port: Port,
}

/// The server that all tests share, started on first use.
#[track_caller]
pub fn s3() -> &'static S3Server {
    static SHARED: OnceLock<Result<S3Server, String>> = OnceLock::new();
    SHARED
        .get_or_init(S3Server::try_start)
        .as_ref()
        .unwrap_or_else(|error| panic!("{error}"))
}

impl S3Server {
    /// A private server.
    #[track_caller]
    pub fn start() -> Self {
        Self::try_start().unwrap_or_else(|error| panic!("{error}"))
    }

    /// A private server that speaks TLS, with a certificate of [`Certificates`]; it is versitygw in any case.
    #[track_caller]
    pub fn start_with_tls() -> Self {
        let started =
            Certificates::get().and_then(|made| Self::try_start_as(&VERSITYGW, Some(made)));
        started.unwrap_or_else(|error| panic!("{error}"))
    }

    /// The file that names who signed its certificate.
    pub fn authority(&self) -> PathBuf {
        let certificates = self.certificates.as_ref();
        certificates.expect("a server with TLS").authority()
    }

    /// `http://host:port` or `https://host:port`, as in `--s3-endpoint`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The one user's name.
    pub fn access_key(&self) -> &'static str {
        ACCESS_KEY
    }

    /// The one user's password.
    pub fn secret_key(&self) -> &'static str {
        SECRET_KEY
    }

    /// The bucket, which exists.
    pub fn bucket(&self) -> &'static str {
        BUCKET
    }

    /// The environment of a client that may use this server.
    pub fn env(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
            ("AWS_REGION", REGION.to_owned()),
        ]
    }

    /// A prefix that no other test of this process has.
    pub fn new_prefix(&self) -> String {
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        format!("test-{}", NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// A client, to look at the bucket from outside of snapback.
    pub fn client(&self) -> AmazonS3 {
        self.builder().build().expect("a complete configuration")
    }

    /// The configuration of [`S3Server::client`], for a test that changes it.
    pub fn builder(&self) -> AmazonS3Builder {
        AmazonS3Builder::new()
            .with_client_options(self.options())
            .with_endpoint(&self.endpoint)
            .with_bucket_name(BUCKET)
            .with_region(REGION)
            .with_access_key_id(ACCESS_KEY)
            .with_secret_access_key(SECRET_KEY)
            .with_allow_http(true)
    }

    /// The folder of its bucket: both servers keep objects below it, versitygw as files of their names.
    pub fn bucket_folder(&self) -> PathBuf {
        self.server.folder().join("data").join(BUCKET)
    }

    /// Ends the server with SIGKILL.
    pub fn kill(&self) {
        self.server.kill();
    }

    /// Starts the server again on the same port and data, after stopping it if it still runs.
    #[track_caller]
    pub fn restart(&self) {
        self.server.stop();
        self.server.start();
        self.ready().unwrap_or_else(|error| panic!("{error}"));
    }

    /// What its clients trust.
    fn options(&self) -> ClientOptions {
        let options = ClientOptions::new().with_allow_http(true);
        match &self.certificates {
            None => options,
            Some(certificates) => {
                let pem = fs::read(certificates.authority()).expect("a file of the cache");
                let certificate = Certificate::from_pem(&pem).expect("a certificate");
                options.with_root_certificate(certificate)
            }
        }
    }

    fn try_start() -> Result<Self, String> {
        Self::try_start_as(chosen()?, None)
    }

    fn try_start_as(tool: &Tool, certificates: Option<Certificates>) -> Result<Self, String> {
        let mut command = Command::new(tool.binary()?);
        let port = Port::reserve()?;
        let address = format!("127.0.0.1:{}", port.number());
        let mut protocol = "http";
        if let Some(certificates) = &certificates {
            protocol = "https";
            command.arg("--cert").arg(certificates.server());
            command.arg("--key").arg(certificates.key());
        }
        (tool.configure)(&mut command, &address);

        let folder = Server::new_folder()?;
        // Both servers take a folder for a bucket.
        let bucket = folder.path().join("data").join(BUCKET);
        fs::create_dir_all(&bucket)
            .map_err(|error| format!("cannot make {}: {error}", bucket.display()))?;
        let server = Server::new(folder, &command)?;
        server.start();
        let store = Self {
            name: tool.name,
            server,
            endpoint: format!("{protocol}://{address}"),
            certificates,
            _port: port,
        };
        store.ready()?;
        Ok(store)
    }

    /// Waits until the server lists its bucket.
    fn ready(&self) -> Result<(), String> {
        let client = self
            .builder()
            .with_retry(RetryConfig {
                max_retries: 0,
                ..RetryConfig::default()
            })
            .with_client_options(self.options().with_timeout(Duration::from_secs(2)))
            .build()
            .map_err(|error| format!("cannot make an S3 client: {error}"))?;
        poll(READY_WITHIN, || {
            block_on(async { client.list(None).try_next().await })
        })
        .map_err(|last| {
            format!(
                "{} on {} was not ready within {READY_WITHIN:?}: {last}; the end of its log:\n{}",
                self.name,
                self.endpoint,
                self.server.last_log_lines()
            )
        })?;
        Ok(())
    }
}

/// A program that is built from a Go module.
struct Tool {
    name: &'static str,
    package: &'static str,
    version: &'static str,
    /// Adds arguments and environment, with the address to listen on.
    configure: fn(&mut Command, &str),
}

impl Tool {
    /// The path of the program, built unless it is in the cache.
    fn binary(&self) -> Result<PathBuf, String> {
        let folder = installed(&format!("{}-{}", self.name, self.version), |folder| {
            run_tool(
                Command::new("go")
                    .args(["install", &format!("{}@{}", self.package, self.version)])
                    .env("GOBIN", folder),
                GO,
            )?;
            Ok(())
        })?;
        Ok(folder.join(self.name))
    }
}
