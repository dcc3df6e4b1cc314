//! The typed tree as text: the canonical one, which reads back as the same tree, and that of an engine.
//!
//! In an engine's text, every expression has the type that it has here, whatever the rules of the engine: where they differ, a
//! CAST says so. Only a whole number in the text may be an INTEGER, where nothing depends on it.

mod calls;
mod literals;
mod numbers;

use std::fmt::{self, Write as _};

use arrow_schema::Schema;

use super::{
    binding::Binding,
    functions::Function,
    nullable::is_nullable,
    tree::{Arithmetic, Columns, Extreme, Kind, Node, Scalar, Truth, Unit},
};
use crate::{
    calculation::Engine,
    events::{FieldType, columns::RESULT},
};

/// Whose words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// Ours, without what the rules of types add.
    Canonical,
    /// Those of an engine.
    Engine(Engine),
}

/// The canonical text of the columns; a single one that is called as one without a name is needs none.
pub(super) fn text(columns: &Columns) -> String {
    let mut printer = Printer::new(&columns.schema, Spelling::Canonical);
    // Writing to a String cannot fail.
    let _ = printer.columns(columns);
    printer.text
}

/// The canonical text of one expression over `fields`.
pub(super) fn expression(node: &Node, fields: &Schema) -> String {
    let mut printer = Printer::new(fields, Spelling::Canonical);
    let _ = printer.node(node);
    printer.text
}

/// The longest text of a column in an engine. Some operations name their operand twice there: in each other, they double it.
const LONGEST: usize = 1 << 20;

/// The expression of each column in an engine: operands of a comparison with what is stored. `None` when one is too long.
pub(super) fn expressions(columns: &Columns, engine: Engine) -> Option<Vec<String>> {
    let expression = |node| {
        let mut printer = Printer::new(&columns.schema, Spelling::Engine(engine));
        printer.compared(node).ok()?;
        Some(printer.text)
    };
    columns.nodes.iter().map(expression).collect()
}

struct Printer<'a> {
    fields: &'a Schema,
    spelling: Spelling,
    text: String,
}

impl Printer<'_> {
    fn new(fields: &Schema, spelling: Spelling) -> Printer<'_> {
        Printer {
            fields,
            spelling,
            text: String::new(),
        }
    }

    fn is_canonical(&self) -> bool {
        self.spelling == Spelling::Canonical
    }

    fn is_spark(&self) -> bool {
        self.spelling == Spelling::Engine(Engine::Spark)
    }

    fn data_type(&self, data_type: FieldType) -> String {
        match self.spelling {
            Spelling::Canonical => data_type.to_string(),
            Spelling::Engine(engine) => engine.data_type(data_type),
        }
    }

    fn quoted(&self, text: &str) -> String {
        match self.spelling {
            // The grammar reads a backslash as itself, as DuckDB does.
            Spelling::Canonical => Engine::DuckDb.text(text),
            Spelling::Engine(engine) => engine.text(text),
        }
    }

    /// An operand of a comparison: a whole number in the text may be an INTEGER there.
    fn compared(&mut self, node: &Node) -> fmt::Result {
        match &node.kind {
            Kind::Literal(Scalar::BigInt(value)) if !self.is_canonical() => {
                write!(self.text, "{value}")
            }
            _ => self.operand(node),
        }
    }

    fn columns(&mut self, columns: &Columns) -> fmt::Result {
        let output = columns.output();
        for (index, (node, column)) in columns.nodes.iter().zip(&output).enumerate() {
            if index > 0 {
                self.text.push_str(", ");
            }
            self.node(node)?;
            let rejects_null = !column.is_nullable() && is_nullable(node, &columns.schema);
            if output.len() > 1 || column.name() != RESULT || rejects_null {
                // In quotes where a word of the language would be another thing: END ends a CASE.
                write!(self.text, " AS {}", Engine::DuckDb.column(column.name()))?;
            }
            if rejects_null {
                self.text.push_str(" NOT NULL");
            }
        }
        Ok(())
    }

    /// An operand, in parentheses when it is not one word.
    fn operand(&mut self, node: &Node) -> fmt::Result {
        let simple = match &node.kind {
            Kind::Literal(Scalar::BigInt(value)) => self.is_canonical() && *value >= 0,
            Kind::Literal(Scalar::Double(value)) => *value >= 0.0,
            Kind::Literal(Scalar::Decimal(value)) => *value >= 0,
            // It is a product there.
            Kind::Call(Function::Square, _) => self.is_canonical() || self.is_longer(node),
            Kind::Null | Kind::Field(_) | Kind::Call(..) | Kind::Literal(_) => true,
            Kind::Arithmetic(Arithmetic::Multiply, ..) if self.is_longer(node) => true,
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

    fn comparison(&mut self, left: &Node, symbol: &str, right: &Node) -> fmt::Result {
        self.compared(left)?;
        write!(self.text, " {symbol} ")?;
        self.compared(right)
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

    fn node(&mut self, node: &Node) -> fmt::Result {
        if self.text.len() > LONGEST && !self.is_canonical() {
            return Err(fmt::Error);
        }
        if self.is_longer(node) {
            self.text.push_str("CAST(");
            self.form(node)?;
            return write!(self.text, " AS {})", node.data_type);
        }
        self.form(node)
    }

    fn form(&mut self, node: &Node) -> fmt::Result {
        let not = |negated: &bool| if *negated { " NOT" } else { "" };
        match &node.kind {
            Kind::Null => self.text.write_str("NULL"),
            Kind::Field(index) => {
                let name = self.fields.field(*index).name();
                let name = match self.spelling {
                    Spelling::Canonical => Engine::DuckDb.column(name),
                    Spelling::Engine(engine) => engine.column(name),
                };
                self.text.write_str(&name)
            }
            Kind::Literal(scalar) => self.literal(scalar, node.data_type),
            Kind::Cast { value, written } if self.is_canonical() && !written => self.node(value),
            Kind::Cast { value, .. } => self.cast(value, node.data_type),
            Kind::Negate(value) => self.negation(value),
            Kind::Arithmetic(op, left, right) => self.arithmetic(*op, left, right),
            Kind::Compare(op, left, right) => self.comparison(left, op.symbol(), right),
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
            } => self.comparison(left, &format!("IS{} DISTINCT FROM", not(negated)), right),
            Kind::In {
                value,
                list,
                negated,
            } => {
                self.compared(value)?;
                write!(self.text, "{} IN ", not(negated))?;
                self.list("", list)
            }
            Kind::Between {
                value,
                low,
                high,
                negated,
            } => {
                self.compared(value)?;
                write!(self.text, "{} BETWEEN ", not(negated))?;
                self.comparison(low, "AND", high)
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
            Kind::Call(function, arguments) => self.call(*function, arguments),
            Kind::Shift { value, count, unit } => {
                self.operand(value)?;
                let sign = if *count < 0 { '-' } else { '+' };
                // Spark has no quarters.
                let (count, unit) = match (count.unsigned_abs(), unit) {
                    (count, Unit::Quarter) if self.is_spark() => {
                        (count.saturating_mul(3), &Unit::Month)
                    }
                    other => other,
                };
                write!(self.text, " {sign} INTERVAL '{count}' {unit}")
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
                        let escape = self.quoted(&escape.to_string());
                        write!(self.text, " ESCAPE {escape}")
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
}
