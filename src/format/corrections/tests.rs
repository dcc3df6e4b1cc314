use super::*;
use crate::format::{
    Accumulation, ChangedRows, Encoded, RangeOutcomes, check_segment, read_segment,
    testing::{append, at, batch_offsets, encoded, evaluated, file_offsets, identity, range},
};

const BEFORE: &str = "00000000000000bb";

const NOW: &str = "00112233445566aa";

fn replacing(start: i64) -> Accumulation {
    Accumulation::replacing(at(start), BEFORE.parse().unwrap(), NOW.parse().unwrap())
}

/// Outcomes of `[95, end)`, published before under another calculation.
fn replaced(cuts: &[i64]) -> Encoded {
    let mut accumulation = replacing(95);
    append(&mut accumulation, cuts);
    accumulation.close(&identity("writer")).unwrap()
}

fn rows(encoded: &Encoded) -> Vec<RecordBatch> {
    let file = encoded.corrections.as_ref().unwrap().bytes.clone();
    read_segment(file).unwrap().map(Result::unwrap).collect()
}

#[test]
fn every_outcome_is_a_correction_in_its_place() {
    for cuts in [&[9000][..], &[96, 97, 1000, 9000], &[101]] {
        let encoded = replaced(cuts);
        let corrections = encoded.corrections.as_ref().unwrap();
        // Offsets ascend, and there is one for each outcome: `check_segment` compares with the counts.
        let (facts, count) = check_segment(corrections.bytes.clone()).unwrap();
        assert_eq!(count, encoded.counts.outcomes());
        assert_eq!(facts.replaces, Some(BEFORE.parse().unwrap()));
        let (mut results, mut rejects) = (Vec::new(), Vec::new());
        for batch in rows(&encoded) {
            let Corrected {
                results: kept,
                rejects: taken_back,
                ..
            } = split_corrections(&batch).unwrap();
            results.extend(batch_offsets(&kept));
            rejects.extend(taken_back.into_iter().map(|reject| reject.offset.get()));
        }
        assert_eq!(results, file_offsets(encoded.results.as_ref()));
        assert_eq!(rejects, file_offsets(encoded.rejects.as_ref()));
    }
}

#[test]
fn the_values_are_those_of_the_results_and_rejects() {
    let encoded = replaced(&[130]);
    let file = encoded.results.as_ref().unwrap().bytes.clone();
    let stored = read_segment(file).unwrap().next().unwrap().unwrap();
    let Corrected {
        results, rejects, ..
    } = split_corrections(&rows(&encoded)[0]).unwrap();
    assert_eq!(results.columns(), stored.columns());
    let over = range(95, 130);
    assert_eq!(rejects, evaluated(over).rejects);
}

#[test]
fn rejects_alone_are_corrections_too() {
    let mut accumulation = replacing(100);
    let mut only_rejects = evaluated(range(100, 130));
    only_rejects.results = only_rejects.results.slice(0, 0);
    let count = only_rejects.rejects.len();
    let outcomes = RangeOutcomes::new(range(100, 130), only_rejects).unwrap();
    accumulation.append(&outcomes).unwrap();
    let encoded = accumulation.close(&identity("writer")).unwrap();
    assert!(count > 0 && encoded.results.is_none());
    let Corrected {
        results, rejects, ..
    } = split_corrections(&rows(&encoded)[0]).unwrap();
    assert_eq!((results.num_rows(), rejects.len()), (0, count));
}

#[test]
fn trimmed_files_keep_the_corrections_of_what_is_left() {
    let trimmed = replaced(&[9000])
        .trim_before(at(5000), &identity("writer"))
        .unwrap();
    let corrections = trimmed.corrections.as_ref().unwrap();
    assert_eq!(corrections.rows, trimmed.counts.outcomes());
    assert_eq!(corrections.facts.range, range(5000, 9000));
}

#[test]
fn nothing_is_corrected_where_nothing_was_published_before() {
    let over = range(95, 300);
    let encoded = encoded(95, 300, &identity("writer"));
    assert!(encoded.corrections.is_none());
    assert!(split_corrections(&evaluated(over).results).is_err());
}

fn said(batch: &RecordBatch) -> Result<Vec<String>, SegmentError> {
    let mut said = Vec::new();
    each_change("events", Partition(0), batch, |change| {
        said.push(format!("{change:?}"));
        Ok::<(), SegmentError>(())
    })?;
    Ok(said)
}

#[test]
fn a_correction_says_what_its_outcome_was_and_is() {
    let (before, now) = (BEFORE.parse().unwrap(), NOW.parse().unwrap());
    let replacement = Replacement { before, now };
    let outcomes = evaluated(range(95, 105));
    let schema = corrections_schema(Some(outcomes.results.schema_ref()));
    let result = OutcomeText::Result { message: "{}" };
    let reject = OutcomeText::Reject { reason: "a: b" };
    let olds = [result, reject, OutcomeText::Filtered];
    let changed: ChangedRows = (0..).zip(olds).collect();
    let rows = outcomes.results.slice(0, 3);
    let kind = OutcomeKind::Result;
    let batch = correct(kind, &rows, &schema, &replacement, Some(&changed.before())).unwrap();
    let mut expected = batch_offsets(&rows).into_iter().zip(olds);
    each_change("events", Partition(0), &batch, |change| {
        let (number, old) = expected.next().unwrap();
        assert_eq!((change.offset, change.before), (number, Some(old)));
        let message = format!(r#"{{"number":{number},"result":{}}}"#, number * number);
        let message = message.as_str();
        assert_eq!(change.now, OutcomeText::Result { message });
        Ok::<(), SegmentError>(())
    })
    .unwrap();
    assert_eq!(expected.next(), None);

    // What is not known is said of no row.
    let unknown = correct(kind, &rows, &schema, &replacement, None).unwrap();
    assert!(
        said(&unknown)
            .unwrap()
            .iter()
            .all(|one| one.contains("before: None"))
    );

    // An old message beside a reject is no correction.
    let index = batch.schema().index_of(OLD_KIND).unwrap();
    let mut columns = batch.columns().to_vec();
    columns[index] = Arc::new(StringArray::from_iter_values(["reject"; 3]));
    let forged = RecordBatch::try_new(batch.schema(), columns).unwrap();
    let error = said(&forged).unwrap_err().to_string();
    assert!(error.contains("old_message"), "{error}");
}
