//! Upper and lower case: of the letters that DuckDB (which maps a letter to a letter) and Spark (which may map it to several,
//! and looks at its neighbours) map alike, and that no later version of Unicode will map otherwise.

use std::ops::RangeInclusive;

/// Latin, Greek, Cyrillic, Armenian and their extensions: scripts whose letters have long had their case.
const SETTLED: [RangeInclusive<char>; 5] = [
    '\0'..='\u{24f}',
    '\u{370}'..='\u{3ff}',
    '\u{400}'..='\u{52f}',
    '\u{531}'..='\u{587}',
    '\u{1e00}'..='\u{1fff}',
];

/// Letters of these scripts whose upper case is of several letters, or another one in one of the engines.
const OTHERWISE_UPPER: [RangeInclusive<char>; 22] = [
    'ß'..='ß',
    'ŉ'..='ŉ',
    '\u{19b}'..='\u{19b}',
    'ǰ'..='ǰ',
    'ΐ'..='ΐ',
    'ΰ'..='ΰ',
    '\u{587}'..='\u{587}',
    '\u{1e96}'..='\u{1e9a}',
    '\u{1f50}'..='\u{1f50}',
    '\u{1f52}'..='\u{1f52}',
    '\u{1f54}'..='\u{1f54}',
    '\u{1f56}'..='\u{1f56}',
    '\u{1f80}'..='\u{1faf}',
    '\u{1fb2}'..='\u{1fb4}',
    '\u{1fb6}'..='\u{1fbc}',
    '\u{1fc2}'..='\u{1fc4}',
    '\u{1fc6}'..='\u{1fcc}',
    '\u{1fd2}'..='\u{1fd7}',
    '\u{1fe2}'..='\u{1fe7}',
    '\u{1ff2}'..='\u{1ff4}',
    '\u{1ff6}'..='\u{1ff7}',
    '\u{1ffc}'..='\u{1ffc}',
];

/// The text in upper case; `None` when a letter has none that is the same everywhere.
pub(super) fn upper(text: &str) -> Option<String> {
    if text.is_ascii() {
        return Some(text.to_ascii_uppercase());
    }
    let mut result = String::with_capacity(text.len());
    for letter in text.chars() {
        let otherwise = OTHERWISE_UPPER.iter().any(|range| range.contains(&letter));
        match single(letter.to_uppercase()) {
            Some(mapped) if is_settled(letter, mapped) && !otherwise => result.push(mapped),
            _ => return None,
        }
    }
    Some(result)
}

/// The text in lower case; `None` when a letter has none that is the same everywhere.
pub(super) fn lower(text: &str) -> Option<String> {
    if text.is_ascii() {
        return Some(text.to_ascii_lowercase());
    }
    let mut result = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let mapped = single(letter.to_lowercase()).filter(|mapped| is_settled(letter, *mapped))?;
        // At the end of a word, Spark writes another sigma.
        let goes_on = |next: &char| next.is_alphabetic() && has_case(*next);
        if letter == 'Σ' && !letters.peek().is_some_and(goes_on) {
            return None;
        }
        result.push(mapped);
    }
    Some(result)
}

/// The only letter of a mapping.
fn single(mut letters: impl Iterator<Item = char>) -> Option<char> {
    let letter = letters.next()?;
    letters.next().is_none().then_some(letter)
}

/// Whether the mapping of a letter is beyond doubt: it is of a settled script, or has no case.
fn is_settled(letter: char, mapped: char) -> bool {
    SETTLED.iter().any(|range| range.contains(&letter)) || (letter == mapped && !has_case(letter))
}

fn has_case(letter: char) -> bool {
    let changes = |mut mapped: std::char::ToUppercase| mapped.next() != Some(letter);
    changes(letter.to_uppercase()) || single(letter.to_lowercase()) != Some(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_that_an_engine_maps_otherwise_have_no_case_here() {
        for (text, upper_of, lower_of) in [
            ("Straße", None, Some("straße")),
            ("ŒUVRE", Some("ŒUVRE"), Some("œuvre")),
            ("Ελλάς", Some("ΕΛΛΆΣ"), Some("ελλάς")),
            ("ΕΛΛΑΣ", Some("ΕΛΛΑΣ"), None),
            ("ΣΑ", Some("ΣΑ"), Some("σα")),
            ("İ", Some("İ"), None),
            ("Привет", Some("ПРИВЕТ"), Some("привет")),
            ("ﬁ", None, None),
            ("日本 👍", Some("日本 👍"), Some("日本 👍")),
            ("ꟊ", None, None),
        ] {
            assert_eq!(upper(text).as_deref(), upper_of, "upper of {text}");
            assert_eq!(lower(text).as_deref(), lower_of, "lower of {text}");
        }
    }
}
