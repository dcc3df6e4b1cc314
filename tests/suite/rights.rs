//! Who we are, and what we may do: what was never granted needs a person, what is taken away is waited for.

use std::collections::BTreeSet;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::outside::{
    LIMIT, Offsets, Pipeline, Place, committed_events, number_of_events, wait_until_committed,
};
use crate::support::process::{Finished, Program, Running};
use crate::support::{
    Kafka, Port, Record, Status, create_topic, eventually, python, read_all, snapback,
};

const AUTHORIZER: &str = "org.apache.kafka.metadata.authorizer.StandardAuthorizer";
/// How soon it is said; ten seconds on a machine that does nothing else.
const SOON: Duration = Duration::from_secs(30);

/// A broker that asks whether one may.
fn asking() -> Kafka {
    Kafka::start(&[
        ("authorizer.class.name", AUTHORIZER),
        ("allow.everyone.if.no.acl.found", "true"),
    ])
}

/// A pipeline with a hundred events on `broker`.
fn on(broker: &Kafka) -> Pipeline {
    let pipeline = Pipeline {
        brokers: broker.brokers().to_owned(),
        ..Pipeline::without_events_topic(Place::folder())
    };
    create_topic(&pipeline.brokers, &pipeline.events, 1);
    pipeline.send_numbers(0, 0..100);
    pipeline
}

/// A right of a pipeline.
#[derive(Clone, Copy)]
struct Right {
    kind: &'static str,
    name: fn(&Pipeline) -> &str,
    operation: &'static str,
}

const WRITE_RESULTS: Right = Right {
    kind: "TOPIC",
    name: |pipeline| &pipeline.results,
    operation: "WRITE",
};
const READ_EVENTS: Right = Right {
    kind: "TOPIC",
    name: |pipeline| &pipeline.events,
    operation: "READ",
};
const READ_GROUP: Right = Right {
    kind: "GROUP",
    name: |pipeline| &pipeline.group,
    operation: "READ",
};
const WRITE_TRANSACTIONS: Right = Right {
    kind: "TRANSACTIONAL_ID",
    name: |pipeline| &pipeline.group,
    operation: "WRITE",
};

impl Right {
    /// `deny` or `allow`.
    fn change(self, pipeline: &Pipeline, what: &str) {
        let name = (self.name)(pipeline);
        let arguments = [&pipeline.brokers, self.kind, name, self.operation, what];
        python().run(include_str!("python/rights.py"), &arguments);
    }
}

/// A process that runs, and a right that is taken from it.
struct Case {
    what: &'static str,
    right: Right,
    pipeline: Pipeline,
    running: Running,
    status: Status,
}

impl Case {
    fn start(broker: &Kafka, what: &'static str, right: Right, flags: &[&str]) -> Self {
        let pipeline = on(broker);
        let running = pipeline
            .run()
            .args(Status::ANYWHERE)
            .args(["--snapshot-interval", "1h"])
            .args(flags)
            .spawn();
        let status = Status::of(&running);
        Self {
            what,
            right,
            pipeline,
            running,
            status,
        }
    }
}

