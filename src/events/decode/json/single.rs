//! The commonest message: an object with one whole number, such as `{"number": 12345}`.

use super::super::super::fields::{Field, FieldType, Form};

/// Scans for an object with nothing but one field that is a whole number of up to 18 digits.
pub(super) struct Single {
    /// The name in its quotes.
    quoted: Box<[u8]>,
}

/// Whether a declaration of this field alone is one that is scanned for.
pub(super) fn is_taken(field: &Field) -> bool {
    let plain = field.form == Form::Any && field.path.is_none();
    plain && field.data_type == FieldType::BigInt
}

/// Every number of this many digits fits 64 bits.
const SAFE_DIGITS: usize = 18;

impl Single {
    /// For the field `name`; `None` if JSON must escape a character of it.
    pub(super) fn new(name: &str) -> Option<Single> {
        let escaped = |c: char| c == '"' || c == '\\' || c < ' ';
        let quoted = format!("\"{name}\"").into_bytes().into_boxed_slice();
        (!name.contains(escaped)).then_some(Single { quoted })
    }

    /// The number, if `payload` is such an object. `None` says nothing about the payload.
    #[inline]
    pub(super) fn scan(&self, payload: &[u8]) -> Option<i64> {
        let rest = space(payload).strip_prefix(b"{")?;
        let rest = space(rest).strip_prefix(&*self.quoted)?;
        let rest = space(space(rest).strip_prefix(b":")?);
        let (negative, rest) = match rest {
            [b'-', rest @ ..] => (true, rest),
            _ => (false, rest),
        };
        let mut number = 0_i64;
        let mut digits = 0;
        while let Some(digit @ b'0'..=b'9') = rest.get(digits) {
            if digits == SAFE_DIGITS {
                return None;
            }
            number = number * 10 + i64::from(digit - b'0');
            digits += 1;
        }
        if digits == 0 || (digits > 1 && rest[0] == b'0') {
            return None;
        }
        let end = space(space(&rest[digits..]).strip_prefix(b"}")?);
        end.is_empty()
            .then_some(if negative { -number } else { number })
    }
}

/// What follows the white space.
#[inline]
fn space(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = text {
        text = rest;
    }
    text
}
