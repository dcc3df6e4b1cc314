//! Child processes under test: started, watched, signalled, and never left behind.

#![allow(
    unsafe_code,
    reason = "signals and the parent-death signal have no safe form in std"
)]

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::chown;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{LazyLock, mpsc};
use std::time::Duration;

use super::wait::poll;

/// How long a program may take unless the test says otherwise.
const LIMIT: Duration = Duration::from_secs(60);

/// The snapback binary of this build. It serves no status unless a flag says so: many of them run at a time.
pub fn snapback<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Program {
    Program::new(env!("CARGO_BIN_EXE_snapback"))
        .env("SNAPBACK_STATUS", "off")
        .args(args)
}

/// A program to run: in an empty folder of its own, without the variables of the environment that configure
/// snapback, its log, its fail points, S3 or its proxies, and with empty standard input.
pub struct Program {
    command: Command,
    /// Holds the output and, unless the test has set another, is the working folder.
    scratch: tempfile::TempDir,
    limit: Duration,
    stdout: Option<Stdio>,
    stderr: Option<Stdio>,
}

impl Program {
    /// A program by its path or name.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let scratch = tempfile::Builder::new()
            .prefix("snapback-test-")
            .tempdir()
            .expect("a temporary folder for a program");
        let work = scratch.path().join("work");
        fs::create_dir(&work).expect("a folder inside one just made");
        let mut command = Command::new(program);
        command.current_dir(work).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("SNAPBACK_")
                || text.starts_with("AWS_")
                || text.to_ascii_lowercase().ends_with("_proxy")
                || ["RUST_LOG", "FAILPOINTS"].contains(&&*text)
            {
                command.env_remove(name);
            }
        }
        Self {
            command,
            scratch,
            limit: LIMIT,
            stdout: None,
            stderr: None,
        }
    }

    /// The program and its arguments, to be run by another program.
    pub fn line(&self) -> Vec<std::ffi::OsString> {
        let arguments = self.command.get_args();
        [self.command.get_program()]
            .into_iter()
            .chain(arguments)
            .map(OsStr::to_owned)
            .collect()
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// Adds arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.command.args(args);
        self
    }

    /// Sets a variable of the environment.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sets variables of the environment, such as an S3 server's `env()`.
    pub fn envs<K: AsRef<OsStr>, V: AsRef<OsStr>>(
        mut self,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.command.envs(variables);
        self
    }

    /// Runs it as another user, which only root may ask for. Where that user cannot come to the program, it is copied.
    pub fn by_user(mut self, user: u32) -> Self {
        let folder = self.scratch.path().to_owned();
        let own = folder.join("program");
        fs::copy(self.command.get_program(), &own).expect("a program in a file");
        let mut command = Command::new(&own);
        command.args(self.command.get_args());
        for (name, value) in self.command.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let work = self.command.get_current_dir().expect("set from the start");
        for place in [&folder, &own, work] {
            chown(place, Some(user), Some(user)).expect("root may");
        }
        // What it locks lies in a folder of this user's.
        command.env("TMPDIR", &folder).current_dir(work);
        command.stdin(Stdio::null()).uid(user).gid(user);
        self.command = command;
        self
    }

    /// Sets the working folder.
    pub fn current_dir(mut self, folder: impl AsRef<Path>) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Puts a file into the working folder.
    pub fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        let folder = self.command.get_current_dir().expect("set from the start");
        fs::write(folder.join(name), content).expect("a writable working folder");
        self
    }

    /// Gives the program's standard input.
    pub fn stdin(mut self, content: impl AsRef<[u8]>) -> Self {
        let path = self.scratch.path().join("stdin");
        fs::write(&path, content).expect("a writable temporary folder");
        self.command
            .stdin(File::open(path).expect("written just before"));
        self
    }

    /// Keeps the program's standard input open, for [`Running::enter`].
    pub fn open_stdin(mut self) -> Self {
        self.command.stdin(Stdio::piped());
        self
    }

    /// Sends what the program prints somewhere else; the test does not see it.
    pub fn stdout_to(mut self, stdout: impl Into<Stdio>) -> Self {
        self.stdout = Some(stdout.into());
        self
    }

    /// Sends what the program logs somewhere else; the test does not see it.
    pub fn stderr_to(mut self, stderr: impl Into<Stdio>) -> Self {
        self.stderr = Some(stderr.into());
        self
    }

    /// Sets how long [`Program::run`] may take (default: a minute).
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs the program to its end; kills it and panics with its output after the limit.
    #[track_caller]
    pub fn run(self) -> Finished {
        let limit = self.limit;
        self.spawn().wait(limit)
    }

    /// Starts the program.
    #[track_caller]
    pub fn spawn(mut self) -> Running {
        let name = format!("{:?}", self.command);
        // Files and not pipes: nobody has to read them while the program runs.
        let stdout = self.scratch.path().join("stdout");
        let stderr = self.scratch.path().join("stderr");
        // To the end, wherever another thread of the program writes at the same moment.
        let create = |path: &PathBuf| {
            let file = File::options().create(true).append(true).open(path);
            file.expect("a writable temporary folder")
        };
        let (out, err) = (create(&stdout), create(&stderr));
        self.command
            .stdout(self.stdout.take().unwrap_or_else(|| out.into()))
            .stderr(self.stderr.take().unwrap_or_else(|| err.into()));
        // A group of its own, so that its children can be ended with it.
        self.command.process_group(0);
        match spawn(self.command) {
            Ok(child) => Running {
                name,
                child,
                status: None,
                stdout,
                stderr,
                _scratch: self.scratch,
            },
            Err(error) => panic!("cannot start {name}: {error}"),
        }
    }
}

/// A started program; it is killed, with its children, when dropped.
pub struct Running {
    name: String,
    child: Child,
    status: Option<ExitStatus>,
    stdout: PathBuf,
    stderr: PathBuf,
    _scratch: tempfile::TempDir,
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

type Spawned = std::io::Result<Child>;

/// Starts a process that the system kills when this one dies, however it dies. The system takes the end of the
/// *thread* that started it for that death, and test threads end early: so one thread, which never ends, starts all.
fn spawn(mut command: Command) -> Spawned {
    static SPAWNER: LazyLock<mpsc::Sender<(Command, mpsc::Sender<Spawned>)>> =
        LazyLock::new(|| {
            let (sender, commands) = mpsc::channel::<(Command, mpsc::Sender<Spawned>)>();
            std::thread::Builder::new()
                .name("spawner".to_owned())
                .spawn(move || {
                    for (mut command, answer) in commands {
                        let _ = answer.send(command.spawn());
                    }
                })
                .expect("a thread that starts processes");
            sender
        });
    #[cfg(target_os = "linux")]
    {
        let parent = std::process::id();
        // SAFETY: the closure runs between fork and exec and calls only prctl and getppid, which are
        // async-signal-safe; it allocates nothing (an error from a code or a kind does not).
        unsafe {
            command.pre_exec(move || {
                if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
                    return Err(std::io::Error::last_os_error());
                }
                // The parent may have died before the call.
                if libc::getppid().cast_unsigned() != parent {
                    return Err(std::io::ErrorKind::BrokenPipe.into());
                }
                Ok(())
            });
        }
    }
    let (sender, answer) = mpsc::channel();
    SPAWNER
        .send((command, sender))
        .expect("the spawner thread never ends");
    answer.recv().expect("the spawner thread answers")
}
