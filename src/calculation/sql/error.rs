//! What is wrong with an expression, and where in its text.

use std::{error::Error, fmt};

/// So many characters of a line are shown on either side of the place.
const SHOWN: usize = 80;

/// A place in an expression's text: line and column count from 1, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
}

/// An expression that is not taken: what is wrong, what to write instead, and the line with a caret under the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlError {
    place: Option<Place>,
    line: String,
    message: String,
}

impl SqlError {
    /// What is wrong with `text` at a place; without one, with the text as a whole.
    pub(super) fn new(text: &str, place: Option<Place>, message: impl Into<String>) -> SqlError {
        let line = place.and_then(|place| text.lines().nth(place.line.saturating_sub(1)));
        SqlError {
            place,
            line: line.unwrap_or_default().to_owned(),
            message: message.into(),
        }
    }
}

impl SqlError {
    /// Too many operations stand in each other.
    pub(super) fn too_deep(text: &str) -> SqlError {
        let message = "too many operations stand in each other; write it shorter, or flatter";
        SqlError::new(text, None, message)
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(Place { line, column }) = self.place else {
            return f.write_str(&self.message);
        };
        let before = column.saturating_sub(1);
        let start = before.saturating_sub(SHOWN);
        // A tab would be shown with another width than the caret's line has.
        let shown = self.line.chars().skip(start).take(2 * SHOWN);
        let text: String = shown.map(|c| if c == '\t' { ' ' } else { c }).collect();
        let indent = " ".repeat(before - start);
        let message = &self.message;
        write!(
            f,
            "{message} (line {line}, column {column})\n  {text}\n  {indent}^"
        )
    }
}

impl Error for SqlError {}
