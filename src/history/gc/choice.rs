//! What a collection may do, from what was listed and read. Pure.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    format::FileName,
    history::race::is_never_listed,
    model::{Digest, Offset, Sequence},
};

/// So many of the newest manifests always stay, and what may be deleted is what the lowest of them states: whichever of them
/// is the newest that can be read one day, all that it counts on is there.
pub const NEWEST_KEPT: usize = 100;

/// `oldest` is not raised for fewer manifests than this: each time costs one.
pub const WORTH_RAISING: u64 = 50;

/// On a partition that rests, so many: each edit makes it younger, and what is young stays.
pub const WORTH_RAISING_AT_REST: u64 = 3_000;

/// Without a new manifest for so long, a partition rests.
pub const AT_REST: TimeDelta = TimeDelta::hours(1);

/// Where all manifests are old, no newer ones come by themselves: `oldest` is raised in so many edits that the last takes effect,
/// if at least this many manifests can go then.
pub const WORTH_SETTLING: u64 = 2 * NEWEST_KEPT as u64;

/// What one manifest of a chain says, as far as a collection needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The digest of the manifest.
    pub digest: Digest,
    /// The manifest that it was made from.
    pub base: Option<(Sequence, Digest)>,
    /// The `oldest` that it states.
    pub oldest: Sequence,
    /// Whether all that it changed is the `oldest`.
    pub retires: bool,
    /// The files that it lists and its base did not.
    pub added: Vec<FileName>,
    /// The files that its base listed and it does not.
    pub replaced: Vec<FileName>,
}

/// The manifests that were reached from the newest by base links.
pub type Links = BTreeMap<Sequence, Link>;

/// A number that has a manifest, and when that was written.
pub type Present = (Sequence, DateTime<Utc>);

/// The numbers that `oldest` is to be raised to, one edit each, ascending; none when there is nothing to gain.
///
/// `present` are those that change more than the `oldest`. The newest [`NEWEST_KEPT`] of them stay, unless as many edits follow them
/// here, all that are younger than `keep`, and those from `committed`'s head on. `stated` is what the
/// newest manifest says now, `effective` is the [`floor`].
#[must_use]
pub fn raises(
    present: &[Present],
    stated: Sequence,
    effective: Sequence,
    committed: Option<Sequence>,
    keep: TimeDelta,
    now: DateTime<Utc>,
) -> Vec<Sequence> {
    let Some(committed) = committed else {
        return Vec::new();
    };
    let (Some(newest), Some(target)) = (
        present.last(),
        target(present, committed, NEWEST_KEPT, keep, now),
    ) else {
        return Vec::new();
    };
    let rest = now - newest.1;
    let lowest = present.first().map_or(target, |(number, _)| *number);
    // The steps are the newest hundred then, so what is raised to is bounded by the commit alone.
    let last = newest.0.min(committed).0;
    let first = (last + 1).saturating_sub(NEWEST_KEPT as u64);
    if rest >= keep && last >= lowest.max(effective).0 + WORTH_SETTLING {
        let steps = (first..=last).map(Sequence);
        return steps.filter(|step| *step > stated).collect();
    }
    let (worth, target) = if rest < AT_REST {
        (WORTH_RAISING, target)
    } else {
        // What is raised now must leave the steps in which it settles later.
        let lower = target.0.saturating_sub(NEWEST_KEPT as u64);
        (WORTH_RAISING_AT_REST, Sequence(lower))
    };
    let is_worth_it = target.0 >= stated.0 + worth;
    is_worth_it.then_some(target).into_iter().collect()
}

/// What `oldest` may be raised to at most: the newest `kept` of `present` stay, all that are younger than `keep`, and those
/// from `committed`'s head on.
#[must_use]
pub fn target(
    present: &[Present],
    committed: Sequence,
    kept: usize,
    keep: TimeDelta,
    now: DateTime<Utc>,
) -> Option<Sequence> {
    let (lowest, _) = present.iter().rev().nth(kept.checked_sub(1)?)?;
    // A clock that goes back keeps too much.
    let young = present.iter().find(|(_, written)| now - *written < keep);
    let target = (*lowest).min(committed);
    Some(young.map_or(target, |(number, _)| target.min(*number)))
}

/// The number below which everything may be deleted: what the lowest of the newest `kept` of the chain states.
#[must_use]
pub fn floor(links: &Links, kept: usize) -> Option<Sequence> {
    let kept = links.len().min(kept);
    let lowest = links.values().rev().nth(kept.checked_sub(1)?);
    lowest.map(|link| link.oldest)
}

