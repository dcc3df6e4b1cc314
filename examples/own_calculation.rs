//! A calculation of your own, with two result columns, under a name of its own beside SQL:
//!
//! ```text
//! cargo run --release --example own_calculation -- run --fields "fahrenheit DOUBLE NOT NULL" --calculation celsius
//! ```
//!
//! The program has every command of snapback, under its own name: `verify` recalculates with it, a new `version` makes what is
//! replayed a correction, and so on. They know nothing about the calculation but the trait that it implements.

use std::{process::ExitCode, sync::Arc};

use snapback::arrow_array::{ArrayRef, RecordBatch, cast::AsArray, types::Float64Type};
use snapback::arrow_schema::{DataType, Field, Fields, Schema};
use snapback::calculation::{Calculation, CalculationError, Outcomes, builtin};
use snapback::cli::Program;

fn main() -> ExitCode {
    let find = |text: &str| match text {
        "celsius" => Ok(Arc::new(Celsius) as Arc<dyn Calculation>),
        sql => builtin(sql),
    };
    let program = Program::new(env!("CARGO_BIN_NAME"), env!("CARGO_PKG_VERSION"), find);
    program.main().into()
}

/// Degrees Celsius and kelvins of the field `fahrenheit`.
struct Celsius;

impl Calculation for Celsius {
    fn name(&self) -> &str {
        "celsius"
    }

    // Part of the fingerprint of every stored result: raise it whenever the arithmetic changes.
    fn version(&self) -> u32 {
        1
    }

    fn output(&self, fields: &Schema) -> Result<Fields, CalculationError> {
        let needed = Field::new("fahrenheit", DataType::Float64, false);
        if !fields.fields().iter().any(|field| **field == needed) {
            let needs = "it needs the field \"fahrenheit DOUBLE NOT NULL\"";
            return Err(CalculationError::unsuited(self.name(), needs));
        }
        let column = |name| Field::new(name, DataType::Float64, false);
        Ok(["celsius", "kelvin"].map(column).to_vec().into())
    }

    fn calculate(&self, batch: &RecordBatch) -> Result<Outcomes, CalculationError> {
        let fahrenheit = batch["fahrenheit"].as_primitive::<Float64Type>();
        let celsius = fahrenheit.unary::<_, Float64Type>(|degrees| (degrees - 32.0) * 5.0 / 9.0);
        let kelvin = celsius.unary::<_, Float64Type>(|degrees| degrees + 273.15);
        let too_cold = kelvin
            .values()
            .iter()
            .enumerate()
            .filter(|(_, k)| **k < 0.0);
        let rejections = too_cold.map(|(row, _)| (row, "below absolute zero".to_owned()));
        Ok(Outcomes {
            rejections: rejections.collect(),
            columns: vec![Arc::new(celsius) as ArrayRef, Arc::new(kelvin)],
        })
    }
}
