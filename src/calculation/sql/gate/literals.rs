//! Values that stand in the text.

use sqlparser::ast::{Expr, UnaryOperator, Value};

use super::{Gate, Taken};
use crate::{
    calculation::sql::{
        tree::{Kind, Node, Scalar},
        types::{Digits, MOST_DIGITS},
    },
    events::FieldType,
};

impl Gate<'_> {
    pub(super) fn literal(&self, whole: &Expr, value: &Value) -> Taken {
        match value {
            Value::Number(text, false) => self.written_number(whole, text, false),
            Value::SingleQuotedString(text) => {
                let text = Scalar::Text(text.clone());
                Ok(Node::new(Kind::Literal(text), FieldType::Varchar))
            }
            Value::Boolean(value) => Ok(Node::boolean(Kind::Literal(Scalar::Boolean(*value)))),
            Value::Null => Ok(Node::boolean(Kind::Null)),
            other => Err(self.refuse(
                whole,
                format!(
                    "{other} is not taken; a value is 12, 1.50, 1e3, 'text', TRUE, FALSE or NULL"
                ),
            )),
        }
    }

    /// A number in the text: BIGINT, DECIMAL with a point, DOUBLE with an exponent.
    pub(super) fn written_number(&self, at: &Expr, text: &str, negative: bool) -> Taken {
        let sign = if negative { "-" } else { "" };
        if text.contains(['e', 'E']) {
            let parsed = format!("{sign}{text}").parse::<f64>().ok();
            let value = parsed.filter(|value| value.is_finite());
            let value = value.ok_or_else(|| {
                self.refuse(
                    at,
                    format!("{text} is not a DOUBLE, which ends at 1.79e308"),
                )
            })?;
            return Ok(Node::new(
                Kind::Literal(Scalar::Double(value)),
                FieldType::Double,
            ));
        }
        let Some((whole, fraction)) = text.split_once('.') else {
            let value = format!("{sign}{text}").parse::<i64>().map_err(|_| {
                let message = format!("{text} is not a BIGINT; write {text}.0 for a DECIMAL");
                self.refuse(at, message)
            })?;
            return Ok(Node::new(
                Kind::Literal(Scalar::BigInt(value)),
                FieldType::BigInt,
            ));
        };
        let digits = format!("{}{fraction}", whole.trim_start_matches('0'));
        let decimal = u8::try_from(digits.len().max(1))
            .ok()
            .filter(|precision| *precision <= MOST_DIGITS)
            .zip(u8::try_from(fraction.len()).ok());
        let value = match digits.as_str() {
            "" => Ok(0),
            digits => format!("{sign}{digits}").parse::<i128>(),
        };
        match (decimal, value) {
            (Some((precision, scale)), Ok(value)) => Ok(Node::new(
                Kind::Literal(Scalar::Decimal(value)),
                Digits::new(precision, scale),
            )),
            _ => Err(self.refuse(at, format!("{text} has more than {MOST_DIGITS} digits"))),
        }
    }

    /// `-x`; the least BIGINT is a number, although what stands after its minus is none.
    pub(super) fn negated(&self, operand: &Expr) -> Taken {
        if let Expr::Value(value) = operand
            && let Value::Number(text, false) = &value.value
        {
            return self.written_number(operand, text, true);
        }
        let value = self.number(operand)?;
        let data_type = value.data_type;
        Ok(Node::new(Kind::Negate(Box::new(value)), data_type))
    }

    /// A whole number that stands in the text, with its sign.
    pub(super) fn digits(&self, expression: &Expr) -> Option<i64> {
        let (text, sign) = match expression {
            Expr::Value(value) => (&value.value, 1),
            Expr::Nested(inner) => return self.digits(inner),
            Expr::UnaryOp {
                op: UnaryOperator::Minus,
                expr,
            } => match &**expr {
                Expr::Value(value) => (&value.value, -1),
                _ => return None,
            },
            _ => return None,
        };
        match text {
            Value::Number(text, false) => text.parse::<i64>().ok().map(|value| sign * value),
            _ => None,
        }
    }
}
