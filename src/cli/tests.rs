//! The command line as a whole.

use super::*;

fn commands(parent: &clap::Command, path: &str, into: &mut Vec<(String, String)>) {
    for command in parent.get_subcommands() {
        let path = format!("{path} {}", command.get_name());
        let help = command.clone().render_help().to_string();
        commands(command, &path, into);
        into.push((path, help));
    }
}

#[test]
fn the_definition_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn every_help_has_an_example_of_its_command_and_lines_that_fit() {
    let mut all = Vec::new();
    commands(&Cli::command(), "snapback", &mut all);
    assert!(all.len() >= 9, "{all:?}");
    for (path, help) in all {
        let (_, examples) = help
            .split_once("Examples:")
            .unwrap_or_else(|| panic!("{path} has no examples"));
        assert!(examples.contains(&path), "no example of {path}");
        assert!(
            help.lines().all(|line| line.chars().count() <= 100),
            "{path}:\n{help}"
        );
    }
}

#[test]
fn every_example_can_be_parsed() {
    let mut all = vec![(
        "snapback".to_owned(),
        Cli::command().render_help().to_string(),
    )];
    commands(&Cli::command(), "snapback", &mut all);
    for (path, help) in all {
        let examples = help.split_once("Examples:").expect("has examples").1;
        for line in examples
            .lines()
            .map(str::trim)
            .filter(|line| line.starts_with("snapback "))
        {
            let line = line
                .split("   ")
                .next()
                .unwrap_or(line)
                .split(" > ")
                .next()
                .unwrap_or(line);
            let words = words(line);
            assert!(
                Cli::try_parse_from(&words).is_ok(),
                "{path}: {line}: {:?}",
                Cli::try_parse_from(&words).err()
            );
        }
    }
}

/// Words of a shell with single quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (n, part) in line.split('\'').enumerate() {
        if n % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

#[test]
fn the_flags_of_run_become_the_same_command_again() {
    let typed = [
        "snapback",
        "run",
        "--config",
        "own.toml",
        "-X",
        "sasl.password=hunter2",
        "--events",
        "orders",
        "--exit-at-end",
        "--create-topics=false",
        "--accept-loss",
        "3:1-2",
        "--accept-loss",
        "4:1-2",
    ];
    let Command::Run(args) = Cli::try_parse_from(typed).expect("valid").command else {
        panic!()
    };
    let again = args.flags().invocation("run").to_string();
    assert_eq!(
        again,
        "snapback run --config own.toml -X sasl.password=... --events orders --exit-at-end --create-topics=false \
         --accept-loss 3:1-2 --accept-loss 4:1-2"
    );
    assert!(Cli::try_parse_from(words(&again)).is_ok());
}

#[test]
fn an_expression_may_begin_with_a_minus() {
    for command in ["run", "verify", "calculation", "demo"] {
        let typed = ["--calculation", "-number", "--where", "-number > 1"];
        let typed = ["snapback", command].into_iter().chain(typed);
        assert!(Cli::try_parse_from(typed).is_ok(), "{command}");
    }
}
