//! Names as SQL writes them.

use std::fmt;

/// A name as SQL text: in quotes only if it must be.
pub(crate) struct Identifier<'a>(pub &'a str);

impl fmt::Display for Identifier<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = !self.0.starts_with(|c: char| c.is_ascii_digit())
            && self.0.chars().all(is_word)
            && !self.0.is_empty();
        if plain {
            f.write_str(self.0)
        } else {
            write!(f, "\"{}\"", self.0.replace('"', "\"\""))
        }
    }
}

/// Whether a name may hold `c` without quotes.
pub(super) fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}
