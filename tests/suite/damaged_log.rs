//! Events that the broker's log holds and that cannot be read: damaged bytes, and batches that are too large to be unpacked.
//! They never become results, and are never taken for events that are not there.

use std::fs::File;
use std::ops::{ControlFlow, Range};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use snapback::kafka::{Connection, KafkaError, Reader};
use snapback::model::{Offset, OffsetRange, Partition};

use crate::outside::{Offsets, Pipeline, Place, event, in_a_shell, printed_commands};
use crate::support::process::Finished;
use crate::support::{create_topic, heavy, kafka, produce_one_batch, snapback, unique};

/// Before a batch's checksum: its first offset, its length, the leader's epoch, the version of its format.
const BEFORE_THE_CHECKSUM: usize = 17;

/// Where the batches of a log file lie.
fn batches(log: &Path) -> Vec<Range<usize>> {
    let bytes = std::fs::read(log).unwrap();
    let mut found = Vec::new();
    let mut at = 0;
    while at + 12 <= bytes.len() {
        let length = u32::from_be_bytes(bytes[at + 8..at + 12].try_into().unwrap());
        let end = at + 12 + length as usize;
        found.push(at..end);
        at = end;
    }
    found
}

/// Changes one byte of a file, and gives what it was.
fn change(log: &Path, at: usize, to: impl FnOnce(u8) -> u8) -> u8 {
    let file = File::options().read(true).write(true).open(log).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at as u64).unwrap();
    file.write_all_at(&[to(byte[0])], at as u64).unwrap();
    byte[0]
}

fn numbers(range: Range<i64>) -> impl Iterator<Item = Vec<u8>> {
    range.map(event)
}

