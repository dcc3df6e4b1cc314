//! Layers, validation and what is shown of them.

mod outside;

use super::*;
use crate::recovery::{ResumeFrom, Start};

fn flags(values: &[(Key, &str)]) -> Flags {
    let mut flags = Flags::default();
    for (key, value) in values {
        flags.add(*key, Some(value));
    }
    flags
}

fn env(values: &[(&str, &str)]) -> Vec<(String, String)> {
    values
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn layers(
    typed: &[(Key, &str)],
    environment: &[(&str, &str)],
    file: &str,
) -> Result<Layers, ConfigError> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("own.toml");
    std::fs::write(&path, file).expect("written");
    let mut flags = flags(typed);
    flags.config(Some(&path));
    Layers::read(flags, env(environment))
}

fn run(typed: &[(Key, &str)]) -> Result<RunConfig, ConfigError> {
    RunConfig::new(&layers(typed, &[], "")?)
}

#[test]
fn flags_win_over_variables_and_variables_over_the_file() {
    let file = "group = \"file\"\nresults = \"file\"\nworkers = 3\n";
    let variables = [
        ("SNAPBACK_GROUP", "variable"),
        ("SNAPBACK_RESULTS", "variable"),
        ("SNAPBACK_EVENTS", ""),
    ];
    let config =
        RunConfig::new(&layers(&[(key::GROUP, "flag")], &variables, file).unwrap()).unwrap();
    let pipeline = &config.pipeline;
    assert_eq!(
        (
            pipeline.group.as_str(),
            pipeline.results.as_str(),
            config.workers
        ),
        ("flag", "variable", 3)
    );
    assert_eq!(
        (pipeline.events.as_str(), pipeline.rejects.as_str()),
        ("events", "events.dlq")
    );
}

#[test]
fn the_defaults_are_those_of_the_script_and_are_valid() {
    let config = run(&[]).unwrap();
    assert_eq!(config.connection.brokers(), "localhost:9092");
    assert_eq!(
        config.calculation.fields.to_string(),
        "number BIGINT NOT NULL"
    );
    assert_eq!(
        (config.pipeline.group.as_str(), config.policy.start),
        ("recalc_group", Start::Earliest)
    );
    assert_eq!(
        (config.memory, config.delivery),
        (256 * 1024 * 1024, Delivery::ExactlyOnce)
    );
    assert!(config.create_topics && !config.exit_at_end);
}

#[test]
fn every_mistake_names_the_setting_the_value_and_its_origin() {
    let table = [
        (key::BROKERS, "a b:1"),
        (key::EVENTS, "no/slash"),
        (key::RESULTS, ""),
        (key::REJECTS, "a b"),
        (key::GROUP, ""),
        (key::STORE, "ftp://host/x"),
        (key::FIELDS, "number INT8"),
        (key::CALCULATION, "cube"),
        (key::DELIVERY, "at-most-once"),
        (key::COMMIT_INTERVAL, "0s"),
        (key::COMMIT_INTERVAL, "6s"),
        (key::SNAPSHOT_INTERVAL, "soon"),
        (key::MEMORY, "lots"),
        (key::MEMORY, "1MiB"),
        (key::WORKERS, "0"),
        (key::WORKERS, "-1"),
        (key::INSTANCE, "a/b"),
        (key::START, "yesterday-ish"),
        (key::START, "2026-13-41"),
        (key::EXIT_AT_END, "yes"),
        (key::SHUTDOWN_TIMEOUT, "0s"),
        (key::STATUS, "9464"),
        (key::STATUS, "host:port"),
        (key::STATUS, "::1:9464"),
        (key::STATUS, "a b:1"),
        (key::CREATE_TOPICS, "no"),
        (key::ACCEPT_LOSS, "0:9-7"),
        (key::ACCEPT_LOSS, "0:7-7"),
        (key::ACCEPT_LOSS, "-1:7-9"),
        (key::ACCEPT_LOSS, "7-9"),
        (key::RESUME_FROM, "memory"),
    ];
    for (key, value) in table {
        let text = run(&[(key, value)]).expect_err(value).to_string();
        assert!(
            text.contains(&key.flag()) && text.contains(value),
            "{}={value}: {text}",
            key.name
        );
    }
    let text = RunConfig::new(&layers(&[], &[("SNAPBACK_WORKERS", "many")], "").unwrap())
        .unwrap_err()
        .to_string();
    assert!(text.contains("SNAPBACK_WORKERS"), "{text}");
    let text = RunConfig::new(&layers(&[], &[], "memory = \"x\"").unwrap())
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("own.toml") && text.contains("--memory"),
        "{text}"
    );
}

