//! The built-in calculation: the square of a number.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, Decimal128Array, Float64Array, RecordBatch,
    cast::AsArray,
    types::{Decimal128Type, Float64Type, Int64Type},
};
use arrow_schema::{DataType, Field, Fields, Schema};

use super::{Calculation, CalculationError, Engine, Outcomes, SqlCalculation};
use crate::events::{FieldType, Identifier, ReasonCode, columns::RESULT};

const NAME: &str = "square";

/// The largest number of 38 digits.
const LARGEST_DECIMAL: i128 = 10_i128.pow(38) - 1;

/// The calculation that `square`, or `square(field)`, names; `None` for other texts.
///
/// `square` alone is the square of the only number field, or of the field `number` if there are several. Whether it can
/// work on the declared fields shows in [`Evaluator::new`](super::Evaluator::new).
pub(super) fn named(spec: &str) -> Option<Arc<dyn Calculation>> {
    let spec = spec.trim();
    let (name, field) = match spec.split_once('(') {
        None => (spec, None),
        Some((name, rest)) => {
            let argument = rest.strip_suffix(')')?.trim();
            (name.trim_end(), Some(field(argument)?))
        }
    };
    (name == NAME).then(|| Arc::new(Square { field }) as Arc<dyn Calculation>)
}

/// The name of a single field, as it was declared.
fn field(name: &str) -> Option<String> {
    match name
        .strip_prefix('"')
        .and_then(|name| name.strip_suffix('"'))
    {
        Some(quoted) => Some(quoted.replace("\"\"", "\"")),
        None => {
            let word = name.chars().all(|c| c.is_alphanumeric() || c == '_');
            let number = name.starts_with(|c: char| c.is_ascii_digit());
            (word && !number && !name.is_empty()).then(|| name.to_owned())
        }
    }
}

struct Square {
    field: Option<String>,
}

impl Square {
    /// The position of the field to square, and its type.
    fn input(&self, fields: &Schema) -> Result<(usize, FieldType), CalculationError> {
        let index = match &self.field {
            Some(name) => fields
                .fields()
                .iter()
                .position(|f| f.name() == name)
                .ok_or_else(|| CalculationError::NoSuchField {
                    calculation: NAME.to_owned(),
                    field: name.clone(),
                    declared: names(fields, |_| true),
                })?,
            None => only_number(fields)?,
        };
        let field = fields.field(index);
        match FieldType::of(field.data_type()) {
            Some(found) if found.is_numeric() => Ok((index, found)),
            found => Err(CalculationError::WrongFieldType {
                calculation: NAME.to_owned(),
                field: field.name().clone(),
                found: found.map_or_else(|| field.data_type().to_string(), |f| f.to_string()),
            }),
        }
    }
}

fn is_number(field: &arrow_schema::Field) -> bool {
    FieldType::of(field.data_type()).is_some_and(FieldType::is_numeric)
}

fn names(fields: &Schema, which: impl Fn(&arrow_schema::Field) -> bool) -> String {
    let names: Vec<_> = fields
        .fields()
        .iter()
        .filter(|f| which(f))
        .map(|f| Identifier(f.name()).to_string())
        .collect();
    names.join(", ")
}

/// The only number field, or the field `number`.
fn only_number(fields: &Schema) -> Result<usize, CalculationError> {
    let numbers: Vec<usize> = (0..fields.fields().len())
        .filter(|index| is_number(fields.field(*index)))
        .collect();
    let named = |index: &&usize| fields.field(**index).name() == "number";
    match (numbers.as_slice(), numbers.iter().find(named)) {
        ([only], _) | (_, Some(only)) => Ok(*only),
        ([], None) => Err(CalculationError::NoNumber {
            calculation: NAME.to_owned(),
            declared: names(fields, |_| true),
        }),
        ([first, ..], None) => Err(CalculationError::Ambiguous {
            calculation: NAME.to_owned(),
            candidates: names(fields, is_number),
            example: Identifier(fields.field(*first).name()).to_string(),
        }),
    }
}

impl Calculation for Square {
    fn name(&self) -> &str {
        NAME
    }

    fn version(&self) -> u32 {
        1
    }

    fn parameters(&self, fields: &Schema) -> String {
        self.input(fields).map_or_else(
            |_| String::new(),
            |(index, _)| Identifier(fields.field(index).name()).to_string(),
        )
    }

    fn expressions(&self, fields: &Schema, engine: Engine) -> Option<Vec<String>> {
        let sql = SqlCalculation::parse(&self.text(fields)).ok()?;
        sql.expressions(fields, engine)
    }

    fn output(&self, fields: &Schema) -> Result<Fields, CalculationError> {
        let (index, input) = self.input(fields)?;
        let field = fields.field(index);
        let data_type = match input {
            FieldType::Double => DataType::Float64,
            FieldType::Decimal { scale, .. } if scale > 19 => {
                return Err(CalculationError::Scale {
                    calculation: NAME.to_owned(),
                    field: field.name().clone(),
                    scale,
                });
            }
            FieldType::Decimal { scale, .. } => DataType::Decimal128(38, 2 * scale.cast_signed()),
            // A square of 64 bits has at most 38 digits: 2^126 = 85070591730234615865843651857942052864.
            _ => DataType::Decimal128(38, 0),
        };
        let result = Field::new(RESULT, data_type, field.is_nullable());
        Ok(Fields::from(vec![result]))
    }

