//! Values and types.

use super::*;
use crate::calculation::{Calculation, sql::usable};

#[test]
fn every_example_of_the_table_has_the_value_that_stands_beside_it() {
    let all = usable();
    assert!(all.len() > 20);
    for one in all {
        let found = constant(one.example).unwrap_or_else(|error| panic!("{}: {error}", one.form));
        assert_eq!(
            found.trim_matches('"'),
            one.value,
            "{}: {}",
            one.form,
            one.example
        );
    }
}

#[test]
fn types_follow_from_the_types_of_operands() {
    let fields = "i BIGINT, price DECIMAL(12,2), rate DECIMAL(5,4), x DOUBLE, s VARCHAR, p BOOLEAN";
    let schema = Fields::parse(fields).unwrap().schema();
    for (expression, expected) in [
        ("i + 1", "BIGINT"),
        ("price * i", "DECIMAL(31,2)"),
        ("price * 2", "DECIMAL(13,2)"),
        ("price + rate", "DECIMAL(15,4)"),
        ("price * rate", "DECIMAL(17,6)"),
        ("round(price * 0.19, 2)", "DECIMAL(13,2)"),
        ("price % i", "DECIMAL(21,2)"),
        ("price * x", "DOUBLE"),
        ("x / i", "DOUBLE"),
        ("i div 2", "BIGINT"),
        ("CASE WHEN p THEN price ELSE 0 END", "DECIMAL(12,2)"),
        ("CASE WHEN p THEN i ELSE 0.5 END", "DECIMAL(20,1)"),
        ("CASE WHEN p THEN 1 ELSE 2.5 END", "DECIMAL(2,1)"),
        ("coalesce(i, x)", "DOUBLE"),
        ("nullif(i, 0.5)", "BIGINT"),
        ("coalesce(s, 'none')", "VARCHAR"),
        ("i IN (1, 2) AND s = 'x'", "BOOLEAN"),
        ("CAST(floor(x) AS BIGINT)", "BIGINT"),
        ("floor(price)", "DECIMAL(11,0)"),
        ("square(i)", "DECIMAL(38,0)"),
        ("square(price)", "DECIMAL(38,4)"),
        ("CAST(s AS NUMERIC(10))", "DECIMAL(10,0)"),
        ("PRICE", "DECIMAL(12,2)"),
    ] {
        let found = calculation(expression).output(&schema).unwrap();
        let found = crate::events::FieldType::of(found[0].data_type()).unwrap();
        assert_eq!(found.to_string(), expected, "{expression}");
    }
}

