use std::fmt;

use proptest::prelude::*;
use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::{Deserializer, value::RawValue};

use super::*;

/// The texts at all fields; `Err(Some(path))` for a member on the way that occurs twice, `Err(None)` for what is no object.
fn found<'a>(fields: &Fields, text: &'a str) -> Result<Vec<Option<&'a str>>, Option<String>> {
    let places = Places::of(fields);
    let mut found = Found::default();
    match places.find(text, &mut found) {
        Ok(()) => Ok((0..fields.iter().len())
            .map(|field| places.text(&found, field))
            .collect()),
        Err(Unreadable::Malformed) => Err(None),
        Err(Unreadable::Twice(place)) => Err(places.path(place).map(ToString::to_string)),
    }
}

fn fields(text: &str) -> Fields {
    Fields::parse(text).unwrap()
}

#[test]
fn a_field_is_found_where_its_path_leads() {
    let declared = fields(
        "a BIGINT PATH '$.x.y', b BIGINT PATH '$.x.z[1].w', c VARCHAR PATH '$.x', d BIGINT PATH '$.x.y', e BIGINT, f BIGINT PATH '$[''a.b'']'",
    );
    for (text, expected) in [
        (
            r#"{"x":{"y":1,"z":[0,{"w":2}]},"e":3,"a.b":4}"#,
            [
                Some("1"),
                Some("2"),
                Some(r#"{"y":1,"z":[0,{"w":2}]}"#),
                Some("1"),
                Some("3"),
                Some("4"),
            ],
        ),
        (
            r#" { "a\u002eb" : 4 , "x" : { "z" : [ [ ] , { "w" : "}" } , 7 ] , "\u0079" : { } } } "#,
            [
                Some("{ }"),
                Some("\"}\""),
                Some(r#"{ "z" : [ [ ] , { "w" : "}" } , 7 ] , "\u0079" : { } }"#),
                Some("{ }"),
                None,
                Some("4"),
            ],
        ),
        (
            r#"{"x":null}"#,
            [None, None, Some("null"), None, None, None],
        ),
        (r#"{"x":[1]}"#, [None, None, Some("[1]"), None, None, None]),
        (
            r#"{"x":{"z":{"1":{"w":1}},"z2":1}}"#,
            [
                None,
                None,
                Some(r#"{"z":{"1":{"w":1}},"z2":1}"#),
                None,
                None,
                None,
            ],
        ),
        (
            r#"{"x":{"z":[]}}"#,
            [None, None, Some(r#"{"z":[]}"#), None, None, None],
        ),
        ("{}", [None; 6]),
    ] {
        assert_eq!(found(&declared, text), Ok(expected.to_vec()), "{text}");
    }
}

#[test]
fn a_member_that_occurs_twice_counts_on_a_declared_path_and_nowhere_else() {
    let declared = fields("a BIGINT PATH '$.x.y', b BIGINT PATH '$.l[1].m'");
    for (text, expected) in [
        (r#"{"x":{"y":1},"x":{}}"#, Some("$.x")),
        (r#"{"x":{"y":1,"y":1}}"#, Some("$.x.y")),
        (r#"{"x":1,"\u0078":1}"#, Some("$.x")),
        (r#"{"l":[0,{"m":1,"m":2}]}"#, Some("$.l[1].m")),
        (r#"{"l":[{"m":1,"m":2}]}"#, None),
        (r#"{"x":{"z":1,"z":2},"y":1,"y":2}"#, None),
        (r#"{"x":[{"y":1,"y":2}]}"#, None),
        (r#"{"o":{"x":{"y":1,"y":2}}}"#, None),
    ] {
        let twice = found(&declared, text).err().flatten();
        assert_eq!(twice.as_deref(), expected, "{text}");
    }
    // What is no JSON is told so all the same.
    assert_eq!(found(&declared, r#"{"x":1,"x":1"#), Err(None));
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(members)
    }
}

/// What serde_json finds, with a parse of its own for each step.
fn reference<'a>(text: &'a str, steps: &[Step]) -> Result<Option<&'a str>, ()> {
    let Some((step, steps)) = steps.split_first() else {
        return Ok(Some(text));
    };
    let below: Vec<&'a str> = match step {
        Step::Member(name) => {
            let members = Deserializer::from_str(text).deserialize_map(Members);
            let members = members.unwrap_or_default().into_iter();
            members
                .filter(|(key, _)| key == name)
                .map(|(_, value)| value.get())
                .collect()
        }
        Step::Index(index) => {
            let elements: Vec<&'a RawValue> = serde_json::from_str(text).unwrap_or_default();
            let at = elements.get(*index as usize).map(|value| value.get());
            at.into_iter().collect()
        }
    };
    match below.as_slice() {
        [] => Ok(None),
        [one] => reference(one, steps),
        _ => Err(()),
    }
}

/// A value with few names, so that paths lead somewhere and members occur twice.
fn value() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "null",
        "true",
        "-0",
        "1.5e-3",
        "\"\"",
        "\"a\\n\\ud83d\\ude00é\"",
        "[]",
        "{ }",
    ]);
    leaf.prop_map(str::to_owned).prop_recursive(4, 24, 4, |inner| {
        let member = (prop::sample::select(vec!["a", "b", "\\u0061", "c d"]), inner.clone())
            .prop_map(|(key, value)| format!("\"{key}\" : {value}"));
        prop_oneof![
            1 => prop::collection::vec(inner, 0..4).prop_map(|all| format!("[{}]", all.join(" , "))),
            3 => prop::collection::vec(member, 0..4).prop_map(|all| format!("{{{}}}", all.join(","))),
        ]
    })
}

fn path() -> impl Strategy<Value = String> {
    let step = prop::sample::select(vec![".a", ".b", "[0]", "[1]", "[''c d'']"]);
    (
        prop::sample::select(vec![".a", ".b"]),
        prop::collection::vec(step, 0..3),
    )
        .prop_map(|(first, steps)| format!("${first}{}", steps.concat()))
}

/// Text near to JSON: pieces of it in any order.
fn nearly_json() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "{", "}", "[", "]", ",", ":", "\"a\"", "\"", "\\", "\\u00e9", "\\ud800", "\u{1}", "é", " ",
        "\n", "-", "0", "12", ".5", "e+3", "true", "nul", "null", "{\"a\":", "12345678", "\\\"",
    ]);
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_paths_in_any_object_find_what_serde_json_finds(
        paths in prop::collection::vec(path(), 1..4),
        members in prop::collection::vec((prop::sample::select(vec!["a", "b", "c d"]), value()), 0..4),
    ) {
        let declared: Vec<String> = paths.iter().enumerate().map(|(n, path)| format!("f{n} BIGINT PATH '{path}'")).collect();
        // Paths that take one value as an object and as an array are no declaration.
        let Ok(declared) = Fields::parse(&declared.join(", ")) else { return Ok(()) };
        let members: Vec<String> = members.iter().map(|(key, value)| format!(" \"{key}\": {value}")).collect();
        let text = format!("{{{}}}", members.join(","));
        let expected: Vec<_> = declared.iter().map(|field| reference(&text, field.path().steps())).collect();
        match found(&declared, &text) {
            Ok(texts) => prop_assert_eq!(Ok(texts), expected.into_iter().collect::<Result<Vec<_>, _>>(), "{}", text),
            Err(twice) => prop_assert!(twice.is_some() && expected.contains(&Err(())), "{} {:?}", text, twice),
        }
    }

    #[test]
    fn what_is_taken_is_what_serde_json_takes(text in prop_oneof![nearly_json(), nearly_json().prop_map(|text| format!("{{\"a\":{text}}}")), value()]) {
        let declared = fields("a BIGINT PATH '$.a.a', b BIGINT PATH '$.b[1]'");
        let expected = serde_json::from_str::<IgnoredAny>(&text).is_ok() && text.trim_ascii_start().starts_with('{');
        prop_assert_eq!(found(&declared, &text) != Err(None), expected, "{}", text);
    }

    #[test]
    fn any_text_is_found_again(text in any::<String>(), before in any::<String>()) {
        let quoted = |text: &str| serde_json::to_string(text).unwrap();
        let payload = format!("{{\"b\":{},\"a\":{}}}", quoted(&before), quoted(&text));
        let text = quoted(&text);
        prop_assert_eq!(found(&fields("a VARCHAR"), &payload), Ok(vec![Some(&*text)]));
    }
}
