//! Numbers in the words of an engine, where its own rules would give another type or another value.

use std::fmt::{self, Write as _};

use super::{Printer, Spelling};
use crate::{
    calculation::{
        Engine,
        sql::{
            binding::Binding,
            functions::Function,
            tree::{Arithmetic, Kind, Node, Scalar},
            types::{BIGINT_DIGITS, Digits, digits, sum},
        },
    },
    events::FieldType,
};

/// Whole numbers of so many digits are exact as DOUBLE.
const EXACT_DIGITS: u8 = 15;

/// Of a DECIMAL with more digits, Spark rounds what `-` and `abs` make.
const NEGATED_DIGITS: u8 = 34;

impl Printer<'_> {
    pub(super) fn cast(&mut self, value: &Node, data_type: FieldType) -> fmt::Result {
        // DuckDB's DOUBLE of a whole DECIMAL is not always the nearest; that of its text is.
        let inexact = match (value.data_type, data_type) {
            (FieldType::Decimal { precision, scale }, FieldType::Double) => {
                scale == 0 && precision > EXACT_DIGITS
            }
            _ => false,
        };
        self.text.push_str("CAST(");
        // DuckDB's points in time have a zone, which is UTC, and which their texts would show.
        let zoned = value.data_type == FieldType::Timestamp && data_type == FieldType::Varchar;
        let duckdb = self.spelling == Spelling::Engine(Engine::DuckDb);
        match &value.kind {
            _ if inexact && duckdb => self.cast(value, FieldType::Varchar)?,
            _ if zoned && duckdb => {
                self.text.push_str("CAST(");
                self.node(value)?;
                self.text.push_str(" AS TIMESTAMP)");
            }
            Kind::Literal(Scalar::BigInt(number)) => write!(self.text, "{number}")?,
            _ => self.node(value)?,
        }
        let data_type = self.data_type(data_type);
        write!(self.text, " AS {data_type})")
    }

    /// Whether it is a product, to which Spark gives one digit more than we and DuckDB do: with it, another operation could
    /// come to more than 38 digits, and Spark would round.
    pub(super) fn is_longer(&self, node: &Node) -> bool {
        let decimal = matches!(node.data_type, FieldType::Decimal { .. });
        let product = match &node.kind {
            Kind::Arithmetic(Arithmetic::Multiply, ..) => true,
            Kind::Call(function, _) => *function == Function::Square,
            _ => false,
        };
        self.is_spark() && decimal && product
    }

    /// Two numbers of the type that the operation works on; beside another BIGINT, one that stands in the text may be an INTEGER.
    pub(super) fn numbers(&mut self, left: &Node, symbol: &str, right: &Node) -> fmt::Result {
        let stands = |node: &Node| matches!(node.kind, Kind::Literal(_));
        match stands(left) && stands(right) {
            true => self.between(left, symbol, right),
            false => self.comparison(left, symbol, right),
        }
    }

    pub(super) fn arithmetic(&mut self, op: Arithmetic, left: &Node, right: &Node) -> fmt::Result {
        if self.is_canonical() {
            return self.chain(Binding::of_arithmetic(op), left, op.symbol(), right);
        }
        match (op, left.data_type) {
            (Arithmetic::IntegerDivide, _) if !self.is_spark() => self.numbers(left, "//", right),
            // DuckDB's product of two short DECIMALs has at most 18 digits.
            (Arithmetic::Multiply, FieldType::Decimal { precision, scale })
                if !self.is_spark() && precision < BIGINT_DIGITS =>
            {
                let precision = BIGINT_DIGITS;
                self.cast(left, FieldType::Decimal { precision, scale })?;
                self.text.push_str(" * ");
                self.operand(right)
            }
            _ => self.numbers(left, op.symbol(), right),
        }
    }

    pub(super) fn negation(&mut self, value: &Node) -> fmt::Result {
        if self.is_rounded(value) {
            return self.difference_from_zero(value);
        }
        let duckdb = self.spelling == Spelling::Engine(Engine::DuckDb);
        // DuckDB moves a minus to the other side of a comparison, where NaN must not have it.
        if duckdb && value.data_type == FieldType::Double {
            self.operand(value)?;
            return self.text.write_str(" * -1e0");
        }
        self.text.push('-');
        if !matches!(value.kind, Kind::Literal(_)) {
            return self.operand(value);
        }
        // The sign would become a part of a number in the text.
        self.text.push('(');
        self.node(value)?;
        self.text.write_str(")")
    }

    /// Whether Spark rounds the negation of this value.
    pub(super) fn is_rounded(&self, value: &Node) -> bool {
        let long = |data_type| matches!(data_type, FieldType::Decimal { precision, .. } if precision > NEGATED_DIGITS);
        self.is_spark() && long(value.data_type)
    }

    /// The negation of a long DECIMAL in Spark.
    pub(super) fn difference_from_zero(&mut self, value: &Node) -> fmt::Result {
        let data_type = self.data_type(value.data_type);
        // A difference has one digit more, for which Spark may round away fraction digits.
        let is_exact =
            digits(value.data_type).is_some_and(|digits| sum(Digits::new(1, 0), digits).is_some());
        if is_exact {
            self.text.push_str("CAST(0 - ");
            self.operand(value)?;
        } else {
            self.text.push_str("CAST(replace(concat('-', CAST(");
            self.node(value)?;
            self.text.push_str(" AS STRING)), '--', '')");
        }
        write!(self.text, " AS {data_type})")
    }

    /// A long DECIMAL without its sign in Spark.
    pub(super) fn without_sign(&mut self, value: &Node) -> fmt::Result {
        let data_type = self.data_type(value.data_type);
        self.text.push_str("CAST(replace(CAST(");
        self.node(value)?;
        write!(self.text, " AS STRING), '-', '') AS {data_type})")
    }
}
