//! Whatever edits follow each other, the chain stays whole.

use proptest::prelude::*;

use super::*;
use crate::format::{Listed, Page};

proptest! {
    #[test]
    fn any_sequence_of_edits_keeps_the_chain_whole(
        edits in prop::collection::vec(
            (0..20u64, 0..5u64, 0..5u64, 0..9u8, any::<prop::sample::Index>()),
            1..40,
        )
    ) {
        let mut manifest = first();
        let mut pages: Vec<Page> = Vec::new();
        let all = |manifest: &Manifest, pages: &[Page]| {
            let listed = Listed::of(manifest.clone(), pages, Vec::new());
            (listed.files().cloned().collect::<Vec<_>>(), listed.silent().to_vec())
        };
        for (id, (results, rejects, absent, kind, which)) in edits.into_iter().enumerate() {
            let ranges: Vec<_> = manifest.open.segments.iter().map(|segment| segment.range).collect();
            if kind == 3 && !ranges.is_empty() {
                let over = ranges[which.index(ranges.len())];
                let before = live(&manifest, over);
                let rows: u64 = before.iter().map(|segment| segment.rows).sum();
                let (results, corrections) = (results.min(rows), absent.min(rows));
                let rows = [results, rows - results, corrections];
                let next = apply(Some(&manifest), repair(&manifest, over, rows, id as u32), stamp());
                let next = next.unwrap();
                // I2, I4, I6
                prop_assert_eq!(next.base.as_ref().unwrap().digest, manifest.digest());
                prop_assert_eq!(next.range(), manifest.range());
                prop_assert_eq!(next.counts.outcomes(), manifest.counts.outcomes());
                prop_assert_eq!((next.counts.absent, next.counts.lost), (manifest.counts.absent, manifest.counts.lost));
                prop_assert_eq!(next.replaced(), &before[..]);
                let kept = |of: &Manifest, without: &[Segment]| {
                    of.open.files().filter(|s| !without.contains(s)).cloned().collect::<Vec<_>>()
                };
                let added: Vec<_> = next.added().cloned().collect();
                prop_assert_eq!(added.len(), rows.iter().filter(|rows| **rows > 0).count());
                prop_assert_eq!(kept(&next, &added), kept(&manifest, &before));
                prop_assert!(manifest.open.corrections.iter().all(|segment| next.open.corrections.contains(segment)));
                prop_assert_eq!(Manifest::decode(&next.encode()).unwrap(), next.clone());
                manifest = next;
                continue;
            }
            if kind == 6 && !ranges.is_empty() {
                let over = ranges[which.index(ranges.len())];
                let replaced = live(&manifest, over);
                let edit = Edit::GiveUp { range: over, reason: GapReason::Damaged, replaced: replaced.clone() };
                let next = apply(Some(&manifest), edit, stamp()).unwrap();
                // I2, I4, I6: the offsets stay accounted for, and every correction stays.
                prop_assert_eq!(next.range(), manifest.range());
                prop_assert_eq!(next.counts.offsets(), next.range().len());
                prop_assert_eq!(next.counts.lost, manifest.counts.lost + over.len());
                let rows: u64 = replaced.iter().map(|segment| segment.rows).sum();
                prop_assert_eq!(next.counts.stored() + rows, manifest.counts.stored());
                prop_assert_eq!(&next.open.corrections, &manifest.open.corrections);
                prop_assert!(next.gaps.iter().any(|gap| gap.range == over));
                prop_assert!(live(&next, over).is_empty());
                prop_assert_eq!(Manifest::decode(&next.encode()).unwrap(), next.clone());
                manifest = next;
                continue;
            }
            if kind >= 7 {
                // A part of a gap, from somewhere in it on, or what ends at the origin.
                let gaps: Vec<_> = manifest.gaps.iter().map(|gap| gap.range).collect();
                let length = results + rejects + absent;
                let gap = which.index(gaps.len() + 1).checked_sub(1).map(|index| gaps[index]);
                let (start, end) = match gap {
                    Some(gap) => {
                        let start = gap.start().plus(rejects).min(gap.end());
                        (start, start.plus(length).min(gap.end()))
                    }
                    None => {
                        let origin = manifest.origin.get() as u64;
                        (at((origin - length.min(origin)) as i64), manifest.origin)
                    }
                };
                let over = OffsetRange::new(start, end).unwrap();
                let results = results.min(over.len());
                let rejects = rejects.min(over.len() - results);
                let filled = counts(results, rejects, over.len() - results - rejects);
                let edit = super::backfill::fill(over, filled, id as u32);
                let next = apply(Some(&manifest), edit, stamp());
                if over.is_empty() || manifest.pages_over(over).next().is_some() {
                    prop_assert!(next.is_err());
                    continue;
                }
                let next = next.unwrap();
                // I2, I4, I6: nothing that was there changes, and what is not filled stays lost.
                prop_assert_eq!(next.end, manifest.end);
                prop_assert_eq!(next.origin, over.start().min(manifest.origin));
                prop_assert_eq!(next.counts.offsets(), next.range().len());
                let lost: u64 = next.gaps.iter().map(|gap| gap.range.len()).sum();
                prop_assert_eq!(next.counts.lost, lost);
                prop_assert!(next.gaps.iter().all(|gap| !gap.range.overlaps(over)));
                prop_assert!(manifest.open.files().all(|segment| next.open.files().any(|now| now == segment)));
                // Commits go on counting from what was recorded as it came.
                prop_assert_eq!(next.forward().outcomes, manifest.forward().outcomes);
                prop_assert_eq!(Manifest::decode(&next.encode()).unwrap(), next.clone());
                manifest = next;
                continue;
            }
            if (kind == 4 || kind == 5) && !ranges.is_empty() {
                // From one live segment to another, and back: nothing that is live changes.
                let before = all(&manifest, &pages);
                let reopened = (kind == 5 && !pages.is_empty()).then(|| which.index(pages.len()));
                let (one, other) = (ranges[which.index(ranges.len())], ranges[results as usize % ranges.len()]);
                let over = OffsetRange::new(one.start().min(other.start()), one.end().max(other.end())).unwrap();
                let edit = match reopened {
                    Some(index) => Edit::Reopen { page: Box::new(pages.remove(index)) },
                    None => {
                        // Where a page lies between them, there is none.
                        let Ok((page, stored)) = Page::of(&manifest, over, None) else { continue };
                        pages.push(page.clone());
                        let path = layout().page(PARTITION, over, SegmentId(id as u32));
                        Edit::Seal { page: Box::new(page), path, bytes: stored.len() as u64 }
                    }
                };
                let next = apply(Some(&manifest), edit, stamp()).unwrap();
                prop_assert_eq!(all(&next, &pages), before);
                prop_assert_eq!((next.counts, next.range()), (manifest.counts, manifest.range()));
                prop_assert_eq!(next.live_files(), manifest.live_files());
                prop_assert_eq!(Manifest::decode(&next.encode()).unwrap(), next.clone());
                manifest = next;
                continue;
            }
            let loss = kind == 0;
            let length = results + rejects + absent;
            let over = OffsetRange::new(manifest.end, manifest.end.plus(length)).unwrap();
            let edit = if loss {
                Edit::AcceptLoss { range: over, reason: GapReason::Expired }
            } else {
                append(over, counts(results, rejects, absent), id as u32)
            };
            let next = apply_and_encode(Some(&manifest), edit, stamp());
            if length == 0 {
                prop_assert!(next.is_err());
                continue;
            }
            let (next, bytes) = next.unwrap();
            // I2
            prop_assert_eq!(next.sequence, manifest.sequence.next());
            prop_assert_eq!(next.base.as_ref().unwrap().digest, manifest.digest());
            prop_assert_eq!(over.start(), manifest.end);
            prop_assert_eq!(over.end(), next.end);
            // I4, cumulatively and recountable
            prop_assert_eq!(next.counts.offsets(), next.range().len());
            let (files, _) = all(&next, &pages);
            let outcomes = files.iter().filter(|segment| segment.revision.is_none());
            let rows: u64 = outcomes.map(|segment| segment.rows).sum();
            prop_assert_eq!(rows, next.counts.outcomes());
            let read = Manifest::decode(&bytes).unwrap();
            prop_assert_eq!(&read, &next);
            prop_assert_eq!(next.encode(), bytes.clone());
            prop_assert_eq!(read.encode(), bytes);
            manifest = next;
        }
    }
}
