//! What stands at a place in a JSON text, as text: `json_extract_string` of DuckDB, `get_json_object` of Spark.
//!
//! Both give one text for each of these, and so it is here:
//!
//! | at the place is | the text |
//! |---|---|
//! | nothing, or null as a member | NULL |
//! | a string | what it says |
//! | true, false, a whole number | as it is written; `-0` is `0` |
//! | another number | that of the nearest DOUBLE |
//! | an object, an array | its JSON without white space, each value in it written as above, strings with the fewest escapes |
//!
//! What they give different texts for has none here ([`NoText`]), nor has what is no JSON.

use std::{borrow::Cow, fmt};

use super::{
    decode::{Malformed, Scanner, text},
    path::{Path, Step},
};

/// The engines write a DOUBLE alike if it is zero, or its size lies in here.
const PLAIN: std::ops::Range<f64> = 1e-3..1e7;

/// Beyond these, Spark reads no JSON: levels of nesting, digits of a number, bytes of a name and of a string.
const DEEPEST: usize = 1_000;
const MOST_DIGITS: usize = 1_000;
const LONGEST_NAME: usize = 50_000;
const LONGEST_STRING: usize = 20_000_000;

/// A place in a JSON text: `$`, `$.items[0].price`. It names members by letters, digits and `_`, as both engines read them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JsonPath(Vec<Step>);

/// Why there is no one text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoText {
    /// The text is no JSON.
    Malformed,
    /// A member on the path occurs twice.
    Twice,
    /// A number that the engines spell in two ways.
    Number,
    /// A string that stands for no text: half of a surrogate pair.
    HalfAPair,
    /// A character beyond U+FFFF within an object or array.
    Astral,
    /// null as the element of an array, or alone.
    Null,
    /// More than Spark reads.
    TooLarge,
}

impl fmt::Display for NoText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NoText::Malformed => "the text is not JSON; test it in a CASE first",
            NoText::Twice => "a member on the path occurs twice, of which DuckDB and Spark take different ones",
            NoText::Number => "a number there with a fraction or an exponent is spelled otherwise in DuckDB than in Spark; 0 and from 0.001 to 9999999 are not; declare a field with its PATH",
            NoText::HalfAPair => "a string in it holds half of a surrogate pair, which is no text",
            NoText::Astral => "an object or array there holds a character beyond U+FFFF, which Spark escapes and DuckDB does not; take its strings one by one",
            NoText::Null => "null there is NULL in DuckDB and a text in Spark; declare a field with its PATH",
            NoText::TooLarge => "it has more than Spark reads: 1000 levels, numbers of 1000 digits, or names of 50000 bytes",
        })
    }
}

impl From<Malformed> for NoText {
    fn from(Malformed: Malformed) -> NoText {
        NoText::Malformed
    }
}

impl JsonPath {
    /// Reads a path.
    ///
    /// # Errors
    /// What is wrong with it, and what to write.
    pub(crate) fn parse(text: &str) -> Result<JsonPath, String> {
        let steps = Path::steps_of(text).map_err(|why| {
            // Where a field's path takes quotes, this one does not.
            why.replace(
                "write ['name'] for others",
                "declare a field with its PATH for others",
            )
        })?;
        let quoted = steps.iter().find_map(|step| match step {
            Step::Member(name) if !Path::is_shorthand(name) => Some(name),
            _ => None,
        });
        match quoted {
            None => Ok(JsonPath(steps)),
            Some(name) => Err(format!(
                "the name {name:?} has other characters than letters, digits and _, for which DuckDB and Spark have other quotes; declare a field with its PATH"
            )),
        }
    }

    /// What stands there in `text`; `None` when nothing does, or null.
    ///
    /// # Errors
    /// Why there is no one text.
    pub(crate) fn extract<'a>(&self, text: &'a str) -> Result<Option<Cow<'a, str>>, NoText> {
        let mut open = Vec::new();
        let mut search = Search {
            scanner: Scanner::new(text, &mut open),
            twice: false,
        };
        search.scanner.space();
        let found = search.value(&self.0)?;
        search.scanner.space();
        if !search.scanner.is_at_end() {
            return Err(NoText::Malformed);
        }
        if search.twice {
            return Err(NoText::Twice);
        }
        check(text)?;
        let Some(found) = found else {
            return Ok(None);
        };
        Ok(Some(match found.as_bytes().first() {
            Some(b'"') => string(found)?,
            Some(b'{' | b'[') => compact(found)?.into(),
            Some(b'n') if matches!(self.0.last(), Some(Step::Member(_))) => return Ok(None),
            Some(b'n') => return Err(NoText::Null),
            Some(b't' | b'f') => found.into(),
            _ => number(found)?,
        }))
    }
}

/// The canonical text; reading it gives the same path.
impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Path::write(&self.0, f)
    }
}

struct Search<'a, 's> {
    scanner: Scanner<'a, 's>,
    twice: bool,
}

