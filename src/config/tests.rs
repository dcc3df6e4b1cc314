//! Layers, validation and what is shown of them.

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

#[test]
fn empty_variables_are_unset() {
    let variables = [
        ("SNAPBACK_KAFKA_SASL_USERNAME", ""),
        ("SNAPBACK_GROUP", "\n"),
        ("AWS_REGION", ""),
        ("SNAPBACK_UNKNOWN", ""),
    ];
    let layers = Layers::read(Flags::default(), env(&variables)).unwrap();
    assert!(layers.properties().unwrap().is_empty());
    assert!(layers.aws().is_empty() && layers.unknown_variables().is_empty());
    assert_eq!(layers.text(key::GROUP).source, Source::Default);
    let no_file = Layers::read(Flags::default(), env(&[("SNAPBACK_CONFIG", "")]));
    assert!(no_file.is_ok(), "{no_file:?}");
}

#[test]
fn a_line_break_after_a_credential_is_left_out_and_said_wherever_it_came_from() {
    let mut typed = Flags::default();
    typed.property("ssl.key.password=three\r\n");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("own.toml");
    let pem = "-----BEGIN CERTIFICATE-----\\n";
    let file = format!("[kafka]\nsasl.username = \"one\\n\"\nssl.ca.pem = \"{pem}\"\n");
    std::fs::write(&path, file).expect("written");
    typed.config(Some(&path));
    let variables = env(&[
        ("SNAPBACK_KAFKA_SASL_PASSWORD", "two\n"),
        ("AWS_SECRET_ACCESS_KEY", "four\n"),
        ("OTHER", "five\n"),
    ]);
    let layers = Layers::read(typed, variables).unwrap();
    let properties = layers.properties().unwrap();
    let text = |name: &str| properties[name].text.as_str();
    assert_eq!(text("sasl.username"), "one");
    assert_eq!(text("sasl.password"), "two");
    assert_eq!(text("ssl.key.password"), "three");
    assert!(text("ssl.ca.pem").ends_with('\n'));
    assert_eq!(layers.aws()[0].1, "four");
    let warnings = layers.warnings();
    assert_eq!(warnings.len(), 4, "{warnings:?}");
    for name in [
        "sasl.username",
        "SNAPBACK_KAFKA_SASL_PASSWORD",
        "-X ssl.key.password",
        "AWS_SECRET_ACCESS_KEY",
    ] {
        let named = |warning: &&String| warning.contains(name);
        let found = warnings.iter().find(named).expect(name);
        for secret in ["one", "two", "three", "four"] {
            let secret = format!("{secret}\n");
            assert!(!found.contains(&secret), "{found}");
        }
    }
}

#[test]
fn a_credential_with_a_line_break_inside_is_refused_by_its_name() {
    let refused = |variables: &[(&str, &str)]| {
        let layers = layers(&[(key::STORE, "s3://bucket/x")], variables, "").unwrap();
        RunConfig::new(&layers).unwrap_err().to_string()
    };
    for name in [
        "SNAPBACK_KAFKA_SASL_PASSWORD",
        "SNAPBACK_KAFKA_SASL_USERNAME",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
    ] {
        let text = refused(&[(name, "hunter\n2")]);
        assert!(text.contains(name) && !text.contains("hunter"), "{text}");
    }
}

#[test]
fn variables_that_kubernetes_sets_for_a_service_are_no_properties() {
    let variables = env(&[
        ("SNAPBACK_KAFKA_SERVICE_HOST", "10.0.0.1"),
        ("SNAPBACK_KAFKA_SERVICE_PORT", "9092"),
        ("SNAPBACK_KAFKA_PORT", "tcp://10.0.0.1:9092"),
        ("SNAPBACK_KAFKA_PORT_9092_TCP_ADDR", "10.0.0.1"),
        ("SNAPBACK_KAFKA_LINGER_MS", "7"),
    ]);
    let layers = Layers::read(Flags::default(), variables).unwrap();
    let connection = connection(&layers).unwrap();
    assert_eq!(connection.property("linger.ms"), Some("7"));
    assert_eq!(layers.properties().unwrap().len(), 1);
    assert_eq!(layers.unknown_variables().len(), 4);
}

#[test]
fn a_decision_for_one_start_in_a_variable_is_said_to_be_ignored() {
    let layers = layers(&[], &[("SNAPBACK_RESUME_FROM", "frontier")], "").unwrap();
    let warnings = layers.warnings().join("\n");
    assert!(warnings.contains("--resume-from"), "{warnings}");
}

#[test]
fn a_bad_value_of_the_file_is_named_with_its_line() {
    for (file, line, named) in [
        ("# ours\n\nmemory = \"x\"", 3, "--memory"),
        ("\nevnets = 1", 2, "evnets"),
        ("\n\nresume-from = \"frontier\"", 3, "--resume-from"),
        ("events = \"a\"\nresults = [1]", 2, "results"),
        ("\n[kafka]\nlinger.ms = \"soon\"", 3, "linger.ms"),
        ("[kafka]\ngroup.id = \"x\"", 2, "--group"),
        ("[kafka]\n\n\"no.such\" = 1", 3, "no.such"),
        (
            "[kafka.sasl]\nmechanism = \"x\"\n[kafka.security]\nprotocol = \"SASL_SSL\"",
            2,
            "sasl.mechanism",
        ),
        ("events = \"same\"\nresults = \"same\"", 2, "same"),
        ("\nfields = \"text VARCHAR\"", 2, "square"),
    ] {
        let text = match layers(&[], &[], file).and_then(|layers| RunConfig::new(&layers)) {
            Ok(_) => panic!("{file} is taken"),
            Err(error) => error.to_string(),
        };
        let place = format!("line {line} of ");
        assert!(
            text.contains(&place) && text.contains(named),
            "{file}: {text}"
        );
    }
}

#[test]
fn a_mechanism_that_the_build_lacks_is_refused_with_what_to_do() {
    let with = |file: &str| connection(&layers(&[], &[], file).unwrap());
    let secure = "[kafka]\nsecurity.protocol = \"SASL_SSL\"\n";
    for (more, named) in [
        ("", "SCRAM-SHA-512"),
        ("sasl.mechanism = \"GSSAPI\"", "Kerberos"),
        ("sasl.mechanism = \"OAUTHBEARER\"", "tokens"),
        ("sasl.mechanisms = \"scram-sha-512\"", "capitals"),
    ] {
        let text = with(&format!("{secure}{more}")).unwrap_err().to_string();
        assert!(text.contains(named), "{more}: {text}");
        assert!(text.contains("own.toml"), "{more}: {text}");
    }
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        with(&format!("{secure}sasl.mechanism = {mechanism:?}")).unwrap();
    }
    // Without SASL, nobody is asked.
    with("[kafka]\nsasl.mechanism = \"GSSAPI\"").unwrap();
}
