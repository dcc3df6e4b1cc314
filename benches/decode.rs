//! Rows per second on one core: payloads to results, and results to messages. A field at the end of a path of depth 3 may cost at
//! most half more than a field of the event itself.
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

const ROWS: usize = 200_000;
const BATCH: usize = 10_000;
/// So often each case has its turn. Of each batch the fastest turn counts: it is over before the machine does something else.
const ROUNDS: usize = 30;

/// The event that a path is compared with, and the one with a path.
const FLAT: &str = "{\"number\":n,\"id\":...}";
const DEEP: &str = "depth 3";

fn main() {
    type Payload = fn(usize) -> String;
    let cases: [(&str, &str, Payload); 6] = [
        ("{\"number\": n}", "number BIGINT NOT NULL", |n| {
            format!("{{\"number\": {}}}", 12_345 + n)
        }),
        (FLAT, "number BIGINT NOT NULL", |n| {
            format!("{{\"number\":{},\"id\":\"a{n}\"}}", 12_345 + n)
        }),
        (
            DEEP,
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
    let mut cases = cases.map(|(name, fields, payload)| Case::new(name, fields, payload));
    for _ in 0..ROUNDS {
        cases.iter_mut().for_each(Case::round);
    }
    let (mut flat, mut deep) = (f64::INFINITY, f64::INFINITY);
    for case in &cases {
        let seconds = |times: &[f64]| times.iter().sum::<f64>();
        let (evaluate, encode) = (seconds(&case.evaluate), seconds(&case.encode));
        match case.name {
            FLAT => flat = evaluate,
            DEEP => deep = evaluate,
            _ => {}
        }
        let rate = |seconds: f64| ROWS as f64 / seconds / 1e6;
        let name = case.name;
        println!("{name:<24}{:>22.1}{:>18.1}", rate(evaluate), rate(encode));
    }
    println!(
        "a path of depth 3 costs {:.2} of a field of the event itself",
        deep / flat
    );
    assert!(deep <= flat * 1.5, "a path costs too much");
}

/// Payloads of one form, and the least seconds that each batch of them took.
struct Case {
    name: &'static str,
    payloads: Vec<String>,
    evaluator: Evaluator,
    encoder: ResultEncoder,
    messages: MessageBuffer,
    evaluate: Vec<f64>,
    encode: Vec<f64>,
}

impl Case {
    fn new(name: &'static str, fields: &str, payload: fn(usize) -> String) -> Case {
        let spec = if fields.contains("price DECIMAL") {
            "square(number)"
        } else {
            "square"
        };
        let calculation = builtin(spec).expect("a built-in calculation");
        let fields = Fields::parse(fields).expect("a declaration");
        let evaluator = Evaluator::new(fields, calculation).expect("a calculation on these fields");
        let schema = evaluator.results_schema();
        Case {
            name,
            payloads: (0..ROWS).map(payload).collect(),
            encoder: ResultEncoder::new("events", &schema).expect("the results' schema"),
            evaluator,
            messages: MessageBuffer::new(),
            evaluate: vec![f64::INFINITY; ROWS / BATCH],
            encode: vec![f64::INFINITY; ROWS / BATCH],
        }
    }

    /// Evaluates and encodes all payloads.
    fn round(&mut self) {
        for (index, chunk) in self.payloads.chunks(BATCH).enumerate() {
            let events = chunk.iter().enumerate().map(|(row, payload)| Event {
                offset: Offset::ZERO.plus(row as u64),
                timestamp: Some(1_700_000_000_000),
                key: None,
                payload: Some(payload.as_bytes()),
            });
            let start = Instant::now();
            let batch = self.evaluator.evaluate(events);
            let batch = black_box(batch.expect("the calculation does not fail"));
            let taken = start.elapsed().as_secs_f64();
            self.evaluate[index] = self.evaluate[index].min(taken);
            assert!(batch.rejects.is_empty());
            self.messages.clear();
            let start = Instant::now();
            self.encoder
                .encode(Partition(3), &batch.results, &mut self.messages)
                .expect("the results' columns");
            black_box(&self.messages);
            let taken = start.elapsed().as_secs_f64();
            self.encode[index] = self.encode[index].min(taken);
        }
    }
}
