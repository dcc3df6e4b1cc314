//! What snapback makes of random expressions, as files for the oracle.

use std::{fs::File, path::Path, sync::Arc};

use parquet::arrow::ArrowWriter;
use rand::{SeedableRng, rngs::StdRng};
use serde_json::json;
use snapback::{
    arrow_array::{ArrayRef, BooleanArray, Int64Array, RecordBatch},
    arrow_schema::{DataType, Field, Schema},
    calculation::{Calculation, Engine, SqlCalculation},
};

use super::{expressions::Expressions, rows::rows};

/// The rows that each expression is evaluated over.
const ROWS: usize = 48;

/// What was made.
#[derive(Debug, Default)]
pub struct Made {
    pub taken: usize,
    pub refused: usize,
    pub values: usize,
    pub rejected: usize,
}

/// Writes `both.parquet` (the rows, a column `c<n>` for each expression, and `r<n>` where a row is rejected) and `cases.json` (the
/// texts) for so many expressions.
pub fn write(folder: &Path, seed: u64, count: usize) -> Made {
    let mut random = StdRng::seed_from_u64(seed);
    let batch = rows(ROWS, &mut random);
    let fields = batch.schema();
    let mut expressions = Expressions::new(random);
    let mut made = Made::default();
    let mut columns: Vec<(Field, ArrayRef)> = Vec::new();
    let mut cases = Vec::new();
    while made.taken < count {
        // Some have two columns, NULL or not, the first of which is used in the second.
        let text = match made.taken % 8 {
            7 => expressions.next_two(made.taken),
            _ => expressions.next(),
        };
        let calculation = match SqlCalculation::parse(&text) {
            Ok(calculation) if calculation.output(&fields).is_ok() => calculation,
            Ok(_) => {
                made.refused += 1;
                continue;
            }
            Err(error) => panic!("the grammar does not read {text}: {error}"),
        };
        // What is stored of a calculation is its canonical text: it must be read as the same calculation.
        let canonical = calculation.text(&fields);
        let again =
            SqlCalculation::parse(&canonical).unwrap_or_else(|error| panic!("{text}\n{error}"));
        assert_eq!(again.text(&fields), canonical, "of {text}");
        let outcomes = calculation
            .calculate(&batch)
            .unwrap_or_else(|error| panic!("{text}: {error}"));
        let again = again
            .calculate(&batch)
            .unwrap_or_else(|error| panic!("{canonical}: {error}"));
        let mut rejected = vec![false; ROWS];
        outcomes
            .rejections
            .iter()
            .for_each(|(row, _)| rejected[*row] = true);
        assert_eq!(
            outcomes
                .rejections
                .iter()
                .map(|(row, _)| row)
                .collect::<Vec<_>>(),
            again
                .rejections
                .iter()
                .map(|(row, _)| row)
                .collect::<Vec<_>>(),
            "{text}\n{canonical}"
        );
        let rejected: ArrayRef = Arc::new(BooleanArray::from(rejected));
        let spelled = |engine| {
            let expressions = calculation.expressions(&fields, engine);
            expressions.expect("it is taken")
        };
        let output = calculation.output(&fields).expect("it is taken");
        let given = output.iter().zip(outcomes.columns);
        let spelled = spelled(Engine::DuckDb)
            .into_iter()
            .zip(spelled(Engine::Spark));
        for ((field, column), (duckdb, spark)) in given.zip(spelled) {
            made.values += ROWS - outcomes.rejections.len();
            made.rejected += outcomes.rejections.len();
            let number = made.taken;
            made.taken += 1;
            if output.len() > 1 {
                columns.push((
                    field.as_ref().clone().with_nullable(true),
                    Arc::clone(&column),
                ));
            }
            let data_type = column.data_type().clone();
            columns.push((Field::new(format!("c{number}"), data_type, true), column));
            let row = Field::new(format!("r{number}"), DataType::Boolean, false);
            columns.push((row, Arc::clone(&rejected)));
            cases.push(json!({"text": text, "duckdb": duckdb, "spark": spark}));
        }
    }
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..ROWS as i64));
    let mut all = vec![(Field::new("row_number", DataType::Int64, false), numbers)];
    let inputs = fields.fields().iter().zip(batch.columns());
    all.extend(inputs.map(|(field, column)| (field.as_ref().clone(), Arc::clone(column))));
    all.extend(columns);
    let (fields, arrays): (Vec<_>, Vec<_>) = all.into_iter().unzip();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays);
    let batch = batch.expect("columns of the schema");
    save(&folder.join("both.parquet"), &batch);
    std::fs::write(
        folder.join("cases.json"),
        serde_json::to_vec(&cases).expect("JSON"),
    )
    .expect("cases.json");
    made
}

fn save(path: &Path, batch: &RecordBatch) {
    let file = File::create(path).expect("a file");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).expect("a writer");
    writer.write(batch).expect("rows");
    writer.close().expect("the end of the file");
}
