//! Events that are wrong on purpose.

use crate::events::ReasonCode;

macro_rules! malformed {
    ($($(#[doc = $doc:literal])+ $way:ident = $payload:expr, $reason:ident;)+) => {
        /// A way in which an event can be malformed, for the default field `number BIGINT NOT NULL`.
        ///
        /// Each has one payload, so that a reader recognises it without knowing what was loaded when.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Malformed {
            $($(#[doc = $doc])+ $way,)+
        }

        impl Malformed {
            /// Every way.
            pub const ALL: &[Malformed] = &[$(Malformed::$way,)+];

            /// The payload; `None` is a tombstone.
            #[must_use]
            pub const fn payload(self) -> Option<&'static [u8]> {
                match self { $(Malformed::$way => $payload,)+ }
            }

            /// Why it is rejected.
            #[must_use]
            pub const fn reason(self) -> ReasonCode {
                match self { $(Malformed::$way => ReasonCode::$reason,)+ }
            }
        }
    };
}

malformed! {
    /// A tombstone.
    Tombstone = None, NullPayload;
    /// No bytes at all.
    Empty = Some(b""), Empty;
    /// Bytes that are no text.
    Binary = Some(b"{\"number\": \xff\xfe}"), NotUtf8;
    /// A message that was cut off.
    CutOff = Some(br#"{"number": 12"#), NotJson;
    /// What Python prints for a dictionary.
    SingleQuotes = Some(b"{'number': 7}"), NotJson;
    /// Two messages in one.
    TwoObjects = Some(br#"{"number": 1}{"number": 2}"#), NotJson;
    /// Python's not-a-number.
    NotANumber = Some(br#"{"number": NaN}"#), NotJson;
    /// JSON that is no object.
    Array = Some(b"[7]"), NotObject;
    /// The field twice.
    Twice = Some(br#"{"number": 7, "number": 8}"#), DuplicateField;
    /// Another field only.
    Missing = Some(br#"{"value": 7}"#), MissingField;
    /// The field without a value.
    Null = Some(br#"{"number": null}"#), NullField;
    /// A number in quotes.
    Quoted = Some(br#"{"number": "7"}"#), WrongType;
    /// A number with a fraction.
    Fraction = Some(br#"{"number": 7.5}"#), Fraction;
    /// A number with an exponent.
    Exponent = Some(br#"{"number": 1e3}"#), Exponent;
    /// A number beyond 64 bits.
    TooLarge = Some(br#"{"number": 9223372036854775808}"#), OutOfRange;
}

impl Malformed {
    /// The way that has this payload.
    #[must_use]
    pub fn recognise(payload: Option<&[u8]>) -> Option<Malformed> {
        Malformed::ALL
            .iter()
            .copied()
            .find(|way| way.payload() == payload)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        calculation::{Evaluator, builtin},
        events::{Fields, reason_code},
        model::{Event, Offset},
    };

    #[test]
    fn there_are_at_least_a_dozen_ways_and_each_is_recognised() {
        assert!(Malformed::ALL.len() >= 12);
        for way in Malformed::ALL {
            assert_eq!(Malformed::recognise(way.payload()), Some(*way));
        }
        assert_eq!(Malformed::recognise(Some(br#"{"number": 7}"#)), None);
    }

    #[test]
    fn each_way_is_rejected_for_its_reason() {
        let evaluator = Evaluator::new(Fields::default(), builtin("square").unwrap()).unwrap();
        let events: Vec<Event<'_>> = Malformed::ALL
            .iter()
            .zip(0..)
            .map(|(way, offset)| Event {
                offset: Offset::new(offset).unwrap(),
                timestamp: None,
                key: None,
                payload: way.payload(),
            })
            .collect();
        let evaluated = Arc::new(evaluator).evaluate(events.into_iter()).unwrap();
        let codes: Vec<&str> = evaluated
            .rejects
            .iter()
            .map(|reject| reason_code(&reject.reason))
            .collect();
        let expected: Vec<&str> = Malformed::ALL
            .iter()
            .map(|way| way.reason().as_str())
            .collect();
        assert_eq!(codes, expected);
    }
}
