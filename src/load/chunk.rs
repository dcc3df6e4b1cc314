//! Payloads on their way to one partition.

use crate::kafka::Record;

/// Payloads one after the other in one buffer that is used again and again.
#[derive(Debug, Default)]
pub struct Chunk {
    bytes: Vec<u8>,
    /// Where each payload ends, and whether there is one at all.
    ends: Vec<(usize, bool)>,
    malformed: u64,
}

impl Chunk {
    /// How many events it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether it holds no event.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The bytes of all payloads.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// How many of its events are malformed on purpose.
    #[must_use]
    pub fn malformed(&self) -> u64 {
        self.malformed
    }

    /// The payloads, in the order in which they were added.
    pub fn payloads(&self) -> impl Iterator<Item = Option<&[u8]>> {
        let mut start = 0;
        self.ends.iter().map(move |&(end, present)| {
            let payload = &self.bytes[start..end];
            start = end;
            present.then_some(payload)
        })
    }

    pub(super) fn records(&self) -> impl Iterator<Item = Record<'_>> {
        self.payloads().map(|payload| Record { key: None, payload })
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.malformed = 0;
    }

    /// Adds the payload that `write` appends to the bytes.
    pub(super) fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.ends.push((self.bytes.len(), true));
    }

    pub(super) fn add_malformed(&mut self, payload: Option<&[u8]>) {
        self.bytes.extend_from_slice(payload.unwrap_or_default());
        self.ends.push((self.bytes.len(), payload.is_some()));
        self.malformed += 1;
    }
}
