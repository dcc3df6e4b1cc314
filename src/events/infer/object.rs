//! A JSON object's members, as they are written.

use std::fmt;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::{Deserializer, value::RawValue};

/// The members of a payload that is a JSON object, with their values as they are written.
pub fn object(payload: &[u8]) -> Option<Vec<(String, &str)>> {
    object_of(str::from_utf8(payload).ok()?)
}

/// The same of a text.
pub fn object_of(text: &str) -> Option<Vec<(String, &str)>> {
    let mut json = Deserializer::from_str(text);
    let members = json.deserialize_map(Members).ok()?;
    json.end().ok()?;
    Some(members)
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Vec<(String, &'de str)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
            members.push((name, value.get()));
        }
        Ok(members)
    }
}