impl<'a> Search<'a, '_> {
    /// Goes past a value; what stands at `steps` below it.
    fn value(&mut self, steps: &[Step]) -> Result<Option<&'a str>, Malformed> {
        let start = self.scanner.at();
        match (steps, self.scanner.peek()?) {
            ([], _) => {
                self.scanner.value()?;
                Ok(Some(self.scanner.since(start)))
            }
            ([Step::Member(name), below @ ..], b'{') => self.object(name, below),
            ([Step::Index(index), below @ ..], b'[') => self.array(*index, below),
            _ => self.scanner.value().map(|()| None),
        }
    }

    fn object(&mut self, name: &str, below: &[Step]) -> Result<Option<&'a str>, Malformed> {
        let (mut found, mut seen) = (None, false);
        let mut first = true;
        while self.scanner.goes_on(b'}', first)? {
            first = false;
            let is_it = self.scanner.string()?.is(name);
            self.scanner.colon()?;
            if is_it {
                self.twice |= seen;
                seen = true;
                found = self.value(below)?;
            } else {
                self.scanner.value()?;
            }
        }
        Ok(found)
    }

    fn array(&mut self, wanted: u32, below: &[Step]) -> Result<Option<&'a str>, Malformed> {
        let mut found = None;
        let mut index = 0;
        while self.scanner.goes_on(b']', index == 0)? {
            match index == u64::from(wanted) {
                true => found = self.value(below)?,
                false => self.scanner.value()?,
            }
            index += 1;
        }
        Ok(found)
    }
}

/// What a string says. The token is a string of JSON but for the one thing that only unescaping shows.
fn string(token: &str) -> Result<Cow<'_, str>, NoText> {
    text(token).map_err(|_| NoText::HalfAPair)
}

fn number(token: &str) -> Result<Cow<'_, str>, NoText> {
    if !token.contains(['.', 'e', 'E']) {
        return Ok(if token == "-0" { "0" } else { token }.into());
    }
    let value: f64 = token.parse().map_err(|_| NoText::Malformed)?;
    let mantissa = token.split(['e', 'E']).next().unwrap_or_default();
    let is_zero = !mantissa.contains(|c: char| matches!(c, '1'..='9'));
    match is_zero || PLAIN.contains(&value.abs()) {
        true => Ok(format!("{value:?}").into()),
        false => Err(NoText::Number),
    }
}

/// An object or array, which is well-formed, without white space.
fn compact(value: &str) -> Result<String, NoText> {
    let mut open = Vec::new();
    let mut scanner = Scanner::new(value, &mut open);
    let mut text = String::with_capacity(value.len());
    while !scanner.is_at_end() {
        let start = scanner.at();
        match scanner.peek()? {
            b' ' | b'\t' | b'\n' | b'\r' => scanner.space(),
            b'"' => {
                scanner.string()?;
                write_string(&string(scanner.since(start))?, &mut text)?;
            }
            b'-' | b'0'..=b'9' => {
                scanner.value()?;
                text.push_str(&number(scanner.since(start))?);
            }
            _ => {
                scanner.next()?;
                text.push_str(scanner.since(start));
            }
        }
    }
    Ok(text)
}

/// Writes a string with the escapes that both engines write, and no others.
fn write_string(text: &str, to: &mut String) -> Result<(), NoText> {
    use fmt::Write as _;
    to.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => to.extend(['\\', c]),
            '\u{8}' => to.push_str("\\b"),
            '\u{c}' => to.push_str("\\f"),
            '\n' => to.push_str("\\n"),
            '\r' => to.push_str("\\r"),
            '\t' => to.push_str("\\t"),
            // Writing to a String cannot fail.
            c if c < ' ' => drop(write!(to, "\\u{:04X}", u32::from(c))),
            c if c > '\u{ffff}' => return Err(NoText::Astral),
            c => to.push(c),
        }
    }
    to.push('"');
    Ok(())
}

/// Whether both engines read a text, which is well-formed JSON, to its end: Spark gives up on what is too large, and DuckDB on a
/// string anywhere that stands for no text.
fn check(text: &str) -> Result<(), NoText> {
    // What is shorter than each of the limits cannot pass one.
    if text.len() <= MOST_DIGITS && !text.contains("\\u") {
        return Ok(());
    }
    let mut open = Vec::new();
    let mut scanner = Scanner::new(text, &mut open);
    let mut depth = 0_usize;
    while !scanner.is_at_end() {
        let start = scanner.at();
        let byte = scanner.peek()?;
        match byte {
            b'"' => {
                let has_escape = scanner.string()?.has_escape;
                let token = scanner.since(start);
                if has_escape {
                    string(token)?;
                }
                scanner.space();
                let is_name = scanner.peek() == Ok(b':');
                if token.len()
                    > if is_name {
                        LONGEST_NAME
                    } else {
                        LONGEST_STRING
                    }
                {
                    return Err(NoText::TooLarge);
                }
            }
            b'-' | b'0'..=b'9' => {
                scanner.value()?;
                if scanner.since(start).len() > MOST_DIGITS {
                    return Err(NoText::TooLarge);
                }
            }
            _ => {
                scanner.next()?;
                depth += usize::from(matches!(byte, b'{' | b'['));
                depth = depth.saturating_sub(usize::from(matches!(byte, b'}' | b']')));
                if depth > DEEPEST {
                    return Err(NoText::TooLarge);
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
