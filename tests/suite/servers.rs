//! What the other tests rely on, held by tests of its own: the servers, their clients, and child processes.

use std::fs::DirEntry;
use std::path::Path;
use std::time::Duration;

use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutPayload};
use rdkafka::ClientConfig;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};

use crate::support::{
    Kafka, Program, Record, S3Server, block_on, commit_as_stranger, committed, create_topic,
    create_topic_with, delete_records, delete_topic, eventually, eventually_ok, kafka, produce,
    python, read_all, s3, snapback, unique,
};

const LIMIT: Duration = Duration::from_secs(30);

fn transactional(brokers: &str) -> ThreadedProducer<DefaultProducerContext> {
    let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("transactional.id", unique("producer"))
        .create()
        .expect("a producer");
    producer.init_transactions(LIMIT).expect("transactions");
    producer
}

fn payloads(records: &[Record]) -> Vec<&str> {
    records
        .iter()
        .map(|record| str::from_utf8(record.payload.as_deref().unwrap_or(b"none")).expect("text"))
        .collect()
}

#[test]
fn a_reader_sees_committed_transactions_and_no_others() {
    let brokers = kafka().brokers();
    let topic = unique("events");
    create_topic(brokers, &topic, 1);
    let producer = transactional(brokers);
    for (payload, is_committed) in [
        ("one", true),
        ("two", false),
        ("three", true),
        ("four", false),
    ] {
        producer.begin_transaction().expect("a transaction");
        let record = BaseRecord::<str, str>::to(&topic)
            .key("key")
            .payload(payload);
        producer.send(record).expect("a place in the queue");
        if is_committed {
            producer.commit_transaction(LIMIT).expect("a commit");
        } else {
            // Without this the record would never leave the client.
            producer.flush(LIMIT).expect("a flush");
            producer.abort_transaction(LIMIT).expect("an abort");
        }
    }
    let records = read_all(brokers, &topic);
    assert_eq!(payloads(&records), ["one", "three"]);
    // Offsets 1 and 3 are markers or aborted, and so is the end of the topic.
    assert_eq!(
        records
            .iter()
            .map(|record| record.offset)
            .collect::<Vec<_>>(),
        [0, 4]
    );
    assert_eq!(records[0].key.as_deref(), Some(b"key".as_slice()));
    assert!(records[0].timestamp.is_some() && records[0].headers.is_empty());
}

#[test]
fn topics_are_filled_trimmed_and_deleted() {
    let brokers = kafka().brokers();
    let topic = unique("events");
    create_topic_with(brokers, &topic, 3, &[("cleanup.policy", "delete")]);
    produce(
        brokers,
        &topic,
        (0..30).map(|n| (Some(n % 3), None, Some(n.to_string().into_bytes()))),
    );
    produce(brokers, &topic, [(Some(0), Some(b"key".to_vec()), None)]);
    delete_records(brokers, &topic, 2, 9);
    let records = read_all(brokers, &topic);
    assert_eq!(records.len(), 11 + 10 + 1);
    assert_eq!(payloads(&records[8..=10]), ["24", "27", "none"]);
    assert_eq!((records[21].partition, records[21].offset), (2, 9));

    delete_topic(brokers, &topic);
    eventually(LIMIT, "an end of the topic", || {
        let again = std::panic::catch_unwind(|| read_all(brokers, &topic));
        again.is_err().then_some(())
    });
}

#[test]
fn a_strangers_commit_is_what_the_group_has_committed() {
    let brokers = kafka().brokers();
    let (topic, group) = (unique("events"), unique("group"));
    create_topic(brokers, &topic, 2);
    assert_eq!(
        committed(brokers, &group, &topic),
        [(0, None), (1, None)].into()
    );
    commit_as_stranger(brokers, &group, &topic, &[(1, 7)]);
    let expected = [(0, None), (1, Some((7, String::new())))];
    assert_eq!(committed(brokers, &group, &topic), expected.into());
}

