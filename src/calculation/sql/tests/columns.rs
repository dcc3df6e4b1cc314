//! Several columns, their names, and which of them can be NULL.

use super::*;
use crate::calculation::{Calculations, Engine};

const FIELDS: &str = "price DECIMAL(12,2) NOT NULL, quantity BIGINT, p BOOLEAN NOT NULL";

fn declared(expressions: &str) -> String {
    evaluator(FIELDS, expressions)
        .unwrap_or_else(|error| panic!("{expressions}: {error}"))
        .declaration()
        .results
}

#[test]
fn a_column_may_be_used_in_those_after_it() {
    let expressions =
        "price * quantity AS total, round(TOTAL * 0.19, 2) AS vat, total + vat AS \"to pay\"";
    let evaluator = evaluator(FIELDS, expressions).unwrap();
    assert_eq!(
        evaluator.declaration().results,
        "total DECIMAL(31,2), vat DECIMAL(32,2), \"to pay\" DECIMAL(33,2)"
    );
    assert_eq!(
        evaluator.calculation_text(),
        "price * quantity AS total, round(total * 0.19, 2) AS vat, total + vat AS \"to pay\""
    );
    let payloads = [
        r#"{"price":10.50,"quantity":2,"p":true}"#,
        r#"{"price":10.50,"p":true}"#,
    ];
    let found = messages(FIELDS, expressions, &payloads);
    assert_eq!(
        found,
        [
            r#"{"price":10.50,"quantity":2,"p":true,"total":21.00,"vat":3.99,"to pay":24.99}"#,
            r#"{"price":10.50,"quantity":null,"p":true,"total":null,"vat":null,"to pay":null}"#,
        ]
    );
}

#[test]
fn a_row_is_rejected_once_for_the_first_column_that_has_no_value() {
    let fields = "a BIGINT, b BIGINT";
    let of = |expressions, payload| outcomes(fields, expressions, &[payload]).remove(0);
    let bad = r#"{"a":1,"b":0}"#;
    let reason = of("a div b AS c, CAST('x' AS BIGINT) AS d", bad).unwrap_err();
    assert!(reason.starts_with("division-by-zero"), "{reason}");
    let reason = of("a AS c, a div b AS d, a % b AS e", bad).unwrap_err();
    assert!(reason.contains("1 div 0"), "{reason}");
    // What has no value has none in a branch that does not use it either: it is a column.
    assert!(of("a div b AS c, CASE WHEN b = 0 THEN 0 ELSE c END AS d", bad).is_err());
}

#[test]
fn a_column_is_not_null_where_its_form_says_so() {
    for (expression, nullable) in [
        ("price", false),
        ("quantity", true),
        ("price * 2", false),
        ("price * quantity", true),
        ("square(price)", false),
        ("square(quantity)", true),
        ("coalesce(quantity, 0)", false),
        ("greatest(quantity, 1)", false),
        ("least(quantity, quantity)", true),
        ("nullif(price, 0)", true),
        ("quantity IS NULL", false),
        ("quantity IS DISTINCT FROM 1", false),
        ("quantity > 1 OR p", true),
        ("CASE WHEN quantity > 1 THEN price ELSE 0 END", false),
        ("CASE WHEN p THEN price END", true),
        ("CASE WHEN p THEN price ELSE NULL END", true),
        ("price IN (1, NULL)", true),
        ("price BETWEEN 0 AND quantity", true),
        ("CAST(price AS VARCHAR) || 'x' LIKE '%'", false),
        ("upper(CAST(price AS VARCHAR))", false),
    ] {
        let found = !declared(expression).ends_with(" NOT NULL");
        assert_eq!(found, nullable, "{expression}");
        // It stays so for what uses it.
        let used = format!("{expression} AS a, a AS b");
        let found = !declared(&used).ends_with(" NOT NULL");
        assert_eq!(found, nullable, "{used}");
    }
}

