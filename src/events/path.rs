//! Where in a payload a field is found: a JSON path of member names and array indexes (RFC 9535's singular queries).

use std::{fmt, iter::Peekable, str::Chars};

/// The most steps of a path.
const MOST_STEPS: usize = 32;
/// The largest index of a path: what is made of stored fields has so many nulls before it.
const LARGEST_INDEX: u32 = 9_999;

/// Where a field is found: at least one member name, the first, then names and indexes.
///
/// `$.after.price.amount`, `$.items[0]['unit price']`
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Path(Vec<Step>);

/// A step down into a value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// To the member of an object with this name, compared exactly.
    Member(String),
    /// To the element of an array at this index, from 0 on.
    Index(u32),
}

impl Path {
    /// The member `name` of the payload itself.
    #[must_use]
    pub fn member(name: &str) -> Path {
        Path(vec![Step::Member(name.to_owned())])
    }

    /// Whether it is nothing but the member `name` of the payload.
    #[must_use]
    pub fn is_member(&self, name: &str) -> bool {
        matches!(self.0.as_slice(), [Step::Member(only)] if only == name)
    }

    /// Its steps, from the payload down.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The path one step down.
    pub(super) fn then(&self, step: Step) -> Path {
        Path(self.0.iter().cloned().chain([step]).collect())
    }

    /// The paths of the values that it leads through, each with the step that it takes from there.
    pub(super) fn above(&self) -> impl Iterator<Item = (Path, &Step)> {
        let steps = self.0.iter().enumerate().skip(1);
        steps.map(|(at, step)| (Path(self.0[..at].to_vec()), step))
    }

    /// Reads a path.
    ///
    /// # Errors
    /// What is wrong with it, and what to write.
    pub(super) fn parse(text: &str) -> Result<Path, String> {
        let steps = Path::steps_of(text)?;
        match steps.first() {
            None => Err("it names no member; write $.name".to_owned()),
            Some(Step::Index(_)) => {
                Err("a payload is an object, so the first step is a name; write $.name".to_owned())
            }
            Some(Step::Member(_)) => Ok(Path(steps)),
        }
    }

    /// Reads the steps from any value down, of which there may be none.
    ///
    /// # Errors
    /// What is wrong with them, and what to write.
    pub(super) fn steps_of(text: &str) -> Result<Vec<Step>, String> {
        let mut rest = text.chars().peekable();
        if rest.next() != Some('$') {
            return Err("it does not start with $, the whole value".to_owned());
        }
        let mut steps = Vec::new();
        while let Some(next) = rest.next() {
            steps.push(match next {
                '.' => Step::Member(shorthand(&mut rest)?),
                '[' => selector(&mut rest)?,
                other => return Err(format!("{other:?} stands where . or [ must")),
            });
        }
        if steps.len() > MOST_STEPS {
            let found = steps.len();
            return Err(format!("it has {found} steps; it may have {MOST_STEPS}"));
        }
        Ok(steps)
    }

    /// Whether a name is written after a dot, without quotes.
    pub(super) fn is_shorthand(name: &str) -> bool {
        let mut characters = name.chars().enumerate();
        !name.is_empty() && characters.all(|(at, c)| is_plain(c, at == 0))
    }

    /// Writes the canonical text of steps.
    pub(super) fn write(steps: &[Step], f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("$")?;
        for step in steps {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Member(name) if Path::is_shorthand(name) => write!(f, ".{name}")?,
                Step::Member(name) => {
                    f.write_str("['")?;
                    for c in name.chars() {
                        match c {
                            '\'' | '\\' => write!(f, "\\{c}")?,
                            c if c < ' ' => write!(f, "\\u{:04x}", u32::from(c))?,
                            c => write!(f, "{c}")?,
                        }
                    }
                    f.write_str("']")?;
                }
            }
        }
        Ok(())
    }
}

/// Whether a name may hold `c` after a dot.
fn is_plain(c: char, first: bool) -> bool {
    c == '_' || c.is_ascii_alphabetic() || (!first && c.is_ascii_digit()) || !c.is_ascii()
}

/// A name after a dot.
fn shorthand(rest: &mut Peekable<Chars<'_>>) -> Result<String, String> {
    let mut name = String::new();
    while let Some(c) = rest.next_if(|c| is_plain(*c, name.is_empty())) {
        name.push(c);
    }
    match (name.is_empty(), rest.peek()) {
        (false, _) => Ok(name),
        (true, Some('.')) => Err("..name finds any number of values; write each step".to_owned()),
        (true, Some('*')) => Err(WILDCARD.to_owned()),
        (true, _) => Err(
            "a name after a dot has letters, digits and _, no digit first; write ['name'] for others"
                .to_owned(),
        ),
    }
}

const WILDCARD: &str = "* finds any number of values; write a name or an index, or declare what stands above it as JSON";

/// A name or an index in brackets, up to the closing one.
fn selector(rest: &mut Peekable<Chars<'_>>) -> Result<Step, String> {
    let step = match rest.peek().copied() {
        Some(quote @ ('\'' | '"')) => {
            rest.next();
            Step::Member(quoted(rest, quote)?)
        }
        Some('0'..='9') => Step::Index(index(rest)?),
        Some('-') => return Err("an index counts from the front, from 0 on".to_owned()),
        Some('*') => return Err(WILDCARD.to_owned()),
        _ => return Err("in brackets stands 'a name' in quotes or an index".to_owned()),
    };
    match rest.next() {
        Some(']') => Ok(step),
        Some(':' | ',') => Err("a path finds one value: one name or index in brackets".to_owned()),
        _ => Err("a bracket does not end; close it with ]".to_owned()),
    }
}

