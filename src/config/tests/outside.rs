//! What environments, mounted secrets and files bring along, and where a wrong value came from.

use super::*;

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

#[test]
fn a_variable_of_ours_that_is_no_text_is_refused_by_its_name() {
    use std::{ffi::OsString, os::unix::ffi::OsStringExt as _};
    let variables = |name: &str| {
        let latin = OsString::from_vec(b"gr\xf6\xdfer".to_vec());
        vec![(OsString::from(name), latin)]
    };
    for name in ["SNAPBACK_KAFKA_SASL_PASSWORD", "AWS_SECRET_ACCESS_KEY"] {
        let text = text_of(variables(name)).unwrap_err().to_string();
        assert!(text.contains(name), "{text}");
    }
    assert_eq!(text_of(variables("LS_COLORS")).unwrap(), []);
}
