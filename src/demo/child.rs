//! Child processes that never outlive the demo.

use std::{
    collections::{HashMap, VecDeque},
    fs::{self, File},
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use serde::Deserialize;

use super::DemoError;

/// How much of a log is shown when something went wrong.
const LAST_LINES: usize = 20;

/// A command without the variables that configure the user's own pipelines and logs.
pub(super) fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name == "RUST_LOG" || name.to_string_lossy().starts_with("SNAPBACK_") {
            command.env_remove(name);
        }
    }
    command
}

/// A child process; killed, at the latest, when this is dropped.
pub(super) struct ChildProcess {
    child: Child,
    role: &'static str,
    log: PathBuf,
}

impl ChildProcess {
    pub(super) fn start(
        command: &mut Command,
        role: &'static str,
        log: PathBuf,
    ) -> Result<ChildProcess, DemoError> {
        let child = command.spawn().map_err(|source| DemoError::Start {
            program: command.get_program().into(),
            role,
            source,
        })?;
        Ok(ChildProcess { child, role, log })
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    pub(super) fn stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// What it says on standard error, which must be a pipe.
    pub(super) fn lines(&mut self, log: &Path) -> Result<LogLines, DemoError> {
        match self.child.stderr.take() {
            Some(stderr) => LogLines::of(stderr, log, self.role),
            None => LogLines::of(std::io::empty(), log, self.role),
        }
    }

    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> Result<Option<ExitStatus>, DemoError> {
        let role = self.role;
        let ended = self.child.try_wait();
        ended.map_err(|source| DemoError::Watch { role, source })
    }

    /// SIGKILL, now.
    pub(super) fn kill(&mut self) -> Result<(), DemoError> {
        let role = self.role;
        let killed = self.child.kill().and_then(|()| self.child.wait());
        killed.map_err(|source| DemoError::Watch { role, source })?;
        Ok(())
    }

    /// SIGTERM: it is to finish what it does, and end.
    pub(super) fn terminate(&mut self) -> Result<(), DemoError> {
        let role = self.role;
        let id = i32::try_from(self.child.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        let Some(id) = id else { return Ok(()) };
        rustix::process::kill_process(id, rustix::process::Signal::TERM).map_err(|source| {
            DemoError::Watch {
                role,
                source: source.into(),
            }
        })
    }

    /// Waits a moment for its end, then kills it.
    pub(super) fn end(&mut self, patience: Duration) {
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The error that it has ended, or would not do what it is for.
    pub(super) fn ended_early(&mut self) -> DemoError {
        self.end(Duration::from_millis(200));
        let status = match self.child.try_wait() {
            Ok(Some(status)) => status.to_string(),
            _ => "its state is unknown".to_owned(),
        };
        DemoError::Child {
            role: self.role,
            status,
            lines: self.last_lines(),
            log: self.log.clone(),
        }
    }

    /// The end of its log.
    pub(super) fn last_lines(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let mut last = VecDeque::with_capacity(LAST_LINES);
        for line in text.lines() {
            if last.len() == LAST_LINES {
                last.pop_front();
            }
            let (level, text) = parse(line);
            last.push_back(match level {
                Some(level) => format!("  {level} {text}"),
                None => format!("  {text}"),
            });
        }
        if last.is_empty() {
            return "  (it said nothing)".to_owned();
        }
        Vec::from(last).join("\n")
    }

    pub(super) fn log(&self) -> &Path {
        &self.log
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        self.end(Duration::ZERO);
    }
}

/// A new log file for a child to write to.
pub(super) fn log_file(log: &Path, role: &'static str) -> Result<Stdio, DemoError> {
    let file = File::create(log).map_err(|source| DemoError::Watch { role, source })?;
    Ok(file.into())
}

/// A child's log: every line goes to its file, and those worth showing come out here.
pub(super) struct LogLines {
    lines: Receiver<String>,
    seen: HashMap<String, u64>,
}

impl LogLines {
    /// Reads `source` until it ends, on a thread of its own.
    pub(super) fn of(
        source: impl std::io::Read + Send + 'static,
        log: &Path,
        role: &'static str,
    ) -> Result<LogLines, DemoError> {
        let mut file = File::create(log).map_err(|source| DemoError::Watch { role, source })?;
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            let mut source = BufReader::new(source);
            let mut line = Vec::new();
            while source
                .read_until(b'\n', &mut line)
                .is_ok_and(|length| length > 0)
            {
                // The log helps people; the demo goes on without it.
                let _ = file.write_all(&line);
                let _ = sender.send(String::from_utf8_lossy(&line).trim_end().to_owned());
                line.clear();
            }
        });
        Ok(LogLines {
            lines,
            seen: HashMap::new(),
        })
    }

    /// What was said since the last call, as level and text; of lines that differ in numbers only, the first.
    pub(super) fn news(&mut self) -> Vec<(Option<String>, String)> {
        let mut news = Vec::new();
        while let Ok(line) = self.lines.try_recv() {
            let (level, text) = parse(&line);
            let times = self.seen.entry(without_numbers(&text)).or_insert(0);
            *times += 1;
            if *times == 1 && !text.is_empty() {
                news.push((level, text));
            }
        }
        news
    }

    /// How many lines were left out.
    pub(super) fn similar(&self) -> u64 {
        self.seen.values().map(|times| times - 1).sum()
    }
}

/// Level and text of a line of the JSON log; any other line is text as it is.
fn parse(line: &str) -> (Option<String>, String) {
    #[derive(Deserialize)]
    struct Line {
        level: Option<String>,
        message: String,
    }
    match serde_json::from_str::<Line>(line) {
        Ok(line) => (line.level, line.message),
        Err(_) => (None, line.to_owned()),
    }
}

fn without_numbers(text: &str) -> String {
    let mut shape = String::with_capacity(text.len());
    for character in text.chars() {
        let character = if character.is_ascii_digit() {
            '#'
        } else {
            character
        };
        if character != '#' || !shape.ends_with('#') {
            shape.push(character);
        }
    }
    shape
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_json_log_gives_its_text_and_any_other_line_is_text() {
        let line = r#"{"timestamp":"2026-01-01T00:00:00Z","level":"INFO","message":"partition 3: replays 5-9","target":"snapback"}"#;
        assert_eq!(
            parse(line),
            (
                Some("INFO".to_owned()),
                "partition 3: replays 5-9".to_owned()
            )
        );
        for line in ["thread 'main' panicked", "{\"level\":3}", ""] {
            assert_eq!(parse(line), (None, line.to_owned()));
        }
    }

    #[test]
    fn of_lines_that_differ_in_numbers_only_the_first_is_shown() {
        let log = tempfile::NamedTempFile::new().unwrap();
        let said = "partition 1: at 10\npartition 12: at 7\nready\npartition 3: at 9\n";
        let mut lines = LogLines::of(said.as_bytes(), log.path(), "test").unwrap();
        let mut news = Vec::new();
        let deadline = Instant::now() + Duration::from_secs(10);
        while news.len() + usize::try_from(lines.similar()).unwrap() < 4 {
            assert!(Instant::now() < deadline);
            news.extend(lines.news());
        }
        let shown: Vec<&str> = news.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(shown, ["partition 1: at 10", "ready"]);
        assert_eq!(lines.similar(), 2);
        assert_eq!(fs::read_to_string(log.path()).unwrap(), said);
    }

    #[test]
    fn a_child_that_ends_early_is_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut command = Command::new("sh");
        command
            .args(["-c", "echo out of luck >&2; exit 3"])
            .stderr(log_file(&log, "test").unwrap());
        let mut child = ChildProcess::start(&mut command, "test", log).unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while child.ended().unwrap().is_none() {
            assert!(Instant::now() < deadline);
        }
        let error = child.ended_early().to_string();
        assert!(
            error.contains("exit status: 3") && error.contains("out of luck"),
            "{error}"
        );
    }

    #[test]
    fn a_child_that_is_dropped_is_killed() {
        let mut command = Command::new("sleep");
        let child = ChildProcess::start(command.arg("60"), "test", PathBuf::new()).unwrap();
        let process = PathBuf::from(format!("/proc/{}", child.id()));
        drop(child);
        assert!(!process.exists());
    }
}
