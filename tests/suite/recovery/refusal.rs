//! A refusal as it is seen from outside: its text, and the commands in it.

use super::*;

/// A refusal: exit code 4, the text, and the commands in it.
pub(super) struct Refusal {
    pub(super) store: String,
    pub(super) commands: Vec<String>,
}

/// Runs it to its refusal, whose text is held under `name`.
#[track_caller]
pub(super) fn refused(name: &str, pipeline: &Pipeline, flags: &[&str]) -> Refusal {
    let finished = pipeline.run_to_end().args(flags).run().expect_code(4);
    hold(name, pipeline, &finished);
    let commands = printed_commands(&finished);
    assert!(!commands.is_empty(), "no command:\n{}", finished.stderr);
    Refusal {
        store: pipeline.store.url(),
        commands,
    }
}

impl Refusal {
    /// The only printed command with this text.
    #[track_caller]
    pub(super) fn command(&self, part: &str) -> &str {
        let mut found = self
            .commands
            .iter()
            .filter(|command| command.contains(part));
        match (found.next(), found.next()) {
            (Some(command), None) => command,
            found => panic!("{part}: {found:?} of {:#?}", self.commands),
        }
    }

    /// Runs the only printed command with this text, which resolves the refusal.
    #[track_caller]
    pub(super) fn resolve_with(&self, part: &str) -> Finished {
        run(self.command(part))
    }

    /// Runs the printed command that leaves this history alone and begins another.
    #[track_caller]
    pub(super) fn begin_anew(&self) {
        self.resolve_with(&format!("--store {}-2 ", self.store));
    }

    /// Runs the printed command that is the refused one again, after what it depends on has changed.
    #[track_caller]
    pub(super) fn run_again(&self) {
        self.resolve_with(&format!("--store {} ", self.store));
    }
}

/// Runs a printed command, which resolves the refusal.
#[track_caller]
pub(super) fn run(command: &str) -> Finished {
    in_a_shell(command).run().expect_code(0)
}

/// Holds what a program logged, without what differs from run to run.
#[track_caller]
pub(super) fn hold(name: &str, pipeline: &Pipeline, finished: &Finished) {
    // Longest first: one may be a part of another.
    let mut values: Vec<(String, &str)> = vec![
        (pipeline.brokers.clone(), "BROKERS"),
        (pipeline.events.clone(), "EVENTS"),
        (pipeline.results.clone(), "RESULTS"),
        (pipeline.group.clone(), "GROUP"),
        (pipeline.store.path().display().to_string(), "STORE"),
    ];
    values.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
    let mut text = finished.stderr.clone();
    for (value, name) in values {
        text = text.replace(&value, name);
    }
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for (pattern, replacement) in [
        // In the log: when, and how long it took.
        // Ids of topics and clusters.
        (
            r"[A-Za-z0-9+/_-]{22}(\s+there,\s+)[A-Za-z0-9+/_-]{22}",
            "ID${1}OTHER",
        ),
        (
            r"[A-Za-z0-9+/_-]{22} in the store, [A-Za-z0-9+/_-]{22} here",
            "ID in the store, OTHER here",
        ),
        (r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z", "TIME"),
        (r"\d+(\.\d+)?(ns|µs|ms|s)\b", "DURATION"),
        (r"sha256:[0-9a-f]{64}", "DIGEST"),
        (r"\b[0-9a-f]{16}\b", "FINGERPRINT"),
        (r"-[0-9a-f]{8}\.parquet", "-ID.parquet"),
        // Names that another pipeline has.
        (r"\b(events|results|group)-t\d{4}\b", "OTHER"),
        (
            r"snapback \d+\.\d+\.\d+ as \S+: ",
            "snapback VERSION as INSTANCE: ",
        ),
        (
            r"snapback \d+\.\d+\.\d+ \S+/\d+",
            "snapback VERSION INSTANCE",
        ),
    ] {
        settings.add_filter(pattern, replacement);
    }
    settings.bind(|| insta::assert_snapshot!(name, text));
}
