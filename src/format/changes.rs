//! Outcomes by kind and as text; and which of a batch are others than before, and what they were: columns on their way into
//! corrections.

use std::sync::Arc;

use arrow_array::{ArrayRef, UInt32Array, builder::StringBuilder};

/// What an outcome was and is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutcomeKind {
    /// A result.
    Result,
    /// A reject.
    Reject,
    /// Left out by the condition: nothing is stored, and nothing published.
    Filtered,
}

impl OutcomeKind {
    const ALL: [OutcomeKind; 3] = [
        OutcomeKind::Result,
        OutcomeKind::Reject,
        OutcomeKind::Filtered,
    ];

    /// As corrections store it: `result`, `reject`, `filtered`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            OutcomeKind::Result => "result",
            OutcomeKind::Reject => "reject",
            OutcomeKind::Filtered => "filtered",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<OutcomeKind> {
        OutcomeKind::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

/// An outcome as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutcomeText<'t> {
    /// A result: its message.
    Result {
        /// The value of the message, which is JSON.
        message: &'t str,
    },
    /// A reject: why.
    Reject {
        /// The reason.
        reason: &'t str,
    },
    /// Left out by the condition.
    Filtered,
}

impl OutcomeText<'_> {
    /// Of which kind it is.
    #[must_use]
    pub const fn kind(&self) -> OutcomeKind {
        match self {
            OutcomeText::Result { .. } => OutcomeKind::Result,
            OutcomeText::Reject { .. } => OutcomeKind::Reject,
            OutcomeText::Filtered => OutcomeKind::Filtered,
        }
    }
}

/// The outcomes of a batch that are others than before.
#[derive(Debug, Default)]
pub struct Changes {
    /// Rows of the results.
    pub results: ChangedRows,
    /// Rows of the rejects.
    pub rejects: ChangedRows,
    /// Those of the filtered offsets.
    pub filtered: ChangedRows,
}

/// Rows that are other outcomes than before, and what each was.
#[derive(Debug, Default)]
pub struct ChangedRows {
    rows: Vec<u32>,
    kinds: StringBuilder,
    messages: StringBuilder,
    reasons: StringBuilder,
}

/// What corrected outcomes were: a column each, as corrections store them.
pub(super) struct OldColumns {
    pub kinds: ArrayRef,
    pub messages: ArrayRef,
    pub reasons: ArrayRef,
}

impl ChangedRows {
    /// Adds a row, which lies after those before, and what it was.
    pub fn push(&mut self, row: u32, before: OutcomeText<'_>) {
        let (message, reason) = match before {
            OutcomeText::Result { message } => (Some(message), None),
            OutcomeText::Reject { reason } => (None, Some(reason)),
            OutcomeText::Filtered => (None, None),
        };
        self.rows.push(row);
        self.kinds.append_value(before.kind().name());
        self.messages.append_option(message);
        self.reasons.append_option(reason);
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn rows(&self) -> UInt32Array {
        UInt32Array::from(self.rows.clone())
    }

    pub(super) fn before(&self) -> OldColumns {
        OldColumns {
            kinds: Arc::new(self.kinds.finish_cloned()),
            messages: Arc::new(self.messages.finish_cloned()),
            reasons: Arc::new(self.reasons.finish_cloned()),
        }
    }
}

impl<'t> FromIterator<(u32, OutcomeText<'t>)> for ChangedRows {
    fn from_iter<I: IntoIterator<Item = (u32, OutcomeText<'t>)>>(rows: I) -> ChangedRows {
        let mut changed = ChangedRows::default();
        for (row, before) in rows {
            changed.push(row, before);
        }
        changed
    }
}
