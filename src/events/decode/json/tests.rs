use arrow_array::{RecordBatch, cast::AsArray, types::Decimal128Type};
use proptest::prelude::*;

use super::{super::super::Decoder, super::super::Format, *};

/// The row of each payload, or the reason for which it has none, and the columns of all rows.
fn decoded(decoder: &Decoder, payloads: &[&[u8]]) -> (Vec<Result<(), String>>, RecordBatch) {
    let mut rows = decoder.rows(payloads.len());
    let outcomes: Vec<_> = payloads
        .iter()
        .map(|payload| decoder.decode(Some(payload), &mut rows))
        .collect();
    assert_eq!(rows.len(), outcomes.iter().filter(|o| o.is_ok()).count());
    let schema = decoder.fields().schema();
    let columns = rows.finish().unwrap();
    (
        outcomes,
        RecordBatch::try_new(schema.into(), columns).unwrap(),
    )
}

fn fields(text: &str) -> Fields {
    Fields::parse(text).unwrap()
}

fn number(payload: &str) -> Result<i64, String> {
    let both = [
        Decoder::new(Format::Json, Fields::default()),
        Decoder::general(Fields::default()),
    ];
    let [one, other] = both.map(|decoder| {
        let (mut outcomes, rows) = decoded(&decoder, &[payload.as_bytes()]);
        let numbers = rows
            .column(0)
            .as_primitive::<arrow_array::types::Int64Type>();
        outcomes.remove(0).map(|()| numbers.value(0))
    });
    assert_eq!(one, other, "{payload}");
    one
}

#[test]
fn a_row_that_is_rejected_leaves_no_trace_in_any_column() {
    let all = "a VARCHAR, b BOOLEAN, c DECIMAL(5,1), d DOUBLE, e BIGINT NOT NULL";
    let decoder = Decoder::new(Format::Json, fields(all));
    let good: [&[u8]; 3] = [
        br#"{"a":"x","b":true,"c":1.5,"d":2,"e":1}"#,
        br#"{"e":2}"#,
        br#"{"a":"\u0079z","b":false,"c":-2,"d":0.5,"e":3}"#,
    ];
    let bad: [&[u8]; 5] = [
        br#"{"a":"bad","b":true,"c":1,"d":2,"e":1.5}"#,
        br#"{"a":"bad","b":true,"c":1,"d":"2","e":1}"#,
        br#"{"a":"bad","b":true,"c":1.55,"d":2,"e":1}"#,
        br#"{"a":"bad","b":1,"c":1,"d":2,"e":1}"#,
        br#"{"a":"bad"}"#,
    ];
    let mixed = [
        bad[0], good[0], bad[1], bad[2], good[1], bad[3], good[2], bad[4],
    ];
    let (outcomes, rows) = decoded(&decoder, &mixed);
    assert_eq!(outcomes.iter().filter(|o| o.is_err()).count(), 5);
    assert_eq!(rows, decoded(&decoder, &good).1);
    assert_eq!(rows.column(0).as_string::<i32>().value(2), "yz");
    assert_eq!(
        rows.column(2)
            .as_primitive::<Decimal128Type>()
            .value_as_string(2),
        "-2.0"
    );
    assert_eq!(
        rows.columns()
            .iter()
            .map(|c| c.null_count())
            .collect::<Vec<_>>(),
        [1, 1, 1, 1, 0]
    );
}

#[test]
fn numbers_are_read_from_their_digits() {
    use super::super::super::reason::ReasonCode::{Fraction, OutOfRange};
    for (token, precision, scale, expected) in [
        ("0", 1, 0, Ok(0)),
        ("-0.00", 1, 0, Ok(0)),
        ("0e999999999999999999999", 1, 1, Ok(0)),
        ("1e3", 4, 0, Ok(1000)),
        ("1e3", 3, 0, Err(OutOfRange)),
        ("12.50e1", 3, 0, Ok(125)),
        ("1200e-2", 2, 0, Ok(12)),
        ("1250e-2", 4, 0, Err(Fraction)),
        ("1.005", 38, 2, Err(Fraction)),
        ("-1.05", 38, 2, Ok(-105)),
        ("0.001", 3, 3, Ok(1)),
        ("0.9999", 3, 3, Err(Fraction)),
        ("1", 3, 3, Err(OutOfRange)),
        ("999", 3, 0, Ok(999)),
        ("1000", 3, 0, Err(OutOfRange)),
        ("1e-99999999999999999999999", 38, 38, Err(Fraction)),
        ("1e99999999999999999999999", 38, 38, Err(OutOfRange)),
        (
            "99999999999999999999999999999999999999",
            38,
            0,
            Ok(10_i128.pow(38) - 1),
        ),
        (
            "100000000000000000000000000000000000000",
            38,
            0,
            Err(OutOfRange),
        ),
        ("1E+2", 3, 0, Ok(100)),
    ] {
        assert_eq!(
            number::decimal(token, precision, scale),
            expected,
            "{token} as DECIMAL({precision},{scale})"
        );
    }
    let long = format!("7{}e-5000", "0".repeat(5000));
    assert_eq!(number::decimal(&long, 1, 0), Ok(7));
}

