use proptest::prelude::*;

use super::*;

fn observed(payloads: &[&str]) -> Observed {
    Observed::of(payloads.iter().map(|payload| payload.as_bytes()))
}

#[test]
fn a_declaration_follows_from_what_the_members_hold() {
    for (payloads, expected) in [
        (
            &[r#"{"n":7}"#, r#"{"n":-9223372036854775808}"#][..],
            "n BIGINT NOT NULL",
        ),
        (
            &[r#"{"n":7}"#, r#"{"n":9223372036854775808}"#],
            "n DECIMAL(38,0) NOT NULL",
        ),
        (&[r#"{"n":12.5}"#, r#"{"n":7}"#], "n DECIMAL(18,2) NOT NULL"),
        (&[r#"{"n":0.123}"#], "n DECIMAL(18,4) NOT NULL"),
        (
            &[
                r#"{"n":1234567890123456.25}"#,
                r#"{"n":12345678901234567.5}"#,
            ],
            "n DECIMAL(38,2) NOT NULL",
        ),
        (&[r#"{"n":0.30000000000000004}"#], "n DOUBLE NOT NULL"),
        (&[r#"{"n":1e3}"#, r#"{"n":1}"#], "n DOUBLE NOT NULL"),
        (
            &[r#"{"n":123456789012345678901234567890123456789}"#],
            "n DOUBLE NOT NULL",
        ),
        (&[r#"{"s":"x"}"#, r#"{"s":""}"#], "s VARCHAR NOT NULL"),
        (&[r#"{"b":true}"#, r#"{"b":false}"#], "b BOOLEAN NOT NULL"),
        (
            &[r#"{"a":1,"b":"x"}"#, r#"{"b":null,"a":2}"#],
            "a BIGINT NOT NULL, b VARCHAR",
        ),
        (
            &[r#"{"a":1}"#, r#"{"a":2,"b":1.5}"#],
            "a BIGINT NOT NULL, b DECIMAL(18,2)",
        ),
        // The most frequent kind, and among the numbers one type for all.
        (
            &[r#"{"a":1}"#, r#"{"a":2}"#, r#"{"a":"x"}"#],
            "a BIGINT NOT NULL",
        ),
        (
            &[r#"{"a":1}"#, r#"{"a":"y"}"#, r#"{"a":"x"}"#],
            "a VARCHAR NOT NULL",
        ),
        // What is no object tells nothing.
        (
            &[r#"{"a":1}"#, "[7]", "7", "nonsense", "", r#"{"a":1} x"#],
            "a BIGINT NOT NULL",
        ),
        // Names as SQL writes them; those that cannot be used are left out.
        (
            &[r#"{"order id":1,"key":2,"a":3,"A":4,"x\ny":5}"#],
            "\"order id\" BIGINT NOT NULL, a BIGINT NOT NULL",
        ),
        (&[r#"{"a":1,"a":"x"}"#], "a BIGINT NOT NULL"),
        (
            &[r#"{"a":{"b":1},"c":[1],"d":null,"e":1}"#],
            "b BIGINT NOT NULL PATH \"$.a.b\", e BIGINT NOT NULL",
        ),
        // What is below others by its path, under a longer name where the short one is taken.
        (
            &[
                r#"{"op":"c","before":null,"after":{"id":1,"price":{"amount":"1.50"}}}"#,
                r#"{"op":"d","before":{"id":1,"price":{"amount":"12"}},"after":null}"#,
            ],
            "op VARCHAR NOT NULL, id BIGINT PATH \"$.after.id\", amount DECIMAL(18,2) FROM STRING PATH \"$.after.price.amount\", before_id BIGINT PATH \"$.before.id\", before_price_amount VARCHAR PATH \"$.before.price.amount\"",
        ),
        (
            &[
                r#"{"at":"2024-05-01T12:00:00Z","day":"2024-05-01","n":"7","uneven":"2024-05-01"}"#,
                r#"{"at":"2024-05-01T12:00:00.5+02:00","day":"2023-01-31","n":"8","uneven":"x"}"#,
            ],
            "at TIMESTAMP NOT NULL, day DATE NOT NULL, n VARCHAR NOT NULL, uneven VARCHAR NOT NULL",
        ),
    ] {
        let fields = observed(payloads).fields().expect("a declaration");
        assert_eq!(fields.to_string(), expected, "{payloads:?}");
    }
    for payloads in [&[][..], &["7"], &["{}"], &[r#"{"a":[]}"#], &[r#"{"a":{}}"#]] {
        assert_eq!(observed(payloads).fields(), None, "{payloads:?}");
    }
    let mixed = observed(&[r#"{"a":{"b":1},"key":2,"e":1,"none":null}"#]);
    assert_eq!(mixed.left_out(), ["key", "none"]);
}

#[test]
fn the_declared_names_are_declared_as_they_were_seen() {
    let seen = observed(&[r#"{"a":1.5,"b":"x"}"#, r#"{"b":"y"}"#]);
    let like = |text: &str| {
        let fields = seen.like(&Fields::parse(text).expect("fields"));
        fields.map(|fields| fields.to_string())
    };
    assert_eq!(
        like("b BIGINT, a BIGINT").as_deref(),
        Some("b VARCHAR NOT NULL, a DECIMAL(18,2)")
    );
    assert_eq!(like("a BIGINT, c BIGINT"), None);
}

#[test]
fn a_declaration_is_widened_to_what_was_seen() {
    for (declared, payload, expected) in [
        (
            "n BIGINT NOT NULL",
            r#"{"n":1.5}"#,
            "n DECIMAL(38,2) NOT NULL",
        ),
        ("n BIGINT NOT NULL", r#"{"n":1e3}"#, "n DOUBLE NOT NULL"),
        (
            "n BIGINT NOT NULL",
            r#"{"n":9223372036854775808}"#,
            "n DECIMAL(38,0) NOT NULL",
        ),
        ("n BIGINT NOT NULL", r#"{"m":1}"#, "n BIGINT"),
        ("n BIGINT NOT NULL", r#"{"n":null}"#, "n BIGINT"),
        ("n BIGINT NOT NULL", r#"{"n":"x"}"#, "n BIGINT NOT NULL"),
        ("n BIGINT NOT NULL", "nonsense", "n BIGINT NOT NULL"),
        ("n DECIMAL(10,2)", r#"{"n":1.505}"#, "n DECIMAL(18,4)"),
        ("n DECIMAL(38,0)", r#"{"n":1.5}"#, "n DOUBLE"),
        ("n DOUBLE", r#"{"n":1.5}"#, "n DOUBLE"),
        ("n VARCHAR", r#"{"n":1}"#, "n VARCHAR"),
    ] {
        let declared = Fields::parse(declared).expect("fields");
        let wider = observed(&[payload]).widening(&declared);
        assert_eq!(wider.to_string(), expected, "{declared} and {payload}");
    }
}

proptest! {
    #[test]
    fn what_was_seen_is_accepted(
        rows in prop::collection::vec((any::<i64>(), -1_000_000_i64..1_000_000, 0_usize..7, ".{0,9}", any::<bool>(), any::<f64>()), 1..20),
        lacks in any::<bool>(),
    ) {
        let payloads: Vec<String> = rows.iter().enumerate().map(|(index, (n, whole, digits, text, flag, float))| {
            let float = if float.is_finite() { *float } else { 0.5 };
            let fraction = "1234567".get(..*digits).unwrap_or_default();
            let amount = if fraction.is_empty() { whole.to_string() } else { format!("{whole}.{fraction}") };
            let text = serde_json::to_string(text).expect("text");
            let flag = if lacks && index % 2 == 0 { String::new() } else { format!(",\"flag\":{flag}") };
            format!("{{\"n\":{n},\"amount\":{amount},\"text\":{text},\"float\":{float:?}{flag}}}")
        }).collect();
        let payloads: Vec<&str> = payloads.iter().map(String::as_str).collect();
        let fields = observed(&payloads).fields().expect("five members");
        prop_assert_eq!(Fields::parse(&fields.to_string()).expect("its own text"), fields.clone());
        let flag = fields.iter().find(|field| field.name == "flag");
        prop_assert!(flag.is_none_or(|flag| flag.nullable == lacks));
        let accepted = fields.accepting(payloads.iter().map(|payload| Some(payload.as_bytes())));
        prop_assert_eq!(accepted, payloads.len());
    }

    #[test]
    fn any_bytes_are_looked_at_without_a_panic(payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..4)) {
        let observed = Observed::of(payloads.iter().map(Vec::as_slice));
        drop((observed.fields(), observed.widening(&Fields::default())));
    }
}
