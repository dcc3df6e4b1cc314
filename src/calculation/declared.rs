//! The way back from a declaration to the evaluator that it stands for.
//!
//! A declaration is untrusted: it comes from a manifest. It stands for a calculation only if this program, given its texts,
//! makes an evaluator with the same fingerprint and the same columns.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use super::{
    CalculationError, Carry, Condition, Declaration, Evaluator, Find, Fingerprint, Publish,
};
use crate::events::{Fields, FieldsError};

/// Why this program cannot calculate what a declaration says.
#[derive(Debug, thiserror::Error)]
pub enum NotCalculable {
    /// Its texts are longer than any that is written.
    #[error(
        "its declaration has {bytes} bytes, more than {}",
        Declaration::MAX_BYTES
    )]
    TooLong {
        /// The bytes of its texts.
        bytes: usize,
    },
    /// Its fields cannot be read.
    #[error("its fields cannot be read: {0}")]
    Fields(#[from] FieldsError),
    /// There is no such calculation here, or it does not work on the fields.
    #[error(transparent)]
    Calculation(#[from] Box<CalculationError>),
    /// Reading the declaration panicked.
    #[error("reading its declaration panicked")]
    Panicked,
    /// The texts are those of another calculation here: an older or newer version, or a forged declaration.
    #[error(
        "what is declared has the fingerprint {fingerprint} and gives {results} in this program: another version of it, or the declaration was changed"
    )]
    Other {
        /// The fingerprint that the texts have here.
        fingerprint: Fingerprint,
        /// The columns of results that they give here.
        results: String,
    },
}

/// The calculations that a program has: those that it finds by their text, and the one that it runs.
#[derive(Clone)]
pub struct Calculations {
    find: Find,
    running: Option<Arc<Evaluator>>,
}

impl fmt::Debug for Calculations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let running = self.running.as_ref();
        f.debug_struct("Calculations")
            .field("running", &running.map(|running| running.declaration()))
            .finish_non_exhaustive()
    }
}

impl Calculations {
    /// Those that `find` finds.
    #[must_use]
    pub fn new(find: Find) -> Calculations {
        Calculations {
            find,
            running: None,
        }
    }

    /// With one that need not be found, whatever its text.
    #[must_use]
    pub fn with(self, running: Arc<Evaluator>) -> Calculations {
        Calculations {
            running: Some(running),
            ..self
        }
    }

    /// What the one declares that need not be found.
    #[must_use]
    pub fn running(&self) -> Option<Declaration> {
        self.running.as_ref().map(|running| running.declaration())
    }

    /// The evaluator that a declaration stands for.
    ///
    /// # Errors
    /// When this program has no calculation of this fingerprint under these texts.
    pub fn evaluator(&self, declared: &Declaration) -> Result<Arc<Evaluator>, NotCalculable> {
        let bytes = declared.bytes();
        if bytes > Declaration::MAX_BYTES {
            return Err(NotCalculable::TooLong { bytes });
        }
        let running = self.running.as_ref();
        if let Some(running) = running.filter(|running| running.declaration() == *declared) {
            return Ok(Arc::clone(running));
        }
        // The text is a stranger's, and a calculation may be the user's own.
        let found = catch_unwind(AssertUnwindSafe(|| {
            let fields = Fields::parse(&declared.fields)?;
            let calculation = (self.find)(&declared.calculation).map_err(Box::new)?;
            let condition = declared.condition.as_deref().map(Condition::parse);
            let condition = condition.transpose().map_err(CalculationError::from);
            let condition = condition.map_err(Box::new)?;
            let publish = declared.publish.as_deref().map(Publish::parse);
            let publish = publish.transpose().map_err(CalculationError::from);
            let publish = publish.map_err(Box::new)?;
            let carry = declared.carry.as_deref().map(Carry::parse);
            let carry = carry.transpose().map_err(CalculationError::from);
            let carry = carry.map_err(Box::new)?.unwrap_or_default();
            let evaluator = Evaluator::new(fields, calculation).map_err(Box::new)?;
            let evaluator = evaluator
                .with_condition(condition.as_ref())
                .map_err(Box::new)?;
            let evaluator = evaluator.with_publish(publish.as_ref()).map_err(Box::new)?;
            Ok(evaluator.with_carry(carry))
        }));
        let evaluator = found.unwrap_or(Err(NotCalculable::Panicked))?;
        let here = evaluator.declaration();
        if here.fingerprint != declared.fingerprint
            || here.results != declared.results
            || here.condition != declared.condition
            || here.publish != declared.publish
        {
            return Err(NotCalculable::Other {
                fingerprint: here.fingerprint,
                results: here.results,
            });
        }
        Ok(Arc::new(evaluator))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::builtin, *};

    fn evaluator(fields: &str, calculation: &str) -> Evaluator {
        let fields = Fields::parse(fields).unwrap();
        Evaluator::new(fields, builtin(calculation).unwrap()).unwrap()
    }

    fn square() -> Declaration {
        evaluator("number BIGINT NOT NULL", "square").declaration()
    }

    #[test]
    fn a_declaration_gives_the_evaluator_that_it_was_made_of() {
        for (fields, results) in [
            ("number BIGINT NOT NULL", "result DECIMAL(38,0) NOT NULL"),
            ("price DECIMAL(10,2), note VARCHAR", "result DECIMAL(38,4)"),
            ("\"a b\" DOUBLE", "result DOUBLE"),
        ] {
            let declared = evaluator(fields, "square").declaration();
            assert_eq!(declared.results, results);
            let found = Calculations::new(builtin).evaluator(&declared).unwrap();
            assert_eq!(found.declaration(), declared);
        }
    }

    #[test]
    fn a_declaration_that_says_something_else_than_its_fingerprint_is_no_calculation() {
        type Change = fn(&mut Declaration);
        let forged: [(&str, Change); 6] = [
            ("another version", |d| {
                d.fields = "number DOUBLE NOT NULL".into()
            }),
            ("another version", |d| {
                d.fingerprint = "00000000000000aa".parse().unwrap()
            }),
            ("another version", |d| {
                d.results = "result DOUBLE NOT NULL".into()
            }),
            ("there is no field", |d| d.calculation = "cube".into()),
            ("fields cannot be read", |d| d.fields = "number".into()),
            ("bytes, more than", |d| {
                d.fields = "x".repeat(Declaration::MAX_BYTES)
            }),
        ];
        let running = Arc::new(evaluator("number BIGINT NOT NULL", "square"));
        for calculations in [
            Calculations::new(builtin),
            Calculations::new(builtin).with(running),
        ] {
            for (part, change) in &forged {
                let mut declared = square();
                change(&mut declared);
                let error = calculations.evaluator(&declared).map(|_| ()).unwrap_err();
                assert!(error.to_string().contains(part), "{error}");
            }
        }
    }

    #[test]
    fn the_running_calculation_need_not_be_found_and_a_panic_is_no_end() {
        let running = Arc::new(evaluator("number BIGINT NOT NULL", "square"));
        let none = Calculations::new(|_| panic!("a calculation of the user's own"));
        let error = none.evaluator(&square()).map(|_| ()).unwrap_err();
        assert!(matches!(error, NotCalculable::Panicked));
        assert!(none.with(running).evaluator(&square()).is_ok());
    }
}
