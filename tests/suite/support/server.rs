//! A server process that never outlives the tests.
//!
//! Values in statics are not dropped, and a killed test process drops nothing at all. So a server is the child of a
//! small shell script, which takes orders from a pipe and, at the pipe's end (closed by us, or by the system when
//! we die), stops the server and removes its folder.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

/// `$1` = the folder to remove at the end, the rest = the server's command. Each order is answered by a line.
/// Signals end the wait for orders, and with it the server; a closed pipe must not end the script before that.
const KEEPER: &str = r#"
folder=$1
shift
pid=
trap : HUP INT TERM PIPE
end() {
    [ -n "$pid" ] || return 0
    kill "-$1" "$pid"
    (sleep 10; kill -KILL "$pid") &
    watchdog=$!
    wait "$pid"
    kill "$watchdog"
    pid=
}
while read -r order; do
    case $order in
        start) "$@" >>"$folder/log" 2>&1 & pid=$! ;;
        stop) end TERM ;;
        kill) end KILL ;;
    esac
    echo "$order"
done
end TERM
rm -rf "$folder"
"#;

/// A server with its folder, running or not.
pub struct Server {
    folder: PathBuf,
    keeper: Mutex<Keeper>,
}

struct Keeper {
    process: Child,
    /// `None` only while dropping.
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    running: bool,
}

impl Server {
    /// The server's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes a folder for a server, to be filled before the first [`Server::start`].
    pub fn new_folder() -> Result<tempfile::TempDir, String> {
        tempfile::Builder::new()
            .prefix("snapback-test-")
            .tempdir()
            .map_err(|error| format!("cannot make a folder for a server: {error}"))
    }

    /// A server, not yet started, that runs in `folder`; standard input is empty, and all output goes to the
    /// folder's file `log`.
    pub fn new(folder: tempfile::TempDir, command: &Command) -> Result<Self, String> {
        let mut script = Command::new("sh");
        script.args(["-c", KEEPER, "keeper"]).arg(folder.path());
        script.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                script.env(name, value);
            }
        }
        // A group of its own: the terminal's Ctrl-C goes to the tests alone, and the pipe's end stops the server.
        script.current_dir(folder.path()).process_group(0);
        script
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut process = script
            .spawn()
            .map_err(|error| format!("cannot run `sh` for a server: {error}"))?;
        let orders = process.stdin.take();
        let answers = process.stdout.take().expect("piped above");
        let keeper = Keeper {
            process,
            orders,
            answers: BufReader::new(answers),
            running: false,
        };
        // From here on the script removes the folder.
        Ok(Self {
            folder: folder.keep(),
            keeper: Mutex::new(keeper),
        })
    }

    /// Starts the server, unless it runs.
    pub fn start(&self) {
        self.keeper().order("start", true);
    }

    /// Ends the server with SIGTERM, and with SIGKILL when that has no effect.
    pub fn stop(&self) {
        self.keeper().order("stop", false);
    }

    /// Ends the server with SIGKILL.
    pub fn kill(&self) {
        self.keeper().order("kill", false);
    }

    /// The last lines of what the server printed.
    pub fn last_log_lines(&self) -> String {
        let log = fs::read(self.folder.join("log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    fn keeper(&self) -> std::sync::MutexGuard<'_, Keeper> {
        // A test that panicked while it held the lock must not break the others that share the server.
        self.keeper
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Keeper {
    fn order(&mut self, order: &str, running: bool) {
        if self.running == running {
            return;
        }
        let orders = self.orders.as_mut().expect("open until dropped");
        writeln!(orders, "{order}").expect("the script that keeps a server takes orders");
        let mut answer = String::new();
        self.answers
            .read_line(&mut answer)
            .expect("the script that keeps a server answers");
        assert_eq!(
            answer.trim_end(),
            order,
            "the script that keeps a server has ended"
        );
        self.running = running;
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.orders.take());
        let _ = self.process.wait();
    }
}
