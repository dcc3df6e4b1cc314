//! From text to sqlparser's tree: expressions with their names, nothing after them, bounded in length and depth.

use std::{any::TypeId, cell::Cell};

use sqlparser::{
    ast::{BinaryOperator, Expr, Ident, Spanned},
    dialect::{Dialect, GenericDialect},
    keywords::Keyword,
    parser::{Parser, ParserError},
    tokenizer::{Location, Token},
};

use super::error::{Place, SqlError};

/// The longest text in bytes.
const LONGEST_TEXT: usize = 16 * 1024;

/// How many parentheses, CASEs and calls may stand in each other.
const DEEPEST: usize = 30;

/// How many operators a text may have: in a chain, each stands in the next, and sqlparser bounds no chains.
const MOST_OPERATORS: usize = 1000;

/// The words of our grammar: those that DuckDB and Spark have in common, and `div`.
#[derive(Debug, Default)]
struct Words {
    operators: Cell<usize>,
}

impl Dialect for Words {
    // The tokenizer asks some questions by type instead of by method.
    fn dialect(&self) -> TypeId {
        TypeId::of::<GenericDialect>()
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        ch.is_alphabetic() || ch == '_'
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        ch.is_alphanumeric() || ch == '_'
    }

    fn supports_numeric_literal_underscores(&self) -> bool {
        false
    }

    // So that the gate can say why it is not taken.
    fn supports_comma_separated_trim(&self) -> bool {
        true
    }

    fn parse_infix(
        &self,
        parser: &mut Parser,
        left: &Expr,
        precedence: u8,
    ) -> Option<Result<Expr, ParserError>> {
        self.operators.set(self.operators.get() + 1);
        if self.operators.get() > MOST_OPERATORS {
            return Some(Err(ParserError::RecursionLimitExceeded));
        }
        if !parser.parse_keyword(Keyword::DIV) {
            return None;
        }
        let right = parser.parse_subexpr(precedence);
        Some(right.map(|right| Expr::BinaryOp {
            left: Box::new(left.clone()),
            op: BinaryOperator::MyIntegerDivide,
            right: Box::new(right),
        }))
    }
}

/// A column as it is written: `expression`, `expression AS name`, or `expression AS name NOT NULL`.
pub(super) struct Written {
    pub(super) expression: Expr,
    pub(super) name: Option<Ident>,
    /// Whether a row with NULL is to be rejected.
    pub(super) not_null: bool,
}

/// The columns that `text` is, at least one.
pub(super) fn columns(text: &str) -> Result<Vec<Written>, SqlError> {
    written(text).map_err(|error| {
        // A field may be called so, and then there is no error.
        let first = text.split_whitespace().next().unwrap_or_default();
        match ["select", "with"]
            .iter()
            .any(|word| first.eq_ignore_ascii_case(word))
        {
            true => {
                let message =
                    "a query is not taken; write its expressions alone, with commas between them";
                SqlError::new(text, None, message)
            }
            false => error,
        }
    })
}

fn written(text: &str) -> Result<Vec<Written>, SqlError> {
    if text.len() > LONGEST_TEXT {
        let message = format!(
            "the calculation has {} bytes; at most {LONGEST_TEXT} are taken",
            text.len()
        );
        return Err(SqlError::new(text, None, message));
    }
    let failed = |error| syntax(text, error);
    let dialect = Words::default();
    let mut parser = Parser::new(&dialect)
        .with_recursion_limit(DEEPEST)
        .try_with_sql(text)
        .map_err(failed)?;
    let mut columns = Vec::new();
    loop {
        let expression = parser.parse_expr().map_err(failed)?;
        let named = parser.parse_keyword(Keyword::AS);
        let name = named.then(|| parser.parse_identifier());
        let name = name.transpose().map_err(failed)?;
        columns.push(Written {
            expression,
            name,
            not_null: named && parser.parse_keywords(&[Keyword::NOT, Keyword::NULL]),
        });
        let next = parser.next_token();
        let after = match next.token {
            Token::EOF => return Ok(columns),
            Token::Comma => continue,
            other if named => format!(
                "the column ends before {other}; write a comma and the next expression, NOT NULL, or nothing"
            ),
            Token::Word(word) => format!(
                "the expression ends before {word}; write AS {word} if that is its name, or an operator, or leave it out"
            ),
            other => {
                format!("the expression ends before {other}; leave it out, or write an operator")
            }
        };
        return Err(SqlError::new(text, Some(place(next.span.start)), after));
    }
}

/// The one expression that `text` is.
pub(super) fn expression(text: &str) -> Result<Expr, SqlError> {
    let mut written = columns(text)?.into_iter();
    match (written.next(), written.next()) {
        (Some(first), None) if first.name.is_none() => Ok(first.expression),
        (first, second) => {
            let named = first.and_then(|first| Some(place(first.name?.span.start)));
            let at = named.or_else(|| begin(&second?.expression));
            let message = "a condition is one expression without a name; leave out what follows it";
            Err(SqlError::new(text, at, message))
        }
    }
}

/// Where an expression begins; `None` when sqlparser does not say.
pub(super) fn begin(expression: &Expr) -> Option<Place> {
    let start = expression.span().start;
    (start.line > 0).then(|| place(start))
}

pub(super) fn place(location: Location) -> Place {
    let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    Place {
        line: number(location.line),
        column: number(location.column),
    }
}

/// What sqlparser said, with the place taken out of its text.
fn syntax(text: &str, error: ParserError) -> SqlError {
    let message = match error {
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
        ParserError::RecursionLimitExceeded => {
            let message = format!(
                "more than {DEEPEST} parentheses, CASEs or calls stand in each other, or there are more than {MOST_OPERATORS} operators; write it flatter"
            );
            return SqlError::new(text, None, message);
        }
    };
    let (message, place) = match message.rsplit_once(" at Line: ") {
        None => (message.as_str(), None),
        Some((what, numbers)) => {
            let mut numbers = numbers.split(", Column: ").map(str::parse);
            match (numbers.next(), numbers.next()) {
                (Some(Ok(line)), Some(Ok(column))) => (what, Some(Place { line, column })),
                _ => (what, None),
            }
        }
    };
    // At its end, sqlparser has no place.
    let place = place.filter(|place| place.line > 0).or_else(|| {
        let last = text.lines().last()?;
        Some(Place {
            line: text.lines().count(),
            column: last.chars().count() + 1,
        })
    });
    let message = message.replacen("Expected: ", "expected ", 1);
    let message = message.replacen(", found: EOF", ", but the text ends", 1);
    SqlError::new(
        text,
        place,
        message.replacen(", found: ", ", but found ", 1),
    )
}
