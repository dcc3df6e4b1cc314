//! Golden expressions: what every form of the closed set gives over fixed rows, to the byte.
//!
//! Stored results are proven by calculating them again, so an expression must go on to mean what it meant when they were
//! stored. Whoever changes a line of the file raises [`EVALUATOR_VERSION`], which is a part of the fingerprint: then what is
//! stored is known to be of another calculation.
//!
//! `SNAPBACK_UPDATE_GOLDEN=1 cargo test --lib golden` writes the values of new expressions, and of all of them after the version
//! has risen. It never replaces values under the same version.

mod forms;

use std::{collections::BTreeSet, fmt::Write as _, path::PathBuf, sync::Arc};

use arrow_array::{
    Array, ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array,
    RecordBatch, StringArray, TimestampMicrosecondArray,
    cast::AsArray,
    types::{Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType},
};
use arrow_schema::{DataType, Schema};

use super::{super::EVALUATOR_VERSION, calculation};
use crate::{
    calculation::Calculation,
    events::{FieldType, Fields, reason_code},
};

const FIELDS: &str = "i BIGINT, j BIGINT, price DECIMAL(12,2), rate DECIMAL(5,4), wide DECIMAL(38,10), x DOUBLE, y DOUBLE, \
                      s VARCHAR, t VARCHAR, digits VARCHAR, p BOOLEAN, q BOOLEAN, happened TIMESTAMP, later TIMESTAMP, day DATE, extra JSON";

/// The first and the last moment that a TIMESTAMP holds.
const FIRST: i64 = -62_135_596_800_000_000;
const LAST: i64 = 253_402_300_799_999_999;
/// 38 nines.
const NINES: i128 = 99_999_999_999_999_999_999_999_999_999_999_999_999;

