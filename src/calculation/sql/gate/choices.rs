//! CASE, COALESCE, NULLIF, GREATEST, LEAST.

use sqlparser::ast::{CaseWhen, Expr};

use super::{Gate, Taken, boxed};
use crate::calculation::sql::{
    error::SqlError,
    tree::{Comparison, Extreme, Kind, Node},
};

impl Gate<'_> {
    pub(super) fn case(
        &self,
        operand: Option<&Expr>,
        conditions: &[CaseWhen],
        otherwise: Option<&Expr>,
    ) -> Taken {
        let mut tests = Vec::with_capacity(conditions.len());
        let mut results = Vec::with_capacity(conditions.len() + 1);
        for when in conditions {
            tests.push(match operand {
                None => self.truth(&when.condition)?,
                Some(operand) => self.comparison(Comparison::Equal, operand, &when.condition)?,
            });
            results.push((&when.result, self.node(&when.result)?));
        }
        if let Some(otherwise) = otherwise {
            results.push((otherwise, self.node(otherwise)?));
        }
        self.typed_somewhere(&results)?;
        let mut results = self.alike(results)?;
        let otherwise = otherwise.and_then(|_| results.pop()).map(boxed);
        let data_type = match results.first() {
            Some(result) => result.data_type,
            None => return Err(SqlError::new(self.text, None, "CASE needs a WHEN")),
        };
        let branches = tests.into_iter().zip(results).collect();
        Ok(Node::new(
            Kind::Case {
                branches,
                otherwise,
            },
            data_type,
        ))
    }

    pub(super) fn coalesce(&self, arguments: &[&Expr]) -> Taken {
        let values = self.values(arguments)?;
        let data_type = values[0].data_type;
        Ok(Node::new(Kind::Coalesce(values), data_type))
    }

    pub(super) fn extreme(&self, extreme: Extreme, arguments: &[&Expr]) -> Taken {
        let values = self.values(arguments)?;
        let data_type = values[0].data_type;
        Ok(Node::new(Kind::Extreme(extreme, values), data_type))
    }

    /// The arguments as values of one type; at least one.
    fn values(&self, arguments: &[&Expr]) -> Result<Vec<Node>, SqlError> {
        let mut nodes = Vec::with_capacity(arguments.len());
        for argument in arguments {
            nodes.push((*argument, self.node(argument)?));
        }
        self.typed_somewhere(&nodes)?;
        self.alike(nodes)
    }

    pub(super) fn nullif(&self, value: &Expr, other: &Expr) -> Taken {
        let condition = boxed(self.comparison(Comparison::Equal, value, other)?);
        let at = value;
        let value = self.node(value)?;
        if value.kind == Kind::Null {
            return Err(self.refuse(at, "nullif of NULL is always NULL; write a value"));
        }
        let data_type = value.data_type;
        let value = boxed(value);
        Ok(Node::new(Kind::NullIf { value, condition }, data_type))
    }

    /// One of the nodes says which type they have.
    fn typed_somewhere(&self, nodes: &[(&Expr, Node)]) -> Result<(), SqlError> {
        match nodes {
            [(first, _), ..] if nodes.iter().all(|(_, node)| node.kind == Kind::Null) => Err(self
                .refuse(
                    first,
                    "this is always NULL; write a value, or CAST(NULL AS BIGINT)",
                )),
            _ => Ok(()),
        }
    }
}
