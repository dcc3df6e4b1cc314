//! The processor, as the demo runs it: `snapback run` in a process of its own.

use std::{process::Stdio, time::Instant};

use super::{Cluster, DemoError, Scene, child, stage::Stage};

const ROLE: &str = "processor";

/// Which of the processor's lives: the first ends by force.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    First,
    Second,
}

/// The running processor; killed, at the latest, when this is dropped.
pub(super) struct Processor {
    pub(super) guard: child::Guard,
    pub(super) words: child::Words,
    pub(super) since: Instant,
}

impl Processor {
    pub(super) fn tell_news(&mut self, tell: &mut dyn FnMut(Scene)) {
        for (level, text) in self.words.news() {
            tell(Scene::Said { level, text });
        }
    }
}

impl Stage<'_> {
    fn delivery(&self) -> &'static str {
        if self.is_exactly_once() {
            "exactly-once"
        } else {
            "at-least-once"
        }
    }

    /// Starts the processor on this stage.
    pub(super) fn start(
        &self,
        log: &str,
        life: Life,
        tell: &mut dyn FnMut(Scene),
    ) -> Result<Processor, DemoError> {
        let log = self.folder.log(log);
        let mut command = child::command(&self.settings.program);
        command
            .args(self.arguments(life))
            .envs(self.variables())
            // Not where a snapback.toml of the user's may be.
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut guard = child::Guard::start(&mut command, ROLE, log.clone())?;
        let since = Instant::now();
        let words = guard.words(&log)?;
        tell(Scene::Started {
            again: life == Life::Second,
            pid: guard.id(),
            command: self.shown_command(life),
        });
        Ok(Processor {
            guard,
            words,
            since,
        })
    }

    fn arguments(&self, life: Life) -> Vec<String> {
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
        // The first life has no end of its own.
        if life == Life::Second {
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
    fn shown_command(&self, life: Life) -> String {
        let delivery = self.delivery();
        let end = match life {
            Life::First => "",
            Life::Second => " --exit-at-end",
        };
        format!("snapback run --delivery {delivery} --snapshot-interval 1s{end}")
    }
}
