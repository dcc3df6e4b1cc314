//! What is taken: sqlparser's tree in, the typed tree out, or the reason why not and what to write instead.
//!
//! The set is closed. A form is taken where DuckDB and Spark (ANSI) give one value for every row that both accept; what
//! they see differently is refused here, or rejects its row in `eval`.

mod calls;
mod casts;
mod choices;
mod comparisons;
mod literals;
mod numbers;
mod texts;
mod times;

use std::cell::Cell;

use arrow_schema::{FieldRef, Schema};
use sqlparser::ast::{BinaryOperator, Expr, Ident, InTarget, UnaryOperator};

use super::{
    super::near::near,
    error::SqlError,
    grammar::{Written, begin, place},
    nullable::is_nullable,
    tree::{Arithmetic, Columns, Comparison, Kind, Node, Scalar, Truth},
    types,
};
use crate::events::{FieldType, Identifier, NameTaken, columns::RESULT};

/// How many operations may stand in each other; a chain such as `a + b + c` counts each of its operators.
const DEEPEST: usize = 200;

/// The typed trees of what was `written` in `text`, over `fields`.
pub(super) fn typed(text: &str, written: &[Written], fields: &Schema) -> Result<Columns, SqlError> {
    let mut nodes: Vec<Node> = Vec::with_capacity(written.len());
    let mut schema = fields.clone();
    for column in written {
        let name = name(text, column, written.len() == 1)?;
        let names = schema.fields().iter().map(|field| field.name().as_str());
        let count = fields.fields().len();
        let taken = NameTaken::check(name, names.clone().take(count), names.skip(count));
        taken.map_err(|taken| {
            let at = column.name.as_ref().map(|name| place(name.span.start));
            let at = at.or_else(|| begin(&column.expression));
            SqlError::new(text, at, format!("{name:?} cannot be the name: {taken}"))
        })?;
        let gate = Gate::new(text, &schema);
        let node = gate.node(&column.expression)?;
        if node.kind == Kind::Null {
            let always = "the result is always NULL; write a value";
            return Err(gate.refuse(&column.expression, always));
        }
        let nullable = !column.not_null && is_nullable(&node, &schema);
        // A field as it is keeps its type: text that is JSON stays JSON.
        let data_type = match node.kind {
            Kind::Field(index) => FieldType::of_column(schema.field(index)),
            _ => None,
        };
        let field = data_type.unwrap_or(node.data_type).column(name, nullable);
        let known = schema.fields().iter().cloned();
        schema = Schema::new(known.chain([FieldRef::new(field)]).collect::<Vec<_>>());
        nodes.push(node);
    }
    Ok(Columns { nodes, schema })
}

/// The name of a column: a single one is `result` unless it says otherwise.
fn name<'w>(text: &str, column: &'w Written, single: bool) -> Result<&'w str, SqlError> {
    match &column.name {
        Some(name) if name.quote_style.is_none_or(|quote| quote == '"') => Ok(&name.value),
        Some(name) => {
            let message = format!(
                "a name stands in double quotes or in none; write AS {}",
                Identifier(&name.value)
            );
            Err(SqlError::new(text, Some(place(name.span.start)), message))
        }
        None if single => Ok(RESULT),
        None => {
            let message = "of several columns, each needs a name; write AS and the name after it";
            Err(SqlError::new(text, begin(&column.expression), message))
        }
    }
}

/// The typed tree of the condition `expression`, which was read from `text`, over `fields`.
pub(super) fn condition(text: &str, expression: &Expr, fields: &Schema) -> Result<Node, SqlError> {
    let gate = Gate::new(text, fields);
    let node = gate.truth(expression)?;
    if node.kind == Kind::Literal(Scalar::Null) {
        let message = "the condition is always NULL, which takes no event";
        return Err(gate.refuse(expression, message));
    }
    Ok(node)
}

struct Gate<'a> {
    text: &'a str,
    fields: &'a Schema,
    depth: Cell<usize>,
}