#[test]
fn the_status_is_served_where_somebody_chose_or_by_default_or_nowhere() {
    let at = |text: &str| text.to_owned();
    let status = |layers| RunConfig::new(&layers).unwrap().status;
    let none = layers(&[], &[], "").unwrap();
    assert_eq!(status(none), StatusAddress::Default(at("127.0.0.1:9464")));
    // Chosen is also what somebody wrote who likes the default.
    for text in ["127.0.0.1:9464", "0.0.0.0:0", "localhost:1", "[::1]:9464"] {
        let file = format!("status = {text:?}");
        let chosen = StatusAddress::Chosen(at(text));
        assert_eq!(status(layers(&[], &[], &file).unwrap()), chosen);
        let variable = [("SNAPBACK_STATUS", text)];
        assert_eq!(status(layers(&[], &variable, "").unwrap()), chosen);
    }
    let off = layers(&[(key::STATUS, "off")], &[("SNAPBACK_STATUS", "a:1")], "");
    assert_eq!(status(off.unwrap()), StatusAddress::Off);
}

#[test]
fn topics_differ_and_the_calculation_fits_its_fields() {
    let same = run(&[(key::EVENTS, "same"), (key::RESULTS, "same")])
        .unwrap_err()
        .to_string();
    assert!(
        same.contains("same") && same.contains("--results"),
        "{same}"
    );
    let dlq = run(&[(key::RESULTS, "events.dlq")])
        .unwrap_err()
        .to_string();
    assert!(dlq.contains("--rejects"), "{dlq}");
    assert!(matches!(
        run(&[(key::FIELDS, "text VARCHAR")]),
        Err(ConfigError::Calculation { .. })
    ));
    assert!(matches!(
        run(&[(key::CALCULATION, "square(other)")]),
        Err(ConfigError::Calculation { .. })
    ));
}

#[test]
fn decisions_for_one_start_are_read_from_flags_alone() {
    let typed = [
        (key::ACCEPT_LOSS, "3:1000-1200"),
        (key::ACCEPT_LOSS, "5:0-1"),
        (key::RESUME_FROM, "frontier"),
    ];
    let policy = run(&typed).unwrap().policy;
    assert_eq!(
        (policy.accept_loss.len(), policy.resume_from),
        (2, Some(ResumeFrom::Frontier))
    );
    let variables = [
        ("SNAPBACK_RESUME_FROM", "frontier"),
        ("SNAPBACK_ACCEPT_LOSS", "1:2-3"),
    ];
    let policy = RunConfig::new(&layers(&[], &variables, "").unwrap())
        .unwrap()
        .policy;
    assert_eq!((policy.accept_loss.len(), policy.resume_from), (0, None));
    let text = layers(&[], &[], "resume-from = \"frontier\"")
        .unwrap_err()
        .to_string();
    assert!(text.contains("--resume-from"), "{text}");
}

#[test]
fn starting_points_are_read_in_utc() {
    let table = [
        ("latest", Start::Latest),
        ("1970-01-02", Start::Time(86_400_000)),
        ("1970-01-01T00:00:01Z", Start::Time(1000)),
        ("1970-01-01 00:00:01.5", Start::Time(1500)),
    ];
    for (text, start) in table {
        assert_eq!(
            run(&[(key::START, text)]).unwrap().policy.start,
            start,
            "{text}"
        );
    }
}

#[test]
fn an_unknown_key_is_named_with_the_nearest_one() {
    for (file, key, nearest) in [
        ("evnets = 1", "evnets", Some("\"events\"")),
        (
            "commit_interval = \"1s\"",
            "commit_interval",
            Some("\"commit-interval\""),
        ),
        ("[kafak]\na = 1", "kafak", Some("\"kafka\"")),
        ("something-else = 1", "something-else", None),
    ] {
        let text = layers(&[], &[], file).unwrap_err().to_string();
        assert!(text.contains("own.toml") && text.contains(key), "{text}");
        assert_eq!(text.contains("did you mean"), nearest.is_some(), "{text}");
        assert!(
            nearest.is_none_or(|nearest| text.contains(nearest)),
            "{text}"
        );
    }
    assert!(matches!(
        layers(&[], &[], "events = "),
        Err(ConfigError::Syntax { .. })
    ));
    assert!(matches!(
        layers(&[], &[], "events = [1]"),
        Err(ConfigError::Kind { .. })
    ));
}

