//! Parts of texts, counted in characters. An `Err` is what the arguments of a row may not be.

use std::borrow::Cow;

/// The longest text that `lpad` and `rpad` make, in characters.
const LONGEST_PADDED: i64 = 10_000;

/// The longest text that `replace` makes, in bytes.
const LONGEST_REPLACED: usize = 1 << 20;

/// Positions and lengths end here in both engines.
const LARGEST: i64 = i32::MAX as i64;

/// White space besides U+0020 that DuckDB trims, and Spark does not.
const OTHER_SPACES: [char; 16] = [
    '\u{a0}', '\u{1680}', '\u{2000}', '\u{2001}', '\u{2002}', '\u{2003}', '\u{2004}', '\u{2005}',
    '\u{2006}', '\u{2007}', '\u{2008}', '\u{2009}', '\u{200a}', '\u{202f}', '\u{205f}', '\u{3000}',
];

type Part<'a> = Result<Cow<'a, str>, &'static str>;

/// Which ends are trimmed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ends {
    Both,
    Left,
    Right,
}

/// Without the spaces at its ends.
pub(super) fn trim(text: &str, ends: Ends) -> Part<'_> {
    let trimmed = trim_of(text, ends, |c| c == ' ');
    let other = |c: char| OTHER_SPACES.contains(&c);
    let left = ends != Ends::Right && trimmed.starts_with(other);
    let right = ends != Ends::Left && trimmed.ends_with(other);
    match left || right {
        true => Err(
            "it has white space at its end that DuckDB trims and Spark does not; write trim(BOTH ' ' FROM text)",
        ),
        false => Ok(trimmed.into()),
    }
}

/// Without these characters at its ends.
pub(super) fn trim_characters<'a>(text: &'a str, characters: &str, ends: Ends) -> Part<'a> {
    Ok(trim_of(text, ends, |c| characters.contains(c)).into())
}

fn trim_of(text: &str, ends: Ends, leave: impl Fn(char) -> bool) -> &str {
    let text = match ends {
        Ends::Right => text,
        _ => text.trim_start_matches(&leave),
    };
    match ends {
        Ends::Left => text,
        _ => text.trim_end_matches(&leave),
    }
}

/// From a position, counted from 1 or back from the end, so many characters.
pub(super) fn substring(text: &str, start: i64, length: Option<i64>) -> Part<'_> {
    if start == 0 {
        return Err(
            "a position of 0 is before the text in DuckDB, and its beginning in Spark; positions count from 1",
        );
    }
    let length = length.unwrap_or(LARGEST);
    if length < 0 {
        return Err("a negative length goes backwards in DuckDB, and is nothing in Spark");
    }
    if start.abs() > LARGEST || length > LARGEST {
        return Err("positions and lengths end at 2147483647");
    }
    let start = match start {
        1.. => start - 1,
        _ => i64::try_from(text.chars().count()).unwrap_or(LARGEST) + start,
    };
    Ok(slice(text, start.max(0), (start + length).max(0)).into())
}

/// The first characters.
pub(super) fn left(text: &str, count: i64) -> Part<'_> {
    match count {
        0.. => Ok(slice(text, 0, count).into()),
        _ => Err("a negative number leaves out the end in DuckDB, and everything in Spark"),
    }
}

/// The last characters.
pub(super) fn right(text: &str, count: i64) -> Part<'_> {
    if count < 0 {
        return Err(
            "a negative number leaves out the beginning in DuckDB, and everything in Spark",
        );
    }
    let length = i64::try_from(text.chars().count()).unwrap_or(LARGEST);
    Ok(slice(text, (length - count).max(0), length).into())
}

/// From a character to before another.
fn slice(text: &str, start: i64, end: i64) -> &str {
    let place = |character: i64| {
        let character = usize::try_from(character).unwrap_or(usize::MAX);
        match text.is_ascii() {
            true => character.min(text.len()),
            false => text
                .char_indices()
                .nth(character)
                .map_or(text.len(), |(place, _)| place),
        }
    };
    let (start, end) = (place(start), place(end));
    &text[start..end.max(start)]
}

