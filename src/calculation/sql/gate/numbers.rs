//! Arithmetic.

use sqlparser::ast::Expr;

use super::{Gate, Taken, boxed};
use crate::{
    calculation::sql::{
        error::SqlError,
        tree::{Arithmetic, Kind, Node},
        types::{self, Digits},
    },
    events::FieldType,
};

impl Gate<'_> {
    /// An expression that is a number.
    pub(super) fn number(&self, expression: &Expr) -> Taken {
        let node = self.node(expression)?;
        match (&node.kind, node.data_type) {
            (Kind::Null, _) => Err(self.refuse(
                expression,
                "NULL has no type here; write CAST(NULL AS BIGINT), or another type",
            )),
            (_, found) if found.is_numeric() => Ok(node),
            (_, FieldType::Boolean) => Err(self.refuse(
                expression,
                "this is a BOOLEAN, and a number must stand here; write CASE WHEN it THEN 1 ELSE 0 END",
            )),
            (_, FieldType::Timestamp | FieldType::Date) => Err(self.refuse(
                expression,
                "this is a point in time, and a number must stand here; write epoch_ms(it), or + INTERVAL '3' DAY",
            )),
            (_, found) => Err(self.refuse(
                expression,
                format!("this is a {found}, and a number must stand here; CAST it to one"),
            )),
        }
    }

    pub(super) fn arithmetic(
        &self,
        whole: &Expr,
        op: Arithmetic,
        left: &Expr,
        right: &Expr,
    ) -> Taken {
        let (a, b) = (self.number(left)?, self.number(right)?);
        use FieldType::{BigInt, Double};
        let make = |a: Node, b: Node, data_type: FieldType| {
            Ok(Node::new(
                Kind::Arithmetic(op, boxed(a), boxed(b)),
                data_type,
            ))
        };
        match (op, a.data_type, b.data_type) {
            (Arithmetic::IntegerDivide, BigInt, BigInt) => make(a, b, BigInt),
            (Arithmetic::IntegerDivide, ..) => Err(self.refuse(
                whole,
                format!(
                    "div is taken between two BIGINT, and this is {} div {}: DuckDB and Spark differ there; CAST(floor(...) AS BIGINT) gives a BIGINT",
                    a.data_type, b.data_type
                ),
            )),
            (_, Double, _) | (_, _, Double) => make(a.into_type(Double), b.into_type(Double), Double),
            (Arithmetic::Divide, BigInt, BigInt) => Err(self.refuse(
                whole,
                "/ is not taken between two BIGINT: write a div b for the quotient without its fraction, or CAST(a AS DOUBLE) / b",
            )),
            (Arithmetic::Divide, ..) => Err(self.refuse(
                whole,
                "/ is not taken on a DECIMAL: DuckDB gives a DOUBLE, Spark a rounded DECIMAL; write CAST(a AS DOUBLE) / b, or multiply by the reciprocal",
            )),
            (_, BigInt, BigInt) => make(a, b, BigInt),
            (_, one, other) => {
                let digits = |node| types::digits(Node::narrow_type(node));
                let (Some(one_digits), Some(other_digits)) = (digits(&a), digits(&b)) else {
                    return Err(self.refuse(whole, format!("{one} {} {other}", op.symbol())));
                };
                self.decimals(whole, op, (a, one_digits), (b, other_digits))
            }
        }
    }

    fn decimals(
        &self,
        whole: &Expr,
        op: Arithmetic,
        (a, a_digits): (Node, Digits),
        (b, b_digits): (Node, Digits),
    ) -> Taken {
        let found = match op {
            Arithmetic::Multiply => types::product(a_digits, b_digits),
            Arithmetic::Remainder => {
                types::common(a_digits.into(), b_digits.into()).and_then(types::digits)
            }
            _ => types::sum(a_digits, b_digits),
        };
        let digits = found.ok_or_else(|| self.too_many_digits(whole, op, a_digits, b_digits))?;
        // A remainder is taken of two numbers of one scale; the others work on the digits as they are.
        let (a_type, b_type) = match op {
            Arithmetic::Remainder => (digits.into(), digits.into()),
            _ => (a_digits.into(), b_digits.into()),
        };
        let (a, b) = (boxed(a.into_type(a_type)), boxed(b.into_type(b_type)));
        Ok(Node::new(Kind::Arithmetic(op, a, b), digits))
    }

    fn too_many_digits(&self, whole: &Expr, op: Arithmetic, a: Digits, b: Digits) -> SqlError {
        let (one, other) = (FieldType::from(a), FieldType::from(b));
        let message = format!(
            "{one} {} {other} has more than 38 digits, and Spark would round its fraction; CAST an operand to fewer digits",
            op.symbol()
        );
        self.refuse(whole, message)
    }
}
