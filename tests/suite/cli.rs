//! The command line as its user meets it: help, usage errors, and where the configuration comes from.

use std::path::Path;

use serde_json::Value;

use crate::outside::{Pipeline, Place};
use crate::support::process::Program;
use crate::support::{read_all, snapback};

/// Every command of this version.
const COMMANDS: [&[&str]; 11] = [
    &["demo"],
    &["run"],
    &["produce"],
    &["snapshots"],
    &["snapshots", "list"],
    &["snapshots", "show"],
    &["verify"],
    &["config"],
    &["functions"],
    &["completions"],
    &["man"],
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

#[test]
fn a_filter_of_log_lines_that_is_none_is_named() {
    let run = |filter: &str| {
        snapback(["config"])
            .env("RUST_LOG", filter)
            .run()
            .expect_code(0)
    };
    let said = run("snapback=loud").stderr;
    assert!(said.contains("RUST_LOG") && said.contains("loud"), "{said}");
    for filter in ["", "off", "snapback=debug"] {
        assert!(!run(filter).stderr.contains("RUST_LOG"));
    }
}

/// `cargo test` builds it beside the program.
pub fn own_calculation(args: &[&str]) -> Program {
    let program = Path::new(env!("CARGO_BIN_EXE_snapback"));
    let folder = program.parent().expect("a folder");
    let example = folder.join("examples").join("own_calculation");
    assert!(
        example.exists(),
        "{} is not there: `cargo build --example own_calculation`",
        example.display()
    );
    Program::new(example).args(args)
}

#[test]
fn a_program_of_ones_own_calls_itself_by_its_own_name() {
    let own = own_calculation(&["--version"]).run().expect_code(0).stdout;
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        own,
        format!("own_calculation {version} (with snapback {version})\n")
    );
    let help = own_calculation(&["run", "--help"])
        .run()
        .expect_code(0)
        .stdout;
    assert!(help.contains("Usage: own_calculation run"), "{help}");
    assert!(
        help.contains("  own_calculation run --exit-at-end"),
        "{help}"
    );
    assert!(!help.contains("  snapback run"), "{help}");
    let wrong = own_calculation(&["rnu"]).run().expect_code(2).stderr;
    assert!(wrong.contains("own_calculation"), "{wrong}");
}

#[test]
fn there_is_a_manual_page_for_every_command() {
    let page = |args: &[&str]| snapback(["man"]).args(args).run().expect_code(0).stdout;
    assert!(page(&[]).contains(".TH snapback 1"), "{}", page(&[]));
    let run = page(&["run"]);
    for said in [".TH snapback-run 1", "\\-\\-accept\\-loss", "Examples:"] {
        assert!(run.contains(said), "{said} is not in {run}");
    }
    assert!(
        page(&["snapshots", "show"]).contains("SEQUENCE")
            || page(&["snapshots", "show"]).contains("sequence")
    );
    let folder = tempfile::tempdir().expect("a temporary folder");
    page(&["--to", folder.path().to_str().expect("text")]);
    for command in COMMANDS {
        let name = format!("snapback-{}.1", command.join("-"));
        assert!(folder.path().join(&name).is_file(), "{name}");
    }
    let unknown = snapback(["man", "walk"]).run().expect_code(2).stderr;
    assert!(unknown.contains("walk"), "{unknown}");
}

#[test]
fn a_calculation_of_ones_own_has_every_command() {
    let pipeline = Pipeline::new(1, Place::folder());
    pipeline.send(
        0,
        [
            r#"{"fahrenheit": 212}"#,
            r#"{"fahrenheit": -500}"#,
            r#"{"fahrenheit": 32}"#,
        ],
    );
    let flags = [
        "--fields",
        "fahrenheit DOUBLE NOT NULL",
        "--calculation",
        "celsius",
    ];
    let names = [
        "run",
        "--exit-at-end",
        "--brokers",
        &pipeline.brokers,
        "--events",
        &pipeline.events,
        "--results",
        &pipeline.results,
        "--group",
        &pipeline.group,
        "--store",
        &pipeline.store.url(),
    ];
    own_calculation(&names).args(flags).run().expect_code(0);
    let values: Vec<String> = read_all(&pipeline.brokers, &pipeline.results)
        .into_iter()
        .map(|record| String::from_utf8(record.payload.expect("a value")).expect("text"))
        .collect();
    assert_eq!(
        values,
        [
            r#"{"fahrenheit":212.0,"celsius":100.0,"kelvin":373.15}"#,
            r#"{"fahrenheit":32.0,"celsius":0.0,"kelvin":273.15}"#
        ]
    );
    let dead = read_all(&pipeline.brokers, &pipeline.rejects);
    let reason = dead[0]
        .headers
        .iter()
        .find(|(name, _)| name == "snapback-reason");
    let reason = reason
        .and_then(|(_, value)| value.clone())
        .expect("a reason");
    assert_eq!(
        String::from_utf8_lossy(&reason),
        "calculation: below absolute zero"
    );
    let verify = [
        "verify",
        "-o",
        "json",
        "--events",
        &pipeline.events,
        "--store",
        &pipeline.store.url(),
    ];
    own_calculation(&verify).args(flags).run().expect_code(0);

    // The program that is shipped does not know it, and says what it knows.
    let unknown = snapback(verify).args(flags).run().expect_code(2);
    assert!(
        unknown.stderr.contains("there is no field \"celsius\""),
        "{}",
        unknown.stderr
    );
    for said in ["own_calculation", "celsius", "fahrenheit DOUBLE NOT NULL"] {
        let stored = unknown.stderr.split_once("The store was last written by");
        let known = stored.is_some_and(|(_, rest)| rest.contains(said));
        assert!(known, "{said}: {}", unknown.stderr);
    }
    // Declared otherwise, it says what it needs.
    let unsuited = own_calculation(&verify)
        .args(["--calculation", "celsius"])
        .run()
        .expect_code(2);
    assert!(
        unsuited.stderr.contains("it needs the field"),
        "{}",
        unsuited.stderr
    );
}