/// As many characters as wanted: filled up before the text or after it, or cut.
pub(super) fn pad<'a>(text: &'a str, wanted: i64, fill: &str, before: bool) -> Part<'a> {
    if wanted > LONGEST_PADDED {
        return Err("a text is filled up to 10000 characters at most");
    }
    let length = i64::try_from(text.chars().count()).unwrap_or(LARGEST);
    if wanted <= length {
        return Ok(slice(text, 0, wanted.max(0)).into());
    }
    if fill.is_empty() {
        return Err("there is nothing to fill it up with");
    }
    let missing = usize::try_from(wanted - length).unwrap_or_default();
    let filling: String = fill.chars().cycle().take(missing).collect();
    Ok(match before {
        true => filling + text,
        false => format!("{text}{filling}"),
    }
    .into())
}

/// With one text in the place of another.
pub(super) fn replace<'a>(text: &'a str, from: &str, to: &str) -> Part<'a> {
    if from.is_empty() || !text.contains(from) {
        return Ok(text.into());
    }
    let more = text.matches(from).count() * to.len();
    if more > LONGEST_REPLACED {
        return Err("the new text would have more than a megabyte");
    }
    Ok(text.replace(from, to).into())
}

/// The part between separators, counted from 1 or back from the end.
pub(super) fn split_part<'a>(text: &'a str, separator: &str, number: i64) -> Part<'a> {
    if separator.is_empty() {
        return Err("a separator without characters splits in DuckDB, and does not in Spark");
    }
    let nth = |number: i64| usize::try_from(number - 1).unwrap_or(usize::MAX);
    let part = match number {
        0 => return Err("parts count from 1, or back from -1"),
        1.. => text.split(separator).nth(nth(number)),
        _ => {
            let parts: Vec<&str> = text.split(separator).collect();
            let back = number.checked_neg().map(nth);
            back.and_then(|back| parts.len().checked_sub(back.checked_add(1)?))
                .map(|place| parts[place])
        }
    };
    Ok(part.unwrap_or_default().into())
}

/// The position of a text in another, from 1; 0 when it is not there.
pub(super) fn position(part: &str, text: &str) -> i64 {
    text.find(part).map_or(0, |place| {
        i64::try_from(text[..place].chars().count() + 1).unwrap_or(LARGEST)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_those_of_both_engines_or_errors() {
        for (start, length, expected) in [
            (1, Some(2), Some("he")),
            (-2, Some(1), Some("l")),
            (-10, Some(2), Some("")),
            (-7, Some(3), Some("h")),
            (10, Some(2), Some("")),
            (4, Some(10), Some("lo")),
            (2, None, Some("ello")),
            (-10, None, Some("hello")),
            (0, Some(2), None),
            (2, Some(-1), None),
            (1, Some(i64::MAX), None),
            (i64::MIN + 1, None, None),
        ] {
            let found = substring("hello", start, length).ok();
            assert_eq!(found.as_deref(), expected, "{start} {length:?}");
        }
        assert_eq!(substring("a👍b", 2, Some(1)).unwrap(), "👍");
        for (number, expected) in [(1, "x"), (3, "z"), (4, ""), (-1, "z"), (-3, "x"), (-4, "")] {
            assert_eq!(
                split_part("x,y,z", ",", number).unwrap(),
                expected,
                "{number}"
            );
        }
        assert_eq!(split_part("x,,y,,,z", ",,", 2).unwrap(), "y");
        assert!(split_part("x", ",", 0).is_err() && split_part("x", "", 1).is_err());
        assert!(split_part("x", ",", i64::MIN).is_ok());
        assert_eq!(pad("hello", 8, "xy", true).unwrap(), "xyxhello");
        assert_eq!(pad("hello", 3, "*", false).unwrap(), "hel");
        assert_eq!(pad("hello", -1, "*", false).unwrap(), "");
        assert!(pad("hello", 8, "", true).is_err() && pad("", 10_001, "x", true).is_err());
        assert_eq!(replace("lllll", "ll", "l").unwrap(), "lll");
        assert_eq!(trim("  a\t ", Ends::Both).unwrap(), "a\t");
        assert!(trim("\u{a0} a", Ends::Left).is_err() && trim("\u{a0} a", Ends::Right).is_ok());
        assert_eq!(trim_characters("xyxay", "xy", Ends::Both).unwrap(), "a");
        assert_eq!(
            (
                position("l", "hello"),
                position("", "a"),
                position("b", "👍b")
            ),
            (3, 1, 2)
        );
        assert_eq!(
            (
                left("👍b", 1).unwrap().as_ref(),
                right("hello", 9).unwrap().as_ref()
            ),
            ("👍", "hello")
        );
    }
}