#[test]
fn a_running_process_waits_for_rights_that_are_taken_away_and_goes_on_by_itself() {
    let broker = asking();
    let at_least_once = ["--delivery", "at-least-once"];
    let mut cases = [
        Case::start(&broker, "WRITE on the results", WRITE_RESULTS, &[]),
        Case::start(
            &broker,
            "WRITE on the results, at least once",
            WRITE_RESULTS,
            &at_least_once,
        ),
        Case::start(&broker, "READ on the events", READ_EVENTS, &[]),
        Case::start(&broker, "READ on the group", READ_GROUP, &[]),
        Case::start(
            &broker,
            "READ on the group, at least once",
            READ_GROUP,
            &at_least_once,
        ),
        Case::start(
            &broker,
            "WRITE on the transactional id",
            WRITE_TRANSACTIONS,
            &[],
        ),
    ];
    for case in &cases {
        wait_until_committed(&case.pipeline, 100);
    }
    for case in &cases {
        case.right.change(&case.pipeline, "deny");
        case.pipeline.send_numbers(0, 100..200);
    }
    for case in &cases {
        let seen = case.status.wait_until(SOON, case.what, |seen| {
            Status::detail(seen, "denied").is_some()
        });
        let detail = Status::detail(&seen, "denied").expect("seen above");
        println!("{}: {detail}", case.what);
        assert!(
            detail.contains("authorization failed"),
            "{}: {detail}",
            case.what
        );
    }
    let waits = |case: &&Case| case.right.kind == "GROUP" && case.what.ends_with("at least once");
    for case in cases.iter().filter(waits) {
        let said = "may be published once more (at-least-once delivery), and nothing else is published until then";
        let log = case.running.stderr_so_far();
        assert!(log.contains(said), "{log}");
        case.pipeline.send_numbers(0, 200..300);
    }
    // Long enough for several attempts.
    sleep(Duration::from_secs(5));
    for case in &mut cases {
        let log = case.running.stderr_so_far();
        assert!(case.running.is_running(), "{}:\n{log}", case.what);
        let codes = ["/healthz", "/readyz"].map(|path| case.status.get(path).code);
        assert_eq!(codes, [200, 503], "{}:\n{log}", case.what);
        assert_eq!(case.status.seen()["state"], "degraded", "{}", case.what);
        assert_eq!(committed_events(&case.pipeline), 100, "{}", case.what);
        let late = |record: &Record| {
            let key = String::from_utf8_lossy(record.key.as_deref().unwrap_or_default());
            let offset = key
                .rsplit('/')
                .next()
                .and_then(|text| text.parse::<i64>().ok());
            offset.expect("a source") >= 200
        };
        let published = read_all(&case.pipeline.brokers, &case.pipeline.results);
        assert!(!published.iter().any(late), "{}", case.what);
    }
    for case in &cases {
        case.right.change(&case.pipeline, "allow");
    }
    for case in cases {
        println!("{} is given back", case.what);
        let all = number_of_events(&case.pipeline);
        wait_until_committed(&case.pipeline, all);
        case.status.wait_until(SOON, case.what, |seen| {
            seen["state"] == "running" && seen["ready"] == json!(true)
        });
        let mut running = case.running;
        running.signal(libc::SIGTERM);
        running.wait(LIMIT).expect_code(0);
        if case.right.kind == "GROUP" && case.what.ends_with("at least once") {
            // A member that may not be one loses its partitions, and their next owner publishes again what is not committed.
            at_least_once_each(&case.pipeline);
        } else {
            case.pipeline.check();
        }
    }
}

/// Every event has its result, and is stored once.
fn at_least_once_each(pipeline: &Pipeline) {
    let published = read_all(&pipeline.brokers, &pipeline.results).into_iter();
    let keys: BTreeSet<Option<Vec<u8>>> = published.map(|record| record.key).collect();
    assert_eq!(keys.len(), number_of_events(pipeline) as usize);
    pipeline.check_stored(&pipeline.expected(), Offsets::default());
}

#[test]
fn rights_that_were_never_there_need_a_person() {
    let broker = asking();
    for right in [READ_GROUP, WRITE_RESULTS, WRITE_TRANSACTIONS] {
        let pipeline = on(&broker);
        create_topic(&pipeline.brokers, &pipeline.results, 1);
        right.change(&pipeline, "deny");
        let at_least_once = pipeline.run().args(["--delivery", "at-least-once"]);
        let mut programs = vec![pipeline.run(), pipeline.run_to_end()];
        // It has no transactions.
        programs.extend((right.kind != WRITE_TRANSACTIONS.kind).then_some(at_least_once));
        for program in programs {
            let begun = Instant::now();
            let finished = program.run().expect_code(2);
            let said = finished.stderr.contains("authorization failed");
            assert!(said, "{}", finished.stderr);
            assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
        }
        assert_eq!(committed_events(&pipeline), 0);
        // Nor is anything published, by whatever delivery: it would be published again.
        assert_eq!(read_all(&pipeline.brokers, &pipeline.results).len(), 0);
        right.change(&pipeline, "allow");
        pipeline.run_to_end().run().expect_code(0);
        pipeline.check();
    }
}

/// A broker with a port for passwords and one for certificates beside the usual.
struct Guarded {
    broker: Kafka,
    passwords: Port,
    certificates: Port,
    _keys: tempfile::TempDir,
}

