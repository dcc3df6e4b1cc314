//! Rows per second on one core: payloads to results, and results to messages.
//!
//! `cargo bench --bench decode`
#![allow(clippy::print_stdout)]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a measurement that cannot go on has failed"
)]

use std::{hint::black_box, time::Instant};

use snapback::{
    calculation::{Evaluator, builtin},
    events::{Fields, MessageBuffer, ResultEncoder},
    model::{Event, Offset, Partition},
};

const ROWS: usize = 1_000_000;
const BATCH: usize = 10_000;
const ROUNDS: usize = 5;

fn main() {
    type Payload = fn(usize) -> String;
    let cases: [(&str, &str, Payload); 6] = [
        ("{\"number\": n}", "number BIGINT NOT NULL", |n| {
            format!("{{\"number\": {}}}", 12_345 + n)
        }),
        ("{\"number\":n,\"id\":...}", "number BIGINT NOT NULL", |n| {
            format!("{{\"number\":{},\"id\":\"a{n}\"}}", 12_345 + n)
        }),
        (
            "depth 3",
            "number BIGINT NOT NULL PATH \"$.after.price.number\"",
            |n| {
                let number = 12_345 + n;
                format!("{{\"after\":{{\"price\":{{\"number\":{number}}}}},\"id\":\"a{n}\"}}")
            },
        ),
        ("19 digits", "number BIGINT NOT NULL", |n| {
            format!("{{\"number\":{}}}", i64::MAX - n as i64)
        }),
        (
            "three fields",
            "number BIGINT NOT NULL, note VARCHAR, price DECIMAL(10,2)",
            |n| format!("{{\"number\":{n},\"note\":\"some text\",\"price\":{n}.50}}"),
        ),
        ("DOUBLE", "number DOUBLE NOT NULL", |n| {
            format!("{{\"number\":{n}.25}}")
        }),
    ];
    println!(
        "{:<24}{:>22}{:>18}",
        "million rows/s", "decode + calculate", "encode"
    );
    for (name, fields, payload) in cases {
        let payloads: Vec<String> = (0..ROWS).map(payload).collect();
        let spec = if fields.contains("price") {
            "square(number)"
        } else {
            "square"
        };
        let calculation = builtin(spec).expect("a built-in calculation");
        let fields = Fields::parse(fields).expect("a declaration");
        let evaluator = Evaluator::new(fields, calculation).expect("a calculation on these fields");
        let (mut evaluate, mut encode) = (f64::INFINITY, f64::INFINITY);
        for _ in 0..ROUNDS {
            let (one, other) = round(&evaluator, &payloads);
            (evaluate, encode) = (evaluate.min(one), encode.min(other));
        }
        let rate = |seconds: f64| ROWS as f64 / seconds / 1e6;
        println!("{name:<24}{:>22.1}{:>18.1}", rate(evaluate), rate(encode));
    }
}

/// The seconds that evaluating and encoding all payloads took.
fn round(evaluator: &Evaluator, payloads: &[String]) -> (f64, f64) {
    let start = Instant::now();
    let batches: Vec<_> = payloads
        .chunks(BATCH)
        .map(|chunk| {
            let events = chunk.iter().enumerate().map(|(row, payload)| Event {
                offset: Offset::ZERO.plus(row as u64),
                timestamp: Some(1_700_000_000_000),
                key: None,
                payload: Some(payload.as_bytes()),
            });
            evaluator
                .evaluate(events)
                .expect("the calculation does not fail")
        })
        .collect();
    let evaluate = start.elapsed().as_secs_f64();
    assert!(batches.iter().all(|batch| batch.rejects.is_empty()));

    let encoder =
        ResultEncoder::new("events", &evaluator.results_schema()).expect("the results' schema");
    let mut messages = MessageBuffer::new();
    let start = Instant::now();
    for batch in &batches {
        messages.clear();
        encoder
            .encode(Partition(3), &batch.results, &mut messages)
            .expect("the results' columns");
        black_box(&messages);
    }
    (evaluate, start.elapsed().as_secs_f64())
}