#[rustfmt::skip]
fn column(name: &str) -> ArrayRef {
    const NULL: Option<i64> = None;
    let wholes = |values: [Option<i64>; 12]| Arc::new(Int64Array::from(values.to_vec())) as ArrayRef;
    let texts = |values: [Option<&str>; 12]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
    let doubles = |values: [Option<f64>; 12]| Arc::new(Float64Array::from(values.to_vec())) as ArrayRef;
    let decimals = |values: [Option<i128>; 12], precision, scale| {
        let data_type = DataType::Decimal128(precision, scale);
        Arc::new(Decimal128Array::from(values.to_vec()).with_data_type(data_type)) as ArrayRef
    };
    let times = |values: [Option<i64>; 12]| {
        let data_type = FieldType::Timestamp.data_type();
        Arc::new(TimestampMicrosecondArray::from(values.to_vec()).with_data_type(data_type)) as ArrayRef
    };
    let truths = |values: [Option<bool>; 12]| Arc::new(BooleanArray::from(values.to_vec())) as ArrayRef;
    let (yes, no) = (Some(true), Some(false));
    match name {
        "i" => wholes([Some(0), Some(1), Some(-1), Some(7), Some(-7), Some(2), Some(100), Some(i64::MAX), Some(i64::MIN), Some(9_007_199_254_740_993), NULL, Some(60)]),
        "j" => wholes([Some(1), Some(0), Some(-1), Some(2), Some(2), NULL, Some(-3), Some(1), Some(-1), Some(3), Some(5), NULL]),
        "price" => decimals([Some(0), Some(1), Some(-1), Some(250), Some(-250), Some(125), Some(1999), Some(999_999_999_999), Some(-999_999_999_999), Some(5), None, Some(12345)], 12, 2),
        "rate" => decimals([Some(0), Some(1), Some(-1), Some(10_000), Some(1900), Some(5000), Some(99_999), Some(-99_999), Some(12_345), None, Some(25_000), Some(3)], 5, 4),
        "wide" => decimals([Some(0), Some(1), Some(-1), Some(NINES), Some(-NINES), Some(15_000_000_000), Some(25_000_000_000), None, Some(1_234_567_890_123_456_789_012_345_678), Some(5_000_000_000), Some(-5_000_000_000), Some(12_345_678_901)], 38, 10),
        "x" => doubles([Some(0.0), Some(-0.0), Some(1.0), Some(0.5), Some(-2.5), Some(1e7), Some(1e-3), Some(f64::NAN), Some(f64::INFINITY), Some(1e300), None, Some(123.456)]),
        "y" => doubles([Some(1.0), Some(0.0), Some(-0.0), Some(3.0), Some(1e300), Some(0.285), None, Some(f64::NAN), Some(2.0), Some(-1e300), Some(5e-324), Some(7.0)]),
        "s" => texts([Some(""), Some("a"), Some("abc"), Some("ABC"), Some("äÖ"), Some("ß"), Some("👍x"), Some(" a "), Some("a,b,c"), Some("it's"), None, Some("a%b_c")]),
        "t" => texts([Some(""), Some("a"), Some("b"), Some("C"), Some("Ö"), Some("s"), Some("👍"), Some(" "), Some(","), None, Some("x"), Some("%")]),
        "digits" => texts([Some("0"), Some("12"), Some(" 12 "), Some("-7"), Some("1.50"), Some("1e3"), Some("true"), Some("9223372036854775808"), Some("x"), Some("2024-02-29"), None, Some("2024-05-01 12:30:00.25")]),
        "p" => truths([yes, no, None, yes, no, None, yes, no, None, yes, no, yes]),
        "q" => truths([yes, yes, yes, no, no, no, None, None, None, yes, no, None]),
        "happened" => times([Some(0), Some(-1), Some(FIRST), Some(LAST), Some(1_709_164_800_000_000), Some(1_709_251_199_999_999), Some(951_782_400_000_000), Some(-2_203_891_200_000_000), None, Some(1_735_689_599_999_000), Some(1_609_632_000_000_000), Some(1_714_567_890_123_456)]),
        "later" => times([Some(1), Some(-1_000), Some(LAST), Some(FIRST), Some(1_709_164_800_000_000), None, Some(951_782_400_000_001), Some(0), Some(5), Some(-12_219_292_800_000_000), Some(86_400_000_000), Some(1_714_567_890_123_455)]),
        "extra" => texts([Some(r#"{"k":"v"}"#), Some(r#"{"k":-0}"#), Some(r#" {"k": 1.50, "a": [1, {"b": true}]}"#), Some(r#"{"k":1e7}"#), Some(r#"{"k":null,"a":[null]}"#), Some(r#"{"k":{"x":[1, 2.0,"\u00e9"],"y":"\u001f\/"}}"#), Some(r#"{"k":"\u00e9\ud83d\udc4d"}"#), Some(r#"{"k":1,"k":2}"#), Some("[10, 20]"), Some(r#"{"k":["👍"]}"#), None, Some(r#""\ud83d""#)]),
        _ => Arc::new(Date32Array::from(vec![Some(0), Some(-1), Some(-719_162), Some(2_932_896), Some(19_782), Some(11_016), Some(-25_508), None, Some(18_630), Some(-141_428), Some(19_844), Some(20_088)])),
    }
}

fn rows() -> RecordBatch {
    let schema: Schema = Fields::parse(FIELDS).unwrap().schema();
    let columns = schema.fields().iter().map(|field| column(field.name()));
    let columns = columns.collect();
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

/// A value, such that two are written alike if and only if their bytes are the same.
fn written(array: &dyn Array, row: usize) -> String {
    if array.is_null(row) {
        return "NULL".to_owned();
    }
    match array.data_type() {
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::Float64 => match array.as_primitive::<Float64Type>().value(row) {
            nan if nan.is_nan() => format!("NaN({:016x})", nan.to_bits()),
            value => format!("{value:?}"),
        },
        DataType::Decimal128(..) => array.as_primitive::<Decimal128Type>().value_as_string(row),
        DataType::Timestamp(..) => {
            let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
            format!("{micros}us")
        }
        DataType::Date32 => format!("{}d", array.as_primitive::<Date32Type>().value(row)),
        DataType::Boolean => array.as_boolean().value(row).to_string(),
        DataType::Utf8 => serde_json::to_string(array.as_string::<i32>().value(row)).unwrap(),
        other => panic!("{other} is no type of results"),
    }
}

/// What an expression gives for the rows: a line for each column, with its type; a rejected row has its reason's code.
fn values(expression: &str, batch: &RecordBatch) -> Vec<String> {
    let calculation = calculation(expression);
    let output = calculation.output(batch.schema_ref()).unwrap();
    let outcomes = calculation.calculate(batch).unwrap();
    let columns = output.iter().zip(&outcomes.columns);
    let line = |(field, column): (_, &ArrayRef)| {
        let field: &arrow_schema::Field = field;
        let mut line = FieldType::of_column(field).unwrap().to_string();
        if !field.is_nullable() {
            line += " NOT NULL";
        }
        line.push(':');
        for row in 0..batch.num_rows() {
            let rejected = outcomes.rejections.iter().find(|(at, _)| *at == row);
            let value = match rejected {
                Some((_, reason)) => format!("!{}", reason_code(reason)),
                None => written(column, row),
            };
            let before = if row == 0 { "" } else { " |" };
            write!(line, "{before} {value}").unwrap();
        }
        line
    };
    columns
        .map(|(field, column)| line((field.as_ref(), column)))
        .collect()
}

/// The file: a line of comment or an expression each, and below an expression, indented, its values.
struct Golden<'a> {
    version: u32,
    entries: Vec<Entry<'a>>,
}

enum Entry<'a> {
    Other(&'a str),
    Expression(&'a str, Vec<&'a str>),
}

const VERSION: &str = "# evaluator version ";

impl Golden<'_> {
    fn read(file: &str) -> Golden<'_> {
        let mut golden = Golden {
            version: 0,
            entries: Vec::new(),
        };
        for line in file.lines() {
            if let Some(version) = line.strip_prefix(VERSION) {
                golden.version = version.parse().unwrap();
            } else if line.is_empty() || line.starts_with('#') {
                golden.entries.push(Entry::Other(line));
            } else if let Some(value) = line.strip_prefix("  ") {
                let Some(Entry::Expression(_, values)) = golden.entries.last_mut() else {
                    panic!("no expression stands above {line}");
                };
                values.push(value);
            } else {
                golden.entries.push(Entry::Expression(line, Vec::new()));
            }
        }
        golden
    }

    fn expressions(&self) -> impl Iterator<Item = (&str, &[&str])> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Other(_) => None,
            Entry::Expression(text, values) => Some((*text, values.as_slice())),
        })
    }

    /// The file as it should be now.
    ///
    /// # Errors
    /// When an expression gives other values under the same version: what, and what to do.
    fn now(&self, version: u32, of: impl Fn(&str) -> Vec<String>) -> Result<String, String> {
        let mut changed = String::new();
        let mut now = format!("{VERSION}{version}\n");
        for entry in &self.entries {
            let (text, known) = match entry {
                Entry::Other(line) => {
                    now += line;
                    now.push('\n');
                    continue;
                }
                Entry::Expression(text, known) => (text, known),
            };
            let values = of(text);
            if !known.is_empty() && *known != values && self.version == version {
                let (was, is) = (known.join("\n    "), values.join("\n    "));
                write!(changed, "\n{text}\n  was {was}\n  is  {is}").unwrap();
            }
            writeln!(now, "{text}").unwrap();
            values
                .iter()
                .for_each(|line| writeln!(now, "  {line}").unwrap());
        }
        match changed.is_empty() {
            true => Ok(now),
            false => Err(format!(
                "expressions give other values than those that are stored under version {version} of the evaluator. If that is \
                 meant, raise EVALUATOR_VERSION in src/calculation/sql/mod.rs, so that the fingerprint of every calculation is \
                 another one, then write the file with SNAPBACK_UPDATE_GOLDEN=1:{changed}"
            )),
        }
    }
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/expressions.txt")
}

