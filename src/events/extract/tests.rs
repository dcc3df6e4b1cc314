//! Values as both engines gave them; see the table of the module.

use super::*;

fn at(path: &str, text: &str) -> Result<Option<String>, NoText> {
    let path = JsonPath::parse(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    path.extract(text).map(|found| found.map(Cow::into_owned))
}

#[test]
fn the_text_is_that_of_both_engines() {
    for (text, expected) in [
        (r#"{"k":"v"}"#, Some("v")),
        (r#"{"k" : "a" }"#, Some("a")),
        (r#"{"k":""}"#, Some("")),
        (r#"{"k":1}"#, Some("1")),
        (r#"{"k":1.0}"#, Some("1.0")),
        (r#"{"k":1.50}"#, Some("1.5")),
        (r#"{"k":1e3}"#, Some("1000.0")),
        (r#"{"k":1E3}"#, Some("1000.0")),
        (r#"{"k":-0}"#, Some("0")),
        (r#"{"k":-0.0}"#, Some("-0.0")),
        (r#"{"k":0e5}"#, Some("0.0")),
        (r#"{"k":9999999.999}"#, Some("9999999.999")),
        (
            r#"{"k":12345678901234567890123}"#,
            Some("12345678901234567890123"),
        ),
        (r#"{"k":0.1000000000000000055511151231257827}"#, Some("0.1")),
        (r#"{"k":true}  "#, Some("true")),
        (r#"{"k":null}"#, None),
        (r#"{"j":1}"#, None),
        (r#"{"K":1}"#, None),
        (
            r#"{"k":{"x":1, "y" : [1, 2]}}"#,
            Some(r#"{"x":1,"y":[1,2]}"#),
        ),
        (r#"{"k":[1, 2.0,"x"]}"#, Some(r#"[1,2.0,"x"]"#)),
        (
            r#"{"k":{"x":1e3,"y":1.50,"z":-0}}"#,
            Some(r#"{"x":1000.0,"y":1.5,"z":0}"#),
        ),
        (
            r#"{"k":{"a":1.0,"b":"\u00e9"}}"#,
            Some(r#"{"a":1.0,"b":"é"}"#),
        ),
        (
            r#"{"k":"\u00e9\ud83d\udc4d\n\"q\" \\ \/"}"#,
            Some("é👍\n\"q\" \\ /"),
        ),
        (r#"{"k":"👍"}"#, Some("👍")),
        (r#"{"k":"\u0000"}"#, Some("\0")),
        (
            r#"{"k":{"x":"\u0001\u000b\u001f\b\f\t\/\u007f\u2028"}}"#,
            Some("{\"x\":\"\\u0001\\u000B\\u001F\\b\\f\\t/\u{7f}\u{2028}\"}"),
        ),
        (r#"{"\u006b":1}"#, Some("1")),
        (r#"{"k":[]}"#, Some("[]")),
        (r#"{"k":{}}"#, Some("{}")),
        (r#"{"k":"1"}"#, Some("1")),
        (r#"{"k":[null,true]}"#, Some("[null,true]")),
        (
            r#"{"k":{"b":1,"a":2,"b":3}}"#,
            Some(r#"{"b":1,"a":2,"b":3}"#),
        ),
        (r#"{"a":1,"a":2,"k":1}"#, Some("1")),
        ("{\"k\":1}\n", Some("1")),
        (r#"{"a":[1,{"k":2}]}"#, None),
        (r"[1,2]", None),
        (r#""k""#, None),
    ] {
        assert_eq!(at("$.k", text), Ok(expected.map(str::to_owned)), "{text}");
    }
}

#[test]
fn a_path_leads_through_members_and_elements() {
    for (path, text, expected) in [
        ("$.k.x.y", r#"{"k":{"x":{"y":"z"}}}"#, Some("z")),
        ("$.k[0]", r#"{"k":[10,20]}"#, Some("10")),
        ("$.k[5]", r#"{"k":[10,20]}"#, None),
        ("$.k[0]", r#"{"k":"s"}"#, None),
        ("$.k[0]", r#"{"k":{"0":1}}"#, None),
        ("$.k.x", r#"{"k":[{"x":1},{"x":2}]}"#, None),
        ("$.k.x", r#"{"k":1}"#, None),
        ("$.k.x", r#"{"k":null}"#, None),
        ("$.a[1].k", r#"{"a":[1, {"k":2}]}"#, Some("2")),
        ("$.a.b", r#"{"a.b":1}"#, None),
        ("$", r#" {"k": 1} "#, Some(r#"{"k":1}"#)),
        ("$", r#""str""#, Some("str")),
        ("$", "1.50", Some("1.5")),
        ("$[1]", "[1, 2]", Some("2")),
        ("$['k']", r#"{"k":1}"#, Some("1")),
        ("$.é", r#"{"é":1}"#, Some("1")),
    ] {
        let expected = expected.map(str::to_owned);
        assert_eq!(at(path, text), Ok(expected), "{path} of {text}");
    }
}

#[test]
fn what_the_engines_differ_on_has_no_text() {
    let nested = |levels: usize| format!("{{\"k\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
    let number = |digits: usize| format!("{{\"k\":{}}}", "1".repeat(digits));
    let named = |bytes: usize| format!("{{\"{}\":1}}", "a".repeat(bytes));
    let said = |bytes: usize| format!("{{\"a\":\"{}\"}}", "a".repeat(bytes));
    for (path, text, expected) in [
        ("$.k", r#"{"k":1,"k":2}"#.to_owned(), NoText::Twice),
        ("$.k", r#"{"k":null,"k":2}"#.to_owned(), NoText::Twice),
        (
            "$.k.y",
            r#"{"k":{"x":1},"k":{"y":2}}"#.to_owned(),
            NoText::Twice,
        ),
        ("$.k", r#"{"k":1e400}"#.to_owned(), NoText::Number),
        ("$.k", r#"{"k":1e-400}"#.to_owned(), NoText::Number),
        ("$.k", r#"{"k":1e20}"#.to_owned(), NoText::Number),
        ("$.k", r#"{"k":12345678.9}"#.to_owned(), NoText::Number),
        ("$.k", r#"{"k":0.0001}"#.to_owned(), NoText::Number),
        (
            "$.k",
            r#"{"k":{"z":12345678.9}}"#.to_owned(),
            NoText::Number,
        ),
        ("$.k", r#"{"k":"\ud83d"}"#.to_owned(), NoText::HalfAPair),
        ("$.k", r#"{"k":["\ud83d"]}"#.to_owned(), NoText::HalfAPair),
        ("$.k", r#"{"k":{"x":"👍"}}"#.to_owned(), NoText::Astral),
        (
            "$.k",
            r#"{"k":{"\ud83d\udc4d":1}}"#.to_owned(),
            NoText::Astral,
        ),
        // DuckDB reads nothing of such a text.
        (
            "$.k",
            r#"{"a":"\ud83d","k":1}"#.to_owned(),
            NoText::HalfAPair,
        ),
        ("$.k", r#"{"\udc4d":0,"k":1}"#.to_owned(), NoText::HalfAPair),
        ("$.k[0]", r#"{"k":[null]}"#.to_owned(), NoText::Null),
        ("$", "null".to_owned(), NoText::Null),
        ("$.k", nested(1000), NoText::TooLarge),
        ("$.k", number(1001), NoText::TooLarge),
        ("$.k", named(50_001), NoText::TooLarge),
    ] {
        let shown = &text[..text.len().min(60)];
        assert_eq!(at(path, &text), Err(expected), "{path} of {shown}");
    }
    for whole in [nested(999), number(1000), named(49_000), said(60_000)] {
        assert!(at("$.k", &whole).is_ok(), "{} bytes", whole.len());
    }
}

#[test]
fn what_is_no_json_has_no_text_however_lenient_an_engine_is() {
    for text in [
        "not json",
        "",
        " ",
        r#"{"k":1"#,
        r#"{"k":1} x"#,
        "{'k':1}",
        r#"{"k":NaN}"#,
        r#"{"k":01}"#,
        r#"{"k":1,}"#,
        r#"{,"k":1}"#,
        "{\"k\":\"a\nb\"}",
        r#"{"k":1}//c"#,
        "\u{feff}{\"k\":1}",
        "\u{a0}{\"k\":1}",
        r#"{"a":[1,],"k":1}"#,
        r#"{"a":[1 2],"k":1}"#,
    ] {
        assert_eq!(at("$.k", text), Err(NoText::Malformed), "{text}");
        assert_eq!(at("$", text), Err(NoText::Malformed), "{text}");
        assert_eq!(at("$.a[0]", text), Err(NoText::Malformed), "{text}");
    }
}

#[test]
fn a_path_is_read_as_both_engines_read_it_or_refused() {
    for (text, canonical) in [
        ("$", "$"),
        ("$['a'][0].b_1", "$.a[0].b_1"),
        ("$[\"größe\"]", "$.größe"),
    ] {
        assert_eq!(JsonPath::parse(text).unwrap().to_string(), canonical);
    }
    for (text, part) in [
        ("k", "start with $"),
        ("", "start with $"),
        ("$.k[-1]", "from the front"),
        ("$.k[*].x", "any number"),
        ("$.*", "any number"),
        ("$..k", "any number"),
        ("$['a b']", "declare a field with its PATH"),
        ("$['a.b']", "declare a field with its PATH"),
        ("$['1']", "declare a field with its PATH"),
        ("$['']", "declare a field with its PATH"),
        ("$.", "a name after a dot"),
        ("$.1", "declare a field with its PATH for others"),
    ] {
        let error = JsonPath::parse(text).expect_err(text);
        assert!(error.contains(part), "{text}: {error}");
    }
}

proptest::proptest! {
    #[test]
    fn any_text_is_gone_through_without_a_panic(text in "[\\[\\]{}\",:0-9ek.\\\\u n-]{0,24}") {
        let strict: Result<serde::de::IgnoredAny, _> = serde_json::from_str(&text);
        for path in ["$", "$.k", "$.k[0]", "$[1]"] {
            let found = at(path, &text);
            // Whoever reads JSON by the book takes what is taken here; half of a pair aside, which nobody asks for.
            proptest::prop_assert!(strict.is_ok() || found.is_err() || text.contains("\\u"), "{path} of {text}: {found:?}");
        }
    }
}