fn index(rest: &mut Peekable<Chars<'_>>) -> Result<u32, String> {
    let mut digits = String::new();
    while let Some(digit) = rest.next_if(char::is_ascii_digit) {
        digits.push(digit);
    }
    let index = digits.parse().ok().filter(|index| *index <= LARGEST_INDEX);
    index
        .filter(|_| digits.len() == 1 || !digits.starts_with('0'))
        .ok_or_else(|| {
            format!(
                "the index {digits} is none: write 0 to {LARGEST_INDEX}, without zeros in front"
            )
        })
}

/// A name in quotes, with the escapes of JSON, up to the closing one.
fn quoted(rest: &mut Peekable<Chars<'_>>, quote: char) -> Result<String, String> {
    let mut name = String::new();
    loop {
        match rest.next() {
            None => return Err("a name in quotes does not end".to_owned()),
            Some(c) if c == quote => return Ok(name),
            Some('\\') => name.push(escaped(rest)?),
            Some(c) if c < ' ' => {
                return Err("a name holds a control character; write \\u00XX".to_owned());
            }
            Some(c) => name.push(c),
        }
    }
}

fn escaped(rest: &mut Peekable<Chars<'_>>) -> Result<char, String> {
    let unit = |rest: &mut Peekable<Chars<'_>>| {
        let digits: String = rest.by_ref().take(4).collect();
        let valid = digits.len() == 4 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        valid
            .then(|| u16::from_str_radix(&digits, 16).ok())
            .flatten()
    };
    let found = match rest.next() {
        Some(c @ ('\'' | '"' | '\\' | '/')) => Some(c),
        Some('b') => Some('\u{8}'),
        Some('f') => Some('\u{c}'),
        Some('n') => Some('\n'),
        Some('r') => Some('\r'),
        Some('t') => Some('\t'),
        Some('u') => unit(rest).and_then(|high| match high {
            0xd800..=0xdbff => {
                let mut pair = rest.clone();
                let low = (pair.next() == Some('\\') && pair.next() == Some('u'))
                    .then(|| unit(&mut pair))
                    .flatten()?;
                *rest = pair;
                char::decode_utf16([high, low]).next()?.ok()
            }
            _ => char::from_u32(u32::from(high)),
        }),
        _ => None,
    };
    found.ok_or_else(|| {
        "a backslash in a name starts no escape of JSON; write \\\\ for one".to_owned()
    })
}

/// The canonical text; reading it gives the same path.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Path::write(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_is_read_and_written_back_in_its_canonical_form() {
        for (text, canonical) in [
            ("$.a", "$.a"),
            ("$['a']", "$.a"),
            ("$[\"a\"]", "$.a"),
            ("$.after.price.amount", "$.after.price.amount"),
            ("$.items[0].x[12]", "$.items[0].x[12]"),
            ("$['unit price']", "$['unit price']"),
            ("$['1a']", "$['1a']"),
            ("$['']", "$['']"),
            ("$.größe", "$.größe"),
            ("$[\"it's\"]", "$['it\\'s']"),
            ("$['\\\"\\\\\\/']", "$['\"\\\\/']"),
            ("$['\\u0041\\ud83d\\ude00\\n']", "$['A😀\\u000a']"),
        ] {
            assert_eq!(Path::parse(text).unwrap().to_string(), canonical, "{text}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused_with_the_reason() {
        for (text, part) in [
            ("", "does not start with $"),
            ("a.b", "does not start with $"),
            ("$", "names no member"),
            ("$[0]", "the first step is a name"),
            ("$.", "a name after a dot"),
            ("$.1a", "a name after a dot"),
            ("$.a-b", "'-' stands where"),
            ("$.a b", "' ' stands where"),
            ("$..a", "any number"),
            ("$.*", "any number"),
            ("$.a[*]", "any number"),
            ("$.a[-1]", "from the front"),
            ("$.a[01]", "without zeros"),
            ("$.a[10000]", "0 to 9999"),
            ("$.a[99999999999]", "0 to 9999"),
            ("$.a[1:2]", "one value"),
            ("$.a[0,1]", "one value"),
            ("$.a[?@.b]", "in brackets"),
            ("$.a[0", "close it"),
            ("$['a", "does not end"),
            ("$['\\x']", "no escape"),
            ("$['\\ud800']", "no escape"),
            ("$['\\ud800\\u0041']", "no escape"),
            ("$['a\nb']", "control character"),
        ] {
            let error = Path::parse(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
        let deep = format!("$.a{}", "[0]".repeat(MOST_STEPS));
        assert!(Path::parse(&deep).unwrap_err().contains("33 steps"));
    }

    proptest! {
        #[test]
        fn any_path_is_read_from_its_text(
            first in any::<String>(),
            steps in prop::collection::vec(prop_oneof![any::<String>().prop_map(Step::Member), (0..=LARGEST_INDEX).prop_map(Step::Index)], 0..5),
        ) {
            let path = Path([Step::Member(first)].into_iter().chain(steps).collect());
            prop_assert_eq!(Path::parse(&path.to_string()), Ok(path));
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in "\\$?[.a\\[\\]0-9'\"\\\\u]{0,12}") {
            if let Ok(path) = Path::parse(&text) {
                prop_assert_eq!(Path::parse(&path.to_string()), Ok(path));
            }
        }
    }
}