#[test]
fn a_private_broker_keeps_its_data_when_it_is_killed_or_stopped() {
    let kafka = Kafka::start(&[("num.partitions", "5")]);
    assert_ne!(kafka.cluster_id(), crate::support::kafka().cluster_id());
    create_topic(kafka.brokers(), "events", 1);
    produce(
        kafka.brokers(),
        "events",
        [(None, None, Some(b"one".to_vec()))],
    );
    kafka.kill();
    kafka.restart();
    produce(
        kafka.brokers(),
        "events",
        [(None, None, Some(b"two".to_vec()))],
    );
    kafka.stop();
    kafka.restart();
    assert_eq!(
        payloads(&read_all(kafka.brokers(), "events")),
        ["one", "two"]
    );
}

#[test]
fn the_object_store_holds_objects_and_refuses_strangers() {
    let server = s3();
    assert!(
        server
            .env()
            .contains(&("AWS_ACCESS_KEY_ID", server.access_key().to_owned()))
    );
    let path = ObjectPath::from(format!("{}/one", server.new_prefix()));
    let stranger = server
        .builder()
        .with_secret_access_key(format!("not-{}", server.secret_key()))
        .build()
        .expect("a complete configuration");
    block_on(async {
        let client = server.client();
        let content = PutPayload::from_static(b"content");
        let create = || client.put_opts(&path, content.clone(), PutMode::Create.into());
        create().await.expect("a new object");
        let again = create().await.expect_err("a second creation");
        assert!(
            matches!(again, object_store::Error::AlreadyExists { .. }),
            "{again}"
        );
        let read = client
            .get(&path)
            .await
            .expect("the object")
            .bytes()
            .await
            .expect("its bytes");
        assert_eq!(read, "content");

        let refused = stranger
            .put(&path, content.clone())
            .await
            .expect_err("a refusal");
        assert!(
            matches!(refused, object_store::Error::PermissionDenied { .. }),
            "{refused}"
        );
    });
}

#[test]
fn a_private_store_keeps_its_data_when_it_is_killed() {
    let server = S3Server::start();
    let path = ObjectPath::from("one");
    block_on(
        server
            .client()
            .put(&path, PutPayload::from_static(b"content")),
    )
    .expect("a put");
    server.kill();
    server.restart();
    let found = block_on(server.client().head(&path)).expect("the object");
    assert_eq!((found.size, server.bucket()), (7, "snapshots"));
}

#[test]
fn python_has_its_packages() {
    let script = "import duckdb, pyarrow, confluent_kafka, pytz, sys
print(duckdb.sql('SELECT 6 * 7').fetchall()[0][0], sys.argv[1])";
    assert_eq!(python().run(script, &["argument"]), "42 argument\n");
}

#[test]
#[should_panic(expected = "ZeroDivisionError")]
fn a_failing_script_fails_the_test_with_its_traceback() {
    python().run("1 / 0", &[]);
}

#[test]
fn snapback_runs_apart_from_the_environment() {
    let finished = snapback(["--version"]).run();
    assert_eq!(
        (finished.code, finished.signal),
        (Some(0), None),
        "{finished:?}"
    );

    // Variables that other tests or users set must not reach it, the test's own must.
    let script =
        "env | grep -E '^(SNAPBACK_|AWS_)'; cat; cat file; ls -A; echo problem >&2; exit 3";
    let finished = Program::new("sh")
        .args(["-c", script])
        .env("SNAPBACK_GROUP", "mine")
        .envs(s3().env())
        .stdin("input\n")
        .file("file", "content\n")
        .limit(LIMIT)
        .run()
        .expect_code(3);
    let mut lines: Vec<&str> = finished.stdout.lines().collect();
    lines[..4].sort_unstable();
    let expected = [
        "AWS_ACCESS_KEY_ID=snapback-tests",
        "AWS_REGION=us-east-1",
        "AWS_SECRET_ACCESS_KEY=a-secret-of-the-tests",
        "SNAPBACK_GROUP=mine",
        "input",
        "content",
        "file",
    ];
    assert_eq!(
        (lines.as_slice(), finished.stderr.as_str()),
        (expected.as_slice(), "problem\n")
    );
}

