//! A calculation in SQL against the same written by hand on one core, over the same decoded columns, and with the decoding of
//! events and the encoding of messages around it, as in the pipeline; and what rejected rows cost.
//!
//! `cargo bench --bench calculation`
#![allow(clippy::print_stdout)]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a measurement that cannot go on has failed"
)]

use std::{hint::black_box, sync::Arc, time::Instant};

use snapback::{
    arrow_array::{
        Array, ArrayRef, Decimal128Array, Int64Array, RecordBatch, StringArray,
        TimestampMicrosecondArray, builder::StringBuilder,
    },
    arrow_schema,
    calculation::{Calculation, CalculationError, Evaluator, Outcomes, SqlCalculation, builtin},
    events::{Fields, MessageBuffer, ResultEncoder},
    model::{Event, Offset, Partition},
};

/// Rows of a batch, as in the pipeline.
const ROWS: usize = 8192;

/// So many times each side has its turn, of which the fastest counts: a batch is over before the machine does something else.
const TURNS: usize = 1000;

/// The product's.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The same calculation twice.
struct Case {
    name: &'static str,
    fields: &'static str,
    sql: &'static str,
    /// The columns of `fields` in, the results out.
    by_hand: fn(&RecordBatch) -> Vec<ArrayRef>,
}

const CASES: [Case; 4] = [
    Case {
        name: "square",
        fields: "number BIGINT NOT NULL",
        sql: "square(number)",
        by_hand: square,
    },
    Case {
        name: "rounded tax",
        fields: "price DECIMAL(12,2) NOT NULL, quantity BIGINT NOT NULL",
        sql: "round(price * quantity * 0.19, 2)",
        by_hand: tax,
    },
    Case {
        name: "CASE, date_trunc",
        fields: "price DECIMAL(12,2) NOT NULL, quantity BIGINT NOT NULL, at TIMESTAMP NOT NULL",
        sql: "CASE WHEN quantity >= 60 THEN price * 0.90 WHEN quantity >= 20 THEN price * 0.95 ELSE price * 1.00 END \
              AS charged, date_trunc('day', at) AS day",
        by_hand: charged,
    },
    Case {
        name: "texts",
        fields: "country VARCHAR NOT NULL, city VARCHAR NOT NULL",
        sql: "upper(country) || '-' || city",
        by_hand: place,
    },
];

fn main() {
    let payloads: Vec<String> = (0..ROWS).map(payload).collect();
    println!(
        "{:<18}{:>30}{:>36}",
        "", "columns", "with decode and encode"
    );
    println!(
        "{:<18}{:>12}{:>10}{:>8}{:>18}{:>10}{:>8}",
        "ns per event", "by hand", "SQL", "of it", "by hand", "SQL", "of it"
    );
    for case in CASES {
        let calculation = || SqlCalculation::parse(case.sql).expect("an expression");
        let sql = Pipeline::new(&case, Arc::new(calculation()));
        let by_hand = Pipeline::new(&case, Arc::new(ByHand(calculation(), case.by_hand)));
        assert_eq!(sql.results(&payloads), by_hand.results(&payloads));
        let columns = compare(|| by_hand.calculate(), || sql.calculate());
        let messages = compare(
            || drop(black_box(by_hand.messages(&payloads))),
            || drop(black_box(sql.messages(&payloads))),
        );
        print!("{:<18}", case.name);
        for ((hand, sql), width) in [(columns, 12), (messages, 18)] {
            print!("{hand:>width$.1}{sql:>10.1}{:>8.2}", hand / sql);
        }
        println!();
    }
    rejected();
}

