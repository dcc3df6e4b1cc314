//! A program that was started, and how it ended.

#![allow(unsafe_code, reason = "signals have no safe form in std")]

use std::fs;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::time::Duration;

use super::LIMIT;
use crate::support::wait::poll;

/// A started program; it is killed, with its children, when dropped.
pub struct Running {
    pub(super) name: String,
    pub(super) child: Child,
    pub(super) status: Option<ExitStatus>,
    pub(super) stdout: PathBuf,
    pub(super) stderr: PathBuf,
    pub(super) _scratch: tempfile::TempDir,
}

impl Running {
    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The most memory that the process has had for itself so far, in bytes. The pages of its program's file, which it shares
    /// and which only ever come in, are not its own.
    #[track_caller]
    pub fn peak_memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.id());
        let status = fs::read_to_string(path).expect("a running process");
        let kilobytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let size = line.and_then(|line| line.trim().strip_suffix(" kB"));
            let size = size.and_then(|size| size.parse::<u64>().ok());
            size.expect("a size") * 1024
        };
        kilobytes("VmHWM:").saturating_sub(kilobytes("RssFile:"))
    }

    /// Ends the process with SIGKILL (its children are not told, as in a real crash) and waits for its end.
    #[track_caller]
    pub fn kill(mut self) -> Finished {
        self.child.kill().expect("a child may be killed");
        self.wait(LIMIT)
    }

    /// Sends a signal, such as `libc::SIGTERM`, unless the process has ended.
    #[track_caller]
    pub fn signal(&mut self, signal: i32) {
        if self.ended().is_none() {
            let id = i32::try_from(self.child.id()).expect("process ids are positive");
            // SAFETY: no memory is involved; the child is not yet waited for, so the id is still its own.
            let sent = unsafe { libc::kill(id, signal) };
            assert_eq!(
                sent,
                0,
                "cannot send signal {signal}: {}",
                std::io::Error::last_os_error()
            );
        }
    }

    /// Presses Enter, with an open standard input.
    #[track_caller]
    pub fn enter(&mut self) {
        let stdin = self.child.stdin.as_mut().expect("an open standard input");
        stdin.write_all(b"\n").expect("a program that listens");
    }

    /// True until the process has ended.
    pub fn is_running(&mut self) -> bool {
        self.ended().is_none()
    }

    /// Waits for the end; kills the process and panics with its output after `limit`.
    #[track_caller]
    pub fn wait(mut self, limit: Duration) -> Finished {
        let status = poll(limit, || self.ended().ok_or(()));
        let (stdout, stderr) = (self.stdout_so_far(), self.stderr_so_far());
        let Ok(status) = status else {
            self.end_group();
            panic!(
                "{} still ran after {limit:?}\n{}",
                self.name,
                output(&stdout, &stderr)
            );
        };
        Finished {
            name: std::mem::take(&mut self.name),
            code: status.code(),
            signal: status.signal(),
            stdout,
            stderr,
        }
    }

    /// What it has printed so far.
    pub fn stdout_so_far(&self) -> String {
        read(&self.stdout)
    }

    /// What it has logged so far.
    pub fn stderr_so_far(&self) -> String {
        read(&self.stderr)
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.child.try_wait().expect("a child may be waited for");
        }
        self.status
    }

    /// Kills the process and every process that it has started.
    fn end_group(&self) {
        let id = i32::try_from(self.child.id()).expect("process ids are positive");
        // SAFETY: no memory is involved. The group has the child's id, which no other process or group can have
        // while a member lives; without members the call fails, and that is fine.
        unsafe { libc::kill(-id, libc::SIGKILL) };
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end_group();
        if self.status.is_none() {
            let _ = self.child.wait();
        }
    }
}

/// How a program ended.
#[derive(Debug)]
pub struct Finished {
    name: String,
    /// The exit code, unless a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it logged.
    pub stderr: String,
}

impl Finished {
    /// The same, after checking the exit code; panics with the output when it is another.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        if self.code != Some(code) {
            let Self {
                name,
                code: found,
                signal,
                ..
            } = &self;
            let output = output(&self.stdout, &self.stderr);
            panic!(
                "{name}\nended with code {found:?}, signal {signal:?}, not with code {code}\n{output}"
            );
        }
        self
    }
}

fn output(stdout: &str, stderr: &str) -> String {
    format!("--- stdout\n{stdout}\n--- stderr\n{stderr}\n---")
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).expect("made when the program started")).into_owned()
}
