//! Why an event is rejected: a closed list of codes, and the text after them.

use std::fmt::{self, Write as _};

/// The longest excerpt of a message that a reason quotes, in characters.
const LONGEST_EXCERPT: usize = 64;

/// The longest text that a calculation may give as its reason, in characters.
const LONGEST_TEXT: usize = 400;

macro_rules! reason_codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $text:literal,)+) => {
        /// The code of a reject's reason, which reads `code: what was found and what to declare instead`.
        ///
        /// | code | the event |
        /// |---|---|
        $(#[doc = concat!("| `", $text, "` |", $($doc,)+ " |")])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ReasonCode {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl ReasonCode {
            /// Every code, in the order of the checks.
            pub const ALL: &[ReasonCode] = &[$(ReasonCode::$variant,)+];

            /// The code as it is written.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(ReasonCode::$variant => $text,)+ }
            }

            /// The code that is written `code`, if there is one.
            #[must_use]
            pub fn parse(code: &str) -> Option<ReasonCode> {
                match code { $($text => Some(ReasonCode::$variant),)+ _ => None }
            }
        }
    };
}

reason_codes! {
    /// has no payload (a tombstone)
    NullPayload = "null-payload",
    /// has a payload of no bytes, or of white space only
    Empty = "empty",
    /// is not UTF-8
    NotUtf8 = "not-utf8",
    /// is not one JSON value: malformed, cut off, or followed by something
    NotJson = "not-json",
    /// is JSON, but not an object
    NotObject = "not-object",
    /// has a declared field more than once
    DuplicateField = "duplicate-field",
    /// lacks a field that is NOT NULL
    MissingField = "missing-field",
    /// has null in a field that is NOT NULL
    NullField = "null-field",
    /// has another kind of value than was declared: a string for a number, say
    WrongType = "wrong-type",
    /// has a number with more fraction digits than the declared type holds
    Fraction = "fraction",
    /// has a number with an exponent where the declared type takes none
    Exponent = "exponent",
    /// has a number that is too large for the declared type
    OutOfRange = "out-of-range",
    /// has a string that stands for no text: half of a surrogate pair
    BadString = "bad-string",
    /// has a string that is not what its field takes: no time, date, UUID, or number FROM STRING
    BadText = "bad-text",
    /// starts with the five bytes that serializers of a schema registry put before what they write
    SchemaRegistry = "schema-registry",
    /// has a result that its type cannot hold
    Overflow = "overflow",
    /// has zero as a divisor
    DivisionByZero = "division-by-zero",
    /// has a text or number that the calculation cannot cast
    BadCast = "bad-cast",
    /// has a value that a function of the calculation does not take
    BadArgument = "bad-argument",
    /// has NULL in a column of its result that is NOT NULL
    NullResult = "null-result",
    /// was rejected by the calculation, for a reason of its own
    Calculation = "calculation",
    /// has a result message larger than the results topic takes
    TooLarge = "too-large",
}

impl ReasonCode {
    /// The whole reason, `code: text`.
    #[must_use]
    pub fn because(self, text: impl fmt::Display) -> String {
        format!("{self}: {text}")
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The code of a reason: the part before `: `.
#[must_use]
pub fn reason_code(reason: &str) -> &str {
    reason.split_once(": ").map_or(reason, |(code, _)| code)
}

/// Why a result is a reject whose message of so many bytes `topic` does not take.
#[must_use]
pub fn too_large(bytes: usize, topic: &str, limit: u64) -> String {
    ReasonCode::TooLarge.because(format!(
        "the result message has {bytes} bytes, {topic} takes {limit}; raise its max.message.bytes"
    ))
}

/// A reason that a calculation gave, brought into the form of all reasons: a known code, bounded, and
/// printable.
pub(crate) fn calculations_own(reason: &str) -> String {
    match reason.split_once(": ") {
        Some((code, text)) if ReasonCode::parse(code).is_some() => {
            format!("{code}: {}", printable(text, LONGEST_TEXT))
        }
        _ => ReasonCode::Calculation.because(printable(reason, LONGEST_TEXT)),
    }
}

/// An excerpt of a message for a reason: at most 64 characters, everything unprintable escaped.
pub(super) fn excerpt(text: &str) -> String {
    printable(text, LONGEST_EXCERPT)
}

/// At most `longest` characters of `text`, everything unprintable escaped.
pub(crate) fn printable(text: &str, longest: usize) -> String {
    let mut shown = String::new();
    let mut length = 0;
    for character in text.chars() {
        let before = shown.len();
        match character {
            '"' | '\'' | '\\' => shown.push(character),
            // Writing to a String cannot fail.
            _ => drop(write!(shown, "{}", character.escape_debug())),
        }
        length += shown[before..].chars().count();
        if length > longest {
            shown.truncate(before);
            shown.push('…');
            break;
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_read_back_from_its_text() {
        for code in ReasonCode::ALL {
            assert_eq!(ReasonCode::parse(code.as_str()), Some(*code));
            assert_eq!(reason_code(&code.because("x: y")), code.as_str());
        }
        assert_eq!(ReasonCode::parse("other"), None);
    }

    #[test]
    fn an_excerpt_is_short_and_printable() {
        assert_eq!(
            excerpt("\"a\\b\"\n\u{0}\u{7f}é\u{202e}"),
            "\"a\\b\"\\n\\0\\u{7f}é\\u{202e}"
        );
        let long = excerpt(&"\u{1}".repeat(1000));
        assert!(long.ends_with('…') && long.chars().count() <= 65, "{long}");
    }

    #[test]
    fn a_calculations_reason_is_given_a_code_when_it_has_none() {
        assert_eq!(calculations_own("too big"), "calculation: too big");
        assert_eq!(
            calculations_own("odd: too big"),
            "calculation: odd: too big"
        );
        assert_eq!(calculations_own("overflow: a\tb"), "overflow: a\\tb");
        assert!(calculations_own(&"x".repeat(10_000)).chars().count() < 450);
    }
}
