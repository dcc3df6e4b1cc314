//! What stands at a path in a JSON text.

use super::*;
use crate::calculation::{Calculation as _, Engine};

const FIELDS: &str = "id BIGINT NOT NULL, extra JSON, note VARCHAR";

fn last(expression: &str, extra: &str) -> Result<String, String> {
    let payload = format!(r#"{{"id":1,"extra":{extra},"note":"{{\"a\":[1,\"b\"]}}"}}"#);
    outcomes(FIELDS, expression, &[&payload]).remove(0)
}

#[test]
fn a_value_in_a_field_of_json_is_a_text_that_a_cast_makes_a_number_of() {
    for (expression, extra, expected) in [
        (
            "json_extract_string(extra, '$.tags[1]')",
            r#"{"tags":["a", "b"]}"#,
            r#""b""#,
        ),
        (
            "json_extract_string(extra, '$.tags')",
            r#"{"tags":["a", 1.50]}"#,
            r#""[\"a\",1.5]""#,
        ),
        (
            "CAST(json_extract_string(extra, '$.price.net') AS DECIMAL(10,2))",
            r#"{"price": {"net": 12.5}}"#,
            "12.50",
        ),
        (
            "JSON_EXTRACT_STRING(EXTRA, '$[\"ok\"]') = 'true'",
            r#"{"ok":true}"#,
            "true",
        ),
        (
            "json_extract_string(extra, '$.other')",
            r#"{"ok":true}"#,
            "null",
        ),
        ("json_extract_string(extra, '$.ok')", "null", "null"),
        ("json_extract_string(extra, '$')", "7", r#""7""#),
        // Text that holds JSON, and JSON within it.
        ("json_extract_string(note, '$.a[1]')", "null", r#""b""#),
        (
            "json_extract_string(json_extract_string(extra, '$.inner'), '$.x')",
            r#"{"inner":"{\"x\":\"y\"}"}"#,
            r#""y""#,
        ),
        (
            "CASE WHEN note LIKE '{%' THEN json_extract_string(note, '$.a[0]') END",
            "null",
            r#""1""#,
        ),
    ] {
        assert_eq!(
            last(expression, extra),
            Ok(expected.to_owned()),
            "{expression} of {extra}"
        );
    }
}

#[test]
fn where_the_engines_differ_the_row_is_rejected_and_only_where_it_is_asked_for() {
    for (expression, extra, part) in [
        (
            "json_extract_string(extra, '$.a')",
            r#"{"a":1,"a":2}"#,
            "occurs twice",
        ),
        (
            "json_extract_string(extra, '$.a')",
            r#"{"a":1e20}"#,
            "spelled otherwise",
        ),
        (
            "json_extract_string(extra, '$.a')",
            r#"{"a":{"b":"👍"}}"#,
            "beyond U+FFFF",
        ),
        (
            "json_extract_string(extra, '$.a[0]')",
            r#"{"a":[null]}"#,
            "null there",
        ),
        (
            "json_extract_string(note || 'x', '$.a')",
            "1",
            "is not JSON",
        ),
    ] {
        let reason = last(expression, extra).expect_err(expression);
        assert!(
            reason.starts_with("bad-argument: json_extract_string("),
            "{reason}"
        );
        assert!(reason.contains(part), "{expression} of {extra}: {reason}");
    }
    let guarded = "CASE WHEN id = 2 THEN json_extract_string(extra, '$.a') ELSE 'none' END";
    assert_eq!(
        last(guarded, r#"{"a":1,"a":2}"#),
        Ok(r#""none""#.to_owned())
    );
}

#[test]
fn each_engine_has_its_spelling_and_the_column_can_be_null() {
    let schema = Fields::parse(FIELDS).unwrap().schema();
    let one = calculation("json_extract_string(extra, '$[\"a\"][0].b') AS found");
    assert_eq!(
        one.text(&schema),
        "json_extract_string(extra, '$.a[0].b') AS found"
    );
    assert_eq!(
        one.expressions(&schema, Engine::DuckDb).unwrap(),
        ["json_extract_string(extra, '$.a[0].b')"]
    );
    assert_eq!(
        one.expressions(&schema, Engine::Spark).unwrap(),
        ["get_json_object(extra, '$.a[0].b')"]
    );
    let never_null = calculation("json_extract_string('{\"a\":1}', '$.a')");
    assert!(never_null.output(&schema).unwrap()[0].is_nullable());
}

#[test]
fn a_path_stands_in_the_text_and_is_one_that_both_engines_read() {
    for (expression, part) in [
        (
            "json_extract_string(extra, note)",
            "the path stands in the text",
        ),
        ("json_extract_string(extra, 'a')", "does not start with $"),
        (
            "json_extract_string(extra, '$.a[*]')",
            "any number of values",
        ),
        ("json_extract_string(extra, '$.a[-1]')", "from the front"),
        (
            "json_extract_string(extra, '$[\"a b\"]')",
            "declare a field with its PATH",
        ),
        ("json_extract_string(id, '$.a')", "a text must stand here"),
        ("json_extract(extra, '$.a')", "write json_extract_string"),
        ("get_json_object(extra, '$.a')", "write json_extract_string"),
        ("extra ->> '$.a'", "write json_extract_string"),
    ] {
        let error = evaluator(FIELDS, expression).err().expect(expression);
        assert!(error.contains(part), "{expression}: {error}");
    }
}
