//! Calls of functions.

use std::fmt::{self, Write as _};

use super::Printer;
use crate::{
    calculation::sql::{
        functions::Function,
        tree::{Kind, Node, Scalar},
        types::{BIGINT_DIGITS, MOST_DIGITS, SAFE_SCALE},
    },
    events::FieldType,
};

impl Printer<'_> {
    pub(super) fn call(&mut self, function: Function, arguments: &[Node]) -> fmt::Result {
        let name = function.definition().name;
        let first = &arguments[0];
        let decimal = matches!(first.data_type, FieldType::Decimal { .. });
        let whole = first.data_type == FieldType::BigInt;
        match function {
            // It is an INTEGER in Spark, as the length is.
            Function::Position => {
                let (before, after) = match self.is_spark() {
                    true => ("CAST(position(", ") AS BIGINT)"),
                    false => ("position(", ")"),
                };
                self.text.push_str(before);
                self.between(first, "IN", &arguments[1])?;
                self.text.write_str(after)
            }
            Function::Trim | Function::Ltrim | Function::Rtrim if arguments.len() == 2 => {
                let ends = match function {
                    Function::Ltrim => "LEADING",
                    Function::Rtrim => "TRAILING",
                    _ => "BOTH",
                };
                write!(self.text, "trim({ends} ")?;
                self.between(&arguments[1], "FROM", first)?;
                self.text.write_str(")")
            }
            _ if self.is_canonical() => self.list(name, arguments),
            Function::Length if self.is_spark() => {
                self.text.push_str("CAST(length(");
                self.node(first)?;
                self.text.write_str(") AS BIGINT)")
            }
            // They are INTEGERs there, too.
            Function::Year
            | Function::Quarter
            | Function::Month
            | Function::Week
            | Function::Day
            | Function::DayOfYear
            | Function::Hour
            | Function::Minute
            | Function::Second
                if self.is_spark() =>
            {
                let name = if function == Function::Week {
                    "weekofyear"
                } else {
                    name
                };
                write!(self.text, "CAST({name}(")?;
                self.node(first)?;
                self.text.write_str(") AS BIGINT)")
            }
            Function::EpochMs if self.is_spark() => self.list("unix_millis", arguments),
            // DuckDB rounds to the nearest millisecond, where Spark cuts.
            Function::EpochMs => {
                self.text.push_str("(epoch_us(");
                self.node(first)?;
                self.text.write_str(") // 1000)")
            }
            Function::ToTimestamp if self.is_spark() => self.list("timestamp_seconds", arguments),
            Function::Sha256 if self.is_spark() => {
                self.text.push_str("sha2(");
                self.node(first)?;
                self.text.write_str(", 256)")
            }
            Function::JsonExtractString if self.is_spark() => {
                self.list("get_json_object", arguments)
            }
            Function::StartsWith if self.is_spark() => self.list("startswith", arguments),
            Function::EndsWith if self.is_spark() => self.list("endswith", arguments),
            // A number of characters is an INTEGER there.
            Function::Lpad | Function::Rpad => self.of_characters(name, arguments, true),
            Function::Left | Function::Right | Function::Substring | Function::SplitPart => {
                self.of_characters(name, arguments, self.is_spark())
            }
            // What they give of a BIGINT in DuckDB is a DOUBLE.
            Function::Ceil | Function::Floor | Function::Trunc if whole => self.operand(first),
            // DuckDB's is a DOUBLE, and Spark's is of dates.
            Function::Trunc if decimal || self.is_spark() => {
                self.text.push_str("CASE WHEN ");
                self.operand(first)?;
                self.text.push_str(" < 0 THEN ");
                self.call(Function::Ceil, arguments)?;
                self.text.push_str(" ELSE ");
                self.call(Function::Floor, arguments)?;
                self.text.write_str(" END")
            }
            // A BIGINT there.
            Function::Ceil | Function::Floor if self.is_spark() && !decimal => {
                write!(self.text, "CAST({name}(")?;
                self.node(first)?;
                self.text.write_str(") AS DOUBLE)")
            }
            Function::Abs if self.is_rounded(first) => self.without_sign(first),
            // A TINYINT in DuckDB, a DOUBLE in Spark.
            Function::Sign => {
                self.text.push_str("CAST(sign(");
                self.node(first)?;
                self.text.write_str(") AS BIGINT)")
            }
            Function::Square if first.data_type == FieldType::Double => {
                self.between(first, "*", first)
            }
            Function::Square => {
                let (own, scale) = match first.data_type {
                    FieldType::Decimal { precision, scale } => (precision, scale),
                    _ => (BIGINT_DIGITS, 0),
                };
                // Spark rounds a product of more than 38 digits to 6 fraction digits; DuckDB's is as long as its type.
                let (one, other) = match self.is_spark() {
                    true if scale > SAFE_SCALE / 2 => (own.min(18), own.min(18)),
                    true => (own, own),
                    false => (MOST_DIGITS, BIGINT_DIGITS.max(scale)),
                };
                self.factor(first, one, scale)?;
                self.text.push_str(" * ");
                self.factor(first, other, scale)
            }
            Function::Sqrt if decimal => {
                self.text.push_str("sqrt(");
                self.cast(first, FieldType::Double)?;
                self.text.write_str(")")
            }
            Function::Round if arguments.len() == 2 => {
                self.text.push_str("round(");
                self.node(first)?;
                match &arguments[1].kind {
                    Kind::Literal(Scalar::BigInt(digits)) => write!(self.text, ", {digits})"),
                    _ => self.text.write_str(")"),
                }
            }
            _ => self.list(name, arguments),
        }
    }

    /// A value as a DECIMAL of so many digits.
    fn factor(&mut self, value: &Node, precision: u8, scale: u8) -> fmt::Result {
        let data_type = FieldType::Decimal { precision, scale };
        match value.data_type == data_type {
            true => self.operand(value),
            false => self.cast(value, data_type),
        }
    }

    /// A call whose whole numbers may be, or must be, INTEGERs.
    fn of_characters(&mut self, name: &str, arguments: &[Node], must: bool) -> fmt::Result {
        write!(self.text, "{name}(")?;
        for (index, argument) in arguments.iter().enumerate() {
            if index > 0 {
                self.text.push_str(", ");
            }
            match (&argument.kind, argument.data_type) {
                (Kind::Literal(Scalar::BigInt(number)), _) if i32::try_from(*number).is_ok() => {
                    write!(self.text, "{number}")?;
                }
                (_, FieldType::BigInt) if must => {
                    self.text.push_str("CAST(");
                    self.node(argument)?;
                    self.text.push_str(" AS INTEGER)");
                }
                _ => self.node(argument)?,
            }
        }
        self.text.write_str(")")
    }
}
