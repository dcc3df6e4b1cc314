//! Batches through an evaluator.

mod broken;

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, Float64Array, Int64Array, RecordBatch, cast::AsArray, types::*,
};
use arrow_schema::{DataType, Field, Schema};

use super::*;
use crate::{
    events::{Fields, reason_code},
    model::{Event, Offset},
};

fn events<'a>(payloads: &'a [&'a str]) -> impl ExactSizeIterator<Item = Event<'a>> {
    payloads.iter().enumerate().map(|(index, payload)| Event {
        offset: Offset::ZERO.plus(10 + index as u64),
        timestamp: Some(1000 + index as i64),
        key: None,
        payload: Some(payload.as_bytes()),
    })
}

fn square(fields: &str) -> Evaluator {
    Evaluator::new(Fields::parse(fields).unwrap(), builtin("square").unwrap()).unwrap()
}

/// A calculation on one BIGINT that does what a test needs.
struct Scripted<F>(Vec<Field>, F);

impl<F: Fn(&RecordBatch) -> Result<Outcomes, CalculationError> + Send + Sync> Calculation
    for Scripted<F>
{
    fn name(&self) -> &str {
        "scripted"
    }
    fn version(&self) -> u32 {
        3
    }
    fn output(&self, _: &Schema) -> Result<arrow_schema::Fields, CalculationError> {
        Ok(self.0.clone().into())
    }
    fn calculate(&self, batch: &RecordBatch) -> Result<Outcomes, CalculationError> {
        self.1(batch)
    }
}

fn scripted(
    output: DataType,
    calculate: impl Fn(&RecordBatch) -> Result<Outcomes, CalculationError> + Send + Sync + 'static,
) -> Evaluator {
    let output = vec![Field::new("result", output, false)];
    Evaluator::new(Fields::default(), Arc::new(Scripted(output, calculate))).unwrap()
}

fn gives(results: impl Array + 'static, rejections: Vec<(usize, &str)>) -> Outcomes {
    Outcomes {
        columns: vec![Arc::new(results) as ArrayRef],
        rejections: rejections
            .into_iter()
            .map(|(row, text)| (row, text.to_owned()))
            .collect(),
    }
}

const THREE: [&str; 3] = [r#"{"number":1}"#, r#"{"number":2}"#, r#"{"number":3}"#];

#[test]
fn results_have_the_declared_schema_and_the_exact_squares() {
    let evaluator = square("number BIGINT NOT NULL");
    let largest = format!("{{\"number\":{}}}", i64::MIN);
    let evaluated = evaluator
        .evaluate(events(&[r#"{"number":-7}"#, &largest]))
        .unwrap();
    assert_eq!(evaluated.results.schema(), evaluator.results_schema());
    let squares = evaluated.results.column(5).as_primitive::<Decimal128Type>();
    assert_eq!(squares.values().as_ref(), [49, 1_i128 << 126]);
    assert_eq!(
        evaluated
            .results
            .column(0)
            .as_primitive::<Int64Type>()
            .values()
            .as_ref(),
        [10, 11]
    );
    assert_eq!(
        evaluated
            .results
            .column(1)
            .as_primitive::<TimestampMillisecondType>()
            .values()
            .as_ref(),
        [1000, 1001]
    );
    assert_eq!(evaluated.results.column(3).null_count(), 2);
    assert_eq!(evaluator.calculation_text(), "square(number)");
    insta::assert_snapshot!(format!(
        "{:#?}",
        evaluator
            .results_schema()
            .fields()
            .iter()
            .map(|f| format!("{} {} {}", f.name(), f.data_type(), f.is_nullable()))
            .collect::<Vec<_>>()
    ));
}

#[test]
fn keys_and_timestamps_stay_with_their_events_whatever_is_rejected() {
    let evaluator = square("number DOUBLE NOT NULL");
    let payloads = [
        "{\"number\":1}",
        "x",
        "{\"number\":1e300}",
        "{\"number\":2}",
        "{\"number\":1e301}",
        "{}",
    ];
    let keyed = payloads.iter().enumerate().map(|(index, payload)| Event {
        offset: Offset::ZERO.plus(index as u64),
        timestamp: (index % 2 == 0).then_some(index as i64),
        key: [
            None,
            None,
            Some(b"c".as_slice()),
            Some(b""),
            None,
            Some(b"f"),
        ][index],
        payload: Some(payload.as_bytes()),
    });
    let Evaluated {
        results, rejects, ..
    } = evaluator.evaluate(keyed.clone()).unwrap();
    assert_eq!(
        results
            .column(0)
            .as_primitive::<Int64Type>()
            .values()
            .as_ref(),
        [0, 3]
    );
    let keys: Vec<_> = results.column(3).as_binary::<i32>().iter().collect();
    assert_eq!(keys, [None, Some(b"".as_slice())]);
    let timestamps: Vec<_> = results
        .column(1)
        .as_primitive::<TimestampMillisecondType>()
        .iter()
        .collect();
    assert_eq!(timestamps, [Some(0), None]);
    let found: Vec<_> = rejects
        .iter()
        .map(|r| (r.offset.get(), reason_code(&r.reason)))
        .collect();
    assert_eq!(
        found,
        [
            (1, "not-json"),
            (2, "overflow"),
            (4, "overflow"),
            (5, "missing-field")
        ]
    );
    for (reject, event) in rejects
        .iter()
        .zip(keyed.enumerate().filter(|(i, _)| ![0, 3].contains(i)))
    {
        let (_, event) = event;
        assert_eq!(
            (
                reject.timestamp,
                reject.key.as_deref(),
                reject.payload.as_deref()
            ),
            (event.timestamp, event.key, event.payload)
        );
    }
}

#[test]
fn an_empty_batch_and_one_of_rejects_only_have_no_results() {
    let never = scripted(DataType::Int64, |_| panic!("there is nothing to calculate"));
    for payloads in [&[][..], &["x", ""]] {
        let evaluated = never.evaluate(events(payloads)).unwrap();
        assert_eq!(
            evaluated.results,
            RecordBatch::new_empty(never.results_schema())
        );
        assert_eq!(evaluated.rejects.len(), payloads.len());
        assert_eq!(
            never.recalculate(&evaluated.results).unwrap().columns[0].len(),
            0
        );
    }
}

#[test]
fn stored_results_are_calculated_once_more_from_their_own_columns() {
    let evaluator = square("a VARCHAR, number DECIMAL(30,1)");
    let payloads = [r#"{"number":1.5}"#, r#"{"a":"x","number":-2}"#];
    let stored = evaluator.evaluate(events(&payloads)).unwrap().results;
    let again = evaluator.recalculate(&stored).unwrap();
    assert_eq!(&again.columns[0], stored.column_by_name("result").unwrap());
    assert!(again.rejections.is_empty());
    let error = square("number BIGINT").recalculate(&stored).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("a Decimal128(30, 1) column \"number\""),
        "{error}"
    );
    let error = square("b BIGINT").recalculate(&stored).unwrap_err();
    assert!(error.to_string().contains("no column \"b\""), "{error}");
}

#[test]
fn several_columns_are_stored_beside_each_other_and_null_is_a_value() {
    let columns = vec![
        Field::new("half", DataType::Int64, true),
        Field::new("root", DataType::Float64, false),
    ];
    let calculate = |_: &RecordBatch| {
        Ok(Outcomes {
            columns: vec![
                Arc::new(Int64Array::from(vec![None, Some(1), Some(2)])),
                Arc::new(Float64Array::from(vec![Some(1.0), Some(f64::NAN), None])),
            ],
            rejections: vec![],
        })
    };
    let both = Scripted(columns, calculate);
    let both = Evaluator::new(Fields::default(), Arc::new(both)).unwrap();
    assert_eq!(
        both.declaration().results,
        "half BIGINT, root DOUBLE NOT NULL"
    );
    let evaluated = both.evaluate(events(&THREE)).unwrap();
    let results = evaluated.results;
    assert_eq!(results.num_rows(), 1);
    assert!(results["half"].is_null(0));
    assert_eq!(results["root"].as_primitive::<Float64Type>().value(0), 1.0);
    let reasons: Vec<&str> = evaluated.rejects.iter().map(|r| &*r.reason).collect();
    assert!(
        reasons[0].starts_with("overflow: root is NaN"),
        "{reasons:?}"
    );
    assert!(
        reasons[1].starts_with("null-result: root is NULL"),
        "{reasons:?}"
    );
}

#[test]
fn what_cannot_be_stored_or_published_is_rejected_whatever_the_calculation_says() {
    let nulls = scripted(DataType::Int64, |_| {
        Ok(gives(
            Int64Array::from(vec![None, Some(2), None]),
            vec![(2, "odd"), (2, "overflow: later")],
        ))
    });
    let evaluated = nulls.evaluate(events(&THREE)).unwrap();
    let reasons: Vec<_> = evaluated
        .rejects
        .iter()
        .map(|r| r.reason.as_str())
        .collect();
    assert_eq!(
        reasons,
        [
            "null-result: result is NULL, and the calculation promises NOT NULL; give such events a value, as in COALESCE(expression, 0)",
            "calculation: odd"
        ]
    );
    assert_eq!(evaluated.results.num_rows(), 1);

    let infinite = scripted(DataType::Float64, |_| {
        Ok(gives(
            Float64Array::from(vec![1.0, f64::NAN, f64::INFINITY]),
            vec![],
        ))
    });
    let evaluated = infinite.evaluate(events(&THREE)).unwrap();
    assert_eq!(
        (evaluated.results.num_rows(), evaluated.rejects.len()),
        (1, 2)
    );

    let long = scripted(DataType::Decimal128(2, 0), |_| {
        let values = arrow_array::Decimal128Array::from(vec![99, 100, -100]);
        Ok(gives(
            values.with_data_type(DataType::Decimal128(2, 0)),
            vec![],
        ))
    });
    let evaluated = long.evaluate(events(&THREE)).unwrap();
    assert_eq!(
        (evaluated.results.num_rows(), evaluated.rejects.len()),
        (1, 2)
    );
}
