//! Messages one after the other in one buffer.

/// Keys and values of messages, kept in one buffer that is used again and again.
#[derive(Clone, Debug, Default)]
pub struct MessageBuffer {
    bytes: Vec<u8>,
    /// Where each message's key ends, and its value, which follows.
    ends: Vec<(usize, usize)>,
    /// The sources of messages that have another key, one after the other.
    sources: Vec<u8>,
    /// These messages, ascending, and where the source of each ends.
    with_source: Vec<(usize, usize)>,
}

/// The header that names the source of a result whose key does not.
pub(crate) const SOURCE_HEADER: &str = "snapback-source";

/// What that header takes besides the source: its name, and the lengths of both.
const HEADER_BYTES: usize = SOURCE_HEADER.len() + 12;

impl MessageBuffer {
    /// An empty buffer.
    #[must_use]
    pub fn new() -> MessageBuffer {
        MessageBuffer::default()
    }

    /// Forgets all messages but keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.sources.clear();
        self.with_source.clear();
    }

    /// How many messages it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether it holds no message.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The bytes of all keys and values, and of the headers that name sources.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len() + self.sources.len() + self.with_source.len() * HEADER_BYTES
    }

    /// The same of the message at `index`.
    #[must_use]
    pub fn size(&self, index: usize) -> usize {
        let body = self.get(index);
        let body = body.map_or(0, |(key, value)| key.len() + value.len());
        let header = self.source(index);
        body + header.map_or(0, |source| source.len() + HEADER_BYTES)
    }

    /// The source of the message at `index`, if its key is another.
    #[must_use]
    pub fn source(&self, index: usize) -> Option<&[u8]> {
        let place = self
            .with_source
            .binary_search_by_key(&index, |(index, _)| *index);
        let place = place.ok()?;
        let start = place
            .checked_sub(1)
            .map_or(0, |before| self.with_source[before].1);
        Some(&self.sources[start..self.with_source[place].1])
    }

    /// The key and the value of the message at `index`.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<(&[u8], &[u8])> {
        let (key, value) = *self.ends.get(index)?;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before].1);
        Some((&self.bytes[start..key], &self.bytes[key..value]))
    }

    /// The key and the value of each message, in the order in which they were added.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> {
        let mut start = 0;
        self.ends.iter().map(move |&(key, value)| {
            let message = (&self.bytes[start..key], &self.bytes[key..value]);
            start = value;
            message
        })
    }

    pub(super) fn reserve(&mut self, messages: usize) {
        self.ends.reserve(messages);
    }

    /// Says of the message that was added last what its source is.
    pub(super) fn add_source(&mut self, source: impl FnOnce(&mut Vec<u8>)) {
        source(&mut self.sources);
        let last = self.ends.len().saturating_sub(1);
        self.with_source.push((last, self.sources.len()));
    }

    /// Adds a message whose key and value the two functions append to the bytes.
    #[inline]
    pub(super) fn add(&mut self, key: impl FnOnce(&mut Vec<u8>), value: impl FnOnce(&mut Vec<u8>)) {
        key(&mut self.bytes);
        let end = self.bytes.len();
        value(&mut self.bytes);
        self.ends.push((end, self.bytes.len()));
    }
}