/// An event that holds what every case needs.
fn payload(n: usize) -> String {
    let (number, cents, quantity) = (n * 7919, n * 37 + 5, n * 31 % 100);
    let (country, city) = [("de", "Berlin"), ("fr", "Paris"), ("nl", "Amsterdam")][n % 3];
    let at = format!(
        "2024-05-{:02}T{:02}:30:{:02}.5Z",
        n % 31 + 1,
        n % 24,
        n % 60
    );
    format!(
        "{{\"number\":{number},\"price\":{}.{:02},\"quantity\":{quantity},\"country\":\"{country}\",\"city\":\"{city}\",\"at\":\"{at}\"}}",
        cents / 100,
        cents % 100
    )
}

/// The results of a function written by hand, in the columns of the same in SQL.
struct ByHand(SqlCalculation, fn(&RecordBatch) -> Vec<ArrayRef>);

impl Calculation for ByHand {
    fn name(&self) -> &'static str {
        "by-hand"
    }

    fn version(&self) -> u32 {
        1
    }

    fn output(
        &self,
        fields: &arrow_schema::Schema,
    ) -> Result<arrow_schema::Fields, CalculationError> {
        self.0.output(fields)
    }

    fn calculate(&self, batch: &RecordBatch) -> Result<Outcomes, CalculationError> {
        Ok(Outcomes {
            columns: self.1(batch),
            rejections: Vec::new(),
        })
    }
}

/// What the processor does between fetching and publishing.
struct Pipeline {
    calculation: Arc<dyn Calculation>,
    evaluator: Evaluator,
    encoder: ResultEncoder,
    /// The decoded fields of all events.
    batch: RecordBatch,
}

impl Pipeline {
    fn new(case: &Case, calculation: Arc<dyn Calculation>) -> Pipeline {
        let fields = Fields::parse(case.fields).expect("fields");
        let inputs = fields.schema().fields().len();
        let evaluator = Evaluator::new(fields, Arc::clone(&calculation)).expect("it is taken");
        let encoder = ResultEncoder::new("events", &evaluator.results_schema()).expect("columns");
        let payloads: Vec<String> = (0..ROWS).map(payload).collect();
        let evaluated = evaluator.evaluate(events(&payloads));
        let results = evaluated.expect("outcomes").results;
        assert_eq!(results.num_rows(), ROWS, "every event has a result");
        let source = results.num_columns() - inputs - evaluator.output().fields().len();
        let inputs: Vec<usize> = (source..source + inputs).collect();
        Pipeline {
            calculation,
            encoder,
            batch: results.project(&inputs).expect("columns of the fields"),
            evaluator,
        }
    }

    fn calculate(&self) {
        drop(black_box(
            self.calculation.calculate(black_box(&self.batch)),
        ));
    }

    fn results(&self, payloads: &[String]) -> RecordBatch {
        let evaluated = self.evaluator.evaluate(events(payloads));
        evaluated.expect("outcomes").results
    }

    fn messages(&self, payloads: &[String]) -> MessageBuffer {
        let mut messages = MessageBuffer::new();
        let results = self.results(payloads);
        let encoded = self.encoder.encode(Partition(0), &results, &mut messages);
        encoded.expect("messages");
        messages
    }
}

fn events(payloads: &[String]) -> impl ExactSizeIterator<Item = Event<'_>> {
    payloads.iter().enumerate().map(|(row, payload)| Event {
        offset: Offset::ZERO.plus(row as u64),
        timestamp: Some(1_700_000_000_000),
        key: None,
        payload: Some(payload.as_bytes()),
    })
}

