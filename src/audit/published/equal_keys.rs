//! How far compaction may have taken results of a partition, because later messages had equal keys. Pure.
//!
//! With `--carry key` a result has the key of its event, and a compacted topic keeps the newest message of a key. So the last
//! message of the topic that has such a key, of whichever partition of the events or of another program, is never taken; every other
//! one that carried a key came before it. And the results of one partition of the events come in the order of their offsets:
//!
//! | the last carried key is | then those may have been replaced |
//! |---|---|
//! | of this partition | results before that result |
//! | of another one whose results have the same partition of the topic, or of a message that is none of ours | results before the next one of this partition |
//! | none that the topic still has; stored files carry keys | results before the end of these files |
//!
//! What comes after that had its own source as its key, which only a correction of it has besides.

use std::collections::BTreeSet;

use crate::{
    calculation::Fingerprint,
    format::{Listed, Segment, SegmentKind},
    model::Offset,
};

/// What the topic and the stored files say about carried keys, as seen from one partition of the events.
#[derive(Debug)]
pub(super) struct EqualKeys {
    /// Results before it may have been replaced.
    before: Offset,
    /// Since the last result came what may have the key of any: one of another partition's event, or of no event of ours. Up to the
    /// next result nothing is known.
    is_open: bool,
    /// Something says that keys are carried, or were.
    are_carried: bool,
}

impl EqualKeys {
    /// What the live files of results say.
    pub fn of(manifest: &Listed) -> EqualKeys {
        let declared = manifest.calculations.iter();
        let carrying: BTreeSet<&Fingerprint> = declared
            .filter(|declaration| declaration.carries_keys())
            .map(|declaration| &declaration.fingerprint)
            .collect();
        let carries = |segment: &&Segment| {
            segment.kind == SegmentKind::Results && carrying.contains(&segment.fingerprint)
        };
        let ends = manifest
            .files()
            .filter(carries)
            .map(|segment| segment.range.end());
        let before = ends.max();
        EqualKeys {
            before: before.unwrap_or(Offset::ZERO),
            is_open: false,
            are_carried: before.is_some(),
        }
    }

    /// Of a topic whose messages all have the keys of their events.
    pub fn everywhere() -> EqualKeys {
        EqualKeys {
            before: Offset::ZERO,
            is_open: true,
            are_carried: true,
        }
    }

    /// The result of this offset has the key of its event.
    pub fn pass_carried(&mut self, offset: Offset) {
        self.are_carried = true;
        self.close(offset);
    }

    /// The result of another partition's event has the key of that.
    pub fn pass_carried_by_another(&mut self) {
        self.are_carried = true;
        self.is_open = true;
    }

    /// The result of this offset has its source as its key.
    pub fn pass_plain(&mut self, offset: Offset) {
        if self.is_open {
            self.close(offset);
        }
    }

    /// A message that is none of ours, or could not be read, may have a key that was carried.
    pub fn pass_unknown(&mut self) {
        self.is_open |= self.are_carried;
    }

    /// Before which offset results may have been replaced, whatever comes.
    pub const fn before(&self) -> Offset {
        self.before
    }

    /// The same when nothing comes any more; `None`: all of them.
    pub fn at_end(&self) -> Option<Offset> {
        (!self.is_open).then_some(self.before)
    }

    fn close(&mut self, offset: Offset) {
        self.before = self.before.max(offset);
        self.is_open = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: i64) -> Offset {
        Offset::new(offset).unwrap()
    }

    #[test]
    fn the_last_carried_key_bounds_what_may_have_been_replaced() {
        let plain = || EqualKeys {
            before: Offset::ZERO,
            is_open: false,
            are_carried: false,
        };
        let mut keys = plain();
        keys.pass_plain(at(5));
        keys.pass_unknown();
        assert_eq!(keys.at_end(), Some(at(0)), "none was ever carried");

        keys.pass_carried(at(7));
        keys.pass_plain(at(9));
        assert_eq!(keys.at_end(), Some(at(7)));

        // That of another one, after which an own result says how far this one was.
        keys.pass_carried_by_another();
        assert_eq!((keys.before(), keys.at_end()), (at(7), None));
        keys.pass_plain(at(20));
        keys.pass_plain(at(30));
        assert_eq!(keys.at_end(), Some(at(20)));

        // What cannot be read may be one, too.
        keys.pass_unknown();
        assert_eq!(keys.at_end(), None);
        // Delivered again, from before: what came before the carried key is still before it.
        keys.pass_plain(at(12));
        assert_eq!(keys.at_end(), Some(at(20)));
        assert_eq!(EqualKeys::everywhere().at_end(), None);
    }
}
