//! Child processes under test: started, watched, signalled, and never left behind.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, mpsc};
use std::time::Duration;

mod running;

pub use running::{Finished, Running};

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
    /// The user that runs it, instead of this one.
    user: Option<u32>,
    stdin: Stdio,
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
        command.current_dir(work);
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
            user: None,
            stdin: Stdio::null(),
            stdout: None,
            stderr: None,
        }
    }

    /// The program and its arguments, to be run by another program.
    pub fn line(&self) -> Vec<OsString> {
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
        let work = self.command.get_current_dir().expect("set from the start");
        for place in [&folder, &own, work] {
            chown(place, Some(user), Some(user)).expect("root may");
        }
        self.command = with_its_settings(Command::new(&own), &self.command);
        // What it locks lies in a folder of this user's.
        self.command.env("TMPDIR", &folder);
        self.user = Some(user);
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
        self.stdin = File::open(path).expect("written just before").into();
        self
    }

    /// Keeps the program's standard input open, for [`Running::enter`].
    pub fn open_stdin(mut self) -> Self {
        self.stdin = Stdio::piped();
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
    pub fn spawn(self) -> Running {
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
        let mut command = until_we_die(&self.command, self.user);
        command
            .stdin(self.stdin)
            .stdout(self.stdout.unwrap_or_else(|| out.into()))
            .stderr(self.stderr.unwrap_or_else(|| err.into()))
            // A group of its own, so that its children can be ended with it.
            .process_group(0);
        match spawn(command) {
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

/// The command with the arguments, the working folder and the variables of another.
fn with_its_settings(mut command: Command, other: &Command) -> Command {
    command.args(other.get_args());
    if let Some(folder) = other.get_current_dir() {
        command.current_dir(folder);
    }
    for (name, value) in other.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

/// The command, which the system kills when the thread dies that starts it. `setpriv`, a part of every Linux, asks for that
/// and becomes the command: with `pre_exec` this process would be forked instead, page tables and all, while others wait for
/// its memory; and it may have gigabytes of it.
#[cfg(target_os = "linux")]
fn until_we_die(command: &Command, user: Option<u32>) -> Command {
    let mut setpriv = Command::new("setpriv");
    setpriv.args(["--pdeathsig", "KILL"]);
    if let Some(user) = user {
        let user = user.to_string();
        setpriv.args(["--reuid", &user, "--regid", &user, "--clear-groups"]);
    }
    setpriv.arg("--").arg(command.get_program());
    with_its_settings(setpriv, command)
}

#[cfg(not(target_os = "linux"))]
fn until_we_die(command: &Command, user: Option<u32>) -> Command {
    let mut alone = with_its_settings(Command::new(command.get_program()), command);
    if let Some(user) = user {
        alone.uid(user).gid(user);
    }
    alone
}

type Spawned = std::io::Result<Child>;

/// Starts a process. The system takes the end of the *thread* that started it for the death of this process, and test
/// threads end early: so one thread, which never ends, starts all.
fn spawn(command: Command) -> Spawned {
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
    let (sender, answer) = mpsc::channel();
    SPAWNER
        .send((command, sender))
        .expect("the spawner thread never ends");
    answer.recv().expect("the spawner thread answers")
}