/// A file of a partition, at its own path, in the attic, or at both.
pub type Files = BTreeMap<FileName, FilePlaces>;

/// Where a file is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FilePlaces {
    /// Its size at its own path, in bytes.
    pub own: Option<u64>,
    /// Its size in the attic.
    pub attic: Option<u64>,
}

impl FilePlaces {
    /// The bytes at both.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.own.unwrap_or(0) + self.attic.unwrap_or(0)
    }
}

/// Since when files are known to be listed by no manifest.
pub type Notes = BTreeMap<FileName, Noted>;

/// When a file was seen for the first time that no manifest lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noted {
    /// The time.
    pub at: DateTime<Utc>,
    /// The highest number of a manifest then.
    pub head: Sequence,
}

/// What a choice is made from.
pub struct Facts<'f> {
    /// The manifests in the store, ascending.
    pub present: &'f [Present],
    /// The chain, from the newest manifest down, as far as it can be read.
    pub links: &'f Links,
    /// What the manifest at the [`floor`] lists; what pages list that the newest manifest has, too, may be missing.
    pub listed_at_floor: &'f BTreeSet<FileName>,
    /// What the newest manifest lists.
    pub listed_now: &'f BTreeSet<FileName>,
    /// Files in the folders of the partition, and in the attic.
    pub files: &'f Files,
    /// What earlier collections noted.
    pub notes: &'f Notes,
    /// The highest number of a manifest, looked for after the files.
    pub head: Sequence,
    /// Where the chain ends: a file that reaches further may be on its way into it, however long that takes.
    pub end: Offset,
    /// How long what is unlisted stays.
    pub keep: TimeDelta,
    /// How many of the newest manifests stay: [`NEWEST_KEPT`].
    pub kept: usize,
    /// By how many numbers a file is listed, or by none: [`crate::history::LISTED_WITHIN`].
    pub within: u64,
    /// The time.
    pub now: DateTime<Utc>,
}

/// What a collection deletes, and what it notes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// Manifests, ascending.
    pub manifests: Vec<Sequence>,
    /// Files that manifests below the floor listed, and none from it on.
    pub superseded: Vec<FileName>,
    /// Files that no manifest has listed since they were noted, `keep` ago, and that none will list.
    pub orphans: Vec<FileName>,
    /// Files that no manifest lists, which stay until then.
    pub notes: Notes,
}

/// A retained manifest that is missing, damaged, or no part of the chain: while there is one, it is not known what it lists,
/// so nothing is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocked(pub Sequence);

/// Chooses. The numbers from the floor to the highest present one must all be in the chain.
///
/// # Errors
/// [`Blocked`] names the highest that is not.
pub fn choose(facts: &Facts<'_>) -> Result<Choice, Blocked> {
    let (Some(floor), Some((highest, _))) = (floor(facts.links, facts.kept), facts.present.last())
    else {
        return Ok(Choice::default());
    };
    let retained = (floor.0..=highest.0).map(Sequence);
    let present: BTreeSet<Sequence> = facts.present.iter().map(|(number, _)| *number).collect();
    for number in retained.rev() {
        if !facts.links.contains_key(&number) || !present.contains(&number) {
            return Err(Blocked(number));
        }
    }
    let mut listed: BTreeSet<FileName> = facts.listed_at_floor | facts.listed_now;
    let above = facts.links.range(floor..).skip(1);
    listed.extend(above.flat_map(|(_, link)| &link.added));
    let gone = facts.links.range(..=floor);
    let gone: BTreeSet<FileName> = gone.flat_map(|(_, link)| &link.replaced).copied().collect();

    let mut choice = Choice {
        manifests: present.range(..floor).copied().collect(),
        ..Choice::default()
    };
    for file in facts.files.keys().filter(|file| !listed.contains(file)) {
        if gone.contains(file) {
            choice.superseded.push(*file);
            continue;
        }
        let noted = facts.notes.get(file).copied();
        // A clock that went back knows nothing of how long it is.
        let noted = noted
            .filter(|noted| noted.at <= facts.now)
            .unwrap_or(Noted {
                at: facts.now,
                head: facts.head,
            });
        let is_old = facts.now - noted.at >= facts.keep
            && is_never_listed(noted.head, facts.head, facts.within);
        if is_old && file.range().end() <= facts.end {
            choice.orphans.push(*file);
        } else {
            choice.notes.insert(*file, noted);
        }
    }
    Ok(choice)
}

#[cfg(test)]
#[path = "choice_tests.rs"]
mod tests;
