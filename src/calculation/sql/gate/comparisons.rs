//! IS, comparisons, IN, BETWEEN.

use sqlparser::ast::Expr;

use super::{Gate, Taken, boxed};
use crate::{
    calculation::sql::{
        error::SqlError,
        tree::{Comparison, Kind, Node, Truth},
    },
    events::FieldType,
};

impl Gate<'_> {
    pub(super) fn is(&self, value: &Expr, what: Truth, negated: bool) -> Taken {
        let node = match what {
            Truth::Null => {
                let node = self.node(value)?;
                if node.kind == Kind::Null {
                    node.into_type(FieldType::Boolean)
                } else {
                    node
                }
            }
            _ => self.truth(value)?,
        };
        let value = boxed(node);
        Ok(Node::boolean(Kind::Is {
            value,
            what,
            negated,
        }))
    }

    pub(super) fn comparison(&self, op: Comparison, left: &Expr, right: &Expr) -> Taken {
        let [left, right] = self.comparable(left, right)?;
        Ok(Node::boolean(Kind::Compare(op, left, right)))
    }

    pub(super) fn distinct(&self, left: &Expr, right: &Expr, negated: bool) -> Taken {
        let [left, right] = self.comparable(left, right)?;
        Ok(Node::boolean(Kind::Distinct {
            left,
            right,
            negated,
        }))
    }

    pub(super) fn comparable(&self, left: &Expr, right: &Expr) -> Result<[Box<Node>; 2], SqlError> {
        let nodes = vec![(left, self.node(left)?), (right, self.node(right)?)];
        let mut nodes = self.alike(nodes)?.into_iter();
        match (nodes.next(), nodes.next()) {
            (Some(left), Some(right)) => Ok([boxed(left), boxed(right)]),
            _ => Err(self.refuse(right, "two values are compared")),
        }
    }

    pub(super) fn contained(&self, value: &Expr, list: &[Expr], negated: bool) -> Taken {
        let mut nodes = vec![(value, self.node(value)?)];
        for item in list {
            nodes.push((item, self.node(item)?));
        }
        let mut nodes = self.alike(nodes)?.into_iter();
        let (Some(value), list) = (nodes.next(), nodes.collect()) else {
            return Err(self.refuse(value, "IN needs a value"));
        };
        let value = boxed(value);
        Ok(Node::boolean(Kind::In {
            value,
            list,
            negated,
        }))
    }

    pub(super) fn between(&self, value: &Expr, low: &Expr, high: &Expr, negated: bool) -> Taken {
        let nodes = vec![
            (value, self.node(value)?),
            (low, self.node(low)?),
            (high, self.node(high)?),
        ];
        let mut nodes = self.alike(nodes)?.into_iter();
        let (Some(value), Some(low), Some(high)) = (nodes.next(), nodes.next(), nodes.next())
        else {
            return Err(self.refuse(value, "BETWEEN needs three values"));
        };
        Ok(Node::boolean(Kind::Between {
            value: boxed(value),
            low: boxed(low),
            high: boxed(high),
            negated,
        }))
    }
}
