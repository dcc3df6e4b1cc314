//! Rows with edges for the fields of [`FIELDS`](super::expressions::FIELDS).

use std::sync::Arc;

use rand::{RngExt, rngs::StdRng};
use snapback::{
    arrow_array::{
        ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array,
        RecordBatch, StringArray, TimestampMicrosecondArray,
    },
    arrow_schema::{DataType, Schema},
    events::Fields,
};

const WHOLE: [i64; 12] = [
    0,
    1,
    -1,
    2,
    7,
    -7,
    10,
    100,
    9_007_199_254_740_993,
    i64::MAX,
    i64::MIN,
    -2_147_483_649,
];
const DOUBLES: [f64; 18] = [
    0.0,
    -0.0,
    1.0,
    0.5,
    1.5,
    2.5,
    -2.5,
    0.285,
    1.005,
    1e-5,
    1e7,
    123.456,
    -0.001,
    1e300,
    -1e300,
    5e-324,
    9_007_199_254_740_993.0,
    1e19,
];
const TEXTS: [&str; 34] = [
    "2024-02-29",
    "2023-02-29",
    "9999-12-31",
    "2024-05-01 12:30:00",
    "",
    " ",
    "a",
    "abc",
    "ABC",
    "a b",
    "ä",
    "ß",
    "👍",
    "it's",
    "%",
    "_",
    "12",
    " 12 ",
    "-7",
    "1.50",
    "1e3",
    "true",
    "f",
    "NaN",
    "0.005",
    "x,y,z",
    "ΑΣ",
    "\u{a0}a ",
    "e\u{301}",
    "a\\b",
    "a%b",
    "a_b",
    "ŒUVRE",
    "abcabc",
];
const DIGITS: [&str; 12] = [
    "0",
    "1",
    "-1",
    "12",
    "007",
    "+5",
    "9223372036854775807",
    "9223372036854775808",
    "1.5",
    "x",
    "",
    "3",
];

/// What JSON texts hold, and what is nearly JSON.
const DOCUMENTS: [&str; 36] = [
    r#"{"k":"v"}"#,
    r#"{"k":1,"a":[2]}"#,
    r#"{"k":-0}"#,
    r#"{"k":-0.0}"#,
    r#"{"k":1.50}"#,
    r#"{"k":1e3}"#,
    r#"{"k":0.001}"#,
    r#"{"k":12345678.9}"#,
    r#"{"k":1e-7}"#,
    r#"{"k":1e400}"#,
    r#"{"k":123456789012345678901234567890}"#,
    r#"{"k":true,"a":[false]}"#,
    r#"{"k":null,"a":[null]}"#,
    r#"{"k":{"x":1, "y" : [1, 2.0, null]}}"#,
    r#"{"k":{"x":{"z":[]}}}"#,
    r#"{"k":{"x":"\u0001\u001f\t\b\f\/\u00e9\u2028"}}"#,
    r#"{"k":{"x":"\ud83d\udc4d"}}"#,
    r#"{"k":["\ud83d\udc4d", {"x":"👍"}]}"#,
    r#"{"k":[[1, 2], {"x":-0, "y":{}}]}"#,
    r#"{"k":[{"x":1},{"x":2}]}"#,
    r#"{"k":1,"k":2}"#,
    r#"{"k":{"x":1},"k":{"x":2}}"#,
    r#"{"k":{"x":1,"y":2,"x":3}}"#,
    r#"{"k":"a\nb\"c\\d"}"#,
    r#"{"k":"\ud83d"}"#,
    r#"{"\u006b":"escaped","é":"é"}"#,
    " {\"k\" : [ 10 , 20 ] , \"é\" : 1 }\n",
    "[1, [2, 3]]",
    r#"["a", null]"#,
    r#""text""#,
    "null",
    "1.50",
    "{'k':1}",
    r#"{"k":1} x"#,
    r#"{"k":1,}"#,
    r#"{"k":NaN}"#,
];

