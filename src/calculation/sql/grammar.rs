//! From text to sqlparser's tree: one expression, nothing after it, bounded in length and depth.

use std::{any::TypeId, cell::Cell};

use sqlparser::{
    ast::{BinaryOperator, Expr, Spanned},
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

/// The expression that `text` is.
pub(super) fn expression(text: &str) -> Result<Expr, SqlError> {
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
    let expression = parser.parse_expr().map_err(failed)?;
    let next = parser.peek_token();
    let place = Some(place(next.span.start));
    match next.token {
        Token::EOF => Ok(expression),
        Token::Comma => Err(SqlError::new(
            text,
            place,
            "one expression is taken, which gives the column result; run one pipeline for each",
        )),
        Token::Word(word) if word.keyword == Keyword::AS => Err(SqlError::new(
            text,
            place,
            "the result has no name of its own: its column is called result; leave AS out",
        )),
        other => Err(SqlError::new(
            text,
            place,
            format!("the expression ends before {other}; leave it out, or write an operator"),
        )),
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