#[test]
fn a_running_program_is_watched_and_signalled() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = "trap 'echo bye; exit 4' TERM; echo ready >&2; while :; do sleep 0.05; done";
    let mut running = Program::new("sh")
        .args(["-c", script])
        .current_dir(folder.path())
        .spawn();
    eventually_ok(LIMIT, "a started shell", || match running.stderr_so_far() {
        log if log == "ready\n" => Ok(()),
        log => Err(log),
    });
    assert!(running.is_running() && running.stdout_so_far().is_empty());
    running.signal(libc::SIGTERM);
    assert_eq!(running.wait(LIMIT).expect_code(4).stdout, "bye\n");

    let finished = Program::new("sleep").arg("60").spawn().kill();
    assert_eq!(
        (finished.code, finished.signal),
        (None, Some(libc::SIGKILL))
    );
}

#[test]
fn a_program_over_its_limit_is_ended_with_its_children() {
    let (sender, id) = std::sync::mpsc::channel();
    let overdue = std::thread::spawn(move || {
        let running = Program::new("sh")
            .args(["-c", "sleep 60 & echo $!; wait"])
            .spawn();
        let child = eventually(LIMIT, "a child", || {
            running
                .stdout_so_far()
                .strip_suffix('\n')
                .map(str::to_owned)
        });
        sender
            .send([running.id().to_string(), child])
            .expect("a listener");
        running.wait(Duration::from_millis(10))
    });
    let panic = overdue.join().expect_err("a panic");
    let message = panic.downcast_ref::<String>().expect("a message");
    assert!(message.contains("still ran after 10ms"), "{message}");
    for id in id.recv().expect("both ids") {
        eventually(LIMIT, "an end of the process", || {
            (!is_alive(&id)).then_some(())
        });
    }
}

/// The test binary runs itself with this variable, to be killed in the middle.
const VICTIM: &str = "SNAPBACK_TEST_VICTIM";

#[test]
fn nothing_outlives_a_killed_test_process() {
    if std::env::var_os(VICTIM).is_some() {
        be_the_victim();
    }
    let this = std::env::current_exe().expect("a path");
    let folder = tempfile::tempdir().expect("a folder");
    let mut victim = Program::new(this)
        .args([
            "servers::nothing_outlives_a_killed_test_process",
            "--exact",
            "--nocapture",
        ])
        .env(VICTIM, "1")
        .env("TMPDIR", folder.path())
        .spawn();
    // The victim names its own server and child on standard error once they run.
    let (endpoint, child) = eventually_ok(LIMIT, "the victim's server and child", || {
        assert!(victim.is_running(), "{}", victim.stderr_so_far());
        let log = victim.stderr_so_far();
        let found = log
            .lines()
            .find_map(|line| line.strip_prefix("victim: ")?.split_once(' '));
        found
            .map(|(endpoint, child)| (endpoint.to_owned(), child.to_owned()))
            .ok_or(log)
    });
    let address = endpoint.strip_prefix("http://").expect("an address");
    std::net::TcpStream::connect(address).expect("a running server");
    assert!(is_alive(&child));

    victim.kill();
    eventually(LIMIT, "an end of the victim's child", || {
        (!is_alive(&child)).then_some(())
    });
    eventually(LIMIT, "an end of the victim's server", || {
        std::net::TcpStream::connect(address).is_err().then_some(())
    });
    eventually(LIMIT, "an end of the server's folder", || {
        let data = |entry: std::io::Result<DirEntry>| entry.expect("an entry").path().join("data");
        let mut entries = folder.path().read_dir().expect("a folder");
        (!entries.any(|entry| data(entry).exists())).then_some(())
    });
}

fn be_the_victim() -> ! {
    let server = S3Server::start();
    // Started by a thread that ends before the process does.
    let child = std::thread::spawn(|| Program::new("sleep").arg("600").spawn());
    let child = child.join().expect("a child");
    eprintln!("victim: {} {}", server.endpoint(), child.id());
    loop {
        std::thread::park();
    }
}

/// A process that has ended and is not yet waited for counts as ended.
fn is_alive(id: &str) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(id).join("stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}
