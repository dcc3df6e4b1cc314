//! The words, names and symbols of a declaration.

use super::{super::identifier::is_word, error::FieldsError};

/// A part of a declaration.
#[derive(Debug, PartialEq)]
pub enum Token<'a> {
    Word(&'a str),
    Quoted(String),
    Symbol(char),
    End,
}

impl Token<'_> {
    /// It stands where another was expected.
    pub fn instead_of(self, expected: &'static str) -> FieldsError {
        let found = match self {
            Token::Word(word) => format!("{word:?}"),
            Token::Quoted(name) => format!("the name {name:?}"),
            Token::Symbol(symbol) => format!("{symbol:?}"),
            Token::End => "the end".to_owned(),
        };
        FieldsError::Unexpected { expected, found }
    }
}

/// A declaration, from where it is not read yet.
pub struct Tokens<'a>(&'a str);

impl<'a> Tokens<'a> {
    /// All of `text`.
    pub fn of(text: &'a str) -> Tokens<'a> {
        Tokens(text)
    }

    /// The next, which stays.
    pub fn peek(&mut self) -> Result<Token<'a>, FieldsError> {
        let here = self.0;
        let token = self.take();
        self.0 = here;
        token
    }

    /// The next.
    pub fn take(&mut self) -> Result<Token<'a>, FieldsError> {
        self.0 = self.0.trim_start();
        let Some(first) = self.0.chars().next() else {
            return Ok(Token::End);
        };
        if first == '"' {
            self.0 = &self.0[1..];
            return self.quoted(first).map(Token::Quoted);
        }
        let end = self.0.find(|c| !is_word(c)).unwrap_or(self.0.len());
        let (token, rest) = self.0.split_at(end.max(first.len_utf8()));
        self.0 = rest;
        Ok(if end == 0 {
            Token::Symbol(first)
        } else {
            Token::Word(token)
        })
    }

    /// What stands in quotes, after the first, in which two of them stand for one.
    pub fn quoted(&mut self, quote: char) -> Result<String, FieldsError> {
        let mut name = String::new();
        let mut rest = self.0.chars();
        while let Some(c) = rest.next() {
            if c != quote {
                name.push(c);
            } else if rest.as_str().starts_with(quote) {
                name.push(c);
                rest.next();
            } else {
                self.0 = rest.as_str();
                return Ok(name);
            }
        }
        Err(FieldsError::OpenQuote(name.chars().take(64).collect()))
    }
}
