//! The processor, as the demo runs it: `snapback run` in a process of its own.

use std::{process::Stdio, time::Instant};

use super::{Cluster, DemoError, Step, child, setup::Setup};
use crate::recovery::Invocation;

const ROLE: &str = "processor";

/// The processor is started twice: the first run is killed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Run {
    First,
    Second,
    /// Never killed: it verifies what is stored all the time.
    Scrubbing,
}

/// The running processor; killed, at the latest, when this is dropped.
pub(super) struct Processor {
    pub(super) process: child::ChildProcess,
    pub(super) lines: child::LogLines,
    pub(super) since: Instant,
}

impl Processor {
    pub(super) fn report_lines(&mut self, report: &mut dyn FnMut(Step)) {
        for (level, text) in self.lines.news() {
            report(Step::Logged { level, text });
        }
    }
}

impl Setup<'_> {
    fn delivery(&self) -> &'static str {
        if self.is_exactly_once() {
            "exactly-once"
        } else {
            "at-least-once"
        }
    }

    /// Starts the processor on this setup.
    pub(super) fn start(
        &self,
        log: &str,
        run: Run,
        report: &mut dyn FnMut(Step),
    ) -> Result<Processor, DemoError> {
        let log = self.folder.log(log);
        let mut command = child::command(&self.settings.program);
        command
            .args(self.arguments(run))
            .envs(self.variables())
            // Not where a snapback.toml of the user's may be.
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut process = child::ChildProcess::start(&mut command, ROLE, log.clone())?;
        let since = Instant::now();
        let lines = process.lines(&log)?;
        report(Step::Started {
            again: run == Run::Second,
            pid: process.id(),
            command: self.shown_command(run),
        });
        Ok(Processor {
            process,
            lines,
            since,
        })
    }

    fn arguments(&self, run: Run) -> Vec<String> {
        let mut arguments: Vec<String> = vec!["run".to_owned()];
        let mut flag = |name: &str, value: &str| {
            arguments.push(name.to_owned());
            arguments.push(value.to_owned());
        };
        flag("--brokers", self.connection.brokers());
        flag("--events", &self.pipeline.events);
        flag("--results", &self.pipeline.results);
        flag("--rejects", &self.pipeline.rejects);
        flag("--group", &self.pipeline.group);
        flag("--store", &self.folder.path().display().to_string());
        flag("--snapshot-interval", "1s");
        flag("--instance", "demo");
        flag("--log-format", "json");
        flag("--delivery", self.delivery());
        flag("--status", "off");
        if self.settings.cluster == Cluster::Embedded {
            // The embedded broker knows no static members: the dead one is in the way until its session has ended.
            flag("-X", "session.timeout.ms=1500");
            flag("-X", "heartbeat.interval.ms=400");
            flag("-X", "fetch.wait.max.ms=50");
        }
        if run == Run::Scrubbing {
            flag("--scrub-interval", "1s");
            flag("--scrub-percent", "50");
        }
        let own = self.settings.task.flags().into_iter();
        arguments.extend(own.map(|(flag, text)| format!("{flag}={text}")));
        // The first run has no end of its own.
        if run == Run::Second {
            arguments.push("--exit-at-end".to_owned());
        }
        arguments
    }

    /// Client properties as variables: some are secrets, and everybody can see command lines.
    fn variables(&self) -> impl Iterator<Item = (String, &str)> {
        let properties: &[(String, String)] = match &self.settings.cluster {
            Cluster::Embedded => &[],
            Cluster::Existing { properties, .. } => properties,
        };
        properties.iter().map(|(name, value)| {
            let name = name.to_ascii_uppercase().replace('.', "_");
            (format!("SNAPBACK_KAFKA_{name}"), value.as_str())
        })
    }

    /// The command line without what only the demo needs, and without properties, which may be secrets.
    fn shown_command(&self, run: Run) -> String {
        let command = Invocation::new("run")
            .with("--delivery", self.delivery())
            .with("--snapshot-interval", "1s");
        let command = self.settings.task.on(command);
        let command = match run {
            Run::First => command,
            Run::Scrubbing => command
                .with("--scrub-interval", "1s")
                .with("--scrub-percent", "50"),
            Run::Second => command.with_switch("--exit-at-end"),
        };
        command.to_string()
    }
}
