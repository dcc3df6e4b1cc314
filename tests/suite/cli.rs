//! The command line as its user meets it: help, usage errors, and where the configuration comes from.

use serde_json::Value;

use crate::support::snapback;

/// Every command of this version.
const COMMANDS: [&[&str]; 9] = [
    &["demo"],
    &["run"],
    &["produce"],
    &["snapshots"],
    &["snapshots", "list"],
    &["snapshots", "show"],
    &["verify"],
    &["config"],
    &["completions"],
];

#[test]
fn every_command_explains_itself_with_examples() {
    for command in COMMANDS {
        let finished = snapback(command).arg("--help").run().expect_code(0);
        let name = command.join(" ");
        let example = format!("snapback {name}");
        let (_, examples) = finished
            .stdout
            .split_once("Examples:")
            .unwrap_or_else(|| panic!("no examples for {name}:\n{}", finished.stdout));
        assert!(
            examples.contains(&example),
            "no example of {name}:\n{}",
            finished.stdout
        );
        assert!(finished.stderr.is_empty(), "{name}: {}", finished.stderr);
    }
}

#[test]
fn the_help_lists_every_command_and_the_exit_codes() {
    let finished = snapback(["--help"]).run().expect_code(0);
    for name in COMMANDS.map(|command| command[0]) {
        let listed = finished
            .stdout
            .lines()
            .any(|line| line.trim_start().starts_with(name));
        assert!(listed, "{name} is not in\n{}", finished.stdout);
    }
    for code in ["0", "1", "2", "3", "4", "5", "130"] {
        let listed = finished
            .stdout
            .lines()
            .any(|line| line.trim_start().starts_with(code));
        assert!(listed, "exit code {code} is not in\n{}", finished.stdout);
    }
}

#[test]
fn the_version_is_that_of_the_package() {
    let finished = snapback(["--version"]).run().expect_code(0);
    assert_eq!(
        finished.stdout,
        format!("snapback {}\n", env!("CARGO_PKG_VERSION"))
    );
}

/// Each must end with exit code 2 and name its mistake.
#[test]
fn what_cannot_be_understood_is_a_usage_error_that_names_it() {
    let table: &[(&[&str], &str)] = &[
        (&[], "Usage"),
        (&["walk"], "walk"),
        (&["run", "--speed", "high"], "--speed"),
        (&["run", "--delivery", "at-most-once"], "at-most-once"),
        (&["run", "--commit-interval", "soon"], "soon"),
        (&["run", "--commit-interval", "0s"], "--commit-interval"),
        (&["run", "--memory", "lots"], "lots"),
        (&["run", "--workers", "0"], "--workers"),
        (&["run", "--start", "yesterday-ish"], "yesterday-ish"),
        (&["run", "--accept-loss", "0:9-7"], "0:9-7"),
        (&["run", "--resume-from", "memory"], "memory"),
        (&["run", "--fields", "number INT8"], "INT8"),
        (&["run", "--fields", "result BIGINT"], "result"),
        (&["run", "--fields", "text VARCHAR"], "square"),
        (&["run", "--calculation", "cube"], "cube"),
        (&["run", "--calculation", "square(other)"], "other"),
        (
            &["run", "--store", "ftp://host/folder"],
            "ftp://host/folder",
        ),
        (&["run", "-X", "no-equals-sign"], "no-equals-sign"),
        (&["run", "-X", "group.id=other"], "--group"),
        (
            &["run", "-X", "enable.auto.commit=true"],
            "enable.auto.commit",
        ),
        (&["run", "-X", "no.such.property=1"], "no.such.property"),
        (&["run", "--events", "same", "--results", "same"], "same"),
        (&["run", "--config", "missing.toml"], "missing.toml"),
        (&["verify", "--level", "hopeful"], "hopeful"),
        (&["verify", "-o", "xml"], "xml"),
        (&["produce", "--count", "-1"], "-1"),
        (&["completions", "csh"], "csh"),
    ];
    for (args, mistake) in table {
        let finished = snapback(*args).run().expect_code(2);
        let named = finished.stderr.contains(mistake);
        assert!(
            named,
            "{args:?} does not name {mistake}:\n{}",
            finished.stderr
        );
        assert!(
            finished.stdout.is_empty(),
            "{args:?} prints {}",
            finished.stdout
        );
    }
}

#[test]
fn mistakes_in_the_file_are_named_with_the_file() {
    for (content, mistake) in [
        ("evnets = \"a\"", "evnets"),
        ("workers = \"many\"", "workers"),
        ("events = ", "own.toml"),
    ] {
        let finished = snapback(["config", "--config", "own.toml"])
            .file("own.toml", content)
            .run()
            .expect_code(2);
        assert!(
            finished.stderr.contains(mistake),
            "{content}:\n{}",
            finished.stderr
        );
        assert!(
            finished.stderr.contains("own.toml"),
            "{content}:\n{}",
            finished.stderr
        );
    }
}

#[test]
fn the_configuration_is_shown_with_its_sources_and_without_its_secrets() {
    let run = |output: &str| {
        snapback([
            "config",
            "-o",
            output,
            "--events",
            "from-a-flag",
            "--group",
            "flag",
        ])
        .args(["-X", "sasl.password=hunter2", "-X", "sasl.username=app"])
        .file(
            "snapback.toml",
            "events = \"from-the-file\"\nresults = \"file\"\n",
        )
        .env("SNAPBACK_GROUP", "from-the-environment")
        .env("SNAPBACK_BROKERS", "broker:9092")
        .env("AWS_ACCESS_KEY_ID", "an-id")
        .env("AWS_SECRET_ACCESS_KEY", "hunter3")
        .run()
        .expect_code(0)
    };
    let table = run("table");
    let json = run("json");
    for finished in [&table, &json] {
        for secret in ["hunter2", "hunter3"] {
            let all = format!("{}{}", finished.stdout, finished.stderr);
            assert!(!all.contains(secret), "{secret} is in\n{all}");
        }
        assert!(
            finished.stdout.contains("sasl.password"),
            "{}",
            finished.stdout
        );
    }
    for (value, source) in [
        ("from-a-flag", "--events"),
        ("flag", "--group"),
        ("broker:9092", "SNAPBACK_BROKERS"),
        ("file", "snapback.toml"),
        ("256", "default"),
    ] {
        let line = |line: &&str| line.contains(value) && line.contains(source);
        let found = table.stdout.lines().any(|text| line(&text));
        assert!(
            found,
            "no line with {value} from {source}:\n{}",
            table.stdout
        );
    }
    let _: Value = serde_json::from_str(&json.stdout).expect("JSON");
}

#[test]
fn completions_are_made_for_the_usual_shells() {
    for shell in ["bash", "zsh", "fish"] {
        let finished = snapback(["completions", shell]).run().expect_code(0);
        assert!(finished.stdout.contains("accept-loss"), "{shell}");
    }
}