fn read(topic: &str, start: i64, end: i64) -> Result<Vec<Vec<u8>>, KafkaError> {
    let connection = Connection::new(kafka().brokers(), Vec::new(), "tests").unwrap();
    let reader = Reader::open(&connection, topic).unwrap();
    let at = |offset| Offset::new(offset).unwrap();
    let range = OffsetRange::new(at(start), at(end)).unwrap();
    let mut found = Vec::new();
    // Only a broker that answers nothing at all takes so long.
    let idle = Duration::from_secs(20);
    reader.read(Partition(0), range, idle, |batch| {
        found.extend(batch.iter().map(|event| event.payload.unwrap().to_vec()));
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

#[test]
fn a_flipped_bit_anywhere_under_the_checksum_is_an_error_wherever_reading_begins() {
    for compression in ["none", "lz4", "zstd", "gzip", "snappy"] {
        let topic = unique("flipped");
        create_topic(kafka().brokers(), &topic, 1);
        for start in [0, 5, 10] {
            let five = numbers(start..start + 5);
            produce_one_batch(kafka().brokers(), &topic, 0, compression, five);
        }
        let log = kafka().log_file(&topic, 0);
        let batch = batches(&log)[1].clone();
        let all: Vec<Vec<u8>> = numbers(0..15).collect();
        assert_eq!(read(&topic, 0, 15).unwrap(), all);
        let places = batch.start + BEFORE_THE_CHECKSUM..batch.end;
        for (at, start) in places.step_by(7).zip([0, 7].into_iter().cycle()) {
            let was = change(&log, at, |byte| byte ^ 1);
            let found = read(&topic, start, 15);
            assert!(
                matches!(&found, Err(error) if error.to_string().contains("CRC32C")),
                "{compression}, byte {}, from {start}: {found:?}",
                at - batch.start
            );
            change(&log, at, |_| was);
        }
        assert_eq!(read(&topic, 0, 15).unwrap(), all);
    }
}

/// It ends by itself, refusing; gives the printed command with this text.
fn refused(finished: Finished, part: &str) -> String {
    let finished = finished.expect_code(4);
    let mut commands = printed_commands(&finished).into_iter();
    commands
        .find(|command| command.contains(part))
        .unwrap_or_else(|| panic!("no command with {part}\n{}", finished.stderr))
}

/// Three batches of 50 events, of which one byte of the second is changed as `change` says.
fn a_damaged_batch_in_the_middle(compression: &str, damage: impl FnOnce(&Path, Range<usize>)) {
    let pipeline = Pipeline::new(1, Place::folder());
    for start in [2000, 2050, 2100] {
        let fifty = numbers(start..start + 50);
        produce_one_batch(&pipeline.brokers, &pipeline.events, 0, compression, fifty);
    }
    let all = pipeline.expected();
    let log = kafka().log_file(&pipeline.events, 0);
    damage(&log, batches(&log)[1].clone());

    let accept = refused(pipeline.run_to_end().run(), "--accept-loss 0:50-100");
    let before = all.clone().only(|(_, offset)| offset < 50);
    pipeline.check_against(&before, Offsets::default());

    in_a_shell(&accept).run().expect_code(0);
    let readable = all.only(|(_, offset)| !(50..100).contains(&offset));
    let offsets = Offsets {
        absent: 0,
        lost: 50,
    };
    pipeline.check_against(&readable, offsets);
}

#[test]
fn a_number_that_was_changed_in_the_log_holds_its_partition_and_becomes_no_result() {
    a_damaged_batch_in_the_middle("none", |log, batch| {
        let bytes = std::fs::read(log).unwrap();
        let number = bytes[batch.clone()]
            .windows(4)
            .position(|four| four == b"2075");
        change(log, batch.start + number.unwrap(), |_| b'9');
    });
}

#[test]
fn a_changed_byte_of_a_compressed_batch_holds_its_partition_and_no_event_is_absent() {
    a_damaged_batch_in_the_middle("lz4", |log, batch| {
        change(log, batch.end - 20, |byte| byte ^ 1);
    });
}

#[test]
fn a_batch_that_is_too_large_to_be_unpacked_names_the_property_that_helps() {
    let _turn = heavy();
    let pipeline = Pipeline::new(1, Place::folder());
    pipeline.send_numbers(0, 0..10);
    let large = |number: i64| {
        let filler = "a".repeat(100_000);
        format!(r#"{{"number": {number}, "filler": "{filler}"}}"#).into_bytes()
    };
    let numbers = (10..980).map(large);
    produce_one_batch(&pipeline.brokers, &pipeline.events, 0, "zstd", numbers);
    pipeline.send_numbers(0, 980..990);

    let finished = pipeline.run_to_end().run();
    assert!(
        printed_commands(&finished)
            .iter()
            .any(|command| command.contains("--accept-loss 0:10-980")),
        "{}",
        finished.stderr
    );
    let larger = refused(finished, "receive.message.max.bytes=");
    in_a_shell(&larger).run().expect_code(0);
    let report = pipeline.verify(0);
    assert_eq!(report["results"], 990, "{report}");
    assert_eq!(report["lost"], 0, "{report}");
}

#[test]
fn a_batch_with_wrong_offsets_is_an_error_where_the_order_shows_it() {
    let topic = unique("misplaced");
    create_topic(kafka().brokers(), &topic, 1);
    for start in [0, 5, 10] {
        let five = numbers(start..start + 5);
        produce_one_batch(kafka().brokers(), &topic, 0, "none", five);
    }
    let log = kafka().log_file(&topic, 0);
    let second = batches(&log)[1].start;
    // Its offsets 5 to 9 become larger numbers.
    for (place, bit) in [(0, 1), (3, 16), (6, 1), (7, 2), (7, 16), (7, 128)] {
        let was = change(&log, second + place, |byte| byte ^ bit);
        for start in [0, 7] {
            let found = read(&topic, start, 15);
            assert!(
                matches!(&found, Err(error) if error.to_string().contains("wrong offsets")),
                "byte {place}, bit {bit}, from {start}: {found:?}"
            );
        }
        change(&log, second + place, |_| was);
    }
    assert_eq!(read(&topic, 0, 15).unwrap().len(), 15);
}

#[test]
fn a_batch_with_wrong_offsets_holds_its_partition_before_any_of_it_is_published() {
    let pipeline = Pipeline::new(1, Place::folder());
    for start in [0, 50, 100] {
        let fifty = numbers(start..start + 50);
        produce_one_batch(&pipeline.brokers, &pipeline.events, 0, "lz4", fifty);
    }
    let all = pipeline.expected();
    let log = kafka().log_file(&pipeline.events, 0);
    let second = batches(&log)[1].start;
    change(&log, second + 7, |byte| byte ^ 1 << 6);

    let finished = pipeline.run_to_end().run().expect_code(4);
    assert!(
        finished.stderr.contains("wrong offsets"),
        "{}",
        finished.stderr
    );
    let before = all.clone().only(|(_, offset)| offset < 50);
    pipeline.check_published(&before);

    change(&log, second + 7, |byte| byte ^ 1 << 6);
    pipeline.run_to_end().run().expect_code(0);
    pipeline.check();
}

#[test]
fn a_batch_with_a_wrong_length_is_waited_for_and_that_is_said() {
    let pipeline = Pipeline::new(1, Place::folder());
    for start in [0, 20, 40] {
        let twenty = numbers(start..start + 20);
        produce_one_batch(&pipeline.brokers, &pipeline.events, 0, "none", twenty);
    }
    let all = pipeline.expected();
    let log = kafka().log_file(&pipeline.events, 0);
    let length = batches(&log)[1].start + 9;
    change(&log, length, |byte| byte ^ 1);

    let finished = pipeline.run_to_end().run().expect_code(3);
    let said = "nothing comes from offset 20 on, although its log goes on to 60";
    assert!(finished.stderr.contains(said), "{}", finished.stderr);
    let before = all.clone().only(|(_, offset)| offset < 20);
    pipeline.check_against(&before, Offsets::default());

    change(&log, length, |byte| byte ^ 1);
    pipeline.run_to_end().run().expect_code(0);
    pipeline.check();
}

/// A report of `verify` with these flags, which ends with 3.
fn unchecked(pipeline: &Pipeline, flags: &[&str]) -> Value {
    let names = ["--brokers", &pipeline.brokers, "--events", &pipeline.events];
    let finished = snapback(["verify", "-o", "json", "--results", &pipeline.results])
        .args(names)
        .args(pipeline.store_args())
        .args(flags)
        .run()
        .expect_code(3);
    serde_json::from_str(&finished.stdout).expect("a report")
}

/// The one place that a report names as not read: topic, partition, start and end.
fn unread(report: &Value) -> (&str, i64, i64, i64) {
    let places = report["unread"].as_array().expect("places");
    assert_eq!(places.len(), 1, "{report:#}");
    assert_eq!(report["clean"], false, "{report:#}");
    assert_eq!(report["findings"], json!([]), "{report:#}");
    let place = &places[0];
    let remedy = place["remedy"].as_str().expect("a remedy");
    assert!(remedy.contains("kafka-leader-election.sh"), "{remedy}");
    let number = |name: &str| place[name].as_i64().expect("a number");
    let topic = place["topic"].as_str().expect("a topic");
    (topic, number("partition"), number("start"), number("end"))
}

#[test]
fn a_damaged_batch_of_the_results_is_named_and_everything_else_is_compared() {
    let pipeline = Pipeline::new(2, Place::folder());
    for start in [0, 20, 40] {
        for partition in 0..2 {
            pipeline.send_numbers(partition, start..start + 20);
        }
        pipeline.run_to_end().run().expect_code(0);
    }
    let log = kafka().log_file(&pipeline.results, 1);
    // Each batch of results is followed by the marker of its transaction.
    let second = batches(&log)[2].clone();
    let was = change(&log, second.end - 20, |byte| byte ^ 1);
    let report = unchecked(&pipeline, &["--level", "published"]);
    assert_eq!(unread(&report), (&*pipeline.results, 1, 21, 41));
    let published = json!({"messages": 100, "copies": 0, "not_checkable": 20, "unknown": 0});
    assert_eq!(report["published"], published, "{report:#}");
    assert_eq!(report["results"], 120, "{report:#}");
    change(&log, second.end - 20, |_| was);
    let verify = snapback(["verify", "--level", "published"])
        .args(["--results", &pipeline.results])
        .args(["--brokers", &pipeline.brokers, "--events", &pipeline.events])
        .args(pipeline.store_args());
    verify.run().expect_code(0);
}

#[test]
fn a_damaged_batch_of_events_is_named_by_verify_and_repair() {
    let pipeline = Pipeline::new(2, Place::folder());
    for partition in 0..2 {
        for start in [0, 20, 40] {
            let twenty = numbers(start..start + 20);
            produce_one_batch(
                &pipeline.brokers,
                &pipeline.events,
                partition,
                "lz4",
                twenty,
            );
        }
    }
    let condition = ["--where", "number % 2 = 0"];
    let run = pipeline.run_to_end().args(condition);
    run.run().expect_code(0);
    let log = kafka().log_file(&pipeline.events, 0);
    let second = batches(&log)[1].clone();
    change(&log, second.end - 20, |byte| byte ^ 1);
    let report = unchecked(&pipeline, &["--kafka"]);
    assert_eq!(unread(&report), (&*pipeline.events, 0, 20, 40));
    let counts = json!({"filtered": 50, "not_checkable": 10, "not_compared": 0, "unstored": 0});
    assert_eq!(report["kafka"], counts, "{report:#}");
    let repair = snapback(["repair", "--kafka", "-o", "json"])
        .args(["--brokers", &pipeline.brokers, "--events", &pipeline.events])
        .args(pipeline.store_args());
    let finished = repair.run().expect_code(3);
    let repair: Value = serde_json::from_str(&finished.stdout).expect("JSON");
    assert_eq!(repair["unread"], report["unread"]);
}
