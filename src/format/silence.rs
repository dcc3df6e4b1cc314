//! Lists of silent ranges that stay short, whatever events come: which offsets are absent is written out for the newest of them
//! only, older ones keep a digest of it. Pure.
//!
//! A topic of transactional producers has a marker every few offsets, and a condition that takes nothing leaves all events between
//! them without a row: written out for ever, the runs of absent offsets would make a manifest some MiB larger every day.

use super::{Absent, AbsentBuilder, RowlessRecord, SilentRange, absent::LISTED, silent::outside};
use crate::model::OffsetRange;

/// The ranges of a list write out so many runs of absent offsets together, not counting those that have few and the last one.
const MOST_RUNS: usize = LISTED;
/// So many runs take no more than a digest does.
const FEW_RUNS: usize = 8;
/// A range that is only digested because the list is long is cut into parts that have so many runs on average, if it can be.
const RUNS_EACH: u64 = 50;
/// Digests are joined up to so many offsets, and a range that gets one is cut into parts of so many, or more where it has few
/// runs: with a digest it can be read again as a whole only.
pub const MOST_DIGESTED: u64 = 1 << 17;

/// Keeps the list short: when its ranges write out too many runs, the oldest get digests instead, and neighbours with digests
/// become one. The last one stays as it is: what comes next may continue it.
pub(super) fn shorten(list: &mut Vec<SilentRange>) {
    let Some(last) = list.pop() else { return };
    let long = |silent: &SilentRange| Some(silent.runs()).filter(|runs| *runs > FEW_RUNS);
    let runs: usize = list.iter().chain([&last]).filter_map(long).sum();
    let mut excess = runs.saturating_sub(MOST_RUNS);
    let is_digest = |silent: &SilentRange| matches!(silent.record.absent, Absent::Digest(_));
    if excess > 0 || list.iter().any(is_digest) {
        let (mut short, mut open) = (Vec::with_capacity(list.len() + 1), Vec::new());
        for silent in list.drain(..) {
            match long(&silent).filter(|_| excess > 0) {
                Some(runs) => excess = excess.saturating_sub(runs),
                None if is_digest(&silent) => {}
                // Few runs go along with the digest before them.
                None if silent.runs() <= FEW_RUNS && !open.is_empty() && takes(&open, &silent) => {}
                None => {
                    short.extend(digested(&std::mem::take(&mut open)));
                    short.push(silent);
                    continue;
                }
            }
            for part in parts(silent) {
                if !takes(&open, &part) {
                    short.extend(digested(&std::mem::take(&mut open)));
                }
                open.push(part);
            }
        }
        short.extend(digested(&open));
        *list = short;
    }
    list.push(last);
}

/// Whether these neighbours and the next one may have one digest.
fn takes(open: &[SilentRange], next: &SilentRange) -> bool {
    let (Some(first), Some(last)) = (open.first(), open.last()) else {
        return true;
    };
    let mut others = open.iter().filter_map(|one| one.fingerprint.as_ref());
    let by = next.fingerprint.as_ref();
    last.range.end() == next.range.start()
        && OffsetRange::new(first.range.start(), next.range.end())
            .is_ok_and(|all| all.len() <= MOST_DIGESTED)
        && others.all(|other| by.is_none_or(|by| by == other))
}

/// A range in the parts that get a digest each.
fn parts(silent: SilentRange) -> Vec<SilentRange> {
    let most = (silent.runs() as u64 / RUNS_EACH).max(1);
    let step = (silent.range.len().div_ceil(most)).next_power_of_two();
    silent
        .cut(step.max(MOST_DIGESTED))
        .unwrap_or_else(|| vec![silent])
}

/// Neighbours as one range with a digest; one alone stays as it is where that is no longer. `None` without any.
fn digested(pieces: &[SilentRange]) -> Option<SilentRange> {
    let (first, last) = (pieces.first()?, pieces.last()?);
    let is_short = |one: &SilentRange| one.runs() <= FEW_RUNS;
    if pieces.len() == 1 && is_short(first) {
        return Some(first.clone());
    }
    let mut absent = AbsentBuilder::default();
    let mut filtered = 0;
    for piece in pieces {
        match &piece.record.absent {
            Absent::Ranges(runs) => runs.iter().for_each(|run| absent.push(*run)),
            Absent::Digest(digest) => absent.push_digest(*digest),
        }
        filtered += piece.record.filtered;
    }
    let fingerprint = pieces.iter().find_map(|piece| piece.fingerprint.clone());
    Some(SilentRange {
        range: OffsetRange::new(first.range.start(), last.range.end()).ok()?,
        record: RowlessRecord {
            absent: absent.finish_digested(),
            filtered,
        },
        fingerprint,
    })
}

/// Whether the list `next` says of every offset outside of `range` what `base` says, however it is divided, in as many words or with
/// digests of them.
#[must_use]
pub fn same_silence_outside(
    base: &[SilentRange],
    next: &[SilentRange],
    range: OffsetRange,
) -> bool {
    let (Some(base), Some(next)) = (outside(base, range), outside(next, range)) else {
        return false;
    };
    let offsets = |list: &[SilentRange]| list.iter().map(|one| one.range.len()).sum::<u64>();
    offsets(&base) == offsets(&next) && next.iter().all(|now| is_of(now, &base))
}

/// Whether a range says what a list says of its offsets.
fn is_of(now: &SilentRange, base: &[SilentRange]) -> bool {
    let from = base.partition_point(|one| one.range.end() <= now.range.start());
    let inside = base[from..].iter();
    let inside = inside.take_while(|one| one.range.start() < now.range.end());
    let pieces: Option<Vec<SilentRange>> = inside.map(|one| one.part(now.range)).collect();
    let Some(pieces) = pieces else { return false };
    let mut others = pieces.iter().filter_map(|one| one.fingerprint.as_ref());
    if others.any(|by| Some(by) != now.fingerprint.as_ref()) {
        return false;
    }
    if let [one] = &pieces[..]
        && one == now
    {
        return true;
    }
    match &now.record.absent {
        Absent::Digest(_) => digested(&pieces).as_ref() == Some(now),
        Absent::Ranges(_) => {
            let mut pieces = pieces.into_iter();
            let first = pieces.next();
            let all = pieces.try_fold(first, |all, next| {
                all.map(|all| all.joined(&next, usize::MAX))
            });
            all.flatten().as_ref() == Some(now)
        }
    }
}

#[cfg(test)]
mod tests;
