//! `--fields`, `--calculation` and `--store`: declarations are read or refused, and read the same once written.

use snapback::{
    calculation::{Evaluator, builtin},
    events::Fields,
};

/// Any text as a declaration of fields, with a calculation in a second line.
pub fn check(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let (fields, calculation) = text.split_once('\n').unwrap_or((text, "square"));
    let calculation = builtin(calculation);
    let fields = match Fields::parse(fields) {
        Ok(fields) => fields,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let canonical = fields.to_string();
    assert_eq!(
        Fields::parse(&canonical).as_ref(),
        Ok(&fields),
        "{canonical}"
    );
    assert!(fields.iter().len() > 0);
    if let Ok(calculation) = calculation
        && let Ok(evaluator) = Evaluator::new(fields, calculation)
    {
        // Whatever was accepted can also be used.
        assert!(evaluator.results_schema().fields().len() >= 5);
    }
}
