//! What must be published of a partition, by the segments of its newest manifest.
//!
//! A stored outcome without corrections was published once, as it is stored. One with corrections was published first as it
//! was before, which is not known any more, and then once for each revision. A correction says of which kind its outcome was
//! before; those of a replay under a new calculation do not know, so the first publication may be in either topic.

use super::{
    cursor::{Cursor, Files, Found},
    lane::{Compared, Due, Expected},
    message::{Body, Key},
    rows::What,
};
use crate::{
    audit::AuditError,
    format::{Listed, OutcomeKind, Segment, SegmentKind},
    model::{Offset, OffsetRange, Sequence},
};

/// The offsets that a chain accounts for, as far as their outcomes are its own.
#[derive(Clone)]
pub(super) struct Held {
    range: OffsetRange,
    gaps: Vec<OffsetRange>,
    /// What lies before was not published as it came.
    published_from: Offset,
    newest: Sequence,
}

impl Held {
    pub fn of(manifest: &Listed) -> Held {
        Held {
            range: manifest.range(),
            published_from: manifest.published_from.unwrap_or(manifest.origin),
            gaps: manifest.gaps.iter().map(|gap| gap.range).collect(),
            newest: manifest.sequence,
        }
    }

    /// Whether an outcome must have been published as it came.
    fn published(&self, offset: Offset) -> bool {
        offset >= self.published_from && self.contains(offset)
    }

    fn contains(&self, offset: Offset) -> bool {
        self.range.contains(offset) && !self.gaps.iter().any(|gap| gap.contains(offset))
    }
}

/// The corrections of a partition by offset: lists of segments whose ranges ascend.
struct Corrected(Vec<Cursor>);

/// What corrections say about an offset.
struct Correction {
    offset: i64,
    /// The kind of the first publication, where that is known.
    first: Option<OutcomeKind>,
    newest: Option<Sequence>,
}

impl Corrected {
    fn of(files: &Files, manifest: &Listed) -> Corrected {
        let mut segments = of_kind(manifest, SegmentKind::Corrections);
        segments.sort_by_key(|segment| (segment.range.start(), segment.revision));
        let mut lists: Vec<Vec<Segment>> = Vec::new();
        for segment in segments {
            let follows = |list: &&mut Vec<Segment>| {
                let last = list.last();
                last.is_none_or(|last| last.range.end() <= segment.range.start())
            };
            match lists.iter_mut().find(follows) {
                Some(list) => list.push(segment),
                None => lists.push(vec![segment]),
            }
        }
        let cursor = |list| Cursor::new(files.clone(), What::Before, list);
        Corrected(lists.into_iter().map(cursor).collect())
    }

    /// The first corrected offset at or after this one.
    fn find(&mut self, offset: i64) -> Result<Option<Correction>, AuditError> {
        let mut found: Vec<(Found, Option<Sequence>, Option<OutcomeKind>)> = Vec::new();
        for cursor in &mut self.0 {
            if let Some(row) = cursor.find(offset)? {
                let before = cursor.rows().and_then(|rows| rows.before(row.row));
                found.push((row, cursor.segments()[row.index].revision, before));
            }
        }
        let Some(offset) = found.iter().map(|(row, ..)| row.offset).min() else {
            return Ok(None);
        };
        let here = || found.iter().filter(|(row, ..)| row.offset == offset);
        let first = here().min_by_key(|(_, revision, _)| *revision);
        Ok(Some(Correction {
            offset,
            first: first.and_then(|(.., before)| *before),
            newest: here().filter_map(|(_, revision, _)| *revision).max(),
        }))
    }

    fn is_unreadable(&self, offset: i64) -> bool {
        self.0.iter().any(|cursor| cursor.is_unreadable(offset))
    }
}

fn of_kind(manifest: &Listed, kind: SegmentKind) -> Vec<Segment> {
    let listed = manifest.files();
    listed
        .filter(|segment| segment.kind == kind)
        .cloned()
        .collect()
}

/// The first publications of one kind.
pub(super) struct First {
    held: Held,
    kind: SegmentKind,
    rows: Cursor,
    corrected: Corrected,
    /// Whether the topic may have lost messages whose keys were published again.
    compacted: bool,
}

impl First {
    pub fn of(files: &Files, manifest: &Listed, kind: SegmentKind, compacted: bool) -> First {
        let what = match kind {
            SegmentKind::Rejects => What::Rejects,
            SegmentKind::Results | SegmentKind::Corrections => What::Results,
        };
        let mut segments = of_kind(manifest, kind);
        segments.sort_by_key(|segment| segment.range.start());
        First {
            held: Held::of(manifest),
            kind,
            rows: Cursor::new(files.clone(), what, segments),
            corrected: Corrected::of(files, manifest),
            compacted,
        }
    }

    /// The outcomes that the topic cannot tell anything about: those before `floor`, all without one, and those that the
    /// store cannot give.
    pub fn not_checkable(&mut self, whole: bool, floor: Option<Offset>) -> Result<u64, AuditError> {
        let unreadable = self.rows.unreadable_rows();
        let before = match (whole, floor) {
            (true, _) => return Ok(unreadable),
            (false, Some(floor)) => floor.get(),
            (false, None) => i64::MAX,
        };
        Ok(self.rows.count_before(before)?.max(unreadable))
    }

    /// Whether a correction's outcome was first published in this topic: `None` when that is not known.
    fn is_mine(&self, correction: &Correction) -> Option<bool> {
        correction.first.map(|first| match first {
            OutcomeKind::Result => self.kind == SegmentKind::Results,
            OutcomeKind::Reject => self.kind == SegmentKind::Rejects,
            OutcomeKind::Filtered => false,
        })
    }
}

impl Expected for First {
    type Error = AuditError;