/// Microseconds of the first and the last moment, of leap days, of both sides of 1970 and of a year's end, of the calendar's
/// reform.
const TIMES: [i64; 14] = [
    -62_135_596_800_000_000,
    253_402_300_799_999_999,
    0,
    -1,
    -1_000,
    1_709_164_800_000_000,
    1_709_251_199_999_999,
    951_782_400_000_000,
    -2_203_891_200_000_000,
    1_735_689_599_999_000,
    1_609_632_000_000_000,
    -12_219_292_800_000_000,
    1_714_567_890_123_456,
    4_107_542_400_000_000,
];
const DAY: i64 = 86_400_000_000;

/// So many rows.
pub fn rows(count: usize, random: &mut StdRng) -> RecordBatch {
    let fields = Fields::parse(super::expressions::FIELDS).expect("fields");
    let schema: Schema = fields.schema();
    let columns = schema
        .fields()
        .iter()
        .map(|field| column(field.name(), field.data_type(), count, random));
    let columns: Vec<ArrayRef> = columns.collect();
    RecordBatch::try_new(Arc::new(schema), columns).expect("columns of the fields")
}

fn column(name: &str, data_type: &DataType, count: usize, random: &mut StdRng) -> ArrayRef {
    let null = |random: &mut StdRng| random.random_range(0..8) == 0;
    match data_type {
        DataType::Int64 => {
            let small = name == "small";
            let value = |random: &mut StdRng| match (small, random.random_range(0..3)) {
                (true, _) => random.random_range(-20..20),
                (false, 0) => random.random_range(-1_000_000..1_000_000),
                _ => WHOLE[random.random_range(0..WHOLE.len())],
            };
            Arc::new(Int64Array::from_iter(
                (0..count).map(|_| (!null(random)).then(|| value(random))),
            ))
        }
        DataType::Float64 => {
            let value = |random: &mut StdRng| match random.random_range(0..3) {
                0 => f64::from(random.random_range(-1_000_000..1_000_000)) / 1000.0,
                _ => DOUBLES[random.random_range(0..DOUBLES.len())],
            };
            Arc::new(Float64Array::from_iter(
                (0..count).map(|_| (!null(random)).then(|| value(random))),
            ))
        }
        DataType::Decimal128(precision, _) => {
            let limit = 10_i128.pow(u32::from(*precision));
            let value = |random: &mut StdRng| match random.random_range(0..5) {
                0 => limit - 1,
                1 => 1 - limit,
                2 => random.random_range(-limit + 1..limit),
                // Halves, which rounding is about.
                3 => i128::from(random.random_range(-50..50)) * 5,
                _ => random.random_range(-9_999..10_000),
            };
            let values = (0..count).map(|_| (!null(random)).then(|| value(random)));
            let values = Decimal128Array::from_iter(values);
            Arc::new(values.with_data_type(data_type.clone()))
        }
        DataType::Timestamp(..) => {
            let values = (0..count).map(|_| (!null(random)).then(|| time(random)));
            let values = TimestampMicrosecondArray::from_iter(values);
            Arc::new(values.with_data_type(data_type.clone()))
        }
        DataType::Date32 => {
            let day = |random: &mut StdRng| i32::try_from(time(random).div_euclid(DAY));
            Arc::new(Date32Array::from_iter((0..count).map(|_| {
                (!null(random)).then(|| day(random).expect("a day of the calendar"))
            })))
        }
        DataType::Boolean => Arc::new(BooleanArray::from_iter(
            (0..count).map(|_| (!null(random)).then(|| random.random::<bool>())),
        )),
        _ => {
            let texts: &[&str] = match name {
                "digits" => &DIGITS,
                "document" => &DOCUMENTS,
                _ => &TEXTS,
            };
            Arc::new(StringArray::from_iter((0..count).map(|_| {
                (!null(random)).then(|| texts[random.random_range(0..texts.len())])
            })))
        }
    }
}

fn time(random: &mut StdRng) -> i64 {
    match random.random_range(0..3) {
        0 => random.random_range(TIMES[0]..TIMES[1]),
        1 => random.random_range(0..20_000) * DAY,
        _ => TIMES[random.random_range(0..TIMES.len())],
    }
}