    fn calculate(&self, batch: &RecordBatch) -> Result<Outcomes, CalculationError> {
        let schema = batch.schema_ref();
        let (index, input) = self.input(schema)?;
        let output = self.output(schema)?[0].data_type().clone();
        let numbers = batch.column(index);
        let mut rejections = Vec::new();
        let results: ArrayRef = match input {
            FieldType::Double => Arc::new(square_doubles(numbers.as_primitive(), &mut rejections)),
            FieldType::Decimal { .. } => {
                let squares = square_decimals(numbers.as_primitive(), &mut rejections);
                Arc::new(squares.with_data_type(output))
            }
            _ => {
                let squares: Decimal128Array = numbers
                    .as_primitive::<Int64Type>()
                    .unary(|n| i128::from(n) * i128::from(n));
                Arc::new(squares.with_data_type(output))
            }
        };
        Ok(Outcomes {
            columns: vec![results],
            rejections,
        })
    }
}

fn square_doubles(numbers: &Float64Array, rejections: &mut Vec<(usize, String)>) -> Float64Array {
    let squares: Float64Array = numbers.unary::<_, Float64Type>(|n| n * n);
    let valid = |row| numbers.is_valid(row);
    for (row, square) in squares.values().iter().enumerate() {
        if !square.is_finite() && valid(row) {
            let text = format!(
                "the square of {:e} is larger than the largest DOUBLE; declare the field DECIMAL(p,s) if its numbers have at most 19 digits",
                numbers.value(row)
            );
            rejections.push((row, ReasonCode::Overflow.because(text)));
        }
    }
    squares
}

fn square_decimals(
    numbers: &Decimal128Array,
    rejections: &mut Vec<(usize, String)>,
) -> Decimal128Array {
    let exact = |n: i128| n.checked_mul(n).filter(|square| *square <= LARGEST_DECIMAL);
    let squares = numbers.unary::<_, Decimal128Type>(|n| exact(n).unwrap_or_default());
    for (row, number) in numbers.values().iter().enumerate() {
        if exact(*number).is_none() && numbers.is_valid(row) {
            let text = format!(
                "the square of {} has more than 38 digits, which is all a DECIMAL holds; declare the field DOUBLE if a rounded result will do",
                numbers.value_as_string(row)
            );
            rejections.push((row, ReasonCode::Overflow.because(text)));
        }
    }
    squares
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Evaluator, builtin},
        *,
    };
    use crate::events::Fields;

    fn result(fields: &str, spec: &str) -> Result<(String, DataType), String> {
        let fields = Fields::parse(fields).unwrap();
        let calculation = builtin(spec).map_err(|error| error.to_string())?;
        let evaluator = Evaluator::new(fields, calculation).map_err(|error| {
            assert!(error.is_configuration(), "{error}");
            error.to_string()
        })?;
        let schema = evaluator.results_schema();
        let result = schema.field_with_name("result").unwrap().data_type();
        Ok((evaluator.calculation_text(), result.clone()))
    }

    #[test]
    fn the_field_to_square_is_named_or_clear() {
        for (fields, spec, expected) in [
            ("number BIGINT", "square", "square(number)"),
            ("n DOUBLE", " square ", "square(n)"),
            ("a VARCHAR, n BIGINT", "square", "square(n)"),
            ("n BIGINT, number BIGINT", "square", "square(number)"),
            ("n BIGINT, m BIGINT", "square(m)", "square(m)"),
            (
                "\"a b\" BIGINT, m BIGINT",
                "square( \"a b\" )",
                "square(\"a b\")",
            ),
        ] {
            assert_eq!(result(fields, spec).unwrap().0, expected, "{fields} {spec}");
        }
    }

    #[test]
    fn the_result_is_wide_enough_or_it_is_a_configuration_error() {
        for (fields, expected) in [
            ("n BIGINT", DataType::Decimal128(38, 0)),
            ("n DOUBLE", DataType::Float64),
            ("n DECIMAL(10,2)", DataType::Decimal128(38, 4)),
            ("n DECIMAL(19,19)", DataType::Decimal128(38, 38)),
        ] {
            assert_eq!(result(fields, "square").unwrap().1, expected, "{fields}");
        }
    }

    #[test]
    fn what_cannot_be_squared_is_refused_with_the_remedy() {
        for (fields, spec, part) in [
            (
                "n BIGINT",
                "cube",
                "there is no field \"cube\"; declared are: n",
            ),
            ("n BIGINT", "square(", "but the text ends"),
            (
                "n BIGINT",
                "square()",
                "it is square(number), here are 0 values",
            ),
            ("n BIGINT", "square(n) x", "the expression ends before x"),
            (
                "n BIGINT",
                "square(m)",
                "there is no field \"m\"; declared are: n",
            ),
            (
                "n BIGINT",
                "square(N)",
                "there is no field \"N\"; declared are: n",
            ),
            (
                "n BIGINT, a VARCHAR, m DOUBLE",
                "square",
                "n, m could be meant; name it, as in square(n)",
            ),
            ("a VARCHAR, b BOOLEAN", "square", "declared are: a, b"),
            ("a VARCHAR, b BIGINT", "square(a)", "\"a\" is a VARCHAR"),
            (
                "n DECIMAL(38,20)",
                "square",
                "has 40, but a DECIMAL holds 38",
            ),
        ] {
            let error = result(fields, spec).expect_err(spec);
            assert!(error.contains(part), "{fields} {spec}: {error}");
        }
    }
}
