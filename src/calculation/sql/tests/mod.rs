//! What expressions give, what is rejected, what is refused.

mod columns;
mod golden;
mod json;
mod refused;
mod rejected;
mod times;
mod values;

use super::{super::Evaluator, SqlCalculation};
use crate::{
    calculation::builtin,
    events::{Fields, MessageBuffer, ResultEncoder},
    model::{Event, Offset, Partition},
};

/// The evaluator of an expression over these fields.
fn evaluator(fields: &str, expression: &str) -> Result<Evaluator, String> {
    let fields = Fields::parse(fields).unwrap();
    let calculation = builtin(expression).map_err(|error| error.to_string())?;
    Evaluator::new(fields, calculation).map_err(|error| {
        assert!(error.is_configuration(), "{error}");
        error.to_string()
    })
}

/// What becomes of each payload: the last column of the result as its message has it, or the reason of its reject.
fn outcomes(fields: &str, expression: &str, payloads: &[&str]) -> Vec<Result<String, String>> {
    let outcomes = whole_outcomes(fields, expression, payloads).into_iter();
    let last = |message: String| {
        let mut places = message.rmatch_indices("\":");
        let (at, name) = places
            .find(|(at, _)| !message[..*at].ends_with('\\'))
            .unwrap();
        let value = &message[at + name.len()..];
        value.strip_suffix('}').unwrap().to_owned()
    };
    outcomes.map(|outcome| outcome.map(last)).collect()
}

/// What becomes of each payload: the message of the result, or the reason of its reject.
fn whole_outcomes(
    fields: &str,
    expression: &str,
    payloads: &[&str],
) -> Vec<Result<String, String>> {
    let evaluator = evaluator(fields, expression).unwrap_or_else(|error| panic!("{error}"));
    let events = payloads.iter().enumerate().map(|(index, payload)| Event {
        offset: Offset::ZERO.plus(index as u64),
        timestamp: None,
        key: None,
        payload: Some(payload.as_bytes()),
    });
    let evaluated = evaluator.evaluate(events).unwrap();
    let again = evaluator.recalculate(&evaluated.results).unwrap();
    let given = evaluated.results.num_columns() - again.columns.len();
    assert_eq!(
        &again.columns,
        &evaluated.results.columns()[given..],
        "{expression} gives something else for what it stored"
    );
    let mut outcomes = vec![Err(String::new()); payloads.len()];
    let mut messages = MessageBuffer::new();
    let encoder = ResultEncoder::new("events", &evaluator.results_schema()).unwrap();
    encoder
        .encode(Partition(0), &evaluated.results, &mut messages)
        .unwrap();
    let offsets = crate::events::columns::offsets(&evaluated.results).unwrap();
    for (index, offset) in offsets.iter().enumerate() {
        let (_, message) = messages.get(index).unwrap();
        let message = String::from_utf8(message.to_vec()).unwrap();
        outcomes[usize::try_from(*offset).unwrap()] = Ok(message);
    }
    for reject in evaluated.rejects {
        outcomes[usize::try_from(reject.offset.get()).unwrap()] = Err(reject.reason);
    }
    outcomes
}

/// The result of an expression that needs no field.
fn constant(expression: &str) -> Result<String, String> {
    let expression = format!("CASE WHEN n IS NULL THEN {expression} END");
    outcomes("n BIGINT", &expression, &["{}"]).remove(0)
}

fn calculation(text: &str) -> SqlCalculation {
    SqlCalculation::parse(text).unwrap_or_else(|error| panic!("{error}"))
}