type Taken = Result<Node, SqlError>;

fn boxed(node: Node) -> Box<Node> {
    Box::new(node)
}

impl<'a> Gate<'a> {
    fn new(text: &'a str, fields: &'a Schema) -> Gate<'a> {
        let depth = Cell::new(0);
        Gate {
            text,
            fields,
            depth,
        }
    }

    fn refuse(&self, at: &Expr, message: impl Into<String>) -> SqlError {
        SqlError::new(self.text, begin(at), message)
    }

    fn node(&self, expression: &Expr) -> Taken {
        let depth = self.depth.get() + 1;
        if depth > DEEPEST {
            let message =
                format!("more than {DEEPEST} operations stand in each other; write it flatter");
            return Err(SqlError::new(self.text, None, message));
        }
        self.depth.set(depth);
        let node = self.form(expression);
        self.depth.set(depth - 1);
        node
    }

    fn form(&self, expression: &Expr) -> Taken {
        match expression {
            Expr::Nested(inner) => self.node(inner),
            Expr::Identifier(name) => self.field(name),
            Expr::Value(value) => self.literal(expression, &value.value),
            Expr::UnaryOp { op, expr } => self.unary(expression, *op, expr),
            Expr::BinaryOp { left, op, right } => self.binary(expression, left, op, right),
            Expr::IsNull(value) => self.is(value, Truth::Null, false),
            Expr::IsNotNull(value) => self.is(value, Truth::Null, true),
            Expr::IsTrue(value) => self.is(value, Truth::True, false),
            Expr::IsNotTrue(value) => self.is(value, Truth::True, true),
            Expr::IsFalse(value) => self.is(value, Truth::False, false),
            Expr::IsNotFalse(value) => self.is(value, Truth::False, true),
            Expr::IsUnknown(value) => self.is(value, Truth::Unknown, false),
            Expr::IsNotUnknown(value) => self.is(value, Truth::Unknown, true),
            Expr::IsDistinctFrom(left, right) => self.distinct(left, right, false),
            Expr::IsNotDistinctFrom(left, right) => self.distinct(left, right, true),
            Expr::In {
                expr,
                target: InTarget::List(list),
                negated,
                global: false,
            } => self.contained(expr, list, *negated),
            Expr::Between {
                expr,
                negated,
                low,
                high,
            } => self.between(expr, low, high, *negated),
            Expr::Case {
                operand,
                conditions,
                else_result,
                ..
            } => self.case(operand.as_deref(), conditions, else_result.as_deref()),
            Expr::Cast {
                kind,
                expr,
                data_type,
                format: None,
            } => self.cast(expression, kind, expr, data_type),
            Expr::Function(function) => self.call(expression, function),
            Expr::TypedString(typed) => self.typed_text(expression, typed),
            Expr::Extract { field, expr, .. } => self.extract(expression, field, expr),
            Expr::Ceil { .. } | Expr::Floor { .. } => self.ceil_or_floor(expression),
            Expr::Like {
                negated,
                any: false,
                expr,
                pattern,
                escape_char,
            } => self.like(expr, pattern, escape_char.as_deref(), *negated),
            Expr::Position { .. } | Expr::Substring { .. } | Expr::Trim { .. } => {
                self.text_form(expression)
            }
            other => Err(self.refuse(other, not_taken(other))),
        }
    }

    /// The field of this name, which SQL reads in any case.
    fn field(&self, name: &Ident) -> Taken {
        let wanted = name.value.to_lowercase();
        let mut fields = self.fields.fields().iter().enumerate();
        let found = fields.find(|(_, field)| field.name().to_lowercase() == wanted);
        let place = Some(place(name.span.start));
        let Some((index, field)) = found else {
            let names = self.fields.fields().iter().map(|f| f.name().as_str());
            let declared: Vec<_> = names.clone().map(|n| Identifier(n).to_string()).collect();
            let near = near(&wanted, names).map(|name| format!("; did you mean {name}?"));
            let quoted = match name.quote_style {
                Some('"') => ". Text stands in single quotes",
                _ => "",
            };
            let message = format!(
                "there is no field {:?}{}; declared are: {}{quoted}",
                name.value,
                near.unwrap_or_default(),
                declared.join(", "),
            );
            return Err(SqlError::new(self.text, place, message));
        };
        match FieldType::of(field.data_type()) {
            Some(data_type) => Ok(Node::new(Kind::Field(index), data_type)),
            None => {
                let message = format!("the field {:?} has a type that SQL does not", name.value);
                Err(SqlError::new(self.text, place, message))
            }
        }
    }

    fn unary(&self, whole: &Expr, op: UnaryOperator, operand: &Expr) -> Taken {
        match op {
            UnaryOperator::Not => {
                let value = self.truth(operand)?;
                Ok(Node::boolean(Kind::Not(boxed(value))))
            }
            UnaryOperator::Minus => self.negated(operand),
            UnaryOperator::Plus => self.number(operand),
            _ => Err(self.refuse(whole, not_taken(whole))),
        }
    }

    fn binary(&self, whole: &Expr, left: &Expr, op: &BinaryOperator, right: &Expr) -> Taken {
        let arithmetic = |op| self.arithmetic(whole, op, left, right);
        match (op, left, right) {
            (BinaryOperator::Plus, value, Expr::Interval(interval))
            | (BinaryOperator::Plus, Expr::Interval(interval), value) => {
                return self.shifted(value, interval, whole, 1);
            }
            (BinaryOperator::Minus, value, Expr::Interval(interval)) => {
                return self.shifted(value, interval, whole, -1);
            }
            _ => {}
        }
        let comparison = |op| self.comparison(op, left, right);
        match op {
            BinaryOperator::Plus => arithmetic(Arithmetic::Add),
            BinaryOperator::Minus => arithmetic(Arithmetic::Subtract),
            BinaryOperator::Multiply => arithmetic(Arithmetic::Multiply),
            BinaryOperator::Divide => arithmetic(Arithmetic::Divide),
            BinaryOperator::MyIntegerDivide | BinaryOperator::DuckIntegerDivide => {
                arithmetic(Arithmetic::IntegerDivide)
            }
            BinaryOperator::Modulo => arithmetic(Arithmetic::Remainder),
            BinaryOperator::Eq => comparison(Comparison::Equal),
            BinaryOperator::NotEq => comparison(Comparison::NotEqual),
            BinaryOperator::Lt => comparison(Comparison::Less),
            BinaryOperator::LtEq => comparison(Comparison::LessOrEqual),
            BinaryOperator::Gt => comparison(Comparison::Greater),
            BinaryOperator::GtEq => comparison(Comparison::GreaterOrEqual),
            BinaryOperator::StringConcat => {
                let (left, right) = (self.textual(left)?, self.textual(right)?);
                let kind = Kind::Concatenation(boxed(left), boxed(right));
                Ok(Node::new(kind, FieldType::Varchar))
            }
            BinaryOperator::And => {
                let (left, right) = (self.truth(left)?, self.truth(right)?);
                Ok(Node::boolean(Kind::And(boxed(left), boxed(right))))
            }
            BinaryOperator::Or => {
                let (left, right) = (self.truth(left)?, self.truth(right)?);
                Ok(Node::boolean(Kind::Or(boxed(left), boxed(right))))
            }
            other => {
                let instead = match other {
                    BinaryOperator::BitwiseXor => {
                        "it is a power in DuckDB and XOR in Spark; write a * a for a square"
                    }
                    BinaryOperator::BitwiseAnd | BinaryOperator::BitwiseOr => {
                        "DuckDB and Spark bind it differently; use div and % on whole numbers"
                    }
                    BinaryOperator::Spaceship => "write IS NOT DISTINCT FROM",
                    BinaryOperator::Arrow | BinaryOperator::LongArrow => {
                        "write json_extract_string(text, '$.name')"
                    }
                    _ => "`snapback functions` lists the operators",
                };
                Err(self.refuse(
                    whole,
                    format!("the operator {other} is not taken: {instead}"),
                ))
            }
        }
    }

    /// An expression that is a BOOLEAN.
    fn truth(&self, expression: &Expr) -> Taken {
        let node = self.node(expression)?;
        match (&node.kind, node.data_type) {
            (Kind::Null, _) | (_, FieldType::Boolean) => Ok(node.into_type(FieldType::Boolean)),
            (_, found) => Err(self.refuse(
                expression,
                format!(
                    "this is a {found}, and a BOOLEAN must stand here; compare it, as in x <> 0"
                ),
            )),
        }
    }

    /// The nodes as values of one type that holds them all.
    fn alike(&self, nodes: Vec<(&Expr, Node)>) -> Result<Vec<Node>, SqlError> {
        let mut data_type: Option<FieldType> = None;
        for (expression, node) in &nodes {
            if node.kind == Kind::Null {
                continue;
            }
            // A whole number in the text beside a DECIMAL has as many digits as are written.
            let own = node.narrow_type();
            data_type = Some(match data_type {
                None => own,
                Some(other) => types::common(own, other).ok_or_else(|| {
                    let message = if own.is_numeric() && other.is_numeric() {
                        format!("no DECIMAL of 38 digits holds both a {other} and a {own}; CAST them to one type")
                    } else {
                        let own = node.data_type;
                        format!("a {other} and a {own} stand together; CAST one of them")
                    };
                    self.refuse(expression, message)
                })?,
            });
        }
        // Whole numbers alone are BIGINT after all; NULLs alone may be anything.
        let all_whole = nodes
            .iter()
            .all(|(_, node)| node.kind == Kind::Null || node.data_type == FieldType::BigInt);
        let data_type = match data_type {
            None => FieldType::Boolean,
            Some(FieldType::Decimal { .. }) if all_whole => FieldType::BigInt,
            Some(data_type) => data_type,
        };
        Ok(nodes
            .into_iter()
            .map(|(_, node)| node.into_type(data_type))
            .collect())
    }
}