impl Guarded {
    fn start() -> Self {
        let ports = [Port::reserve(), Port::reserve()];
        let [passwords, certificates] = ports.map(|port| port.expect("a free port"));
        let keys = tempfile::tempdir().expect("a folder");
        let store = keys.path().join("keys.p12");
        make_certificate(&store);
        let beside = format!(
            "SASL_PLAINTEXT://127.0.0.1:{},SSL://127.0.0.1:{}",
            passwords.number(),
            certificates.number()
        );
        let protocols =
            "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,SSL:SSL";
        let login =
            "org.apache.kafka.common.security.plain.PlainLoginModule required user_us=\"right\";";
        let broker = Kafka::start(&[
            ("listener.security.protocol.map", protocols),
            (
                "listeners",
                &format!("PLAINTEXT://@BROKER@,CONTROLLER://@CONTROLLER@,{beside}"),
            ),
            (
                "advertised.listeners",
                &format!("PLAINTEXT://@BROKER@,{beside}"),
            ),
            ("sasl.enabled.mechanisms", "PLAIN"),
            ("listener.name.sasl_plaintext.plain.sasl.jaas.config", login),
            ("ssl.keystore.location", store.to_str().expect("text")),
            ("ssl.keystore.password", "secret"),
            ("ssl.keystore.type", "PKCS12"),
        ]);
        Self {
            broker,
            passwords,
            certificates,
            _keys: keys,
        }
    }
}

/// A certificate that nobody has signed.
fn make_certificate(store: &Path) {
    let program = Program::new("keytool")
        .args(["-genkeypair", "-alias", "broker", "-keyalg", "RSA"])
        .args(["-dname", "CN=127.0.0.1", "-ext", "SAN=ip:127.0.0.1"])
        .args(["-storetype", "PKCS12", "-storepass", "secret", "-keystore"]);
    program.arg(store).run().expect_code(0);
}

fn properties(properties: &[&str]) -> Vec<String> {
    let flags = properties.iter().flat_map(|property| ["-X", property]);
    flags.map(str::to_owned).collect()
}

/// Every command that asks a broker, on this port.
fn ended(pipeline: &Pipeline, port: &Port, with: &[&str]) -> Vec<(&'static str, Finished)> {
    let commands: [&[&'static str]; 4] = [
        &["run"],
        &["fields"],
        &["produce", "--count", "1"],
        &["verify", "--level", "published"],
    ];
    let brokers = format!("127.0.0.1:{}", port.number());
    let started = commands.map(|command| {
        let mut program = snapback(command)
            .args(["--brokers", &brokers, "--events", &pipeline.events])
            .args(properties(with));
        if ["run", "verify"].contains(&command[0]) {
            program = program.args(pipeline.store_args());
        }
        (command[0], program.spawn())
    });
    let ended = started.map(|(command, running)| (command, running.wait(SOON)));
    ended.into()
}

#[test]
fn who_we_are_not_needs_a_person_whatever_the_command() {
    let guarded = Guarded::start();
    let mut pipeline = on(&guarded.broker);
    pipeline.brokers = format!("127.0.0.1:{}", guarded.passwords.number());
    let us = ["security.protocol=SASL_PLAINTEXT", "sasl.username=us"];
    let with = |more: &[&'static str]| [&us[..], more].concat();
    let right = with(&["sasl.mechanism=PLAIN", "sasl.password=right"]);
    let run = pipeline.run_to_end().args(properties(&right));
    run.run().expect_code(0);

    let wrong = with(&["sasl.mechanism=PLAIN", "sasl.password=wrong"]);
    let mechanism = with(&["sasl.mechanism=SCRAM-SHA-256", "sasl.password=right"]);
    for (port, properties, said) in [
        (&guarded.passwords, wrong, "Authentication failed"),
        (&guarded.passwords, mechanism, "mechanism"),
        (
            &guarded.certificates,
            vec!["security.protocol=SSL"],
            "certificate verify failed",
        ),
    ] {
        for (command, finished) in ended(&pipeline, port, &properties) {
            let finished = finished.expect_code(2);
            assert!(
                finished.stderr.contains(said),
                "{command}: {}",
                finished.stderr
            );
        }
    }

    // A client that says nothing of passwords: the broker answers its first question, and hangs up.
    for port in [&guarded.passwords, &guarded.certificates] {
        let address = format!("127.0.0.1:{}", port.number());
        let begun = Instant::now();
        let mut running = snapback(["run", "--brokers", &address]).spawn();
        eventually(SOON, "a hint", || {
            let log = running.stderr_so_far();
            log.contains("it may expect TLS or SASL").then_some(())
        });
        println!("said after {:.1?}", begun.elapsed());
        running.signal(libc::SIGTERM);
        running.wait(LIMIT).expect_code(130);
    }
}