#[test]
fn the_user_may_say_not_null_which_rejects_null() {
    let expression = "quantity * 2 as twice not null";
    assert_eq!(declared(expression), "twice BIGINT NOT NULL");
    let reason = outcomes(FIELDS, expression, &[r#"{"price":1,"p":true}"#]).remove(0);
    let reason = reason.unwrap_err();
    assert!(reason.starts_with("null-result: twice is NULL"), "{reason}");
    let schema = Fields::parse(FIELDS).unwrap().schema();
    let text =
        |expression| crate::calculation::Calculation::text(&calculation(expression), &schema);
    for (expression, expected) in [
        (expression, "quantity * 2 AS twice NOT NULL"),
        // Of what is never NULL it says nothing, and the name of a single column is the usual one.
        ("price * 2 AS result NOT NULL", "price * 2"),
        ("quantity AS result", "quantity"),
        ("quantity AS result NOT NULL", "quantity AS result NOT NULL"),
        ("price AS Result", "price AS Result"),
        ("price AS result, p AS q", "price AS result, p AS q"),
    ] {
        assert_eq!(text(expression), expected);
        assert_eq!(text(expected), expected, "again");
    }
}

#[test]
fn an_engine_is_given_an_expression_for_each_column_over_those_before_it() {
    let evaluator = evaluator(FIELDS, "quantity AS a, a IS NULL AS \"end\" NOT NULL").unwrap();
    for (engine, expected) in [
        (
            Engine::DuckDb,
            "WHERE a IS DISTINCT FROM quantity OR \"end\" IS DISTINCT FROM (a IS NULL)",
        ),
        (
            Engine::Spark,
            "WHERE a IS DISTINCT FROM quantity OR `end` IS DISTINCT FROM (a IS NULL)",
        ),
    ] {
        let query = evaluator.proof(engine, "results/*.parquet").unwrap();
        let query = query.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(query.contains(expected), "{query}");
    }
}

/// Of more than 34 digits, it rounds what its own `-` and `abs` make.
#[test]
fn spark_is_given_a_negation_that_keeps_every_digit() {
    let fields = "long DECIMAL(34,10), longer DECIMAL(35,10), whole DECIMAL(38,6), fine DECIMAL(38,7), \
                  small DECIMAL(36,36), smaller DECIMAL(37,37)";
    let schema = Fields::parse(fields).unwrap().schema();
    let spelled = |text, engine| {
        let calculation: &dyn crate::calculation::Calculation = &calculation(text);
        calculation.expressions(&schema, engine).unwrap().remove(0)
    };
    for (text, spark, duckdb) in [
        ("-long", "(-long)", "(-long)"),
        (
            "-longer",
            "(CAST(0 - longer AS DECIMAL(35,10)))",
            "(-longer)",
        ),
        (
            "abs(longer)",
            "CAST(replace(CAST(longer AS STRING), '-', '') AS DECIMAL(35,10))",
            "abs(longer)",
        ),
        ("abs(long)", "abs(long)", "abs(long)"),
        ("-(whole)", "(CAST(0 - whole AS DECIMAL(38,6)))", "(-whole)"),
        ("-small", "(CAST(0 - small AS DECIMAL(36,36)))", "(-small)"),
        // A difference of 39 digits would lose the last one.
        (
            "-smaller",
            "(CAST(replace(concat('-', CAST(smaller AS STRING)), '--', '') AS DECIMAL(37,37)))",
            "(-smaller)",
        ),
        (
            "abs(smaller)",
            "CAST(replace(CAST(smaller AS STRING), '-', '') AS DECIMAL(37,37))",
            "abs(smaller)",
        ),
        (
            "-fine",
            "(CAST(replace(concat('-', CAST(fine AS STRING)), '--', '') AS DECIMAL(38,7)))",
            "(-fine)",
        ),
    ] {
        assert_eq!(spelled(text, Engine::Spark), spark);
        assert_eq!(spelled(text, Engine::DuckDb), duckdb);
    }
}

#[test]
fn a_text_that_doubles_with_each_call_has_an_end() {
    // Reading such a text takes the stack of a main thread.
    let main = std::thread::Builder::new().stack_size(8 << 20);
    main.spawn(texts_of_nested_calls).unwrap().join().unwrap();
}

fn texts_of_nested_calls() {
    let schema = Fields::parse("small DECIMAL(37,37), x DOUBLE")
        .unwrap()
        .schema();
    let spelled = |function: &str, field: &str, engine| {
        let (before, after) = (format!("{function}(").repeat(25), ")".repeat(25));
        let calculation = calculation(&format!("{before}{field}{after}"));
        let calculation: &dyn crate::calculation::Calculation = &calculation;
        calculation.expressions(&schema, engine)
    };
    let text = spelled("abs", "small", Engine::Spark).expect("a text of it");
    assert!(text[0].len() < 2_000, "{text:?}");
    // This one would have thirty million times x.
    for engine in [Engine::DuckDb, Engine::Spark] {
        assert_eq!(spelled("square", "x", engine), None);
    }
}

#[test]
fn other_names_and_nullability_are_another_fingerprint() {
    let of = |text: &str| evaluator(FIELDS, text).unwrap().fingerprint().clone();
    assert_eq!(of("quantity AS a"), of(" quantity  as \"a\""));
    assert_ne!(of("quantity AS a"), of("quantity AS b"));
    assert_ne!(of("quantity AS a"), of("quantity AS a NOT NULL"));
    assert_ne!(of("price AS a, p AS b"), of("p AS b, price AS a"));
}

/// The messages of results.
fn messages(fields: &str, expressions: &str, payloads: &[&str]) -> Vec<String> {
    let outcomes = whole_outcomes(fields, expressions, payloads);
    outcomes.into_iter().map(Result::unwrap).collect()
}

#[test]
fn a_column_may_have_any_word_of_the_language_as_its_name() {
    let fields = Fields::parse("n BIGINT").unwrap().schema();
    let (mut quoted, mut other) = (0, Vec::new());
    for word in sqlparser::keywords::ALL_KEYWORDS {
        let word = word.to_lowercase();
        for text in [
            format!("n + 1 AS \"{word}\""),
            format!("n + 1 AS \"{word}\", \"{word}\" * 2 AS twice"),
            format!(
                "CASE WHEN n > 1 THEN n ELSE 2 END AS \"{word}\", CASE WHEN n > 1 THEN \"{word}\" ELSE 2 END AS other"
            ),
        ] {
            let calculation = builtin(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
            // A name that is taken is refused.
            let Ok(output) = calculation.output(&fields) else {
                continue;
            };
            let canonical = calculation.text(&fields);
            let again = builtin(&canonical).and_then(|again| again.output(&fields));
            if !again.is_ok_and(|again| again == output) {
                other.push(canonical);
            } else if canonical.contains('"') {
                quoted += 1;
            }
        }
    }
    assert!(
        other.is_empty(),
        "not the same when it is read again: {other:#?}"
    );
    assert!(quoted > 100, "{quoted}");
    let end = builtin("n + 1 AS end").unwrap();
    assert_eq!(end.text(&fields), "n + 1 AS \"end\"");
}

#[test]
fn a_field_of_json_stays_json_as_a_column_of_its_own() {
    let fields = Fields::parse("extra JSON, note VARCHAR").unwrap();
    let text = "extra AS more, coalesce(extra, note) AS either, more AS again";
    let evaluator = Evaluator::new(fields, builtin(text).unwrap()).unwrap();
    let declared = evaluator.declaration();
    assert_eq!(declared.results, "more JSON, either VARCHAR, again JSON");
    let calculations = Calculations::new(builtin);
    assert!(calculations.evaluator(&declared).is_ok());
}
