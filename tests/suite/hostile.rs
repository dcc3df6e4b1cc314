//! Input that is made to do harm: messages at the broker's limit, nesting bombs, giant keys and headers, nothing but
//! rejects. Every event is an outcome exactly once, and memory stays within its bounds.

mod copy;
mod forged;

use std::time::Instant;

use serde_json::json;

use crate::outside::{
    LIMIT, MALFORMED, Offsets, Outcome, Pipeline, Place, committed_events, event,
    wait_until_committed,
};
use crate::store_trouble::DEBUG_BUILD;
use crate::support::process::Running;
use crate::support::{Record, eventually, heavy, produce, produce_with_headers, read_all};

/// What a topic takes by default, in bytes, with the batch around the message.
const BROKERS_LIMIT: usize = 1_048_588;
/// The batch around one message without headers.
const FRAME: usize = 80;
const FIELDS: [&str; 2] = ["--fields", "number BIGINT NOT NULL, note VARCHAR"];
const MEMORY: [&str; 2] = ["--memory", "64MiB"];

/// The memory of a process with `--memory 64MiB`, and what it may take beside that.
#[track_caller]
fn assert_bounded(running: &Running, beside: u64, what: &str) {
    let peak = running.peak_memory();
    println!("{what}: peak memory {} MiB of 64 MiB", peak >> 20);
    assert!(peak < (64 << 20) * 6 / 5 + beside, "{peak} bytes");
}

#[track_caller]
fn stop(mut running: Running) {
    running.signal(libc::SIGTERM);
    running.wait(LIMIT).expect_code(0);
}

/// A payload of exactly so many bytes: `part` again and again between the two.
fn filled(bytes: usize, before: &str, part: &str, after: &str) -> Vec<u8> {
    let mut text = before.as_bytes().to_vec();
    while text.len() + part.len() + after.len() <= bytes {
        text.extend_from_slice(part.as_bytes());
    }
    text.resize(bytes - after.len(), b' ');
    text.extend_from_slice(after.as_bytes());
    text
}

