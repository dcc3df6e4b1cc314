//! The one way in which a chain grows: `apply(base, edit) -> manifest`, a pure function.

mod backfill;
mod declarations;
mod following;
mod giving_up;
mod new_segments;

use bytes::Bytes;
use chrono::SubsecRound;

use super::{
    ApplyError, Edit, EditSummary, Gap, Layout, MAX_MANIFEST_BYTES, Manifest, OpenList, Pipeline,
    Rowless, RowlessRecord, Segment, SegmentKind, SilentRange, Stamp, codec, paging,
    silence::shorten,
    silent::{push_silent, replace_silent},
    validate,
};
use crate::model::{Counts, Digest, Offset, OffsetRange, Partition, Sequence};
use backfill::backfill;
use declarations::declarations;
use following::{check_live, follow, outcomes};
use giving_up::give_up;
use new_segments::{check_append, check_segments, in_order};

/// The manifest that follows `base` by `edit`.
///
/// # Errors
/// When the edit does not continue the base exactly (I2) or its counts and segments do not add up (I4).
pub fn apply(base: Option<&Manifest>, edit: Edit, stamp: Stamp) -> Result<Manifest, ApplyError> {
    Ok(apply_and_encode(base, edit, stamp)?.0)
}

/// The same with its stored form, which its digest is made of: encoding it again would be the same work twice.
///
/// # Errors
/// As [`apply`].
pub fn apply_and_encode(
    base: Option<&Manifest>,
    edit: Edit,
    stamp: Stamp,
) -> Result<(Manifest, Bytes), ApplyError> {
    let mut declared = stamp.known.clone();
    declared.push(stamp.calculation.clone());
    let mut manifest = match (base, edit) {
        (
            None,
            Edit::Bind {
                pipeline,
                partition,
                origin,
            },
        ) => {
            Layout::new(&pipeline.events_topic)?;
            first(pipeline, partition, origin, stamp)
        }
        (Some(base), Edit::Bind { partition, .. }) => {
            return Err(ApplyError::AlreadyBound {
                partition,
                sequence: base.sequence,
            });
        }
        (None, _) => return Err(ApplyError::NotBound),
        (
            Some(base),
            Edit::Append {
                range,
                segments,
                counts,
                record,
            },
        ) => {
            check_start(base, range)?;
            check_append(range, &segments, counts, &record)?;
            let ours = stamp.calculation.fingerprint.clone();
            let mut next = follow(base, stamp);
            next.end = range.end();
            next.counts = next.counts + counts;
            next.forward = base.forward.map(|before| before.with(counts));
            let has_rows = |segment: &Segment| segment.kind != SegmentKind::Corrections;
            if !segments.iter().any(has_rows) {
                push_silent(
                    &mut next.open.silent,
                    SilentRange::new(range, record, &ours),
                );
                shorten(&mut next.open.silent, None);
            }
            let (rows, corrections) = in_order(segments, next.sequence);
            next.open.segments.extend(rows);
            next.open.corrections.extend(corrections);
            next.edit = EditSummary::Append { range, counts };
            next
        }
        (Some(base), Edit::AcceptLoss { range, reason }) => {
            check_start(base, range)?;
            let mut next = follow(base, stamp);
            next.end = range.end();
            let lost = Counts {
                lost: range.len(),
                ..Counts::default()
            };
            next.counts = next.counts + lost;
            next.forward = base.forward.map(|before| before.with(lost));
            next.gaps.push(Gap {
                range,
                reason,
                accepted_at: next.created_at,
            });
            next.edit = EditSummary::AcceptLoss { range, reason };
            next
        }
        (
            Some(base),
            Edit::GiveUp {
                range,
                reason,
                replaced,
            },
        ) => give_up(base, (range, reason), replaced, stamp)?,
        (
            Some(base),
            Edit::Backfill {
                range,
                segments,
                counts,
                record,
            },
        ) => backfill(base, range, segments, (counts, record), stamp)?,
        (
            Some(base),
            Edit::Repair {
                range,
                replaced,
                segments,
                record,
            },
        ) => repair(base, range, replaced, (segments, record), stamp)?,
        (
            Some(base),
            Edit::Compact {
                range,
                replaced,
                segments,
            },
        ) => compact(base, range, replaced, segments, stamp)?,
        (Some(base), Edit::Retire { oldest }) => retire(base, oldest, stamp)?,
        (Some(base), Edit::Seal { page, path, bytes }) => {
            paging::seal(follow(base, stamp), &page, path, bytes)?
        }
        (Some(base), Edit::Reopen { page }) => paging::reopen(follow(base, stamp), *page)?,
    };
    manifest.calculations = declarations(&manifest, &declared)?;
    validate::check(&manifest)?;
    let (manifest, stored) = codec::seal(manifest);
    match stored.len() as u64 {
        bytes if bytes > MAX_MANIFEST_BYTES => Err(ApplyError::TooLarge { bytes }),
        _ => Ok((manifest, stored)),
    }
}