/// What a batch with bad rows costs, from payloads to outcomes.
fn rejected() {
    let fields = Fields::parse("a BIGINT NOT NULL, b BIGINT NOT NULL").expect("fields");
    let calculation = builtin("CAST(a AS DECIMAL(19,2)) * b + a % b").expect("an expression");
    let evaluator = Evaluator::new(fields, calculation).expect("it is taken");
    let payloads = |bad: fn(usize) -> bool| -> Vec<String> {
        let payload = |n: usize| format!("{{\"a\":{n},\"b\":{}}}", if bad(n) { 0 } else { 7 });
        (0..ROWS).map(payload).collect()
    };
    let (good, one, all) = (
        payloads(|_| false),
        payloads(|n| n == 77),
        payloads(|_| true),
    );
    let evaluate = |payloads: &[String]| {
        black_box(evaluator.evaluate(events(payloads)).expect("outcomes"));
    };
    let (plain, with_one) = compare(|| evaluate(&good), || evaluate(&one));
    println!(
        "\na batch with one bad row costs {:.2} of a good one",
        with_one / plain
    );
    assert!(
        with_one <= plain * 2.0,
        "a bad row costs more than another batch"
    );
    let (_, rejects) = compare(|| (), || evaluate(&all));
    println!("bad rows only: {:.0} events/s", 1e9 / rejects);
    assert!(1e9 / rejects >= 50_000.0, "rejects take too long");
}

/// The nanoseconds for a row of both.
fn compare(one: impl Fn(), other: impl Fn()) -> (f64, f64) {
    let time = |run: &dyn Fn()| {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64() * 1e9 / ROWS as f64
    };
    let mut least = (f64::INFINITY, f64::INFINITY);
    for _ in 0..TURNS {
        least = (least.0.min(time(&one)), least.1.min(time(&other)));
    }
    least
}

fn whole(batch: &RecordBatch, index: usize) -> &[i64] {
    let column = batch.column(index).as_any().downcast_ref::<Int64Array>();
    column.expect("BIGINT").values()
}

fn decimal(batch: &RecordBatch, index: usize) -> &[i128] {
    let column = batch
        .column(index)
        .as_any()
        .downcast_ref::<Decimal128Array>();
    column.expect("DECIMAL").values()
}

fn texts(batch: &RecordBatch, index: usize) -> &StringArray {
    let column = batch.column(index).as_any().downcast_ref();
    column.expect("VARCHAR")
}

fn decimals(values: Vec<i128>, precision: u8, scale: i8) -> ArrayRef {
    let array = Decimal128Array::from(values).with_precision_and_scale(precision, scale);
    Arc::new(array.expect("a DECIMAL"))
}

fn square(batch: &RecordBatch) -> Vec<ArrayRef> {
    let numbers = whole(batch, 0).iter();
    let squares = numbers.map(|n| i128::from(*n) * i128::from(*n));
    vec![decimals(squares.collect(), 38, 0)]
}

fn tax(batch: &RecordBatch) -> Vec<ArrayRef> {
    let rows = decimal(batch, 0).iter().zip(whole(batch, 1));
    let taxes = rows.map(|(price, quantity)| {
        let product = price * i128::from(*quantity) * 19;
        let half = if product < 0 { -50 } else { 50 };
        (product + half) / 100
    });
    vec![decimals(taxes.collect(), 32, 2)]
}

fn charged(batch: &RecordBatch) -> Vec<ArrayRef> {
    let rows = decimal(batch, 0).iter().zip(whole(batch, 1));
    let prices = rows.map(|(price, quantity)| match quantity {
        60.. => price * 90,
        20.. => price * 95,
        _ => price * 100,
    });
    let times = batch.column(2).as_any().downcast_ref();
    let times: &TimestampMicrosecondArray = times.expect("TIMESTAMP");
    let days = times.values().iter();
    let days = days.map(|micros| micros - micros.rem_euclid(86_400_000_000));
    let days: TimestampMicrosecondArray = days.collect::<Vec<i64>>().into();
    vec![
        decimals(prices.collect(), 15, 4),
        Arc::new(days.with_timezone("UTC")),
    ]
}

fn place(batch: &RecordBatch) -> Vec<ArrayRef> {
    let (countries, cities) = (texts(batch, 0), texts(batch, 1));
    let mut places = StringBuilder::with_capacity(ROWS, ROWS * 12);
    for row in 0..countries.len() {
        let country = countries.value(row).to_uppercase();
        places.append_value(format!("{country}-{}", cities.value(row)));
    }
    vec![Arc::new(places.finish())]
}