#[test]
fn the_canonical_text_is_one_for_one_meaning_and_reads_back() {
    let fields = "i BIGINT, price DECIMAL(12,2), \"a b\" DOUBLE, p BOOLEAN";
    let schema = Fields::parse(fields).unwrap().schema();
    for (expression, expected) in [
        ("PRICE*i", "price * i"),
        ("price * i + 1", "price * i + 1"),
        (
            "1 + i - (2 - i) * 3 * (i % 2)",
            "1 + i - (2 - i) * 3 * (i % 2)",
        ),
        ("p AND (p OR NOT p) AND p", "p AND (p OR (NOT p)) AND p"),
        ("(i + 1) * 2", "(i + 1) * 2"),
        ("price *\n\ti -- the sum", "price * i"),
        ("i // 2", "i div 2"),
        ("- i", "-i"),
        ("-(-5)", "-(-5)"),
        ("i - -5", "i - (-5)"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("\"a b\" * 1.50e1", "\"a b\" * 1.5e1"),
        ("case when p then .5 end", "CASE WHEN p THEN 0.5 END"),
        (
            "CASE i WHEN 1 THEN 'it''s' END",
            "CASE WHEN i = 1 THEN 'it''s' END",
        ),
        ("i::decimal(20, 1)", "CAST(i AS DECIMAL(20,1))"),
        ("Coalesce(i, NULL)", "coalesce(i, NULL)"),
        ("NOT i not in (1, 2)", "NOT (i NOT IN (1, 2))"),
        ("mod(i, 3)", "i % 3"),
        ("'a' || 'b' || 'c' = 'abc'", "('a' || 'b' || 'c') = 'abc'"),
        ("substr('abc', 2)", "substring('abc', 2)"),
        ("substring('abc' from 2 for 1)", "substring('abc', 2, 1)"),
        (
            "position('a' || 'b' in 'c')",
            "position(('a' || 'b') IN 'c')",
        ),
        ("trim(leading 'x' from 'xa')", "trim(LEADING 'x' FROM 'xa')"),
        ("trim('a')", "trim('a')"),
        (
            "'a' not like 'b!_' escape '!'",
            "'a' NOT LIKE 'b!_' ESCAPE '!'",
        ),
        ("NULLIF(i, 0.5)", "nullif(i, 0.5)"),
    ] {
        let found = calculation(expression).text(&schema);
        assert_eq!(found, expected, "{expression}");
        assert_eq!(calculation(&found).text(&schema), expected, "again");
    }
}

#[test]
fn the_fingerprint_is_that_of_the_meaning() {
    let of = |fields: &str, text: &str| evaluator(fields, text).unwrap().fingerprint().clone();
    let fields = "n BIGINT NOT NULL, m BIGINT";
    assert_eq!(of(fields, "n*m"), of(fields, "N * m -- the product"));
    assert_ne!(of(fields, "n * m"), of(fields, "m * n"));
    assert_ne!(of(fields, "n * m"), of("n BIGINT, m BIGINT", "n * m"));
    assert_ne!(of(fields, "n + 1"), of(fields, "n + 1.0"));
    // As long as it is the same, every stored result of an expression stays as it is.
    assert_eq!(of(fields, "n * m").as_str(), "b1b92682752ef9f3");
    assert_eq!(
        evaluator(fields, "n*m").unwrap().calculation_text(),
        "n * m"
    );
}

#[test]
fn comparison_and_logic_are_those_of_sql() {
    for (expression, expected) in [
        ("-0e0 = 0e0", "true"),
        ("CAST('NaN' AS DOUBLE) = CAST('nan' AS DOUBLE)", "true"),
        ("CAST('NaN' AS DOUBLE) > 1e300", "true"),
        ("9007199254740993 = 9007199254740992e0", "true"),
        ("9007199254740993 = 9007199254740993.0", "true"),
        ("'a' < 'B'", "false"),
        ("'a ' = 'a'", "false"),
        ("FALSE AND NULL", "false"),
        ("(TRUE AND NULL) IS NULL", "true"),
        ("TRUE OR NULL", "true"),
        ("(2 IN (1, NULL)) IS NULL", "true"),
        ("1 IN (1, NULL)", "true"),
        ("(0 BETWEEN 1 AND NULL)", "false"),
        ("NULL IS NOT DISTINCT FROM NULL", "true"),
        ("1 IS DISTINCT FROM 1.0", "false"),
        ("(NULL = 1) IS UNKNOWN", "true"),
        ("least(NULL, 3, 1)", "1"),
        (
            "greatest(1e0, CAST('NaN' AS DOUBLE)) = CAST('NaN' AS DOUBLE)",
            "true",
        ),
        ("round(2.5)", "3"),
        ("round(-2.5)", "-3"),
        ("round(1250.00, -2)", "1300"),
        ("round(25, -1)", "30"),
        ("round(-0.5e0)", "-1.0"),
        ("9.99 * 9.99", "99.8001"),
        ("CAST(2.675 AS DECIMAL(10,2))", "2.68"),
        ("CAST(CAST(2.675e0 AS VARCHAR) AS DECIMAL(10,2))", "2.68"),
        ("CAST(trunc(-2.9e0) AS BIGINT)", "-2"),
        ("-7 div 2", "-3"),
        ("-7 % 2", "-1"),
        ("7.50 % -2", "1.50"),
    ] {
        assert_eq!(
            constant(expression),
            Ok(expected.to_owned()),
            "{expression}"
        );
    }
}
