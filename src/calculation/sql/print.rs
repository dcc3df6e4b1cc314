//! The typed tree as text: the canonical one, which reads back as the same tree, and that of an engine.

use std::fmt::{self, Write as _};

use arrow_schema::Schema;

use super::{
    binding::Binding,
    functions::Function,
    tree::{Arithmetic, Extreme, Kind, Node, Scalar, Truth},
    types::BIGINT_DIGITS,
};
use crate::events::{FieldType, Identifier, time};

/// Whole numbers of so many digits are exact as DOUBLE.
const EXACT_DIGITS: u8 = 15;

/// Whose words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// Ours, without what the rules of types add.
    Canonical,
    /// Those of DuckDB, with every type written out.
    DuckDb,
}

/// The text of an expression.
pub(super) fn text(node: &Node, fields: &Schema, spelling: Spelling) -> String {
    let mut printer = Printer {
        fields,
        spelling,
        text: String::new(),
    };
    // Writing to a String cannot fail.
    let _ = printer.node(node);
    printer.text
}

struct Printer<'a> {
    fields: &'a Schema,
    spelling: Spelling,
    text: String,
}

impl Printer<'_> {
    fn is_canonical(&self) -> bool {
        self.spelling == Spelling::Canonical
    }

    /// An operand, in parentheses when it is not one word.
    fn operand(&mut self, node: &Node) -> fmt::Result {
        let simple = match &node.kind {
            Kind::Literal(Scalar::BigInt(value)) => self.is_canonical() && *value >= 0,
            Kind::Literal(Scalar::Double(value)) => *value >= 0.0,
            Kind::Literal(Scalar::Decimal(value)) => *value >= 0,
            // It is a product there.
            Kind::Call(Function::Square, _) => self.is_canonical(),
            Kind::Null | Kind::Field(_) | Kind::Call(..) | Kind::Literal(_) => true,
            Kind::Coalesce(_) | Kind::NullIf { .. } | Kind::Extreme(..) | Kind::Case { .. } => true,
            Kind::Cast { value, written } if self.is_canonical() && !written => {
                return self.operand(value);
            }
            Kind::Cast { .. } => true,
            _ => false,
        };
        if simple {
            return self.node(node);
        }
        self.text.push('(');
        self.node(node)?;
        self.text.push(')');
        Ok(())
    }

    /// Two operands of an operation that binds as `binding` says. A chain needs no parentheses: they would stand in each
    /// other, which the grammar bounds.
    fn chain(&mut self, binding: Binding, left: &Node, symbol: &str, right: &Node) -> fmt::Result {
        let product_in_sum = |operand: &Node| {
            binding == Binding::Sum && Binding::of(operand) == Some(Binding::Product)
        };
        let first = Binding::of(left) == Some(binding) || product_in_sum(left);
        match self.is_canonical() && first {
            true => self.node(left)?,
            false => self.operand(left)?,
        }
        write!(self.text, " {symbol} ")?;
        match self.is_canonical() && product_in_sum(right) {
            true => self.node(right),
            false => self.operand(right),
        }
    }

    fn between(&mut self, left: &Node, symbol: &str, right: &Node) -> fmt::Result {
        self.operand(left)?;
        write!(self.text, " {symbol} ")?;
        self.operand(right)
    }

    fn list(&mut self, name: &str, nodes: &[Node]) -> fmt::Result {
        write!(self.text, "{name}(")?;
        for (index, node) in nodes.iter().enumerate() {
            if index > 0 {
                self.text.push_str(", ");
            }
            self.node(node)?;
        }
        self.text.push(')');
        Ok(())
    }

    fn cast(&mut self, value: &Node, data_type: FieldType) -> fmt::Result {
        // DuckDB's DOUBLE of a whole DECIMAL is not always the nearest; that of its text is.
        let inexact = match (value.data_type, data_type) {
            (FieldType::Decimal { precision, scale }, FieldType::Double) => {
                scale == 0 && precision > EXACT_DIGITS
            }
            _ => false,
        };
        if inexact && !self.is_canonical() {
            self.text.push_str("CAST(CAST(");
            self.node(value)?;
            return self.text.write_str(" AS VARCHAR) AS DOUBLE)");
        }
        self.text.push_str("CAST(");
        // Its points in time have a zone, which is UTC, and which their texts would show.
        let zoned = value.data_type == FieldType::Timestamp && data_type == FieldType::Varchar;
        match (zoned, data_type) {
            (true, _) if !self.is_canonical() => {
                self.text.push_str("CAST(");
                self.node(value)?;
                self.text.write_str(" AS TIMESTAMP) AS VARCHAR)")
            }
            (_, FieldType::Timestamp) if !self.is_canonical() => {
                self.node(value)?;
                self.text.write_str(" AS TIMESTAMPTZ)")
            }
            _ => {
                self.node(value)?;
                write!(self.text, " AS {data_type})")
            }
        }
    }

    fn node(&mut self, node: &Node) -> fmt::Result {
        let not = |negated: &bool| if *negated { " NOT" } else { "" };
        match &node.kind {
            Kind::Null => self.text.write_str("NULL"),
            Kind::Field(index) => {
                let fields = self.fields;
                write!(self.text, "{}", Identifier(fields.field(*index).name()))
            }
            Kind::Literal(scalar) => self.literal(scalar, node.data_type),
            Kind::Cast { value, written } if self.is_canonical() && !written => self.node(value),
            Kind::Cast { value, .. } => self.cast(value, node.data_type),
            // DuckDB moves a minus to the other side of a comparison, where NaN must not have it.
            Kind::Negate(value) if !self.is_canonical() && value.data_type == FieldType::Double => {
                self.operand(value)?;
                self.text.write_str(" * -1e0")
            }
            Kind::Negate(value) => {
                self.text.push('-');
                if !matches!(value.kind, Kind::Literal(_)) {
                    return self.operand(value);
                }
                // The sign would become a part of a number in the text.
                self.text.push('(');
                self.node(value)?;
                self.text.write_str(")")
            }
            Kind::Arithmetic(op, left, right) => self.arithmetic(*op, left, right),
            Kind::Compare(op, left, right) => self.between(left, op.symbol(), right),
            Kind::And(left, right) => self.chain(Binding::And, left, "AND", right),
            Kind::Or(left, right) => self.chain(Binding::Or, left, "OR", right),
            Kind::Not(value) => {
                self.text.push_str("NOT ");
                self.operand(value)
            }
            Kind::Is {
                value,
                what,
                negated,
            } => {
                self.operand(value)?;
                let what = match what {
                    Truth::Null => "NULL",
                    Truth::True => "TRUE",
                    Truth::False => "FALSE",
                    Truth::Unknown => "UNKNOWN",
                };
                write!(self.text, " IS{} {what}", not(negated))
            }
            Kind::Distinct {
                left,
                right,
                negated,
            } => self.between(left, &format!("IS{} DISTINCT FROM", not(negated)), right),
            Kind::In {
                value,
                list,
                negated,
            } => {
                self.operand(value)?;
                self.text.push_str(not(negated));
                self.list(" IN ", list)
            }
            Kind::Between {
                value,
                low,
                high,
                negated,
            } => {
                self.operand(value)?;
                write!(self.text, "{} BETWEEN ", not(negated))?;
                self.between(low, "AND", high)
            }
            Kind::Case {
                branches,
                otherwise,
            } => {
                self.text.push_str("CASE");
                for (condition, result) in branches {
                    self.text.push_str(" WHEN ");
                    self.node(condition)?;
                    self.text.push_str(" THEN ");
                    self.node(result)?;
                }
                if let Some(otherwise) = otherwise {
                    self.text.push_str(" ELSE ");
                    self.node(otherwise)?;
                }
                self.text.write_str(" END")
            }
            Kind::Coalesce(values) => self.list("coalesce", values),
            Kind::Extreme(Extreme::Greatest, values) => self.list("greatest", values),
            Kind::Extreme(Extreme::Least, values) => self.list("least", values),
            Kind::NullIf { value, condition } => self.null_if(value, condition),
            Kind::Call(function, arguments) => self.call(*function, node, arguments),
            Kind::Shift { value, count, unit } => {
                self.operand(value)?;
                let sign = if *count < 0 { '-' } else { '+' };
                write!(
                    self.text,
                    " {sign} INTERVAL '{}' {unit}",
                    count.unsigned_abs()
                )
            }
            Kind::Concatenation(left, right) => {
                self.chain(Binding::Concatenation, left, "||", right)
            }
            Kind::Like {
                value,
                pattern,
                escape,
                negated,
            } => {
                let word = if *negated { "NOT LIKE" } else { "LIKE" };
                self.between(value, word, pattern)?;
                match escape {
                    Some(escape) => {
                        let escape = if *escape == '\'' {
                            "''".to_owned()
                        } else {
                            escape.to_string()
                        };
                        write!(self.text, " ESCAPE '{escape}'")
                    }
                    None => Ok(()),
                }
            }
        }
    }

    fn null_if(&mut self, value: &Node, condition: &Node) -> fmt::Result {
        if let (true, Kind::Compare(_, _, other)) = (self.is_canonical(), &condition.kind) {
            self.text.push_str("nullif(");
            self.node(value)?;
            self.text.push_str(", ");
            self.node(other)?;
            return self.text.write_str(")");
        }
        self.text.push_str("CASE WHEN (");
        self.node(condition)?;
        self.text.push_str(") IS NOT TRUE THEN ");
        self.node(value)?;
        self.text.write_str(" END")
    }

    fn arithmetic(&mut self, op: Arithmetic, left: &Node, right: &Node) -> fmt::Result {
        if self.is_canonical() {
            return self.chain(Binding::of_arithmetic(op), left, op.symbol(), right);
        }
        match (op, left.data_type) {
            (Arithmetic::IntegerDivide, _) => self.between(left, "//", right),
            // DuckDB's product of two short DECIMALs has at most 18 digits.
            (Arithmetic::Multiply, FieldType::Decimal { precision, scale })
                if precision < BIGINT_DIGITS =>
            {
                let precision = BIGINT_DIGITS;
                self.cast(left, FieldType::Decimal { precision, scale })?;
                self.text.push_str(" * ");
                self.operand(right)
            }
            _ => self.between(left, op.symbol(), right),
        }
    }

    fn literal(&mut self, scalar: &Scalar, data_type: FieldType) -> fmt::Result {
        match scalar {
            Scalar::Null if self.is_canonical() => self.text.write_str("NULL"),
            Scalar::Null if data_type == FieldType::Timestamp => {
                self.text.write_str("CAST(NULL AS TIMESTAMPTZ)")
            }
            Scalar::Null => write!(self.text, "CAST(NULL AS {data_type})"),
            Scalar::BigInt(value) if self.is_canonical() => write!(self.text, "{value}"),
            Scalar::BigInt(value) => write!(self.text, "CAST({value} AS BIGINT)"),
            Scalar::Double(value) => write!(self.text, "{value:e}"),
            Scalar::Decimal(value) => {
                let scale = match data_type {
                    FieldType::Decimal { scale, .. } => usize::from(scale),
                    _ => 0,
                };
                let sign = if *value < 0 { "-" } else { "" };
                let digits = format!("{:0>width$}", value.unsigned_abs(), width = scale);
                let (before, after) = digits.split_at(digits.len() - scale);
                let before = if before.is_empty() { "0" } else { before };
                write!(self.text, "{sign}{before}.{after}")
            }
            Scalar::Timestamp(micros) => {
                let mut text = Vec::new();
                time::write_timestamp(*micros, &mut text);
                let name = if self.is_canonical() {
                    "TIMESTAMP"
                } else {
                    "TIMESTAMPTZ"
                };
                write!(self.text, "{name} '{}'", String::from_utf8_lossy(&text))
            }
            Scalar::Date(days) => {
                let mut text = Vec::new();
                time::write_date(i64::from(*days), &mut text);
                write!(self.text, "DATE '{}'", String::from_utf8_lossy(&text))
            }
            Scalar::Text(text) => write!(self.text, "'{}'", text.replace('\'', "''")),
            Scalar::Boolean(value) => {
                write!(self.text, "{}", if *value { "TRUE" } else { "FALSE" })
            }
        }
    }

    fn call(&mut self, function: Function, node: &Node, arguments: &[Node]) -> fmt::Result {
        let name = function.definition().name;
        let first = &arguments[0];
        let decimal = matches!(first.data_type, FieldType::Decimal { .. });
        let whole = first.data_type == FieldType::BigInt;
        match function {
            Function::Position => {
                self.text.push_str("position(");
                self.between(first, "IN", &arguments[1])?;
                self.text.write_str(")")
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
            // The number of characters is an INTEGER there.
            Function::Lpad | Function::Rpad => {
                write!(self.text, "{name}(")?;
                self.node(first)?;
                self.text.push_str(", CAST(");
                self.node(&arguments[1])?;
                self.text.push_str(" AS INTEGER), ");
                self.node(&arguments[2])?;
                self.text.write_str(")")
            }
            // What they give of a BIGINT in DuckDB is a DOUBLE.
            Function::Ceil | Function::Floor | Function::Trunc if whole => self.operand(first),
            // DuckDB's is a DOUBLE.
            Function::Trunc if decimal => {
                self.text.push_str("CASE WHEN (");
                self.node(first)?;
                self.text.push_str(") < 0 THEN ceil(");
                self.node(first)?;
                self.text.push_str(") ELSE floor(");
                self.node(first)?;
                self.text.write_str(") END")
            }
            Function::Square if first.data_type == FieldType::Double => {
                self.between(first, "*", first)
            }
            Function::Square => {
                let scale = match node.data_type {
                    FieldType::Decimal { scale, .. } => scale / 2,
                    _ => 0,
                };
                let precision = 38;
                self.cast(first, FieldType::Decimal { precision, scale })?;
                self.text.push_str(" * ");
                self.cast(
                    first,
                    FieldType::Decimal {
                        precision: 19.max(scale),
                        scale,
                    },
                )
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
}