/// Messages as large as the broker takes, and what must become of each: the number of a result, or a reason.
fn at_the_limit() -> Vec<(Vec<u8>, Result<i64, &'static str>)> {
    let full = BROKERS_LIMIT - FRAME;
    let object = |before: &str, part: &str, after: &str| filled(full, before, part, after);
    let half = full / 12;
    vec![
        (
            filled(full - 1_000, r#"{"number": 1, "note": ""#, "x", "\"}"),
            Ok(1),
        ),
        (
            object(r#"{"number": 2, "note": ""#, "x", "\"}"),
            Err("too-large"),
        ),
        (
            filled(full - 1_000, r#"{"number": 3, "note": ""#, "\\u0000", "\"}"),
            Ok(3),
        ),
        (object(r#"{"number": 4"#, " ", "}"), Ok(4)),
        (object(r#"{"number": "#, "9", "}"), Err("out-of-range")),
        (object(r#"{"number": 1."#, "0", "}"), Err("fraction")),
        (object(r#"{"number": 1e"#, "0", "}"), Err("exponent")),
        (object(r#"{"number": ""#, "7", "\"}"), Err("wrong-type")),
        (object(r#"{"number": "#, "[", "}"), Err("not-json")),
        (object("", "[", ""), Err("not-json")),
        (object("", r#"{"number":"#, ""), Err("not-json")),
        (
            object(r#"{"number": 5, "x": "#, "[[{\"y\":", ""),
            Err("not-json"),
        ),
        (
            format!(
                r#"{{"number": 6, "x": {}null{}}}"#,
                r#"{"deep":["#.repeat(half),
                "]}".repeat(half)
            )
            .into_bytes(),
            Ok(6),
        ),
        (
            object(r#"{"number": 7"#, r#", "number": 7"#, "}"),
            Err("duplicate-field"),
        ),
        (object(r#"{"number": 8"#, r#", "other": 8"#, "}"), Ok(8)),
        (object(" ", "\t", "\n"), Err("empty")),
        (object("", "\u{feff}", ""), Err("not-json")),
        (vec![0xff; full], Err("not-utf8")),
        (vec![0; full], Err("schema-registry")),
    ]
}

#[test]
fn events_at_the_brokers_limit_are_outcomes_like_all_others() {
    let _turn = heavy();
    const ROUNDS: usize = 6;
    let pipeline = Pipeline::new(1, Place::folder());
    let cases = at_the_limit();
    for (payload, _) in &cases {
        assert!(payload.len() > BROKERS_LIMIT * 7 / 10, "{}", payload.len());
    }
    for _ in 0..ROUNDS {
        pipeline.send(0, cases.iter().map(|(payload, _)| payload.clone()));
    }
    let total = cases.len() * ROUNDS;
    let running = pipeline.run().args(FIELDS).args(MEMORY).spawn();
    wait_until_committed(&pipeline, i64::try_from(total).expect("a small number"));
    assert_bounded(&running, DEBUG_BUILD, "a hundred messages of a megabyte");
    stop(running);

    let mut published = pipeline.published();
    for (offset, (_, expected)) in (0..).zip(std::iter::repeat_n(&cases, ROUNDS).flatten()) {
        let outcomes = published.remove(&(0, offset)).unwrap_or_default();
        let [outcome] = outcomes.as_slice() else {
            panic!("{} outcomes of event {offset}", outcomes.len());
        };
        match (outcome, expected) {
            (Outcome::Reject(code), Err(expected)) => assert_eq!(code, expected, "{offset}"),
            (Outcome::Result(value), Ok(number)) => {
                let (start, end) = (
                    format!("{{\"number\":{number},"),
                    format!("\"result\":{}}}", number * number),
                );
                assert!(
                    value.starts_with(&start) && value.ends_with(&end),
                    "{offset}"
                );
            }
            (outcome, expected) => {
                let text = format!("{outcome:?}");
                panic!(
                    "event {offset}: {} for {expected:?}",
                    &text[..text.len().min(200)]
                );
            }
        }
    }
    assert!(published.is_empty(), "outcomes of nothing");
    let report = pipeline.verify_with(&FIELDS, 0);
    assert_eq!(
        (&report["clean"], &report["offsets"]),
        (&json!(true), &json!(total)),
        "{report:#}"
    );
    // What was published is a replay's outcome too, and nothing is published again.
    let before = read_all(&pipeline.brokers, &pipeline.rejects).len();
    pipeline
        .run_to_end()
        .args(FIELDS)
        .args(MEMORY)
        .run()
        .expect_code(0);
    assert_eq!(read_all(&pipeline.brokers, &pipeline.rejects).len(), before);
}

type Headers = Vec<(String, Option<Vec<u8>>)>;

/// Keys and headers that leave no room for a dead letter's own.
fn keys_and_headers() -> Vec<(Option<Vec<u8>>, Headers)> {
    let header = |name: &str, value: Option<&[u8]>| (name.to_owned(), value.map(<[u8]>::to_vec));
    let large = vec![b'v'; 16 * 1024];
    vec![
        (Some(vec![b'k'; 1_000_000]), Vec::new()),
        (Some(vec![0; 1_048_000]), Vec::new()),
        (None, vec![header("large", Some(&large)); 60]),
        (None, vec![header("one", Some(&[b'v'; 1_000_000]))]),
        (None, vec![header("h", None); 200_000]),
        (None, vec![header("", Some(b"")); 200_000]),
        (None, vec![header(&"n".repeat(30_000), Some(b"v")); 30]),
        (
            Some(vec![b'k'; 500_000]),
            vec![header("large", Some(&large)); 30],
        ),
        // Names that are ours, in an event that is not.
        (
            Some(Vec::new()),
            vec![
                header("snapback-offset", Some(b"77")),
                header("snapback-reason", Some(b"\xff\x00 forged")),
                header("snapback-reason", None),
            ],
        ),
    ]
}

#[test]
fn giant_keys_and_headers_are_cut_in_the_dead_letter_and_complete_in_the_store() {
    let _turn = heavy();
    let pipeline = Pipeline::new(1, Place::folder());
    let cases = keys_and_headers();
    for (key, headers) in &cases {
        let headers: Vec<(&str, Option<&[u8]>)> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_deref()))
            .collect();
        for payload in [&b"no json"[..], &event(7)] {
            produce_with_headers(
                &pipeline.brokers,
                &pipeline.events,
                0,
                (key.as_deref(), Some(payload)),
                &headers,
            );
        }
    }
    let total = 2 * cases.len();
    let running = pipeline.run().args(MEMORY).spawn();
    wait_until_committed(&pipeline, i64::try_from(total).expect("a small number"));
    assert_bounded(&running, DEBUG_BUILD, "giant keys and headers");
    stop(running);

    let letters = read_all(&pipeline.brokers, &pipeline.rejects);
    assert_eq!(letters.len(), cases.len());
    for (index, (letter, (key, headers))) in letters.iter().zip(&cases).enumerate() {
        // The last of each name is ours: an event cannot pass for another.
        assert_eq!(last(letter, "snapback-offset"), (2 * index).to_string());
        assert!(last(letter, "snapback-reason").starts_with("not-json: "));
        let cut = |name| letter.headers.iter().any(|(header, _)| header == name);
        assert_eq!(
            letter.key.is_none(),
            key.is_none() || cut("snapback-key-bytes")
        );
        let original = letter
            .headers
            .iter()
            .filter(|header| headers.contains(header));
        let original = original.count();
        assert!(
            original == headers.len() || (original == 0 && cut("snapback-headers-left-out")),
            "{original} of {} headers",
            headers.len()
        );
    }
    let expected = pipeline.expected();
    assert_eq!(expected.results.len(), cases.len());
    pipeline.check_stored(&expected, Offsets::default());
    assert_eq!(
        read_all(&pipeline.brokers, &pipeline.results).len(),
        cases.len()
    );
}

#[track_caller]
fn last(letter: &Record, name: &str) -> String {
    let mut values = letter
        .headers
        .iter()
        .rev()
        .filter(|(header, _)| header == name);
    let (_, value) = values.next().expect("a header");
    String::from_utf8_lossy(value.as_deref().expect("a value")).into_owned()
}

const MANY: i64 = 100_000;

/// A hundred thousand events in one partition; every `good`th is one, the others are malformed in a dozen ways.
fn send_many(pipeline: &Pipeline, good: Option<usize>) {
    let records = (0..MANY)
        .zip(MALFORMED.iter().cycle())
        .map(|(n, malformed)| {
            let index = usize::try_from(n).expect("no negative number");
            let is_good = good.is_some_and(|good| index.is_multiple_of(good));
            let payload = if is_good {
                Some(event(n))
            } else {
                malformed.map(<[u8]>::to_vec)
            };
            (Some(0), Some(format!("key {n}").into_bytes()), payload)
        });
    produce(&pipeline.brokers, &pipeline.events, records);
}

#[test]
fn a_hundred_thousand_rejects_in_a_row_and_nothing_else() {
    let _turn = heavy();
    let pipeline = Pipeline::new(1, Place::folder());
    send_many(&pipeline, None);
    let started = Instant::now();
    let running = pipeline
        .run()
        .args(MEMORY)
        .args(["--allow-rejects", "--snapshot-interval", "1s"])
        .spawn();
    wait_until_committed(&pipeline, 1);
    let (first, at) = (committed_events(&pipeline), Instant::now());
    eventually(LIMIT, "all rejects", || {
        (committed_events(&pipeline) == MANY).then_some(())
    });
    let rate = (MANY - first) as f64 / at.elapsed().as_secs_f64();
    println!(
        "{MANY} rejects in {:.1} s from the start; {rate:.0} rejects/s without optimisation",
        started.elapsed().as_secs_f64()
    );
    assert_bounded(&running, DEBUG_BUILD, "a hundred thousand rejects");
    stop(running);
    pipeline.check();

    // There is no folder of results: analysts' globs over it find no file. The rejects are all there is.
    assert!(
        !pipeline
            .store
            .path()
            .join(&pipeline.events)
            .join("results")
            .exists()
    );
    assert!(!pipeline.segments("rejects", 0).is_empty());

    // A restart has nothing to do, and does nothing.
    pipeline.run_to_end().args(MEMORY).run().expect_code(0);
    pipeline.check();
}

#[test]
fn rejects_alone_are_replayed_after_a_crash() {
    let _turn = heavy();
    let pipeline = Pipeline::new(1, Place::folder());
    send_many(&pipeline, None);
    let running = pipeline
        .run()
        .args(["--allow-rejects", "--snapshot-interval", "1h"])
        .spawn();
    wait_until_committed(&pipeline, MANY / 2);
    running.kill();
    pipeline.run_to_end().args(MEMORY).run().expect_code(0);
    pipeline.check();
}

#[test]
fn a_mixture_of_results_and_rejects_survives_a_crash() {
    let _turn = heavy();
    let pipeline = Pipeline::new(1, Place::folder());
    send_many(&pipeline, Some(7));
    let running = pipeline
        .run()
        .args(MEMORY)
        .args(["--snapshot-interval", "500ms"])
        .spawn();
    wait_until_committed(&pipeline, MANY / 3);
    assert_bounded(&running, DEBUG_BUILD, "a mixture");
    running.kill();
    pipeline.run_to_end().args(MEMORY).run().expect_code(0);
    pipeline.check();
}
