//! Forms of texts that are more than a call.

use sqlparser::ast::{Expr, TrimWhereField, Value};

use super::{Gate, Taken, boxed};
use crate::{
    calculation::sql::{
        error::SqlError,
        functions::Function,
        tree::{Kind, Node, Scalar},
    },
    events::{FieldType, JsonPath},
};

/// The argument that stands in the text and would reject every row, and what is wrong with it.
pub(super) fn never_taken(function: Function, arguments: &[Node]) -> Option<(usize, &'static str)> {
    let number = |argument: usize| match &arguments.get(argument)?.kind {
        Kind::Literal(Scalar::BigInt(number)) => Some(*number),
        _ => None,
    };
    let is_empty = |argument: usize| matches!(arguments.get(argument).map(|node| &node.kind), Some(Kind::Literal(Scalar::Text(text))) if text.is_empty());
    match function {
        Function::Left | Function::Right if number(1)? < 0 => Some((
            1,
            "a negative number leaves out characters in DuckDB, and is nothing in Spark; write substring(text, from, length)",
        )),
        Function::Substring if number(1) == Some(0) => Some((
            1,
            "a position of 0 is before the text in DuckDB, and its beginning in Spark; positions count from 1",
        )),
        Function::Substring if number(2)? < 0 => Some((
            2,
            "a negative length goes backwards in DuckDB, and is nothing in Spark; count from another position",
        )),
        Function::SplitPart if is_empty(1) => Some((
            1,
            "a separator without characters splits in DuckDB, and does not in Spark; write one with some",
        )),
        Function::SplitPart if number(2)? == 0 => Some((2, "parts count from 1, or back from -1")),
        _ => None,
    }
}

impl Gate<'_> {
    /// An expression that is a text.
    pub(super) fn textual(&self, expression: &Expr) -> Taken {
        let node = self.node(expression)?;
        match (&node.kind, node.data_type) {
            (Kind::Null, _) | (_, FieldType::Varchar) => Ok(node.into_type(FieldType::Varchar)),
            (_, found) => Err(self.refuse(
                expression,
                format!("this is a {found}, and a text must stand here; write CAST(it AS VARCHAR)"),
            )),
        }
    }

    /// An expression that is a BIGINT.
    pub(super) fn whole_number(&self, expression: &Expr) -> Taken {
        let node = self.node(expression)?;
        match (&node.kind, node.data_type) {
            (Kind::Null, _) | (_, FieldType::BigInt) => Ok(node.into_type(FieldType::BigInt)),
            (_, found) => Err(self.refuse(
                expression,
                format!("this is a {found}, and a BIGINT must stand here"),
            )),
        }
    }

    /// A path into JSON that stands in the text.
    pub(super) fn path(&self, expression: &Expr) -> Taken {
        let node = self.node(expression)?;
        let Kind::Literal(Scalar::Text(text)) = &node.kind else {
            let message =
                "the path stands in the text, as in json_extract_string(extra, '$.items[0].name')";
            return Err(self.refuse(expression, message));
        };
        let path = JsonPath::parse(text)
            .map_err(|why| self.refuse(expression, format!("'{text}' is no path here: {why}")))?;
        let path = Scalar::Text(path.to_string());
        Ok(Node::new(Kind::Literal(path), FieldType::Varchar))
    }

    pub(super) fn like(
        &self,
        value: &Expr,
        pattern: &Expr,
        escape: Option<&Expr>,
        negated: bool,
    ) -> Taken {
        let escape = match escape {
            None => None,
            Some(escape) => Some(self.escape(escape)?),
        };
        let (value, at) = (self.textual(value)?, pattern);
        let pattern = self.textual(pattern)?;
        if let Kind::Literal(Scalar::Text(text)) = &pattern.kind {
            self.readable(at, text, escape)?;
        }
        Ok(Node::boolean(Kind::Like {
            value: boxed(value),
            pattern: boxed(pattern),
            escape,
            negated,
        }))
    }

    fn escape(&self, at: &Expr) -> Result<char, SqlError> {
        if let Expr::Value(value) = at
            && let Value::SingleQuotedString(text) = &value.value
        {
            let mut characters = text.chars();
            if let (Some(escape), None) = (characters.next(), characters.next())
                && escape != '\\'
            {
                return Ok(escape);
            }
        }
        Err(self.refuse(
            at,
            "ESCAPE takes one character in quotes, and no backslash; write ESCAPE '!'",
        ))
    }

    /// A pattern in the text is one that both engines read alike.
    fn readable(&self, at: &Expr, pattern: &str, escape: Option<char>) -> Result<(), SqlError> {
        if pattern.contains('\\') {
            return Err(self.refuse(
                at,
                "a backslash in a pattern is an escape in Spark and none in DuckDB; write ESCAPE '!', and ! before % and _",
            ));
        }
        let mut characters = pattern.chars();
        while let Some(character) = characters.next() {
            if Some(character) != escape {
                continue;
            }
            let next = characters.next();
            if !(matches!(next, Some('%' | '_')) || next == escape) {
                return Err(self.refuse(
                    at,
                    "an escape stands before %, _ or itself: Spark refuses it before others",
                ));
            }
        }
        Ok(())
    }

    /// What sqlparser reads as forms of their own.
    pub(super) fn text_form(&self, whole: &Expr) -> Taken {
        match whole {
            Expr::Position { expr, r#in } => {
                self.function(whole, Function::Position, &[expr, r#in])
            }
            Expr::Substring {
                expr,
                substring_from: Some(from),
                substring_for,
                ..
            } => {
                let arguments = [&**expr, &**from].into_iter();
                let arguments: Vec<&Expr> = arguments.chain(substring_for.as_deref()).collect();
                self.function(whole, Function::Substring, &arguments)
            }
            Expr::Trim {
                expr,
                trim_where,
                trim_what,
                trim_characters: None,
            } => {
                let function = match trim_where {
                    None | Some(TrimWhereField::Both) => Function::Trim,
                    Some(TrimWhereField::Leading) => Function::Ltrim,
                    Some(TrimWhereField::Trailing) => Function::Rtrim,
                };
                let Some(characters) = trim_what else {
                    return self.function(whole, function, &[expr]);
                };
                let arguments = vec![self.textual(expr)?, self.textual(characters)?];
                let kind = Kind::Call(function, arguments);
                Ok(Node::new(kind, FieldType::Varchar))
            }
            other => Err(self.refuse(other, super::not_taken(other))),
        }
    }
}
