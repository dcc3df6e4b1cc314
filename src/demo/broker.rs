//! The embedded broker, in a process of its own.

use std::{
    io::{self, BufRead as _, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{ChildStdin, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use super::{DemoError, Interrupt, child};
use crate::kafka::{KafkaError, MockBroker};

const ROLE: &str = "embedded broker";
/// How long the broker may take to say where it listens.
const START: Duration = Duration::from_secs(20);
const TICK: Duration = Duration::from_millis(50);

/// Serves topics (names and partition counts) until `input` ends; says where on `output`, in one line.
///
/// # Errors
/// When the broker cannot be started.
pub fn serve(
    topics: &[(&str, i32)],
    mut input: impl Read,
    mut output: impl Write,
) -> Result<(), KafkaError> {
    let broker = MockBroker::start(topics)?;
    let said = writeln!(output, "{}", broker.bootstrap_servers()).and_then(|()| output.flush());
    // Who does not listen any more does not need a broker either.
    if said.is_ok() {
        let _ = io::copy(&mut input, &mut io::sink());
    }
    Ok(())
}

/// The broker's process; it ends with this value.
pub(super) struct DemoBroker {
    child: child::ChildProcess,
    stdin: Option<ChildStdin>,
    pub(super) address: String,
}

impl DemoBroker {
    /// Starts `program` as a broker with these topics, and waits until it says where it listens.
    pub(super) fn start(
        program: &Path,
        topics: &[String],
        partitions: u32,
        log: PathBuf,
        interrupt: &Interrupt,
    ) -> Result<DemoBroker, DemoError> {
        let topics = topics.iter().map(|topic| format!("{topic}={partitions}"));
        let mut command = child::command(program);
        command
            .arg("demo-broker")
            .args(topics)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(child::log_file(&log, ROLE)?);
        let mut child = child::ChildProcess::start(&mut command, ROLE, log)?;
        let stdin = child.stdin();
        let address = child.stdout().map(first_line);
        let deadline = Instant::now() + START;
        while let Some(line) = &address {
            match line.recv_timeout(TICK) {
                Ok(address) if !address.is_empty() => {
                    return Ok(DemoBroker {
                        child,
                        stdin,
                        address,
                    });
                }
                Err(RecvTimeoutError::Timeout) if Instant::now() < deadline => {
                    interrupt.check()?;
                }
                _ => break,
            }
        }
        interrupt.check()?;
        Err(child.ended_early())
    }
}

impl Drop for DemoBroker {
    fn drop(&mut self) {
        // Closing its standard input is enough; the process makes sure.
        drop(self.stdin.take());
        self.child.end(Duration::from_secs(1));
    }
}

fn first_line(stdout: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut line = String::new();
        // An error leaves the line empty, which says enough.
        let _ = BufReader::new(stdout).read_line(&mut line);
        let _ = sender.send(line.trim().to_owned());
    });
    receiver
}
