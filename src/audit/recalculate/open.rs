//! What is on record of a range, opened.

use std::sync::Arc;

use arrow_schema::ArrowError;

use super::{
    RecalculateError,
    window::{Lane, Stored},
};
use crate::{
    calculation::{Declaration, Fingerprint},
    events::Fields,
    format::{Absent, NotKnown, SegmentFacts, SegmentKind, SilentRange},
    history::SegmentFile,
    kafka::Batch,
};

/// A file of the range.
pub(in crate::audit) type File = (SegmentKind, SegmentFile);

/// The files of a range, opened.
pub(in crate::audit) struct Open {
    pub stored: Stored,
    /// The calculation that its outcomes are of.
    pub before: Fingerprint,
    pub absent: Absent,
    /// How many of its events have no row because a condition left them out.
    pub filtered: u64,
    /// Those of which payloads of stored rejects were made.
    pub payload_fields: Option<Fields>,
    /// What stored results do not know of their events, and what rejects do not.
    pub not_known: [Option<NotKnown>; 2],
}

impl Open {
    /// A range in which events were filtered and nothing has a row; `None` when none were.
    pub fn silent(silent: &SilentRange) -> Option<Open> {
        Some(Open {
            stored: Stored::default(),
            before: silent.fingerprint.clone()?,
            absent: silent.record.absent.clone(),
            filtered: silent.record.filtered,
            payload_fields: None,
            not_known: [None; 2],
        })
    }

    /// Whether no offset has a row.
    pub fn is_silent(&self) -> bool {
        self.stored.results.is_none() && self.stored.rejects.is_none()
    }

    /// Whether a batch has events that are absent by the record.
    pub fn delivers_absent(&self, batch: &Batch) -> bool {
        let Absent::Ranges(runs) = &self.absent else {
            return false;
        };
        let (first, last) = (batch.first_offset(), batch.last_offset());
        let from = runs.partition_point(|run| run.end() <= first);
        let near = runs[from..].iter().take_while(|run| run.start() <= last);
        let mut near = near.peekable();
        near.peek().is_some()
            && batch.iter().any(|event| {
                while near.next_if(|run| run.end() <= event.offset).is_some() {}
                near.peek().is_some_and(|run| run.contains(event.offset))
            })
    }
}

/// Opens the files; they are in the order of their kinds, at least one. With what they say their calculation is.
pub(in crate::audit) fn open(files: Vec<File>) -> Result<(Open, Declaration), RecalculateError> {
    let mut stored = Stored::default();
    let (mut first, mut payload_fields): (Option<SegmentFacts>, _) = (None, None);
    let mut not_known = [None; 2];
    for (kind, file) in files {
        let reader = file.read()?;
        let facts = reader.facts().clone();
        if kind == SegmentKind::Rejects {
            payload_fields.clone_from(&facts.payload_fields);
            not_known[1] = facts.not_known;
            stored.rejects = Some(Lane::new(reader));
        } else {
            not_known[0] = facts.not_known;
            let lane = Lane::new(reader);
            let declared = Fields::parse(&facts.declaration.fields).ok();
            let fields = declared.and_then(|declared| declared.stored_in(lane.schema()));
            stored.fields = Some(Arc::new(fields.ok_or_else(no_fields)?));
            stored.results = Some(lane);
        }
        first.get_or_insert(facts);
    }
    let first = first.ok_or_else(not_rejects)?;
    let open = Open {
        stored,
        before: first.declaration.fingerprint.clone(),
        absent: first.absent,
        filtered: first.counts.filtered,
        payload_fields,
        not_known,
    };
    Ok((open, first.declaration))
}

fn no_fields() -> RecalculateError {
    let text = "the results have none of the fields that their file declares".to_owned();
    ArrowError::SchemaError(text).into()
}

pub(super) fn not_rejects() -> RecalculateError {
    let text = "the columns are not those of rejects".to_owned();
    ArrowError::SchemaError(text).into()
}