/// The outcomes of one range give way to others: those of its segments, or of a silent range or a part of one.
fn repair(
    base: &Manifest,
    range: OffsetRange,
    replaced: Vec<Segment>,
    (segments, record): (Vec<Segment>, RowlessRecord),
    stamp: Stamp,
) -> Result<Manifest, ApplyError> {
    check_live(base, range, &replaced)?;
    let mut before = outcomes(&replaced);
    match replaced.first() {
        Some(file) => before.filtered = file.rowless.filtered,
        None => {
            let silent = filtered_in(base, range).ok_or(ApplyError::NotLive { range })?;
            // Without filtered events the rows say what is absent, and how many that is is compared below.
            if record.filtered > 0 && silent.record.absent != record.absent {
                return Err(ApplyError::OtherRecord { range });
            }
            before.filtered = silent.record.filtered;
        }
    }
    let mut now = outcomes(&segments);
    now.filtered = record.filtered;
    if before.outcomes() != now.outcomes() {
        return Err(ApplyError::OtherOutcomes {
            range,
            repaired: now.outcomes(),
            live: before.outcomes(),
        });
    }
    now.absent = range.len().saturating_sub(now.outcomes());
    if !record.is_of(range, Rowless::of(now)) {
        return Err(ApplyError::OtherRecord { range });
    }
    check_segments(range, &segments, now.outcomes())?;
    let ours = stamp.calculation.fingerprint.clone();
    let mut next = follow(base, stamp);
    let (rows, corrections) = in_order(segments, next.sequence);
    let silent = rows.is_empty();
    let silent = silent.then(|| SilentRange::new(range, record, &ours));
    let silent = replace_silent(&base.open.silent, range, silent);
    next.open.silent = silent.ok_or(ApplyError::NotLive { range })?;
    shorten(&mut next.open.silent, Some(range));
    let earlier = |segment: &Segment| segment.range.start() < range.start();
    let place = base.open.segments.partition_point(earlier);
    next.open
        .segments
        .splice(place..place + replaced.len(), rows);
    next.open.corrections.extend(corrections);
    next.counts.results = next.counts.results - before.results + now.results;
    next.counts.rejects = next.counts.rejects - before.rejects + now.rejects;
    next.counts.filtered = next.counts.filtered - before.filtered + now.filtered;
    next.edit = EditSummary::Repair {
        range,
        counts: now,
        replaced,
    };
    Ok(next)
}

/// What the manifest says of a range in which events were filtered, and nothing has a row.
fn filtered_in(manifest: &Manifest, range: OffsetRange) -> Option<SilentRange> {
    let mut silent = manifest.open.silent.iter();
    let found = silent.find_map(|silent| silent.part(range))?;
    (found.range == range && found.record.filtered > 0).then_some(found)
}

/// The outcomes of neighbours move to other files. That they are as many, offset by offset of each kind and reason, is what
/// every manifest is checked for.
fn compact(
    base: &Manifest,
    range: OffsetRange,
    replaced: Vec<Segment>,
    segments: Vec<Segment>,
    stamp: Stamp,
) -> Result<Manifest, ApplyError> {
    let is_replaced = |segment: &Segment| segment.range.overlaps(range);
    let live = base
        .open
        .segments
        .iter()
        .filter(|segment| is_replaced(segment));
    let start = replaced.iter().map(|segment| segment.range.start()).min();
    let end = replaced.iter().map(|segment| segment.range.end()).max();
    if !live.eq(&replaced) || (start, end) != (Some(range.start()), Some(range.end())) {
        return Err(ApplyError::NotLive { range });
    }
    check_segments(range, &segments, outcomes(&segments).outcomes())?;
    // What another condition filtered must not be taken for what this one did.
    let alike = |silent: &SilentRange| {
        let both = silent.fingerprint.as_ref().zip(segments.first());
        both.is_none_or(|(by, file)| base.filter_alike(by, &file.fingerprint))
    };
    let mut inside = base
        .open
        .silent
        .iter()
        .filter(|one| one.range.overlaps(range));
    if !inside.all(alike) {
        return Err(ApplyError::NotLive { range });
    }
    let mut next = follow(base, stamp);
    let place = base.open.segments.iter().position(is_replaced);
    let place = place.unwrap_or_default();
    let (rows, _) = in_order(segments, next.sequence);
    next.open
        .segments
        .splice(place..place + replaced.len(), rows);
    next.open
        .silent
        .retain(|silent| !silent.range.overlaps(range));
    next.edit = EditSummary::Compact { range, replaced };
    Ok(next)
}

/// Lower numbers than `oldest` are no part of the history any more.
fn retire(base: &Manifest, oldest: Sequence, stamp: Stamp) -> Result<Manifest, ApplyError> {
    let mut next = follow(base, stamp);
    let committed = next.committed.map_or(base.oldest, |commit| commit.sequence);
    if oldest <= base.oldest || oldest > committed {
        return Err(ApplyError::Retired {
            oldest,
            now: base.oldest,
            committed,
        });
    }
    // It need not be an owner who says so.
    next.calculation.clone_from(&base.calculation);
    next.fields.clone_from(&base.fields);
    next.oldest = oldest;
    next.edit = EditSummary::Retire { oldest };
    Ok(next)
}

fn first(pipeline: Pipeline, partition: Partition, origin: Offset, stamp: Stamp) -> Manifest {
    Manifest {
        pipeline,
        partition,
        sequence: Sequence::FIRST,
        base: None,
        oldest: Sequence::FIRST,
        committed: None,
        origin,
        published_from: None,
        end: origin,
        counts: Counts::default(),
        forward: None,
        gaps: Vec::new(),
        pages: Vec::new(),
        open: OpenList::default(),
        calculations: Vec::new(),
        calculation: stamp.calculation.calculation,
        fields: stamp.calculation.fields,
        edit: EditSummary::Bind,
        writer: stamp.writer,
        created_at: stamp.created_at.trunc_subsecs(3),
        digest: Digest::of(&[]),
    }
}

fn check_start(base: &Manifest, range: OffsetRange) -> Result<(), ApplyError> {
    if range.start() != base.end {
        return Err(ApplyError::NotAtTheEnd {
            start: range.start(),
            end: base.end,
        });
    }
    if range.is_empty() {
        return Err(ApplyError::Empty { at: range.start() });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
