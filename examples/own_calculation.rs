//! A calculation of your own, with every command of snapback, under the program's own name:
//!
//! ```text
//! cargo run --release --example own_calculation -- run --fields "fahrenheit DOUBLE NOT NULL" --calculation celsius
//! ```
//!
//! `verify` recalculates with it, a new `version` makes what is replayed a correction, and so on: the commands know nothing
//! about the calculation but the trait that it implements.

use std::{process::ExitCode, sync::Arc};

use snapback::{
    arrow_array::{RecordBatch, cast::AsArray, types::Float64Type},
    arrow_schema::{DataType, Schema},
    calculation::{Calculation, CalculationError, Outcomes, builtin},
    cli::Program,
};

fn main() -> ExitCode {
    let find = |spec: &str| match spec {
        "celsius" => Ok(Arc::new(Celsius) as Arc<dyn Calculation>),
        other => builtin(other),
    };
    let program = Program::new(env!("CARGO_BIN_NAME"), env!("CARGO_PKG_VERSION"), find);
    program.main().into()
}

/// Degrees Celsius of the field `fahrenheit`.
struct Celsius;

/// Nothing is colder, in degrees Fahrenheit.
const ABSOLUTE_ZERO: f64 = -459.67;

impl Calculation for Celsius {
    fn name(&self) -> &str {
        "celsius"
    }

    // Part of the fingerprint of every stored result: raise it whenever the arithmetic changes.
    fn version(&self) -> u32 {
        1
    }

    fn output(&self, fields: &Schema) -> Result<DataType, CalculationError> {
        match fields.field_with_name("fahrenheit") {
            Ok(field) if *field.data_type() == DataType::Float64 && !field.is_nullable() => {
                Ok(DataType::Float64)
            }
            _ => Err(CalculationError::unsuited(
                self.name(),
                "it needs the field \"fahrenheit DOUBLE NOT NULL\"",
            )),
        }
    }

    fn calculate(&self, batch: &RecordBatch) -> Result<Outcomes, CalculationError> {
        let fahrenheit = batch["fahrenheit"].as_primitive::<Float64Type>();
        let results = fahrenheit.unary::<_, Float64Type>(|degrees| (degrees - 32.0) * 5.0 / 9.0);
        let too_cold = |row: &usize| fahrenheit.value(*row) < ABSOLUTE_ZERO;
        let rejections = (0..batch.num_rows())
            .filter(too_cold)
            .map(|row| (row, "below absolute zero".to_owned()));
        Ok(Outcomes {
            results: Arc::new(results),
            rejections: rejections.collect(),
        })
    }
}
