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
/// Digests are joined up to so many offsets, and a range that gets one is cut into parts of so many: with a digest it can be read
/// again as a whole only.
pub const MOST_DIGESTED: u64 = 1 << 17;

/// Keeps the list short: when its ranges write out too many runs, the oldest get digests instead, and neighbours with digests
/// become one. The last one stays as it is: what comes next may continue it. So does what touches `edited`, the range of an edit
/// inside of the history: that nothing else has changed must be seen from the list alone, and a digest cannot be cut. The next append
/// shortens it.
pub(super) fn shorten(list: &mut Vec<SilentRange>, edited: Option<OffsetRange>) {
    let Some(last) = list.pop() else { return };
    let runs: usize = list.iter().chain([&last]).filter_map(dense).sum();
    let mut excess = runs.saturating_sub(MOST_RUNS);
    let is_digest = |silent: &SilentRange| matches!(silent.record.absent, Absent::Digest(_));
    let is_edited = |silent: &SilentRange| {
        let (start, end) = (silent.range.start(), silent.range.end());
        edited.is_some_and(|edited| start <= edited.end() && edited.start() <= end)
    };
    if excess > 0 || list.iter().any(is_digest) {
        let (mut short, mut open) = (Vec::with_capacity(list.len() + 1), Vec::new());
        for silent in list.drain(..) {
            // Few runs go along with the digest before them.
            let goes_along =
                || silent.runs() <= FEW_RUNS && !open.is_empty() && takes(&open, &silent);
            let is_long = dense(&silent).filter(|_| excess > 0);
            let shortens = is_long.is_some() || is_digest(&silent) || goes_along();
            if !shortens || is_edited(&silent) {
                short.extend(digested(&std::mem::take(&mut open)));
                short.push(silent);
                continue;
            }
            excess = excess.saturating_sub(is_long.unwrap_or(0));
            let parts = silent.cut(MOST_DIGESTED);
            for part in parts.unwrap_or_else(|| vec![silent]) {
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

/// The runs of a range that has too many of them to be written out for good; `None` where they are so few that digests of its parts
/// would take as much.
fn dense(silent: &SilentRange) -> Option<usize> {
    let parts = silent.range.len().div_ceil(MOST_DIGESTED);
    let runs = silent.runs();
    (runs as u64 > parts.saturating_mul(FEW_RUNS as u64)).then_some(runs)
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
        absent.push_record(&piece.record.absent);
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
