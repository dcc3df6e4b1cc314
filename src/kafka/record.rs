//! A message on its way to a topic.

/// A message to publish.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its payload; `None` is a tombstone.
    pub payload: Option<&'a [u8]>,
}

impl<'a> From<(&'a [u8], &'a [u8])> for Record<'a> {
    fn from((key, payload): (&'a [u8], &'a [u8])) -> Record<'a> {
        Record {
            key: Some(key),
            payload: Some(payload),
        }
    }
}
