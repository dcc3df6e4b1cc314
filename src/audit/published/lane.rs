//! The merge of what must be published with what is: one kind of publication of one partition. Pure.
//!
//! A topic holds the publications of a lane in ascending order: first publications by offset, corrections by revision and
//! offset. So the merge holds nothing but where it is. At-least-once delivery goes back after a failure and publishes again
//! from an earlier offset on; what was passed over meanwhile may come late. For that the merge remembers the last publications
//! that it found missing, [`MOST_RECENT`] at most, and asks the stored side anew where the topic goes back.
//!
//! | message | is |
//! |---|---|
//! | at or after the place where the merge is | first of its key; what is due before it is missing, for now |
//! | before it, and missing | late, and no longer missing |
//! | before it, and not missing | published twice |
//! | before the first that the log still holds | the new beginning of what can be checked |
//!
//! Where messages of the topic cannot be read, what is due up to the next one may be among them: it is counted, and not
//! called missing. So is what a message with an equal key may have replaced in a compacted topic; how far that goes is known
//! when the topic ends ([`EqualKeys`](super::equal_keys::EqualKeys)).

use std::collections::{BTreeMap, BTreeSet};

use super::{
    message::{Body, Key},
    runs::Runs,
};
use crate::model::Offset;

/// Missing publications that may still come late.
const MOST_RECENT: usize = 10_000;

/// A publication that the stored outcomes ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub key: Key,
    /// Whether it must be in the topic; what compaction may have removed need not be.
    pub required: bool,
    /// Whether its message may have had the key of its event, and been replaced by one with an equal key.
    pub replaceable: bool,
}

/// What is missing for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Missing {
    /// Neighbours have the same number.
    stretch: u64,
    replaceable: bool,
}

/// What a message is, beside what is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Compared {
    /// What it should be.
    Same,
    /// Something else; in words.
    Different(String),
    /// Nothing of this key should be published; why.
    NotDue(String),
    /// Nothing can be said: an offset that the store does not hold, or not readably.
    Unknown,
}

/// What must be published, in the order of keys.
pub(super) trait Expected {
    /// Why it cannot be said.
    type Error;

    /// The first publication due at or after `key`.
    fn due_from(&mut self, key: Key) -> Result<Option<Due>, Self::Error>;

    /// Compares a message with what is stored.
    fn compare(&mut self, key: Key, body: &Body<'_>) -> Result<Compared, Self::Error>;
}

/// What a lane has found.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// Due and not published.
    pub missing: Runs,
    /// Published more than once.
    pub twice: Runs,
    /// Published with other contents, or although nothing is due.
    pub wrong: Runs,
}

/// One kind of publication of one partition.
pub(super) struct Lane<E> {
    pub expected: E,
    /// Whether the log still begins with its first message; if not, what lies before `floor` cannot be checked.
    whole: bool,
    /// The smallest source offset of the first publications that the log still holds.
    pub floor: Option<Offset>,
    /// Everything before this key was passed.
    next: Key,
    /// Missing for now.
    recent: BTreeMap<Key, Missing>,
    stretch: u64,
    settled: Option<Missing>,
    /// What is replaceable and comes before it may have been replaced.
    replaced_before: Offset,
    /// Offsets whose sources were the keys of other messages, which may have replaced theirs.
    named: BTreeSet<Offset>,
    /// Missing, unless a message that is still to come may have replaced it.
    doubtful: Runs,
    /// Due, and perhaps replaced.
    pub replaced: u64,
    was_twice: bool,
    /// What came last could not be read.
    is_blind: bool,
    /// Due, and perhaps among what could not be read.
    pub unread: u64,
    /// Messages of keys that are due.
    pub messages: u64,
    pub faults: Faults,
}

impl<E: Expected> Lane<E> {
    /// A lane of which nothing was read yet.
    pub fn new(expected: E, whole: bool) -> Lane<E> {
        Lane {
            expected,
            whole,
            floor: None,
            next: Key::first(Offset::ZERO),
            recent: BTreeMap::new(),
            stretch: 0,
            settled: None,
            replaced_before: Offset::ZERO,
            named: BTreeSet::new(),
            doubtful: Runs::default(),
            replaced: 0,
            was_twice: false,
            is_blind: false,
            unread: 0,
            messages: 0,
            faults: Faults::default(),
        }
    }

    /// Takes in the next message of the topic.
    pub fn publish(&mut self, key: Key, body: &Body<'_>) -> Result<(), E::Error> {
        let different = match self.expected.compare(key, body)? {
            Compared::Unknown => return Ok(()),
            Compared::NotDue(why) => {
                self.faults.wrong.add(key, false, Some(why));
                return Ok(());
            }
            Compared::Same => None,
            Compared::Different(how) => Some(how),
        };
        self.messages += 1;
        let twice = self.pass(key)?;
        if twice {
            self.faults.twice.add(key, self.was_twice, None);
        }
        self.was_twice = twice;
        if let Some(how) = different {
            self.faults.wrong.add(key, false, Some(how));
        }
        Ok(())
    }

