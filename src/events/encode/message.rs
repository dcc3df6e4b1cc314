//! Messages one after the other in one buffer.

/// Keys and values of messages, kept in one buffer that is used again and again.
#[derive(Clone, Debug, Default)]
pub struct MessageBuffer {
    bytes: Vec<u8>,
    /// Where each message's key ends, and its value, which follows.
    ends: Vec<(usize, usize)>,
}

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

    /// The bytes of all keys and values.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
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

    /// Adds a message whose key and value the two functions append to the bytes.
    #[inline]
    pub(super) fn add(&mut self, key: impl FnOnce(&mut Vec<u8>), value: impl FnOnce(&mut Vec<u8>)) {
        key(&mut self.bytes);
        let end = self.bytes.len();
        value(&mut self.bytes);
        self.ends.push((end, self.bytes.len()));
    }
}
