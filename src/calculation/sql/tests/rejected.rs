//! One row's error is that row's reject, and of a branch only for the rows that it is for.

use super::*;
use crate::events::{ReasonCode, reason_code};

const FIELDS: &str = "a BIGINT, b BIGINT, c DECIMAL(38,2), x DOUBLE, s VARCHAR";

#[test]
fn the_reasons_of_rejects_say_what_was_found_and_what_to_write() {
    let mut told = String::new();
    for (expression, payload, code) in [
        (
            "a + b",
            r#"{"a":9223372036854775807,"b":1}"#,
            ReasonCode::Overflow,
        ),
        (
            "a * b",
            r#"{"a":9223372036854775807,"b":2}"#,
            ReasonCode::Overflow,
        ),
        ("-a", r#"{"a":-9223372036854775808}"#, ReasonCode::Overflow),
        (
            "abs(a)",
            r#"{"a":-9223372036854775808}"#,
            ReasonCode::Overflow,
        ),
        ("a div b", r#"{"a":1,"b":0}"#, ReasonCode::DivisionByZero),
        (
            "a div b",
            r#"{"a":-9223372036854775808,"b":-1}"#,
            ReasonCode::Overflow,
        ),
        ("a % b", r#"{"a":1,"b":0}"#, ReasonCode::DivisionByZero),
        ("x / a", r#"{"x":1.5,"a":0}"#, ReasonCode::DivisionByZero),
        (
            "c + 1",
            r#"{"c":999999999999999999999999999999999999.99}"#,
            ReasonCode::Overflow,
        ),
        (
            "c * 10",
            r#"{"c":999999999999999999999999999999999999.99}"#,
            ReasonCode::Overflow,
        ),
        (
            "CAST(c AS DECIMAL(3,2))",
            r#"{"c":10}"#,
            ReasonCode::Overflow,
        ),
        (
            "CAST(round(x) AS BIGINT)",
            r#"{"x":1e19}"#,
            ReasonCode::Overflow,
        ),
        ("floor(x)", r#"{"x":1e19}"#, ReasonCode::Overflow),
        ("CAST(s AS BIGINT)", r#"{"s":"1.5"}"#, ReasonCode::BadCast),
        (
            "CAST(s AS DECIMAL(4,2))",
            r#"{"s":"100"}"#,
            ReasonCode::BadCast,
        ),
        ("CAST(s AS DOUBLE)", r#"{"s":"x"}"#, ReasonCode::BadCast),
        ("CAST(s AS BOOLEAN)", r#"{"s":"on"}"#, ReasonCode::BadCast),
        ("CAST(x AS VARCHAR)", r#"{"x":1e7}"#, ReasonCode::BadCast),
        ("x * 1e300", r#"{"x":1e300}"#, ReasonCode::Overflow),
        ("sqrt(x)", r#"{"x":-1}"#, ReasonCode::Overflow),
        ("upper(s)", r#"{"s":"Straße"}"#, ReasonCode::BadArgument),
        (
            "substring(s, a)",
            r#"{"s":"x","a":0}"#,
            ReasonCode::BadArgument,
        ),
        ("left(s, a)", r#"{"s":"x","a":-1}"#, ReasonCode::BadArgument),
        (
            "split_part(s, ',', a)",
            r#"{"s":"x","a":0}"#,
            ReasonCode::BadArgument,
        ),
        (
            "rpad(s, a, '')",
            r#"{"s":"x","a":5}"#,
            ReasonCode::BadArgument,
        ),
        ("trim(s)", r#"{"s":"\u00a0x"}"#, ReasonCode::BadArgument),
        ("'a' LIKE s", r#"{"s":"a\\"}"#, ReasonCode::BadArgument),
        (
            "a + b AS total NOT NULL",
            r#"{"a":1}"#,
            ReasonCode::NullResult,
        ),
    ] {
        let reason = outcomes(FIELDS, expression, &[payload])
            .remove(0)
            .unwrap_err();
        assert_eq!(
            reason_code(&reason),
            code.as_str(),
            "{expression}: {reason}"
        );
        told += &format!("{expression}\n    {reason}\n");
    }
    insta::assert_snapshot!(told);
}

#[test]
fn a_bad_row_is_rejected_alone() {
    let payloads: Vec<String> = (0..1000)
        .map(|row| format!("{{\"a\":1000,\"b\":{}}}", i64::from(row % 100 != 7) * 10))
        .collect();
    let payloads: Vec<&str> = payloads.iter().map(String::as_str).collect();
    for (row, outcome) in outcomes(FIELDS, "a div b", &payloads)
        .into_iter()
        .enumerate()
    {
        match row % 100 {
            7 => assert!(
                outcome
                    .unwrap_err()
                    .starts_with("division-by-zero: 1000 div 0")
            ),
            _ => assert_eq!(outcome, Ok("100".to_owned())),
        }
    }
}

#[test]
fn a_branch_is_evaluated_for_its_own_rows_only() {
    let payloads = [r#"{"a":6,"b":3}"#, r#"{"a":6,"b":0}"#, r#"{"a":6}"#];
    let bad = |found: &Result<String, String>| match found {
        Ok(value) => value.clone(),
        Err(reason) => reason_code(reason).to_owned(),
    };
    for (expression, expected) in [
        ("a div b", ["2", "division-by-zero", "null"]),
        (
            "CASE WHEN b <> 0 THEN a div b ELSE -1 END",
            ["2", "-1", "-1"],
        ),
        (
            "CASE WHEN b = 0 THEN 0 WHEN a div b > 1 THEN 1 ELSE 2 END",
            ["1", "0", "2"],
        ),
        (
            "CASE WHEN a div b > 1 THEN 1 ELSE 2 END",
            ["1", "division-by-zero", "2"],
        ),
        ("b <> 0 AND a % b = 0", ["true", "false", "null"]),
        ("a % b = 0 AND b <> 0", ["true", "division-by-zero", "null"]),
        ("b = 0 OR a div b > 1", ["true", "true", "null"]),
        ("coalesce(b, a div 0)", ["3", "0", "division-by-zero"]),
        ("coalesce(a div nullif(b, 0), -1)", ["2", "-1", "-1"]),
        ("nullif(a div b, 2)", ["null", "division-by-zero", "null"]),
        ("a IN (6, a div b)", ["true", "true", "true"]),
        ("a IN (7, a div b)", ["false", "division-by-zero", "null"]),
        ("a BETWEEN 7 AND a div b", ["false", "false", "false"]),
        ("greatest(a, a div b)", ["6", "division-by-zero", "6"]),
        ("(a div b) IS NULL", ["false", "division-by-zero", "true"]),
        (
            "CASE WHEN a IS NULL THEN 1 div 0 ELSE 5 END",
            ["5", "5", "5"],
        ),
        (
            "1 div 0",
            ["division-by-zero", "division-by-zero", "division-by-zero"],
        ),
    ] {
        let found = outcomes(FIELDS, expression, &payloads);
        let found: Vec<String> = found.iter().map(bad).collect();
        assert_eq!(found, expected, "{expression}");
    }
}

#[test]
fn of_several_errors_in_a_row_the_first_counts() {
    let payloads = [r#"{"a":1,"b":0,"s":"x"}"#];
    let reason = |expression| {
        outcomes(FIELDS, expression, &payloads)
            .remove(0)
            .unwrap_err()
    };
    assert!(reason("CAST(s AS BIGINT) + a div b").starts_with("bad-cast"));
    assert!(reason("a div b + CAST(s AS BIGINT)").starts_with("division-by-zero"));
}
