//! LIKE: `%` is any text, `_` any character.

/// A pattern, read.
pub(super) struct Pattern {
    /// The parts between the `%`; of a part, `None` is any character.
    parts: Vec<Vec<Option<char>>>,
}

impl Pattern {
    /// `None` when the engines read it otherwise: with a backslash, or an escape before an ordinary character.
    pub(super) fn read(text: &str, escape: Option<char>) -> Option<Pattern> {
        let mut parts = vec![Vec::new()];
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            let token = match character {
                '\\' => return None,
                _ if Some(character) == escape => {
                    let next = characters.next()?;
                    if !(matches!(next, '%' | '_') || Some(next) == escape) {
                        return None;
                    }
                    Some(next)
                }
                '%' => {
                    parts.push(Vec::new());
                    continue;
                }
                '_' => None,
                other => Some(other),
            };
            if let Some(part) = parts.last_mut() {
                part.push(token);
            }
        }
        Some(Pattern { parts })
    }

    /// Whether a text is as the pattern says.
    pub(super) fn matches(&self, text: &str) -> bool {
        let [first, rest @ ..] = self.parts.as_slice() else {
            return false;
        };
        let Some(after) = begins(text, first) else {
            return false;
        };
        let Some((last, middle)) = rest.split_last() else {
            return after.is_empty();
        };
        let mut text = after;
        for part in middle {
            // The first place is as good as any: what follows is any text.
            match places(text).find_map(|place| begins(&text[place..], part)) {
                Some(after) => text = after,
                None => return false,
            }
        }
        let length = text.chars().count();
        match length.checked_sub(last.len()) {
            Some(skipped) => {
                let end: String = text.chars().skip(skipped).collect();
                begins(&end, last).is_some()
            }
            None => false,
        }
    }
}

/// What follows the part that a text begins with.
fn begins<'a>(text: &'a str, part: &[Option<char>]) -> Option<&'a str> {
    let mut characters = text.chars();
    for token in part {
        let character = characters.next()?;
        if token.is_some_and(|token| token != character) {
            return None;
        }
    }
    Some(characters.as_str())
}

/// Where characters begin, and the end.
fn places(text: &str) -> impl Iterator<Item = usize> + '_ {
    let starts = text.char_indices().map(|(place, _)| place);
    starts.chain([text.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_both_engines() {
        for (text, pattern, expected) in [
            ("hello", "h%o", true),
            ("hello", "h_llo", true),
            ("hello", "HELLO", false),
            ("hello", "%l%", true),
            ("hello", "%l_", true),
            ("hello", "h%l%l%o", true),
            ("hello", "h%l%l%l%o", false),
            ("hello", "hell", false),
            ("hello", "%", true),
            ("", "%", true),
            ("", "", true),
            ("", "_", false),
            ("a\nb", "a_b", true),
            ("👍", "_", true),
            ("aab", "%ab", true),
            ("aba", "%ab", false),
            ("abab", "ab%ab", true),
            ("ab", "ab%ab", false),
            ("a%b", "a!%b", true),
            ("axb", "a!%b", false),
            ("a!b", "a!!b", true),
        ] {
            let read = Pattern::read(pattern, Some('!')).unwrap();
            assert_eq!(read.matches(text), expected, "{text} LIKE {pattern}");
        }
        for pattern in ["a\\%b", "a!xb", "ab!"] {
            assert!(Pattern::read(pattern, Some('!')).is_none(), "{pattern}");
        }
    }
}
