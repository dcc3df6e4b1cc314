//! Dates and points in time.

use super::*;
use crate::calculation::{Calculation as _, Engine};

const FIELDS: &str = "at TIMESTAMP, day DATE, s VARCHAR, n BIGINT, doc JSON";

/// What an expression gives for one event.
fn of(expression: &str, event: &str) -> Result<String, String> {
    outcomes(FIELDS, expression, &[event]).remove(0)
}

#[test]
fn times_are_in_utc_and_written_as_rfc_3339() {
    const AT: &str = r#"{"at":"2024-02-29T23:30:59.123456Z","day":"2024-12-30","s":"2024-01-31","n":-1,"doc":{"a":[1]}}"#;
    for (expression, expected) in [
        ("at", "\"2024-02-29T23:30:59.123456Z\""),
        ("day", "\"2024-12-30\""),
        ("doc || '!'", "\"{\\\"a\\\":[1]}!\""),
        ("at > TIMESTAMP '2024-02-29 23:30:59'", "true"),
        ("day < at", "false"),
        ("at BETWEEN DATE '2024-02-29' AND DATE '2024-03-01'", "true"),
        ("day IN (DATE '2024-12-30')", "true"),
        (
            "CASE WHEN n > 0 THEN day ELSE DATE '1999-12-31' END",
            "\"1999-12-31\"",
        ),
        ("coalesce(nullif(at, at), day)", "\"2024-12-30T00:00:00Z\""),
        ("greatest(at, day)", "\"2024-12-30T00:00:00Z\""),
        ("CAST(at AS DATE)", "\"2024-02-29\""),
        ("CAST(at AS VARCHAR)", "\"2024-02-29 23:30:59.123456\""),
        ("CAST(day AS VARCHAR)", "\"2024-12-30\""),
        (
            "CAST(CAST('2024-01-01T00:00:00.500' AS TIMESTAMP) AS VARCHAR)",
            "\"2024-01-01 00:00:00.5\"",
        ),
        ("CAST(s AS DATE)", "\"2024-01-31\""),
        (
            "CAST('2024-01-31 12:00:00Z' AS TIMESTAMP)",
            "\"2024-01-31T12:00:00Z\"",
        ),
        ("extract(year FROM at)", "2024"),
        ("extract(quarter FROM day)", "4"),
        ("extract(week FROM day)", "1"),
        ("extract(doy FROM day)", "365"),
        ("extract(day FROM at)", "29"),
        ("hour(at) * 100 + minute(at)", "2330"),
        ("second(at)", "59"),
        ("epoch_ms(at)", "1709249459123"),
        ("epoch_ms(day) div 86400000", "20087"),
        ("to_timestamp(n)", "\"1969-12-31T23:59:59Z\""),
        ("date_trunc('year', at)", "\"2024-01-01T00:00:00Z\""),
        ("date_trunc('quarter', day)", "\"2024-10-01T00:00:00Z\""),
        ("date_trunc('MONTH', at)", "\"2024-02-01T00:00:00Z\""),
        ("date_trunc('week', at)", "\"2024-02-26T00:00:00Z\""),
        ("date_trunc('day', at)", "\"2024-02-29T00:00:00Z\""),
        ("date_trunc('hour', at)", "\"2024-02-29T23:00:00Z\""),
        (
            "date_trunc('millisecond', at)",
            "\"2024-02-29T23:30:59.123Z\"",
        ),
        (
            "date_trunc('minute', to_timestamp(-61))",
            "\"1969-12-31T23:58:00Z\"",
        ),
        ("at + INTERVAL '1' YEAR", "\"2025-02-28T23:30:59.123456Z\""),
        (
            "CAST(CAST(s AS DATE) + INTERVAL 1 MONTH AS DATE)",
            "\"2024-02-29\"",
        ),
        ("CAST(s AS DATE) - INTERVAL '2 months'", "refused"),
        (
            "CAST(s AS DATE) - INTERVAL '2 month'",
            "\"2023-11-30T00:00:00Z\"",
        ),
        ("INTERVAL '36' HOUR + day", "\"2024-12-31T12:00:00Z\""),
        ("day + INTERVAL '-1' WEEK", "\"2024-12-23T00:00:00Z\""),
        ("at IS NOT NULL AND CAST(NULL AS TIMESTAMP) IS NULL", "true"),
        ("md5(s)", "\"15b2f2ddc09048a2fa64a04be65bc5c7\""),
    ] {
        let expected = match expected {
            "refused" => {
                assert!(evaluator(FIELDS, expression).is_err(), "{expression}");
                continue;
            }
            expected => expected.to_owned(),
        };
        let found = of(expression, AT);
        if expression == "md5(s)" {
            assert_eq!(found.map(|text| text.len()), Ok(34));
            continue;
        }
        assert_eq!(found, Ok(expected), "{expression}");
    }
}

