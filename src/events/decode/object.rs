//! The JSON object of a payload, taken apart into the texts of its declared fields.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::{Deserializer, value::RawValue};

use super::{super::fields::Fields, diagnose};

/// Puts the text of each field's value into `tokens` as it stands in `text`, `None` for one that is missing.
///
/// # Errors
/// The reason why it is not one JSON object, or that a field occurs twice.
pub(super) fn read<'a>(
    text: &'a str,
    fields: &Fields,
    tokens: &mut [Option<&'a str>],
) -> Result<(), String> {
    tokens.fill(None);
    let mut twice = None;
    let mut json = Deserializer::from_str(text);
    json.deserialize_map(Object {
        fields,
        tokens,
        twice: &mut twice,
    })
    .and_then(|()| json.end())
    .map_err(|error| diagnose::not_an_object(text, &error))?;
    match twice {
        None => Ok(()),
        Some(index) => Err(diagnose::duplicate(&fields[index])),
    }
}

struct Object<'s, 'de> {
    fields: &'s Fields,
    tokens: &'s mut [Option<&'de str>],
    /// The first field that occurs twice. It is remembered rather than an error, so that a payload
    /// which is no JSON is always told so.
    twice: &'s mut Option<usize>,
}

impl<'de> Visitor<'de> for Object<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        // Most messages have their fields in the declared order: look there first.
        let mut expected = 0;
        while let Some(found) = map.next_key_seed(Key {
            fields: self.fields,
            expected,
        })? {
            let Some(index) = found else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let value: &'de RawValue = map.next_value()?;
            if self.tokens[index].replace(value.get()).is_some() {
                self.twice.get_or_insert(index);
            }
            expected = index + 1;
        }
        Ok(())
    }
}

/// A key, read as the position of the field of that name.
struct Key<'s> {
    fields: &'s Fields,
    expected: usize,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Option<usize>;

    fn deserialize<D: serde::Deserializer<'de>>(self, json: D) -> Result<Option<usize>, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Option<usize>, E> {
        let is_it = |index: &usize| self.fields[*index].name == key;
        let count = self.fields.iter().len();
        Ok(Some(self.expected)
            .filter(|index| *index < count && is_it(index))
            .or_else(|| (0..count).find(is_it)))
    }
}