    fn due_from(&mut self, key: Key) -> Result<Option<Due>, AuditError> {
        if key.revision.is_some() {
            return Ok(None);
        }
        let mut from = key.offset.get();
        loop {
            let row = self.rows.find(from)?;
            let corrected = self.corrected.find(from)?;
            let mut replaceable = self.compacted;
            let (offset, required) = match (row, corrected) {
                (None, None) => return Ok(None),
                (Some(row), corrected)
                    if corrected.as_ref().is_none_or(|c| row.offset < c.offset) =>
                {
                    let rows = self.rows.rows();
                    replaceable &= rows.is_none_or(|rows| rows.may_carry(row.row));
                    (row.offset, !self.corrected.is_unreadable(row.offset))
                }
                (_, Some(corrected)) => match self.is_mine(&corrected) {
                    Some(false) => {
                        from = corrected.offset + 1;
                        continue;
                    }
                    mine => (corrected.offset, mine == Some(true) && !self.compacted),
                },
                (Some(_), None) => return Ok(None),
            };
            return Ok(Offset::new(offset).map(|offset| Due {
                key: Key::first(offset),
                // What was given up since cannot be compared with anything.
                required: required && self.held.published(offset),
                replaceable,
            }));
        }
    }

    fn compare(&mut self, key: Key, body: &Body<'_>) -> Result<Compared, AuditError> {
        if !self.held.contains(key.offset) {
            return Ok(Compared::Unknown);
        }
        let offset = key.offset.get();
        if let Some(correction) = self.corrected.find(offset)?.filter(|c| c.offset == offset) {
            return Ok(match self.is_mine(&correction) {
                Some(false) => Compared::NotDue("its outcome was of another kind then".to_owned()),
                _ => Compared::Same,
            });
        }
        if !self.held.published(key.offset) {
            return Ok(Compared::Unknown);
        }
        let row = self.rows.find(offset)?.filter(|row| row.offset == offset);
        if self.rows.is_unreadable(offset) || self.corrected.is_unreadable(offset) {
            return Ok(Compared::Unknown);
        }
        let Some(row) = row else {
            let stored = match self.kind {
                SegmentKind::Rejects => "no reject",
                SegmentKind::Results | SegmentKind::Corrections => "no result",
            };
            return Ok(Compared::NotDue(format!("{stored} is stored for it")));
        };
        let rows = self.rows.rows();
        let difference = rows.and_then(|rows| rows.difference(row.row, body));
        Ok(difference.map_or(Compared::Same, Compared::Different))
    }
}

/// The corrections of one kind, by revision and offset.
pub(super) struct Corrections {
    held: Held,
    what: What,
    rows: Cursor,
    corrected: Corrected,
    compacted: bool,
}

impl Corrections {
    pub fn of(files: &Files, manifest: &Listed, what: What, compacted: bool) -> Corrections {
        let mut segments = of_kind(manifest, SegmentKind::Corrections);
        segments.sort_by_key(|segment| segment.revision);
        Corrections {
            held: Held::of(manifest),
            what,
            rows: Cursor::new(files.clone(), what, segments),
            corrected: Corrected::of(files, manifest),
            compacted,
        }
    }

    /// The place of the first segment at or after a revision, and where to begin in it.
    fn place(&self, key: Key) -> (usize, i64) {
        let segments = self.rows.segments();
        let index = segments.partition_point(|segment| segment.revision < key.revision);
        let is_it = segments
            .get(index)
            .is_some_and(|segment| segment.revision == key.revision);
        (index, if is_it { key.offset.get() } else { i64::MIN })
    }

    /// Whether the topic keeps it: compaction removes what was published again, and after a while what was taken back.
    fn is_kept(&mut self, key: Key) -> Result<bool, AuditError> {
        if !self.compacted {
            return Ok(true);
        }
        if self.what != What::CorrectedResults {
            return Ok(false);
        }
        let correction = self.corrected.find(key.offset.get())?;
        let here = correction.filter(|correction| correction.offset == key.offset.get());
        Ok(here.is_some_and(|correction| correction.newest == key.revision))
    }
}

impl Expected for Corrections {
    type Error = AuditError;

    fn due_from(&mut self, key: Key) -> Result<Option<Due>, AuditError> {
        let (index, offset) = self.place(key);
        let Some(found) = self.rows.find_from(index, offset)? else {
            return Ok(None);
        };
        let revision = self.rows.segments()[found.index].revision;
        let Some(offset) = Offset::new(found.offset) else {
            return Ok(None);
        };
        let key = Key { revision, offset };
        Ok(Some(Due {
            key,
            // One that was made before its range was given up is published all the same.
            required: self.held.range.contains(offset) && self.is_kept(key)?,
            // Its key is its source.
            replaceable: false,
        }))
    }

    fn compare(&mut self, key: Key, body: &Body<'_>) -> Result<Compared, AuditError> {
        if !self.held.range.contains(key.offset) || key.revision > Some(self.held.newest) {
            return Ok(Compared::Unknown);
        }
        let (index, offset) = self.place(key);
        let found = self.rows.find_from(index, offset)?;
        if self.rows.is_unreadable(key.offset.get()) {
            return Ok(Compared::Unknown);
        }
        let is_it = |found: &Found| {
            found.offset == key.offset.get()
                && self.rows.segments()[found.index].revision == key.revision
        };
        let Some(found) = found.filter(is_it) else {
            if !self.held.contains(key.offset) {
                return Ok(Compared::Unknown);
            }
            return Ok(Compared::NotDue(
                "the store has no such correction".to_owned(),
            ));
        };
        let rows = self.rows.rows();
        let difference = rows.and_then(|rows| rows.difference(found.row, body));
        Ok(difference.map_or(Compared::Same, Compared::Different))
    }
}
