//! A calculation in SQL against the same written by hand, over the same decoded columns on one core; and what rejected rows cost.
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
        builder::StringBuilder,
    },
    arrow_schema::Schema,
    calculation::{Calculation, Evaluator, SqlCalculation, builtin},
    events::Fields,
    model::{Event, Offset},
};

/// Rows of a batch, as in the pipeline.
const ROWS: usize = 8192;

/// So many batches in a round, and rounds, of which the fastest counts; both sides take turns, so that they share the
/// machine's moods.
const BATCHES: usize = 100;
const ROUNDS: usize = 15;

const FIELDS: &str = "number BIGINT NOT NULL, price DECIMAL(12,2) NOT NULL, quantity BIGINT NOT NULL, \
                      country VARCHAR NOT NULL, city VARCHAR NOT NULL";

/// By hand: the columns of [`FIELDS`] in, the results out.
type ByHand = fn(&RecordBatch) -> ArrayRef;

fn main() {
    let cases: [(&str, &str, ByHand); 4] = [
        ("square", "square(number)", square),
        ("rounded tax", "round(price * quantity * 0.19, 2)", tax),
        (
            "CASE",
            "CASE WHEN quantity >= 60 THEN price * 0.90 WHEN quantity >= 20 THEN price * 0.95 ELSE price * 1.00 END",
            discount,
        ),
        ("texts", "upper(country) || '-' || city", place),
    ];
    let batch = batch();
    let schema = batch.schema();
    println!(
        "{:<14}{:>14}{:>14}{:>10}",
        "ns per event", "by hand", "SQL", "of it"
    );
    for (name, text, by_hand) in cases {
        let calculation = SqlCalculation::parse(text).expect("an expression");
        calculation.output(&schema).expect("it is taken");
        let calculate = || {
            calculation
                .calculate(&batch)
                .expect("results")
                .columns
                .remove(0)
        };
        assert_eq!(&calculate(), &by_hand(&batch), "{name}");
        let (hand, sql) = compare(
            || drop(black_box(by_hand(black_box(&batch)))),
            || drop(black_box(calculate())),
        );
        println!("{name:<14}{hand:>14.2}{sql:>14.2}{:>10.2}", hand / sql);
    }
    rejected();
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
        let events = payloads.iter().enumerate().map(|(row, payload)| Event {
            offset: Offset::ZERO.plus(row as u64),
            timestamp: Some(1_700_000_000_000),
            key: None,
            payload: Some(payload.as_bytes()),
        });
        black_box(evaluator.evaluate(events).expect("outcomes"));
    };
    let (plain, with_one) = compare(|| evaluate(&good), || evaluate(&one));
    println!(
        "\na batch with one bad row costs {:.2} of a good one",
        with_one / plain
    );
    let (_, rejects) = compare(|| (), || evaluate(&all));
    println!("bad rows only: {:.0} events/s", 1e9 / rejects);
}

/// The nanoseconds for a row of both.
fn compare(one: impl Fn(), other: impl Fn()) -> (f64, f64) {
    let time = |run: &dyn Fn()| {
        let start = Instant::now();
        (0..BATCHES).for_each(|_| run());
        start.elapsed().as_secs_f64() * 1e9 / (BATCHES * ROWS) as f64
    };
    let mut least = (f64::INFINITY, f64::INFINITY);
    for _ in 0..ROUNDS {
        least = (least.0.min(time(&one)), least.1.min(time(&other)));
    }
    least
}

fn batch() -> RecordBatch {
    let schema: Schema = Fields::parse(FIELDS).expect("fields").schema();
    let prices = Decimal128Array::from_iter_values((0..ROWS).map(|n| n as i128 * 37 + 5));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(
            (0..ROWS).map(|n| n as i64 * 7919),
        )),
        Arc::new(prices.with_data_type(schema.field(1).data_type().clone())),
        Arc::new(Int64Array::from_iter_values(
            (0..ROWS).map(|n| n as i64 * 31 % 100),
        )),
        Arc::new(StringArray::from_iter_values(
            (0..ROWS).map(|n| ["de", "fr", "nl"][n % 3]),
        )),
        Arc::new(StringArray::from_iter_values(
            (0..ROWS).map(|n| ["Berlin", "Paris", "Amsterdam"][n % 3]),
        )),
    ];
    RecordBatch::try_new(Arc::new(schema), columns).expect("columns of the fields")
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

fn square(batch: &RecordBatch) -> ArrayRef {
    let numbers = whole(batch, 0).iter();
    let squares = numbers.map(|n| i128::from(*n) * i128::from(*n));
    decimals(squares.collect(), 38, 0)
}

fn tax(batch: &RecordBatch) -> ArrayRef {
    let rows = decimal(batch, 1).iter().zip(whole(batch, 2));
    let taxes = rows.map(|(price, quantity)| {
        let product = price * i128::from(*quantity) * 19;
        let half = if product < 0 { -50 } else { 50 };
        (product + half) / 100
    });
    decimals(taxes.collect(), 32, 2)
}

fn discount(batch: &RecordBatch) -> ArrayRef {
    let rows = decimal(batch, 1).iter().zip(whole(batch, 2));
    let prices = rows.map(|(price, quantity)| match quantity {
        60.. => price * 90,
        20.. => price * 95,
        _ => price * 100,
    });
    decimals(prices.collect(), 15, 4)
}

fn place(batch: &RecordBatch) -> ArrayRef {
    let (countries, cities) = (texts(batch, 3), texts(batch, 4));
    let mut places = StringBuilder::with_capacity(ROWS, ROWS * 12);
    for row in 0..countries.len() {
        let country = countries.value(row).to_uppercase();
        places.append_value(format!("{country}-{}", cities.value(row)));
    }
    Arc::new(places.finish())
}