#[test]
fn golden_expressions_give_the_bytes_that_they_gave() {
    let file = std::fs::read_to_string(path()).unwrap();
    let batch = rows();
    let now = Golden::read(&file).now(EVALUATOR_VERSION, |text| values(text, &batch));
    let now = now.unwrap_or_else(|changed| panic!("{changed}"));
    if std::env::var_os("SNAPBACK_UPDATE_GOLDEN").is_some_and(|value| value == "1") {
        return std::fs::write(path(), now).unwrap();
    }
    assert!(
        now == file,
        "tests/golden/expressions.txt lacks values; write them with SNAPBACK_UPDATE_GOLDEN=1, and read the difference"
    );
}

#[test]
fn another_value_of_a_golden_expression_asks_for_another_version() {
    let file = "# evaluator version 3\n\ni + 1\n  BIGINT: 2\ni + 2\n";
    let golden = Golden::read(file);
    let of = |text: &str| vec![format!("BIGINT: {}", if text == "i + 1" { 2 } else { 3 })];
    let whole = format!("{file}  BIGINT: 3\n");
    assert_eq!(golden.now(3, of).unwrap(), whole);
    let other = |_: &str| vec!["BIGINT: 9".to_owned()];
    let told = golden.now(3, other).unwrap_err();
    for part in [
        "raise EVALUATOR_VERSION",
        "i + 1",
        "was BIGINT: 2",
        "is  BIGINT: 9",
    ] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
    assert!(!told.contains("i + 2"), "{told}");
    // Under a version of its own, another value is what is meant.
    let risen = golden.now(4, other).unwrap();
    assert!(risen.starts_with("# evaluator version 4\n\ni + 1\n  BIGINT: 9\n"));
}

#[test]
fn every_form_of_the_closed_set_is_a_golden_expression() {
    let file = std::fs::read_to_string(path()).unwrap();
    let schema = rows().schema();
    let mut found = BTreeSet::new();
    for (text, _) in Golden::read(&file).expressions() {
        let columns = calculation(text).typed(&schema).unwrap();
        columns
            .nodes
            .iter()
            .for_each(|node| forms::note(node, &mut found));
    }
    let missing: Vec<_> = forms::closed_set().difference(&found).cloned().collect();
    assert!(
        missing.is_empty(),
        "tests/golden/expressions.txt lacks {missing:#?}"
    );
}
