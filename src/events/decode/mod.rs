//! From payloads to columns.
//!
//! A payload is one JSON object in UTF-8. In the order of the checks: the whole payload must be UTF-8, and
//! one JSON object and nothing else; nothing on the path of a declared field may occur twice; each must hold
//! what its type holds. Anything else is ignored, however deep or often it occurs, but it must be JSON.
//!
//! Two paths lead to the same columns: a scan for the commonest message there is (an object with nothing
//! but one whole number, [`single`]), and the general one ([`places`], then [`Column::append`]). The scan
//! leaves to the general path whatever it does not know, so it can neither accept nor reject on its own.

mod column;
mod diagnose;
mod number;
mod places;
mod scan;
mod single;

#[cfg(test)]
mod tests;

use arrow_array::ArrayRef;
use arrow_schema::ArrowError;

use column::Column;
pub(crate) use column::{Bytes, Numbers};
use places::{Found, Places, Unreadable};
pub(super) use scan::is_number;
use single::Single;

use super::{fields::Fields, reason::ReasonCode};

/// Reads payloads with the declared fields.
pub(crate) struct Decoder {
    fields: Fields,
    places: Places,
    single: Option<Single>,
}

/// The events of one batch that were decoded so far.
pub(crate) struct DecodedRows<'a> {
    columns: Vec<Column>,
    /// What the payload at hand has.
    found: Found<'a>,
    len: usize,
}

impl Decoder {
    pub(crate) fn new(fields: Fields) -> Decoder {
        let mut all = fields.iter();
        let single = match (all.next(), all.next()) {
            (Some(only), None) if single::is_taken(only) => Single::new(&only.name),
            _ => None,
        };
        Decoder {
            places: Places::of(&fields),
            fields,
            single,
        }
    }

    /// Reads everything through the general path.
    #[cfg(test)]
    fn general(fields: Fields) -> Decoder {
        Decoder {
            places: Places::of(&fields),
            fields,
            single: None,
        }
    }

    pub(crate) fn fields(&self) -> &Fields {
        &self.fields
    }

    /// No rows yet, with room for `capacity` of them.
    pub(crate) fn rows<'a>(&self, capacity: usize) -> DecodedRows<'a> {
        DecodedRows {
            columns: self
                .fields
                .iter()
                .map(|field| Column::new(field, capacity))
                .collect(),
            found: Found::default(),
            len: 0,
        }
    }

    /// Adds the row of `payload` to `rows`, or nothing.
    ///
    /// # Errors
    /// The reason why the event is a reject.
    #[inline]
    pub(crate) fn decode<'a>(
        &self,
        payload: Option<&'a [u8]>,
        rows: &mut DecodedRows<'a>,
    ) -> Result<(), String> {
        let payload = payload.ok_or_else(|| {
            ReasonCode::NullPayload
                .because("the event has no payload (a tombstone); send a JSON object")
        })?;
        if let Some(number) = self.single.as_ref().and_then(|single| single.scan(payload))
            && let [Column::BigInt(column)] = rows.columns.as_mut_slice()
        {
            column.push(number);
            rows.len += 1;
            return Ok(());
        }
        self.decode_any(payload, rows)
    }

    fn decode_any<'a>(&self, payload: &'a [u8], rows: &mut DecodedRows<'a>) -> Result<(), String> {
        let text = str::from_utf8(payload).map_err(|error| diagnose::not_utf8(payload, error))?;
        self.places
            .find(text, &mut rows.found)
            .map_err(|unreadable| match unreadable {
                Unreadable::Malformed => diagnose::not_an_object(text),
                Unreadable::Twice(place) => diagnose::duplicate(self.places.path(place)),
            })?;
        for (index, field) in self.fields.iter().enumerate() {
            let text = self.places.text(&rows.found, index);
            if let Err(reason) = rows.columns[index].append(field, text) {
                for column in &mut rows.columns[..=index] {
                    column.truncate(rows.len);
                }
                return Err(reason);
            }
        }
        rows.len += 1;
        Ok(())
    }
}

impl DecodedRows<'_> {
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// The rows as Arrow columns, in the order of the fields.
    ///
    /// # Errors
    /// When the texts of a field are more than 2 GiB together.
    pub(crate) fn finish(self) -> Result<Vec<ArrayRef>, ArrowError> {
        self.columns.into_iter().map(Column::finish).collect()
    }
}
