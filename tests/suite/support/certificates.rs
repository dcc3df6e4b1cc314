//! Certificates that nobody trusts by himself: an authority of the tests, and what it signed for 127.0.0.1.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::cache::{installed, run_tool};

const GO: &str = "Go 1.24 or newer (https://go.dev/dl)";

/// See the module.
pub struct Certificates {
    folder: PathBuf,
}

impl Certificates {
    /// They are made once, and hold for thirty years.
    pub fn get() -> Result<Self, String> {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
        let program = sources.join("tests/suite/support/certificates/main.go");
        let folder = installed("certificates-1", |folder| {
            run_tool(Command::new("go").arg("run").args([&program, folder]), GO)?;
            Ok(())
        })?;
        Ok(Self { folder })
    }

    /// The authority's, for those who are to trust it.
    pub fn authority(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// The server's.
    pub fn server(&self) -> PathBuf {
        self.folder.join("server.pem")
    }

    /// The server's key.
    pub fn key(&self) -> PathBuf {
        self.folder.join("server.key")
    }
}
