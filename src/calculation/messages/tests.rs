use crate::{
    calculation::{Evaluator, Publish, builtin},
    events::{Fields, MessageBuffer, ResultEncoder},
    model::{Event, Offset, Partition},
};

fn evaluator(fields: &str, calculation: &str) -> Evaluator {
    let fields = Fields::parse(fields).unwrap();
    Evaluator::new(fields, builtin(calculation).unwrap()).unwrap()
}

/// Whatever was published of an event gives what its payload gave.
#[test]
fn a_message_gives_exactly_the_row_that_its_event_gave() {
    let fields = r#"n BIGINT NOT NULL PATH "$.after.n", s SMALLINT, i INTEGER, q BIGINT FROM STRING,
        x DOUBLE, d DECIMAL(38,10) FROM STRING PATH "$.after.d", e DECIMAL(9,2), t VARCHAR, u UUID, b BOOLEAN,
        at TIMESTAMP, day DATE, j JSON, "the name" VARCHAR"#;
    let calculation = "n + 1 AS next, e + e AS twice, x AS same_x, t AS same_t, day AS same_day";
    let payloads = [
        r#"{"after":{"n":-9223372036854775808,"d":"1234567890123456789012345678.0000000001"}}"#,
        r#"{"after":{"n":9223372036854775806},"s":-32768,"i":2147483647,"q":"9223372036854775807","x":-0.0,"e":-0.05,
            "t":"\u0001 \"quoted\" \\ \ud83d\ude00 \u2028","u":"123E4567-e89b-12d3-a456-426614174000","b":false,
            "at":"0001-01-01T00:00:00.000001+00:00","day":"9999-12-31","j":{"a": [1, 2.50,null] , "b":"\u00e4"},"the name":""}"#,
        r#"{"after":{"n":7},"x":5e-324,"e":9999999.99,"at":"2024-05-01T12:30:00.5-02:00","day":"0001-01-01","j":"text"}"#,
        r#"{"after":{"n":8},"x":1.7976931348623157e308,"j":1e400,"unknown":[1]}"#,
        r#"{"after":{"n":9},"x":0.1,"j":null,"t":null}"#,
    ];
    let evaluator = evaluator(fields, calculation);
    let key = Some(&b"a key"[..]);
    let event = |at: usize| Event {
        offset: Offset::ZERO.plus(at as u64),
        timestamp: None,
        key,
        payload: Some(payloads[at].as_bytes()),
    };
    let published = evaluator.evaluate((0..payloads.len()).map(event)).unwrap();
    assert_eq!(published.rejects, []);
    let encoder = ResultEncoder::new("events", published.results.schema_ref()).unwrap();
    let messages = |results| {
        let mut messages = MessageBuffer::new();
        encoder
            .encode(Partition(0), results, &mut messages)
            .unwrap();
        messages
    };
    let sent = messages(&published.results);
    let again = (0..sent.len()).map(|at| Event {
        payload: sent.get(at).map(|(_, value)| value),
        ..event(at)
    });
    let again = evaluator.evaluate_messages(again).unwrap();
    assert_eq!((again.rejects.len(), again.filtered.len()), (0, 0));
    assert_eq!(again.results, published.results);
    let gives = messages(&again.results);
    assert!(gives.iter().eq(sent.iter()));
}

#[test]
fn a_field_that_messages_do_not_hold_is_named() {
    let all = evaluator("email VARCHAR NOT NULL, n BIGINT", "n + 1 AS next");
    assert_eq!(all.field_kept_back(), None);
    let publish = |columns| Publish::parse(columns).unwrap();
    for (columns, kept_back) in [
        ("n, next", Some("email")),
        ("email, next", Some("n")),
        ("email, n", None),
    ] {
        let evaluator = evaluator("email VARCHAR NOT NULL, n BIGINT", "n + 1 AS next");
        let evaluator = evaluator.with_publish(Some(&publish(columns))).unwrap();
        let found = evaluator.field_kept_back().map(|field| field.name.as_str());
        assert_eq!(found, kept_back);
    }
}
