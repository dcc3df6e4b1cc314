//! Payloads that are one JSON object in UTF-8.
//!
//! In the order of the checks: the whole payload must be UTF-8, and one JSON object and nothing else; nothing on the path of a
//! declared field may occur twice; each must hold what its type holds. Anything else is ignored, however deep or often it
//! occurs, but it must be JSON.
//!
//! Two paths lead to the same columns: a scan for the commonest message there is (an object with nothing
//! but one whole number, [`single`]), and the general one ([`places`], then [`value`]). The scan
//! leaves to the general path whatever it does not know, so it can neither accept nor reject on its own.

mod diagnose;
mod number;
mod places;
mod scan;
mod single;
mod value;

#[cfg(test)]
mod tests;

pub(super) use places::Found;
use places::{Places, Unreadable};
pub(in crate::events) use scan::{Malformed, Scanner, is_number};
use single::Single;
pub(in crate::events) use value::text;

use super::{
    super::{fields::Fields, reason::ReasonCode},
    column::Column,
};

/// Reads payloads with declared fields.
pub(super) struct Reader {
    places: Places,
    single: Option<Single>,
}

impl Reader {
    pub(super) fn new(fields: &Fields) -> Reader {
        let mut all = fields.iter();
        let single = match (all.next(), all.next()) {
            (Some(only), None) if single::is_taken(only) => Single::new(&only.name),
            _ => None,
        };
        Reader {
            places: Places::of(fields),
            single,
        }
    }

    /// Reads everything through the general path.
    #[cfg(test)]
    pub(super) fn general(fields: &Fields) -> Reader {
        Reader {
            single: None,
            ..Reader::new(fields)
        }
    }

    /// Adds the value of each field to its column.
    ///
    /// # Errors
    /// The reason why the event is a reject; columns may have a value too many then.
    #[inline]
    pub(super) fn read<'a>(
        &self,
        payload: Option<&'a [u8]>,
        fields: &Fields,
        columns: &mut [Column],
        found: &mut Found<'a>,
    ) -> Result<(), String> {
        let payload = payload.ok_or_else(|| {
            ReasonCode::NullPayload
                .because("the event has no payload (a tombstone); send a JSON object")
        })?;
        if let Some(number) = self.single.as_ref().and_then(|single| single.scan(payload))
            && let [Column::BigInt(column)] = columns
        {
            column.push(number);
            return Ok(());
        }
        self.read_any(payload, fields, columns, found)
    }

    fn read_any<'a>(
        &self,
        payload: &'a [u8],
        fields: &Fields,
        columns: &mut [Column],
        found: &mut Found<'a>,
    ) -> Result<(), String> {
        let text = str::from_utf8(payload).map_err(|error| diagnose::not_utf8(payload, error))?;
        self.places
            .find(text, found)
            .map_err(|unreadable| match unreadable {
                Unreadable::Malformed => diagnose::not_an_object(text),
                Unreadable::Twice(place) => diagnose::duplicate(self.places.path(place)),
            })?;
        for (index, field) in fields.iter().enumerate() {
            let text = self.places.text(found, index);
            value::append(&mut columns[index], field, text)?;
        }
        Ok(())
    }
}
