//! Which columns of a result its message holds: `--publish`.

use std::sync::Arc;

use arrow_schema::{Field as ArrowField, Schema, SchemaRef};

use super::near::near;
use crate::events::{FieldsError, Identifier, column_names, columns};

/// The columns that messages hold: names of fields and of what the calculation gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish(Vec<String>);

/// Columns that cannot be chosen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The text names none.
    #[error("it names no column; a message holds at least one, and all of them without --publish")]
    Empty,
    /// One is there twice.
    #[error("it names {0:?} and {1:?}, which is the same column in SQL: name it once")]
    Twice(String, String),
    /// The text is no list of names.
    #[error(transparent)]
    Names(#[from] FieldsError),
    /// A column that results do not have.
    #[error("there is no column {name:?}{}; a message can hold: {columns}", near.as_ref().map(|near| format!("; did you mean {near}?")).unwrap_or_default())]
    NoSuchColumn {
        /// The name.
        name: String,
        /// The one that is most like it.
        near: Option<String>,
        /// Those that there are.
        columns: String,
    },
}

/// What is chosen of the columns of results.
pub(super) struct Chosen {
    /// The columns of results, those that messages do not hold marked.
    pub results: SchemaRef,
    /// The names of those that they hold, in the order in which results have them.
    pub text: String,
}

impl Publish {
    /// The columns that a text names: names as SQL writes them, separated by commas.
    ///
    /// # Errors
    /// When it is no such list, or names one twice.
    pub fn parse(text: &str) -> Result<Publish, PublishError> {
        match column_names(text) {
            Ok(names) => Ok(Publish(names)),
            Err(FieldsError::Empty) => Err(PublishError::Empty),
            Err(FieldsError::Duplicate(one, other)) => Err(PublishError::Twice(one, other)),
            Err(error) => Err(error.into()),
        }
    }

    /// What is chosen of the columns `results`; `None` when all are.
    pub(super) fn on(&self, results: &Schema) -> Result<Option<Chosen>, PublishError> {
        let published = results.fields().iter();
        let published = published.filter(|field| columns::is_published(field));
        let names: Vec<&str> = published.map(|field| field.name().as_str()).collect();
        let is_chosen = |name: &str| {
            let name = name.to_lowercase();
            self.0.iter().any(|chosen| chosen.to_lowercase() == name)
        };
        let list = |names: &mut dyn Iterator<Item = &str>| {
            let names: Vec<String> = names.map(|name| Identifier(name).to_string()).collect();
            names.join(", ")
        };
        for name in &self.0 {
            let wanted = name.to_lowercase();
            if names.iter().all(|known| known.to_lowercase() != wanted) {
                return Err(PublishError::NoSuchColumn {
                    name: name.clone(),
                    near: near(&wanted, names.iter().copied()),
                    columns: list(&mut names.iter().copied()),
                });
            }
        }
        if names.iter().all(|name| is_chosen(name)) {
            return Ok(None);
        }
        let marked = results.fields().iter().map(|field| {
            let name = field.name().as_str();
            match !columns::is_published(field) || is_chosen(name) {
                true => Arc::clone(field),
                false => Arc::new(columns::kept_back(ArrowField::clone(field))),
            }
        });
        let marked: Vec<Arc<ArrowField>> = marked.collect();
        let mut chosen = names.iter().copied().filter(|name| is_chosen(name));
        Ok(Some(Chosen {
            text: list(&mut chosen),
            results: Arc::new(Schema::new(marked)),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        calculation::{Calculations, Evaluator, builtin},
        events::{Fields, MessageBuffer, ResultEncoder},
        model::{Event, Offset, Partition},
    };

    const FIELDS: &str = "email VARCHAR NOT NULL, \"the price\" DECIMAL(10,2), extra JSON";
    const CALCULATION: &str = "sha256(email) AS who, \"the price\" * 2 AS twice";

    fn evaluator(publish: Option<&str>) -> Result<Evaluator, String> {
        let fields = Fields::parse(FIELDS).unwrap();
        let evaluator = Evaluator::new(fields, builtin(CALCULATION).unwrap()).unwrap();
        let publish = publish.map(Publish::parse).transpose();
        let publish = publish.map_err(|error| error.to_string())?;
        let evaluator = evaluator.with_publish(publish.as_ref());
        evaluator.map_err(|error| error.to_string())
    }

    fn message(publish: Option<&str>) -> String {
        let evaluator = evaluator(publish).unwrap();
        let payload = br#"{"email":"a@b.c","the price":1.50,"extra":[1]}"#;
        let event = Event {
            offset: Offset::ZERO,
            timestamp: None,
            key: None,
            payload: Some(payload),
        };
        let evaluated = evaluator.evaluate([event].into_iter()).unwrap();
        assert_eq!(evaluated.results.num_columns(), 4 + 5);
        let encoder = ResultEncoder::new("events", evaluated.results.schema_ref()).unwrap();
        let mut messages = MessageBuffer::new();
        let (results, partition) = (&evaluated.results, Partition(0));
        encoder.encode(partition, results, &mut messages).unwrap();
        String::from_utf8(messages.get(0).unwrap().1.to_vec()).unwrap()
    }

    #[test]
    fn a_message_holds_what_is_chosen_in_the_order_of_the_columns() {
        assert!(
            message(None).starts_with(r#"{"email":"a@b.c","the price":1.50,"extra":[1],"who":""#)
        );
        let chosen = message(Some("TWICE, extra, \"the price\""));
        assert_eq!(chosen, r#"{"the price":1.50,"extra":[1],"twice":3.00}"#);
    }

    #[test]
    fn what_is_chosen_is_declared_and_is_another_fingerprint() {
        let all = evaluator(None).unwrap();
        let [one, same, everything, other] = [
            "twice, \"The Price\"",
            "\"the price\",TWICE",
            "who, twice, email, extra, \"the price\"",
            "twice",
        ]
        .map(|publish| evaluator(Some(publish)).unwrap());
        let declared = one.declaration();
        assert_eq!(declared.publish.as_deref(), Some("\"the price\", twice"));
        assert_eq!(declared, same.declaration());
        assert_eq!(everything.declaration(), all.declaration());
        assert_eq!(all.declaration().publish, None);
        let fingerprints = [&all, &one, &other].map(|one| one.fingerprint().clone());
        assert!(fingerprints[0] != fingerprints[1] && fingerprints[1] != fingerprints[2]);
        assert_ne!(fingerprints[0], fingerprints[2]);

        let calculations = Calculations::new(builtin);
        let found = calculations.evaluator(&declared).unwrap();
        assert_eq!(found.results_schema(), one.results_schema());
        for forged in [None, Some("twice"), Some("nothing"), Some("\"")] {
            let mut forged_declaration = declared.clone();
            forged_declaration.publish = forged.map(str::to_owned);
            assert!(
                calculations.evaluator(&forged_declaration).is_err(),
                "{forged:?}"
            );
        }
    }

    #[test]
    fn a_name_that_there_is_not_is_named_with_the_nearest_one() {
        let wrong = |publish| evaluator(Some(publish)).map(|_| ()).unwrap_err();
        assert_eq!(
            wrong("who, Twise"),
            "there is no column \"Twise\"; did you mean twice?; a message can hold: email, \"the price\", extra, who, twice"
        );
        for (publish, part) in [
            ("kafka_offset", "there is no column"),
            ("", "no column"),
            ("who,", "a column's name"),
            ("who twice", "a comma or the end"),
            ("who, WHO", "the same column"),
            ("\"who", "quote"),
        ] {
            let error = wrong(publish);
            assert!(error.contains(part), "{publish}: {error}");
        }
    }
}
