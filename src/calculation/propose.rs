//! Declarations that were tried on events: what to declare instead where events become rejects.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use arrow_array::Array as _;

use super::{Calculation, CalculationError, Condition, Evaluator, builtin, square};
use crate::{
    events::{Fields, Identifier, Observed},
    model::Event,
};

/// So many number fields are tried as the one that is squared.
const MOST_ARGUMENTS: usize = 8;

/// A declaration, and how many of the events that it was tried on it accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// As in `--fields`.
    pub fields: Fields,
    /// As in `--calculation`; `None`: the one that is configured.
    pub calculation: Option<String>,
    /// How many become results that are not NULL, or are left out by the condition.
    pub accepted: usize,
}

impl Proposal {
    /// The flags to type.
    #[must_use]
    pub fn flags(&self) -> String {
        let fields = format!("--fields {}", shell(&self.fields.to_string()));
        match &self.calculation {
            None => fields,
            Some(calculation) => format!("{fields} --calculation {}", shell(calculation)),
        }
    }
}

/// A text in single quotes.
fn shell(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The declaration that makes results of most of a sample of a topic, of equally good ones the one that is nearest to what is
/// `declared`; `None` when none makes any.
#[must_use]
pub fn propose(
    sample: &[Event<'_>],
    declared: &Fields,
    calculation: &Arc<dyn Calculation>,
    condition: Option<&Condition>,
) -> Option<Proposal> {
    let observed = Observed::of(sample.iter().filter_map(|event| event.payload));
    let all = observed.fields()?;
    let mut candidates: Vec<(Fields, Option<String>)> = Vec::new();
    candidates.extend(observed.like(declared).map(|fields| (fields, None)));
    candidates.push((observed.widening(declared), None));
    candidates.push((all.clone(), None));
    // The square can be told which field it is about.
    if square::named(calculation.name()).is_some() {
        let arguments = all.iter().filter(|field| field.data_type.is_numeric());
        // Those that are always there first: the square of NULL is NULL.
        let (optional, always): (Vec<_>, Vec<_>) = arguments.partition(|field| field.nullable);
        let arguments = always.into_iter().chain(optional).take(MOST_ARGUMENTS);
        candidates.extend(arguments.map(|field| {
            let text = format!("{}({})", calculation.name(), Identifier(&field.name));
            (all.clone(), Some(text))
        }));
    }
    best(sample, (calculation, condition), candidates)
}

/// `declared`, so far widened that it also makes results of some of `rejects`; `None` when nothing does.
#[must_use]
pub fn widen(
    rejects: &[Event<'_>],
    declared: &Fields,
    calculation: &Arc<dyn Calculation>,
    condition: Option<&Condition>,
) -> Option<Proposal> {
    let observed = Observed::of(rejects.iter().filter_map(|event| event.payload));
    best(
        rejects,
        (calculation, condition),
        [(observed.widening(declared), None)],
    )
}

/// The first of those that accept the most events, if it accepts any.
fn best(
    events: &[Event<'_>],
    (calculation, condition): (&Arc<dyn Calculation>, Option<&Condition>),
    candidates: impl IntoIterator<Item = (Fields, Option<String>)>,
) -> Option<Proposal> {
    let mut best: Option<Proposal> = None;
    for (fields, named) in candidates {
        let calculation = match &named {
            None => Arc::clone(calculation),
            Some(text) => match builtin(text) {
                Ok(calculation) => calculation,
                Err(_) => continue,
            },
        };
        let accepted = accepted(events, &fields, calculation, condition);
        if accepted > best.as_ref().map_or(0, |best| best.accepted) {
            best = Some(Proposal {
                fields,
                calculation: named,
                accepted,
            });
        }
    }
    best
}

/// How many of `events` become results of which not everything is NULL, or are left out by the condition; none where
/// calculation or condition do not work on the fields at all.
fn accepted(
    events: &[Event<'_>],
    fields: &Fields,
    calculation: Arc<dyn Calculation>,
    condition: Option<&Condition>,
) -> usize {
    // A calculation of the user's own is asked about fields that the user has never declared.
    let counted = catch_unwind(AssertUnwindSafe(|| {
        let evaluator = Evaluator::new(fields.clone(), calculation)?;
        let evaluator = evaluator.with_condition(condition)?;
        let evaluated = evaluator.evaluate(events.iter().copied())?;
        let results = evaluated.results;
        let given = &results.columns()[results.num_columns() - evaluator.output().fields().len()..];
        let says_something = |row: &usize| given.iter().any(|column| column.is_valid(*row));
        let results = (0..results.num_rows()).filter(says_something).count();
        Ok::<usize, CalculationError>(results + evaluated.filtered.len())
    }));
    match counted {
        Ok(Ok(counted)) => counted,
        Ok(Err(_)) | Err(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Offset;

    fn events<'a>(payloads: &[&'a str]) -> Vec<Event<'a>> {
        let event = |(offset, payload): (u64, &&'a str)| Event {
            offset: Offset::ZERO.plus(offset),
            timestamp: None,
            key: None,
            payload: Some(payload.as_bytes()),
        };
        (0..).zip(payloads).map(event).collect()
    }

    type Proposing =
        fn(&[Event<'_>], &Fields, &Arc<dyn Calculation>, Option<&Condition>) -> Option<Proposal>;

    fn flags(
        of: Proposing,
        payloads: &[&str],
        (fields, calculation): (&str, &str),
    ) -> Option<(String, usize)> {
        let fields = Fields::parse(fields).expect("fields");
        let calculation = builtin(calculation).expect("a calculation");
        let proposal = of(&events(payloads), &fields, &calculation, None)?;
        Some((proposal.flags(), proposal.accepted))
    }

    const DEFAULT: (&str, &str) = ("number BIGINT NOT NULL", "square");

    #[test]
    fn a_proposal_makes_results_of_most_of_the_sample() {
        for (payloads, declared, expected) in [
            // Other names than the declared one, several of them numbers.
            (
                &[
                    r#"{"order":1,"price":12.5,"note":"x"}"#,
                    r#"{"order":2,"price":3,"note":null}"#,
                ][..],
                DEFAULT,
                "--fields 'order BIGINT NOT NULL, price DECIMAL(18,2) NOT NULL, note VARCHAR' --calculation 'square(order)'",
            ),
            // The declared name, another type; other members stay undeclared.
            (
                &[r#"{"number":1.5,"id":1}"#, r#"{"number":2,"id":2}"#],
                DEFAULT,
                "--fields 'number DECIMAL(18,2) NOT NULL'",
            ),
            (
                &[r#"{"value":1}"#],
                DEFAULT,
                "--fields 'value BIGINT NOT NULL'",
            ),
            (
                &[r#"{"it's":1,"b":2}"#],
                ("a BIGINT, c BIGINT", "square(a)"),
                r#"--fields '"it'\''s" BIGINT NOT NULL, b BIGINT NOT NULL' --calculation 'square("it'\''s")'"#,
            ),
            // The square of NULL is NULL: the field that is always there is the better one.
            (
                &[r#"{"a":1,"b":1}"#, r#"{"b":2}"#],
                DEFAULT,
                "--fields 'a BIGINT, b BIGINT NOT NULL' --calculation 'square(b)'",
            ),
        ] {
            let found = flags(propose, payloads, declared);
            assert_eq!(found, Some((expected.to_owned(), payloads.len())));
        }
        for payloads in [&[r#"{"note":"x"}"#][..], &["[7]"], &[]] {
            assert_eq!(flags(propose, payloads, DEFAULT), None, "{payloads:?}");
        }
    }

    #[test]
    fn rejects_are_tried_again_and_not_believed_by_their_reason() {
        let widened = |payloads| flags(widen, payloads, DEFAULT);
        assert_eq!(
            widened(&[r#"{"number":1.5}"#, "nothing", r#"{"number":2.25}"#]),
            Some(("--fields 'number DECIMAL(38,2) NOT NULL'".to_owned(), 2))
        );
        assert_eq!(
            widened(&[r#"{"number":9223372036854775808}"#]),
            Some(("--fields 'number DECIMAL(38,0) NOT NULL'".to_owned(), 1))
        );
        // Without NOT NULL they would be results that say nothing.
        assert_eq!(widened(&[r#"{"value":1}"#, r#"{"number":null}"#]), None);
        assert_eq!(widened(&[r#"{"number":"7"}"#, "[7]"]), None);
    }
}