#[test]
fn what_leaves_the_years_1_to_9999_or_is_no_time_rejects_its_row() {
    for (expression, event, reason) in [
        (
            "at + INTERVAL '1' MICROSECOND",
            r#"{"at":"9999-12-31T23:59:59.999999Z"}"#,
            "overflow: 9999-12-31T23:59:59.999999Z + INTERVAL '1' MICROSECOND is not in the years",
        ),
        (
            "at - INTERVAL '1' DAY",
            r#"{"at":"0001-01-01T00:00:00Z"}"#,
            "overflow: 0001-01-01T00:00:00Z - INTERVAL '1' DAY is",
        ),
        (
            "day + INTERVAL '9223372036854775807' YEAR",
            r#"{"day":"2024-01-01"}"#,
            "overflow",
        ),
        (
            "to_timestamp(n)",
            r#"{"n":253402300800}"#,
            "overflow: to_timestamp of 253402300800",
        ),
        (
            "to_timestamp(n)",
            r#"{"n":-9223372036854775808}"#,
            "overflow",
        ),
        (
            "epoch_ms(at)",
            r#"{"at":"1969-12-31T23:59:59.0001Z"}"#,
            "bad-argument: 1969-12-31T23:59:59.000100Z has parts of a millisecond",
        ),
        (
            "CAST(s AS DATE)",
            r#"{"s":"2023-02-29"}"#,
            "bad-cast: the text '2023-02-29' is not a DATE",
        ),
        (
            "CAST(s AS TIMESTAMP)",
            r#"{"s":"2023-01-01T00:00:00+02:00"}"#,
            "bad-cast: the text '2023-01-01T00:00:00+02:00' is not a TIMESTAMP",
        ),
    ] {
        let found = of(expression, event).expect_err(expression);
        assert!(found.starts_with(reason), "{expression}: {found}");
    }
    // Of a branch, only its own rows count.
    let guarded = "CASE WHEN n > 0 THEN to_timestamp(n * 1000000000000) ELSE at END";
    assert_eq!(
        of(guarded, r#"{"n":0,"at":"2024-01-01T00:00:00Z"}"#),
        Ok("\"2024-01-01T00:00:00Z\"".to_owned())
    );
}

#[test]
fn what_the_engines_see_otherwise_is_refused_with_what_to_write() {
    for (expression, part) in [
        ("extract(second FROM at)", "write second(x)"),
        ("extract(dow FROM at)", "days of the week"),
        ("extract(epoch FROM at)", "write epoch_ms(x)"),
        ("extract(century FROM at)", "is not taken"),
        ("date_trunc('decade', at)", "the unit stands in the text"),
        ("date_trunc(s, at)", "the unit stands in the text"),
        ("date_diff('day', at, day)", "epoch_ms(b) - epoch_ms(a)"),
        ("at - day", "this is a point in time"),
        ("at + 1", "this is a point in time"),
        ("day + INTERVAL '1.5' DAY", "whole number of one unit"),
        ("day + INTERVAL '1 month 1 day'", "whole number of one unit"),
        ("day + INTERVAL '1' QUARTER", "whole number of one unit"),
        ("CAST(n AS TIMESTAMP)", "to_timestamp"),
        ("CAST(at AS BIGINT)", "epoch_ms"),
        ("at > '2024-01-01'", "CAST one of them"),
        ("hour(s)", "CAST a text to one"),
        ("DATE '2024-02-30'", "is no DATE"),
        ("TIMESTAMP '2024-02-03 00:00:00+02:00'", "is no TIMESTAMP"),
        ("now()", "another value each time"),
    ] {
        let error = evaluator(FIELDS, expression).err().expect(expression);
        assert!(error.contains(part), "{expression}: {error}");
    }
}

#[test]
fn the_canonical_text_of_times_reads_back_and_duckdb_has_its_own() {
    let schema = Fields::parse(FIELDS).unwrap().schema();
    for (expression, canonical, duckdb) in [
        (
            "EXTRACT(MONTH from day) + 1",
            "month(day) + 1",
            "(month(CAST(day AS TIMESTAMPTZ)) + 1)",
        ),
        (
            "at - interval 3 day",
            "\"at\" - INTERVAL '3' DAY",
            "(\"at\" - INTERVAL '3' DAY)",
        ),
        (
            "timestamp '2024-01-01 00:00:00' = at",
            "TIMESTAMP '2024-01-01T00:00:00Z' = \"at\"",
            "(TIMESTAMPTZ '2024-01-01T00:00:00Z' = \"at\")",
        ),
        (
            "CAST(at AS TEXT)",
            "CAST(\"at\" AS VARCHAR)",
            "CAST(CAST(\"at\" AS TIMESTAMP) AS VARCHAR)",
        ),
    ] {
        let read = calculation(expression);
        assert_eq!(read.parameters(&schema), canonical, "{expression}");
        assert_eq!(calculation(canonical).parameters(&schema), canonical);
        assert_eq!(
            read.expressions(&schema, Engine::DuckDb).unwrap(),
            [duckdb],
            "{expression}"
        );
    }
}
