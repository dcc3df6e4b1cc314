use proptest::prelude::*;

use super::super::Fields;

#[test]
fn a_declaration_is_read_and_written_back_in_its_canonical_form() {
    for (text, canonical) in [
        ("number BIGINT NOT NULL", "number BIGINT NOT NULL"),
        ("  number\tbigint   not\nnull ", "number BIGINT NOT NULL"),
        ("n bigint null,m double", "n BIGINT, m DOUBLE"),
        (
            "price DECIMAL( 10 , 2 ) NOT NULL",
            "price DECIMAL(10,2) NOT NULL",
        ),
        (
            "a VARCHAR, b BOOLEAN NOT NULL",
            "a VARCHAR, b BOOLEAN NOT NULL",
        ),
        (
            "\"order id\" BIGINT, \"a\"\"b\" VARCHAR",
            "\"order id\" BIGINT, \"a\"\"b\" VARCHAR",
        ),
        ("\"plain\" BIGINT", "plain BIGINT"),
        (
            "a numeric(9,2) from string not null, b float, c bigint FROM STRING PATH \"$.x\"",
            "a DECIMAL(9,2) FROM STRING NOT NULL, b DOUBLE, c BIGINT FROM STRING PATH \"$.x\"",
        ),
        (
            "a timestamp, b date, c json, d integer, e smallint, f uuid, \"date\" DATE",
            "a TIMESTAMP, b DATE, c JSON, d INTEGER, e SMALLINT, f UUID, date DATE",
        ),
        ("\"größe\" DOUBLE", "\"größe\" DOUBLE"),
        ("not BIGINT", "not BIGINT"),
        (
            "a BIGINT PATH \"$.x['y'][0]\" not null, b DOUBLE NOT NULL path '$.x'",
            "a BIGINT NOT NULL PATH \"$.x.y[0]\", b DOUBLE NOT NULL PATH \"$.x\"",
        ),
        (
            "a BIGINT PATH \"$.a\", path DOUBLE",
            "a BIGINT, path DOUBLE",
        ),
        (
            "a BIGINT PATH '$[''it\\''s \"x\"'']'",
            "a BIGINT PATH \"$['it\\'s \"\"x\"\"']\"",
        ),
    ] {
        assert_eq!(
            Fields::parse(text).unwrap().to_string(),
            canonical,
            "{text}"
        );
    }
    assert_eq!(
        Fields::default(),
        Fields::parse("number BIGINT NOT NULL").unwrap()
    );
}

#[test]
fn what_is_no_declaration_is_refused_with_the_reason() {
    for (text, part) in [
        ("", "no field is declared"),
        (" ", "no field is declared"),
        ("number", "found the end"),
        ("number BIGINT,", "expected a field name but found the end"),
        ("number BIGINT NOT", "expected NULL after NOT"),
        (
            "number BIGINT x",
            "expected a comma, NOT NULL, PATH or the end but found \"x\"",
        ),
        ("number BIGINT(8)", "found '('"),
        ("1a BIGINT", "expected a field name"),
        ("größe DOUBLE", "found 'ö'"),
        ("number INT", "declare it INTEGER"),
        ("n VARCHAR FROM STRING", "stands after BIGINT"),
        ("n INTEGER FROM STRING", "INTEGER FROM STRING"),
        ("n BIGINT FROM TEXT", "expected STRING after FROM"),
        ("note text", "declare it VARCHAR"),
        ("n HUGEINT", "declare it DECIMAL(38,0)"),
        ("n DECIMAL", "expected (p,s)"),
        ("n DECIMAL(5)", "the scale in DECIMAL(p,s)"),
        ("n DECIMAL(39,0)", "1 to 38"),
        ("n DECIMAL(0,0)", "1 to 38"),
        ("n DECIMAL(5,6)", "0 to p"),
        ("n DECIMAL(x,6)", "DECIMAL(x,6)"),
        ("result BIGINT", "reserved"),
        ("KEY BIGINT", "reserved"),
        ("\"Partition\" BIGINT", "reserved"),
        ("a BIGINT, A DOUBLE", "\"a\" and \"A\""),
        ("\"\" BIGINT", "1 to 255 bytes"),
        ("\"a\nb\" BIGINT", "control characters"),
        ("\"a BIGINT", "does not end"),
        ("a BIGINT PATH", "expected a path in quotes"),
        ("a BIGINT PATH $.a", "expected a path in quotes"),
        ("a BIGINT PATH '$.a", "does not end"),
        ("a BIGINT PATH \"$.a[-1]\"", "from the front"),
        ("a BIGINT PATH \"$.a\" PATH \"$.b\"", "found \"PATH\""),
        (
            "a BIGINT PATH \"$.x.y\", b BIGINT PATH \"$.x[0]\"",
            "$.x is an object for field \"a\" and an array for",
        ),
        ("a BIGINT NULL NOT NULL", "found \"NOT\""),
    ] {
        let error = Fields::parse(text).expect_err(text).to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic_and_what_is_read_is_written_back(
        text in "([a-c\"é]{0,3} ?(BIGINT|DOUBLE|DECIMAL\\(9,[0-9]\\)|VARCHAR)? ?(NOT NULL)? ?(PATH \"\\$[.a\\[0\\]']{0,5}\")?,?){0,3}"
    ) {
        if let Ok(fields) = Fields::parse(&text) {
            prop_assert_eq!(Fields::parse(&fields.to_string()).unwrap(), fields);
        }
    }
}