#[test]
fn the_scan_takes_the_common_form_and_leaves_the_rest() {
    let single = Single::new("number").unwrap();
    for (payload, expected) in [
        (r#"{"number": 12345}"#, Some(12345)),
        (" {\t\"number\"\r:\n-7 } ", Some(-7)),
        (
            r#"{"number":999999999999999999}"#,
            Some(999_999_999_999_999_999),
        ),
        (r#"{"number":1000000000000000000}"#, None),
        (r#"{"number":01}"#, None),
        (r#"{"number":-}"#, None),
        (r#"{"number":1.0}"#, None),
        (r#"{"number":1}x"#, None),
        (r#"{"number":1"#, None),
        (r#"{"number":1,"x":2}"#, None),
        (r#"{"numbers":1}"#, None),
        ("", None),
    ] {
        assert_eq!(single.scan(payload.as_bytes()), expected, "{payload}");
    }
    assert!(Single::new("a\"b").is_none() && Single::new("a\\b").is_none());
}

/// An unknown field's value: any JSON.
fn any_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("-1.5e+300".to_owned()),
        any::<i128>().prop_map(|n| n.to_string()),
        any::<String>().prop_map(|s| serde_json::to_string(&s).unwrap()),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        let member = (any::<String>(), inner.clone())
            .prop_map(|(key, value)| format!("{}:{value}", serde_json::to_string(&key).unwrap()));
        prop_oneof![
            prop::collection::vec(inner, 0..3).prop_map(|all| format!("[{}]", all.join(","))),
            prop::collection::vec(member, 0..3).prop_map(|all| format!("{{{}}}", all.join(","))),
        ]
    })
}

/// Text near to a message: pieces of one in any order.
fn nearly_a_message() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        5 => Just(b"{\"number\":".to_vec()),
        5 => Just(b"}".to_vec()),
        3 => any::<i64>().prop_map(|n| n.to_string().into_bytes()),
        1 => prop::sample::select(vec!["{", "\"number\"", ":", ",", "-", "0", ".0", "e3", "null", "true", "\"", "\\u006e", "[", "]", "NaN", "\u{feff}", "é"])
            .prop_map(|s| s.as_bytes().to_vec()),
        1 => prop::sample::select(vec![" ", "\t", "\n", "\r", "\u{b}", "\u{a0}"]).prop_map(|s| s.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 1..3),
    ];
    prop::collection::vec(piece, 0..7).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_whole_number_is_accepted_and_equal_in_any_arrangement(
        n in any::<i64>(),
        before in prop::collection::vec(("[^\"\\\\\u{0}-\u{1f}]{0,7}", any_json()), 0..3),
        after in prop::collection::vec(("[^\"\\\\\u{0}-\u{1f}]{0,7}", any_json()), 0..3),
        space in "[ \t\r\n]{0,3}",
    ) {
        let unknown = |(key, value): &(String, String)| {
            (key != "number").then(|| format!("{space}\"{key}\":{space}{value}{space}"))
        };
        let mut members: Vec<_> = before.iter().filter_map(unknown).collect();
        members.push(format!("{space}\"number\"{space}:{space}{n}{space}"));
        members.extend(after.iter().filter_map(unknown));
        let payload = format!("{space}{{{}}}{space}", members.join(","));
        prop_assert_eq!(number(&payload), Ok(n));
    }

    #[test]
    fn any_float_is_rejected_for_a_bigint(n in any::<f64>()) {
        // Debug is what Python's json.dumps writes but for the width of the exponent.
        let rejected = number(&format!("{{\"number\": {n:?}}}"));
        prop_assert!(rejected.is_err(), "{:?}", rejected);
    }

    #[test]
    fn any_double_is_read_as_it_was_written(n in any::<f64>()) {
        prop_assume!(n.is_finite());
        prop_assert_eq!(number::double(&format!("{n:?}")).unwrap().to_bits(), n.to_bits());
    }

    #[test]
    fn any_decimal_is_read_as_it_was_written(
        n in -10_i128.pow(38) + 1..10_i128.pow(38), scale in 0_u8..=38, shift in -50_i64..50,
    ) {
        let (sign, digits) = (if n < 0 { "-" } else { "" }, n.unsigned_abs());
        let shifted = format!("{sign}{digits}e{}", -i64::from(scale));
        prop_assert_eq!(number::decimal(&shifted, 38, scale), Ok(n));
        let tail = "0".repeat(usize::try_from(shift.abs()).unwrap());
        let exponent = -i64::from(scale) - shift.abs();
        let padded = format!("{sign}{digits}{tail}.{tail}e{exponent}");
        prop_assert_eq!(number::decimal(&padded, 38, scale), Ok(n));
    }

    #[test]
    fn any_bytes_give_the_same_on_both_paths_and_never_a_panic(
        payload in prop_oneof![nearly_a_message(), prop::collection::vec(any::<u8>(), 0..40)],
        nullable in any::<bool>(),
    ) {
        let fields = fields(if nullable { "number BIGINT" } else { "number BIGINT NOT NULL" });
        let good: &[u8] = b"{\"number\":1}";
        let payloads = [good, &payload, good];
        let one = decoded(&Decoder::new(Format::Json, fields.clone()), &payloads);
        let other = decoded(&Decoder::general(fields), &payloads);
        prop_assert_eq!(one, other);
    }

    #[test]
    fn what_is_accepted_is_what_a_strict_parser_says(payload in nearly_a_message()) {
        let (outcomes, rows) = decoded(&Decoder::new(Format::Json, Fields::default()), &[&payload]);
        if outcomes[0].is_ok() {
            let value: serde_json::Value = serde_json::from_slice(&payload).unwrap();
            let n = rows.column(0).as_primitive::<arrow_array::types::Int64Type>().value(0);
            let expected = value["number"].as_i64().or_else(|| {
                // serde_json reads -0 as a float.
                value["number"].as_f64().filter(|f| *f == 0.0).map(|_| 0)
            });
            prop_assert_eq!(expected, Some(n));
        }
    }
}
