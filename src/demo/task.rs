//! What the demo's processor calculates, and what must become of each number.

use std::{mem, sync::Arc};

use super::DemoError;
use crate::{
    calculation::{Condition, Evaluator, builtin},
    events::{EncodeError, Fields, MessageBuffer, ResultEncoder, columns, reason_code},
    load::Content,
    model::{Event, Offset, Partition},
    recovery::Invocation,
};

/// So many events are calculated at a time.
const AT_A_TIME: usize = 4096;

/// What the demo's processor calculates: squares of all numbers, unless something else was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Task {
    /// The calculation, as in `--calculation`.
    pub calculation: Option<String>,
    /// The condition, as in `--where`.
    pub condition: Option<String>,
}

impl Task {
    /// Whether something else than squares was asked for.
    #[must_use]
    pub fn is_own(&self) -> bool {
        *self != Task::default()
    }

    /// The command with the flags that were asked for.
    #[must_use]
    pub fn on(&self, command: Invocation) -> Invocation {
        let flags = self.flags().into_iter();
        flags.fold(command, |command, (flag, text)| command.with(flag, text))
    }

    /// The flags of `run`.
    pub(super) fn flags(&self) -> Vec<(&'static str, &str)> {
        let flags = [
            ("--calculation", &self.calculation),
            ("--where", &self.condition),
        ];
        let given = flags.into_iter();
        given
            .filter_map(|(flag, text)| Some((flag, text.as_deref()?)))
            .collect()
    }

    /// What calculates it.
    ///
    /// # Errors
    /// What is wrong with the calculation or the condition, in words.
    pub fn check(&self) -> Result<(), String> {
        self.evaluator()
            .map(drop)
            .map_err(|error| error.to_string())
    }

    fn evaluator(&self) -> Result<Evaluator, DemoError> {
        let calculation = self.calculation.as_deref().unwrap_or("square");
        let condition = self.condition.as_deref().map(Condition::parse);
        let condition = condition
            .transpose()
            .map_err(|error| DemoError::Calculation(error.into()))?;
        let evaluator = Evaluator::new(Fields::default(), builtin(calculation)?)?;
        Ok(evaluator.with_condition(condition.as_ref())?)
    }

    /// What must become of numbers.
    pub(super) fn rule(&self) -> Result<Rule, DemoError> {
        if !self.is_own() {
            return Ok(Rule::Square);
        }
        let evaluator = self.evaluator()?;
        let encoder = ResultEncoder::new("", &evaluator.results_schema())?;
        Ok(Rule::Own(Arc::new((evaluator, encoder))))
    }
}

/// What must become of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// A result with this message.
    Result(String),
    /// A reject with this code.
    Reject(String),
    /// Nothing: the condition leaves it out.
    Filtered,
}

/// Says what must become of events, from what they mean.
#[derive(Clone)]
pub(super) enum Rule {
    /// Squares, computed without anything that the processor computes with.
    Square,
    /// What was asked for, calculated once more.
    Own(Arc<(Evaluator, ResultEncoder)>),
}

impl Rule {
    /// What must become of each event.
    pub(super) fn expected(&self, events: &[Content]) -> Result<Vec<Expected>, DemoError> {
        let numbers = events.iter().filter_map(|event| match event {
            Content::Number(number) => Some(*number),
            Content::Malformed(_) => None,
        });
        let numbers: Vec<i64> = numbers.collect();
        let mut of_numbers = match self {
            Rule::Square => numbers.into_iter().map(square).collect(),
            Rule::Own(own) => calculated(&own.0, &own.1, &numbers)?,
        }
        .into_iter();
        let expected = events.iter().filter_map(|event| match event {
            Content::Number(_) => of_numbers.next(),
            Content::Malformed(way) => Some(Expected::Reject(way.reason().as_str().to_owned())),
        });
        Ok(expected.collect())
    }
}

/// The result of a number.
fn square(number: i64) -> Expected {
    let square = i128::from(number) * i128::from(number);
    Expected::Result(format!("{{\"number\":{number},\"result\":{square}}}"))
}

fn calculated(
    evaluator: &Evaluator,
    encoder: &ResultEncoder,
    numbers: &[i64],
) -> Result<Vec<Expected>, DemoError> {
    let payloads: Vec<String> = numbers
        .iter()
        .map(|number| format!("{{\"number\": {number}}}"))
        .collect();
    let events = payloads.iter().enumerate().map(|(place, payload)| Event {
        offset: Offset::ZERO.plus(place as u64),
        timestamp: None,
        key: None,
        payload: Some(payload.as_bytes()),
    });
    let evaluated = evaluator.evaluate(events)?;
    let mut messages = MessageBuffer::new();
    encoder.encode(Partition(0), &evaluated.results, &mut messages)?;
    let mut expected = vec![Expected::Filtered; numbers.len()];
    let place = |offset: i64| usize::try_from(offset).unwrap_or(usize::MAX);
    let offsets = columns::offsets(&evaluated.results).unwrap_or_default();
    for (offset, (_, message)) in offsets.iter().zip(messages.iter()) {
        if let Some(expected) = expected.get_mut(place(*offset)) {
            *expected = Expected::Result(String::from_utf8_lossy(message).into_owned());
        }
    }
    for reject in &evaluated.rejects {
        if let Some(expected) = expected.get_mut(place(reject.offset.get())) {
            *expected = Expected::Reject(reason_code(&reject.reason).to_owned());
        }
    }
    Ok(expected)
}

