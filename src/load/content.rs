//! What an event of ours means, told from its payload alone.

use super::Malformed;

const BEFORE: &[u8] = br#"{"number": "#;
const AFTER: &[u8] = b"}";

/// What an event of [`Numbers`](super::Numbers) means.
///
/// This knows only how those events are written. It shares nothing with the decoding of events, which it helps to check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// A number.
    Number(i64),
    /// Something wrong on purpose.
    Malformed(Malformed),
}

impl Content {
    /// The meaning of `payload`; `None` when it is not one of ours.
    #[must_use]
    pub fn of(payload: Option<&[u8]>) -> Option<Content> {
        if let Some(way) = Malformed::recognise(payload) {
            return Some(Content::Malformed(way));
        }
        let digits = payload?.strip_prefix(BEFORE)?.strip_suffix(AFTER)?;
        let number: i64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
        let canonical = itoa::Buffer::new().format(number).as_bytes() == digits;
        canonical.then_some(Content::Number(number))
    }

    /// Writes the event of a number, as Python's `json.dumps` does.
    pub(super) fn write(number: i64, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(BEFORE);
        bytes.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
        bytes.extend_from_slice(AFTER);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_told_from_the_bytes_that_are_written_for_it() {
        for number in [0, 7, -7, i64::MIN, i64::MAX] {
            let mut bytes = Vec::new();
            Content::write(number, &mut bytes);
            assert_eq!(Content::of(Some(&bytes)), Some(Content::Number(number)));
        }
    }

    #[test]
    fn anything_else_means_nothing() {
        for payload in [
            "{\"number\": 07}",
            "{\"number\":7}",
            "{\"number\": +7}",
            "7",
        ] {
            assert_eq!(Content::of(Some(payload.as_bytes())), None, "{payload}");
        }
    }
}