/// Why a form is not taken, and what to write instead.
fn not_taken(expression: &Expr) -> String {
    let form = match expression {
        Expr::Trim { .. } => {
            "the order of the values is another in DuckDB than in Spark; write trim(BOTH 'x' FROM text), or LEADING, TRAILING"
        }
        Expr::ILike { .. } => "ILIKE is not taken; write lower(text) LIKE pattern",
        Expr::SimilarTo { .. } | Expr::RLike { .. } => {
            "patterns other than LIKE are not taken: DuckDB and Spark have different ones"
        }
        Expr::Subquery(_) | Expr::Exists { .. } | Expr::In { .. } => {
            "a query is not taken: a result is calculated from the fields of its own event"
        }
        Expr::CompoundIdentifier(_)
        | Expr::CompoundFieldAccess { .. }
        | Expr::JsonAccess { .. } => {
            "a name with a dot or an index is not taken; declare the field by itself"
        }
        Expr::Tuple(_) => "a list of values is not taken here; compare them one by one",
        Expr::Wildcard(_) | Expr::QualifiedWildcard(..) => "* is not taken; name the fields",
        Expr::Interval(_) => "an interval stands after + or -, as in at + INTERVAL '3' MONTH",
        Expr::Collate { .. } => "COLLATE is not taken: texts are compared by their bytes",
        Expr::Convert { .. } => "CONVERT is not taken; write CAST(value AS type)",
        Expr::UnaryOp { op, .. } => {
            return format!(
                "the operator {op} is not taken; `snapback functions` lists the operators"
            );
        }
        _ => "this form is not taken; `snapback functions` lists what is",
    };
    form.to_owned()
}