/// Compares what is read with what must have become of its event, many at a time; what is no event of the demo has nothing to be
/// compared with.
pub(super) struct Comparison<'r, T, F> {
    rule: &'r Rule,
    waiting: Vec<(T, Option<Content>)>,
    each: F,
    failed: Option<DemoError>,
}

impl<'r, T, F: FnMut(T, Option<Content>, Option<Expected>)> Comparison<'r, T, F> {
    pub(super) fn new(rule: &'r Rule, each: F) -> Comparison<'r, T, F> {
        Comparison {
            rule,
            waiting: Vec::new(),
            each,
            failed: None,
        }
    }

    pub(super) fn add(&mut self, what: T, event: Option<Content>) {
        self.waiting.push((what, event));
        if self.waiting.len() >= AT_A_TIME {
            self.compare();
        }
    }

    fn compare(&mut self) {
        let waiting = mem::take(&mut self.waiting);
        let events: Vec<Content> = waiting.iter().filter_map(|(_, event)| *event).collect();
        match self.rule.expected(&events) {
            Err(error) => drop(self.failed.get_or_insert(error)),
            Ok(expected) => {
                let mut expected = expected.into_iter();
                for (what, event) in waiting {
                    let expected = event.and_then(|_| expected.next());
                    (self.each)(what, event, expected);
                }
            }
        }
    }

    /// Compares the rest.
    pub(super) fn finish(mut self) -> Result<(), DemoError> {
        self.compare();
        self.failed.map_or(Ok(()), Err)
    }
}

impl From<EncodeError> for DemoError {
    fn from(error: EncodeError) -> DemoError {
        DemoError::Calculation(crate::calculation::CalculationError::failed(
            "the demo", error,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Malformed;

    fn expected(task: &Task, events: &[Content]) -> Vec<Expected> {
        task.rule().unwrap().expected(events).unwrap()
    }

    fn result(text: &str) -> Expected {
        Expected::Result(text.to_owned())
    }

    #[test]
    fn the_square_of_any_number_is_written_with_all_its_digits() {
        let events = [
            Content::Number(i64::MIN),
            Content::Malformed(Malformed::Empty),
        ];
        let square =
            r#"{"number":-9223372036854775808,"result":85070591730234615865843651857942052864}"#;
        let reject = Expected::Reject("empty".to_owned());
        assert_eq!(
            expected(&Task::default(), &events),
            [result(square), reject]
        );
    }

    #[test]
    fn squares_are_what_the_calculation_gives_too() {
        let task = Task {
            calculation: Some("square(number)".to_owned()),
            condition: None,
        };
        let events = [0, 7, -7, i64::MAX].map(Content::Number);
        assert_eq!(
            expected(&task, &events),
            expected(&Task::default(), &events)
        );
    }

    #[test]
    fn an_own_calculation_and_condition_say_what_becomes_of_each_number() {
        let task = Task {
            calculation: Some("100 div number AS share, number % 2 = 0 AS even".to_owned()),
            condition: Some("number < 50".to_owned()),
        };
        let events = [
            Content::Number(7),
            Content::Malformed(Malformed::Array),
            Content::Number(0),
            Content::Number(50),
            Content::Number(-8),
        ];
        assert_eq!(
            expected(&task, &events),
            [
                result(r#"{"number":7,"share":14,"even":false}"#),
                Expected::Reject("not-object".to_owned()),
                Expected::Reject("division-by-zero".to_owned()),
                Expected::Filtered,
                result(r#"{"number":-8,"share":-12,"even":true}"#),
            ]
        );
        let command = task.on(Invocation::new("run")).to_string();
        assert_eq!(
            command,
            "snapback run --calculation '100 div number AS share, number % 2 = 0 AS even' --where 'number < 50'"
        );
    }

    #[test]
    fn what_is_wrong_with_it_is_said_before_anything_is_started() {
        for (calculation, condition, part) in [
            (Some("nummer * 2"), None, "did you mean number?"),
            (Some("number +"), None, "line 1"),
            (None, Some("number"), "a BOOLEAN must stand here"),
        ] {
            let task = Task {
                calculation: calculation.map(str::to_owned),
                condition: condition.map(str::to_owned),
            };
            let error = task.check().unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn many_are_compared_in_their_order_and_what_is_unknown_with_nothing() {
        let mut seen = Vec::new();
        let mut comparison = Comparison::new(
            &Rule::Square,
            |place: usize, _, expected: Option<Expected>| {
                seen.push((place, expected.is_some()));
            },
        );
        for place in 0..10_000 {
            let event = (place % 3 != 0).then_some(Content::Number(1));
            comparison.add(place, event);
        }
        comparison.finish().unwrap();
        assert_eq!(seen.len(), 10_000);
        assert!(
            seen.iter()
                .enumerate()
                .all(|(at, (place, known))| at == *place && *known == (place % 3 != 0))
        );
    }
}