    /// Messages of the topic could not be read here; `late` says whether those that are missing so far may be among them.
    pub fn pass_unread(&mut self, late: bool) {
        self.is_blind = true;
        if late {
            self.unread += std::mem::take(&mut self.recent).len() as u64;
        }
    }

    /// What is replaceable and comes before this offset may have been replaced.
    pub fn pass_equal_keys(&mut self, before: Offset) {
        if before > self.replaced_before {
            self.replaced_before = before;
            self.replaced += self.doubtful.remove_before(before);
            self.settled = None;
        }
    }

    /// A message of another event has the source of this offset as its key.
    pub fn pass_named(&mut self, offset: Offset) {
        self.named.insert(offset);
        if self.named.len() > MOST_RECENT {
            // Then nobody can say which.
            self.named.pop_first();
            self.pass_equal_keys(Offset::MAX);
        }
    }

    /// Whether `key` was published before.
    fn pass(&mut self, key: Key) -> Result<bool, E::Error> {
        let first = key.revision.is_none();
        if first && !self.whole {
            match self.floor {
                None => (self.floor, self.next) = (Some(key.offset), key),
                Some(floor) if key.offset < floor => {
                    self.floor = Some(key.offset);
                    self.lack(key.after(), Key::first(floor))?;
                    return Ok(false);
                }
                Some(_) => {}
            }
        }
        if key < self.next {
            return Ok(self.recent.remove(&key).is_none());
        }
        match std::mem::take(&mut self.is_blind) {
            true => self.count_unread(self.next, Some(key))?,
            false => self.lack(self.next, key)?,
        }
        self.next = key.after();
        Ok(false)
    }

    /// What is due in `[from, to)` was not published so far.
    fn lack(&mut self, from: Key, to: Key) -> Result<(), E::Error> {
        self.stretch += 1;
        let mut from = from;
        while let Some(due) = self.expected.due_from(from)?.filter(|due| due.key < to) {
            if self.must_be_there(due) {
                self.recent.insert(due.key, self.missing(due));
                if self.recent.len() > MOST_RECENT
                    && let Some((key, missing)) = self.recent.pop_first()
                {
                    self.settle(key, missing);
                }
            } else {
                self.stretch += 1;
            }
            from = due.key.after();
        }
        Ok(())
    }

    /// What is due in `[from, to)` may be among what could not be read.
    fn count_unread(&mut self, from: Key, to: Option<Key>) -> Result<(), E::Error> {
        self.stretch += 1;
        let mut from = from;
        while let Some(due) = self.expected.due_from(from)? {
            if to.is_some_and(|to| due.key >= to) {
                break;
            }
            self.unread += u64::from(self.must_be_there(due));
            from = due.key.after();
        }
        Ok(())
    }

    fn must_be_there(&self, due: Due) -> bool {
        let held = self.whole || self.floor.is_some_and(|floor| due.key.offset >= floor);
        due.required && held
    }

    fn missing(&self, due: Due) -> Missing {
        Missing {
            stretch: self.stretch,
            replaceable: due.replaceable,
        }
    }

    fn settle(&mut self, key: Key, missing: Missing) {
        let replaced = missing.replaceable && key.offset < self.replaced_before;
        if replaced || self.named.contains(&key.offset) {
            self.replaced += 1;
            return;
        }
        let joins = self.settled.replace(missing) == Some(missing);
        let runs = match missing.replaceable {
            true => &mut self.doubtful,
            false => &mut self.faults.missing,
        };
        runs.add(key, joins, None);
    }

    /// The topic ends here: what has not come is missing.
    pub fn finish(&mut self) -> Result<(), E::Error> {
        self.settle_all()?;
        self.faults
            .missing
            .append(std::mem::take(&mut self.doubtful));
        Ok(())
    }

    fn settle_all(&mut self) -> Result<(), E::Error> {
        for (key, missing) in std::mem::take(&mut self.recent) {
            self.settle(key, missing);
        }
        if !self.whole && self.floor.is_none() {
            return Ok(());
        }
        if self.is_blind {
            return self.count_unread(self.next, None);
        }
        self.stretch += 1;
        let mut from = self.next;
        while let Some(due) = self.expected.due_from(from)? {
            if self.must_be_there(due) {
                self.settle(due.key, self.missing(due));
            } else {
                self.stretch += 1;
            }
            from = due.key.after();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
