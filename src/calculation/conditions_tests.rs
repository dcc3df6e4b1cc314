use std::sync::Arc;

use super::{Condition, Evaluated, Evaluator, builtin};
use crate::{
    events::{Fields, columns},
    model::{Event, Offset},
};

const FIELDS: &str = "a BIGINT, b BIGINT";

fn evaluator(condition: &str) -> Evaluator {
    let condition = Condition::parse(condition).unwrap();
    let calculation = builtin("b + 1").unwrap();
    let evaluator = Evaluator::new(Fields::parse(FIELDS).unwrap(), Arc::clone(&calculation));
    evaluator.unwrap().with_condition(Some(&condition)).unwrap()
}

fn evaluate(evaluator: &Evaluator, payloads: &[&str]) -> Evaluated {
    let events = payloads.iter().enumerate().map(|(index, payload)| Event {
        offset: Offset::ZERO.plus(10 + index as u64),
        timestamp: Some(5),
        key: Some(b"key"),
        payload: Some(payload.as_bytes()),
    });
    evaluator.evaluate(events).unwrap()
}

fn places(evaluated: &Evaluated) -> [Vec<i64>; 3] {
    let rejects = evaluated.rejects.iter().map(|reject| reject.offset.get());
    let filtered = evaluated.filtered.iter().map(|offset| offset.get());
    [
        columns::offsets(&evaluated.results).unwrap().to_vec(),
        rejects.collect(),
        filtered.collect(),
    ]
}

const PAYLOADS: [&str; 7] = [
    r#"{"a": 1, "b": 1}"#,
    r#"{"a": 0, "b": 1}"#,
    r#"{"b": 1}"#,
    "no JSON",
    r#"{"a": 9223372036854775807, "b": 1}"#,
    // Calculated, it would overflow; the condition leaves it out first.
    r#"{"a": -1, "b": 9223372036854775807}"#,
    r#"{"a": 2, "b": 9223372036854775807}"#,
];

#[test]
fn decoding_comes_first_then_the_condition_then_the_calculation() {
    let evaluator = evaluator("a + 1 > 1");
    let evaluated = evaluate(&evaluator, &PAYLOADS);
    assert_eq!(
        places(&evaluated),
        [vec![10], vec![13, 14, 16], vec![11, 12, 15]]
    );
    assert_eq!(evaluated.outcomes(), PAYLOADS.len());
    let reason = &evaluated.rejects[1].reason;
    assert!(reason.starts_with("overflow"), "{reason}");
    assert_eq!(evaluated.rejects[1].key.as_deref(), Some(&b"key"[..]));
    let none = evaluate(&evaluator, &[r#"{"a": 0}"#]);
    assert_eq!(places(&none), [vec![], vec![], vec![10]]);
}

#[test]
fn stored_results_are_sifted_as_events_are() {
    let all = Evaluator::new(Fields::parse(FIELDS).unwrap(), builtin("b + 1").unwrap()).unwrap();
    let stored = evaluate(&all, &PAYLOADS).results;
    assert_eq!(columns::offsets(&stored).unwrap(), [10, 11, 12, 14]);
    let evaluator = evaluator("a + 1 > 1");
    let again = evaluator.reevaluate(&stored, evaluator.fields()).unwrap();
    assert_eq!(places(&again), [vec![10], vec![14], vec![11, 12]]);
    let sifted = evaluator.sift_stored(&stored).unwrap().unwrap();
    let passes: Vec<bool> = (0..4).map(|row| sifted.passes(row)).collect();
    assert_eq!(passes, [true, false, false, false]);
    assert!(sifted.reason(3).unwrap().starts_with("overflow"));
    assert_eq!(sifted.reason(1), None);
    assert!(all.sift_stored(&stored).unwrap().is_none());
}

#[test]
fn a_condition_is_part_of_the_fingerprint_by_its_meaning() {
    let all = Evaluator::new(Fields::parse(FIELDS).unwrap(), builtin("b + 1").unwrap()).unwrap();
    let one = evaluator("a > 0");
    assert_eq!(one.fingerprint(), evaluator("(A>0)").fingerprint());
    assert_ne!(one.fingerprint(), all.fingerprint());
    assert_ne!(one.fingerprint(), evaluator("a >= 0").fingerprint());
    let declared = one.declaration();
    assert_eq!(declared.condition.as_deref(), Some("a > 0"));
    let known = super::Calculations::new(builtin);
    assert_eq!(known.evaluator(&declared).unwrap().declaration(), declared);
    for condition in [None, Some("a > 1".to_owned()), Some("a >".to_owned())] {
        let forged = super::Declaration {
            condition,
            ..declared.clone()
        };
        assert!(known.evaluator(&forged).is_err());
    }
}

#[test]
fn what_is_no_condition_is_refused_with_its_place() {
    let fields = Fields::parse(FIELDS).unwrap().schema();
    for (text, part) in [
        ("a + 1", "a BOOLEAN must stand here"),
        ("c > 0", "there is no field \"c\""),
        ("NULL", "always NULL"),
        ("a > 0 AND", "line 1"),
    ] {
        let error = Condition::parse(text).and_then(|condition| condition.check(&fields));
        let error = error.unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
}