#[test]
fn a_file_that_was_named_must_exist() {
    let mut flags = Flags::default();
    flags.config(Some(std::path::Path::new("missing.toml")));
    assert!(matches!(
        Layers::read(flags, []),
        Err(ConfigError::Unreadable { .. })
    ));
    let named = Layers::read(
        Flags::default(),
        env(&[("SNAPBACK_CONFIG", "missing.toml")]),
    );
    assert!(matches!(named, Err(ConfigError::Unreadable { .. })));
}

#[test]
fn properties_come_from_table_variables_and_flags() {
    let mut typed = Flags::default();
    typed.property("linger.ms=7");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("own.toml");
    let file =
        "[kafka]\nlinger.ms = 5\n\"sasl.password\" = \"hunter1\"\nssl.ca.location = \"/ca\"\n";
    std::fs::write(&path, file).expect("written");
    typed.config(Some(&path));
    let variables = env(&[
        ("SNAPBACK_KAFKA_SASL_PASSWORD", "hunter2"),
        ("AWS_SECRET_ACCESS_KEY", "hunter3"),
    ]);
    let layers = Layers::read(typed, variables).unwrap();
    let properties = layers.properties().unwrap();
    let value = |name: &str| {
        (
            properties[name].text.as_str(),
            properties[name].source.to_string(),
        )
    };
    assert_eq!(value("linger.ms"), ("7", "-X".to_owned()));
    assert_eq!(
        value("sasl.password"),
        ("hunter2", "SNAPBACK_KAFKA_SASL_PASSWORD".to_owned())
    );
    assert_eq!(value("ssl.ca.location").0, "/ca");
    let shown = serde_json::to_string(&effective(&layers).unwrap()).unwrap();
    assert!(
        shown.contains("kafka.sasl.password") && !shown.contains("hunter"),
        "{shown}"
    );
    assert!(!format!("{:?}", RunConfig::new(&layers).unwrap()).contains("hunter"));
}

#[test]
fn a_property_of_our_own_is_an_error_that_says_where_it_came_from() {
    let text = RunConfig::new(&layers(&[], &[("SNAPBACK_KAFKA_GROUP_ID", "x")], "").unwrap())
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("SNAPBACK_KAFKA_GROUP_ID") && text.contains("--group"),
        "{text}"
    );
    let mut flags = Flags::default();
    flags.property("no-equals-sign");
    let text = RunConfig::new(&Layers::read(flags, []).unwrap())
        .unwrap_err()
        .to_string();
    assert!(text.contains("no-equals-sign"), "{text}");
}

#[test]
fn the_effective_configuration_shows_every_setting_with_its_source() {
    let layers = layers(
        &[(key::EVENTS, "orders")],
        &[("SNAPBACK_GROUP", "mine")],
        "results = \"r\"",
    )
    .unwrap();
    let shown = effective(&layers).unwrap();
    let find = |name: &str| {
        shown
            .iter()
            .find(|setting| setting.setting == name)
            .cloned()
            .expect(name)
    };
    assert_eq!(find("events").source, "--events");
    assert_eq!(find("group").source, "SNAPBACK_GROUP");
    assert!(find("results").source.ends_with("own.toml"));
    assert_eq!(
        (
            find("rejects").value.as_deref(),
            find("rejects").source.as_str()
        ),
        (Some("orders.dlq"), "default")
    );
    let every = key::ALL.iter().filter(|key| !key.once);
    for key in every {
        find(key.name);
    }
}

#[test]
fn variables_that_are_no_settings_are_named() {
    let variables = env(&[
        ("SNAPBACK_GROUP", "g"),
        ("SNAPBACK_COMIT_INTERVAL", "1s"),
        ("SNAPBACK_KAFKA_LINGER_MS", "5"),
        ("SNAPBACK_PORT", "tcp://10.0.0.1:80"),
        ("OTHER", "x"),
    ]);
    let layers = Layers::read(Flags::default(), variables).unwrap();
    assert_eq!(
        layers.unknown_variables(),
        ["SNAPBACK_COMIT_INTERVAL", "SNAPBACK_PORT"]
    );
}
