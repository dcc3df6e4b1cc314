//! Calculations that panic, break their word or promise what cannot be.

use super::*;

#[test]
fn a_panic_is_an_error_that_says_what_the_panic_said() {
    let panics = scripted(DataType::Int64, |batch| {
        panic!("at {} rows", batch.num_rows())
    });
    let error = panics.evaluate(events(&THREE)).unwrap_err();
    assert!(
        matches!(&error, CalculationError::Panicked { message, .. } if message == "at 3 rows"),
        "{error}"
    );
    assert!(!error.is_configuration());
}

#[test]
fn a_calculation_that_breaks_its_word_is_an_error() {
    let few = scripted(DataType::Int64, |_| {
        Ok(gives(Int64Array::from(vec![1, 2]), vec![]))
    });
    let error = few.evaluate(events(&THREE)).unwrap_err();
    assert!(
        matches!(
            error,
            CalculationError::WrongRows {
                expected: 3,
                found: 2,
                ..
            }
        ),
        "{error}"
    );
    let other = scripted(DataType::Int64, |_| {
        Ok(gives(Float64Array::from(vec![1.0, 2.0, 3.0]), vec![]))
    });
    let error = other.evaluate(events(&THREE)).unwrap_err();
    assert!(
        matches!(error, CalculationError::WrongType { .. }),
        "{error}"
    );
    let beyond = scripted(DataType::Int64, |_| {
        Ok(gives(Int64Array::from(vec![1, 2, 3]), vec![(3, "x")]))
    });
    let error = beyond.evaluate(events(&THREE)).unwrap_err();
    assert!(
        matches!(
            error,
            CalculationError::NoSuchRow {
                row: 3,
                rows: 3,
                ..
            }
        ),
        "{error}"
    );
    let fails = scripted(DataType::Int64, |_| {
        Err(CalculationError::failed("scripted", "no luck"))
    });
    assert_eq!(
        fails.evaluate(events(&THREE)).unwrap_err().to_string(),
        "scripted failed: no luck"
    );
    let none = scripted(DataType::Int64, |_| {
        Ok(Outcomes {
            columns: Vec::new(),
            rejections: Vec::new(),
        })
    });
    let error = none.evaluate(events(&THREE)).unwrap_err();
    assert!(
        matches!(error, CalculationError::WrongColumns { .. }),
        "{error}"
    );
}

#[test]
fn columns_that_cannot_be_are_a_configuration_error() {
    let of = |columns: &[(&str, DataType)]| {
        let columns = columns.iter();
        let columns = columns.map(|(name, data_type)| Field::new(*name, data_type.clone(), true));
        let promises = Scripted(columns.collect(), |_: &RecordBatch| unreachable!());
        let error = Evaluator::new(Fields::default(), Arc::new(promises)).err();
        let error = error.expect("it is refused");
        assert!(error.is_configuration(), "{error}");
        error.to_string()
    };
    let whole = DataType::Int64;
    for (columns, part) in [
        (&[][..], "no column"),
        (&[("a", DataType::Int32)], "\"a\" of the type Int32"),
        (
            &[("Number", whole.clone())],
            "the event has the field \"number\"",
        ),
        (
            &[("a", whole.clone()), ("A", whole.clone())],
            "the column \"a\" stands before it",
        ),
        (&[("Kafka_Offset", whole.clone())], "reserved"),
        (&[("", whole)], "a name has"),
    ] {
        let error = of(columns);
        assert!(error.contains(part), "{error}");
    }
}
