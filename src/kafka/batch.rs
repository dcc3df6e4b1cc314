//! Messages of one partition, as events.

use std::sync::{Arc, Weak};

use super::raw::Messages;
use crate::model::{Event, Offset};

/// Messages of one partition in offset order; never empty. They are freed on drop.
pub struct Batch {
    messages: Messages,
    in_hand: Arc<()>,
}

/// Whether a batch is still in hand: it ends when the batch is dropped.
#[derive(Debug, Default)]
pub(super) struct InHand(Weak<()>);

impl InHand {
    pub(super) fn of(batch: &Batch) -> InHand {
        InHand(Arc::downgrade(&batch.in_hand))
    }

    pub(super) fn is_over(&self) -> bool {
        self.0.strong_count() == 0
    }
}

impl Batch {
    /// `None` when there is no message.
    pub(super) fn of(messages: Messages) -> Option<Batch> {
        (messages.len() > 0).then(|| Batch {
            messages,
            in_hand: Arc::default(),
        })
    }

    /// How many messages it holds.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "a batch is never empty")]
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// The bytes of their keys and payloads.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let bytes = self.iter().map(|event| {
            let parts = [event.key, event.payload];
            parts.into_iter().flatten().map(<[u8]>::len).sum::<usize>()
        });
        bytes.sum::<usize>() as u64
    }

    /// The events, in offset order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Event<'_>> + Clone {
        self.messages.events()
    }

    /// The headers of the message at `index` (its place in the batch, not its offset).
    ///
    /// `None` when it has some, but more than a client reads (100,000).
    #[must_use]
    pub fn headers(&self, index: usize) -> Option<Vec<(String, Option<Vec<u8>>)>> {
        self.messages.headers(index)
    }

    /// The first message's offset.
    #[must_use]
    pub fn first_offset(&self) -> Offset {
        self.at(0)
    }

    /// The last message's offset.
    #[must_use]
    pub fn last_offset(&self) -> Offset {
        self.at(self.len() - 1)
    }

    fn at(&self, index: usize) -> Offset {
        self.messages
            .offset(index)
            .and_then(Offset::new)
            .unwrap_or(Offset::ZERO)
    }
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Batch({}..={})", self.first_offset(), self.last_offset())
    }
}
