//! Manifests, which anybody who can write to the store can forge, with a digest that is right.

use sha2::{Digest as _, Sha256};
use snapback::calculation::Declaration;
use snapback::format::{
    Edit, GapReason, Layout, Manifest, Page, RowlessRecord, SegmentKind, Stamp, apply,
};
use snapback::model::{Counts, Offset, OffsetRange};
use snapback::store::Path;

use super::layout::stays_inside;

/// Any bytes as they are, and as the body of a manifest whose digest is right.
pub fn check(data: &[u8]) {
    examine(Manifest::decode(data).ok());
    examine(Manifest::decode(&sealed(data)).ok());
}

/// A document of this body, with the digest that it has.
pub fn sealed(data: &[u8]) -> Vec<u8> {
    const DIGEST_LINE: &[u8] = b"\"digest\":\"";
    let stated = data
        .windows(DIGEST_LINE.len())
        .rposition(|window| window == DIGEST_LINE);
    let body = &data[..stated.unwrap_or(data.len())];
    let mut sealed = body.to_vec();
    let digest = hex::encode(Sha256::digest(body));
    sealed.extend_from_slice(DIGEST_LINE);
    sealed.extend_from_slice(format!("sha256:{digest}\"\n}}\n").as_bytes());
    sealed
}

/// What must hold for everything that passes for a manifest.
fn examine(manifest: Option<Manifest>) {
    let Some(manifest) = manifest else {
        return;
    };
    let written = manifest.encode();
    let again = Manifest::decode(&written).expect("what was written can be read");
    assert_eq!(again.encode(), written);
    assert_same(&manifest, &again);

    let layout = Layout::new(&manifest.pipeline.events_topic).expect("the folder of a topic");
    assert_eq!(manifest.range().len(), manifest.counts.offsets());
    assert!(manifest.counts.outcomes() <= manifest.range().len());
    let absent = |segment: &snapback::format::Segment| (segment.range, segment.rowless.absent);
    let of_ranges: std::collections::BTreeMap<_, _> =
        manifest.open.segments.iter().map(absent).collect();
    let of_silence = manifest.open.silent.iter();
    let of_silence = of_silence.map(|silent| silent.counts().absent);
    let of_pages = manifest.pages.iter().map(|page| page.counts.absent);
    let listed = of_ranges
        .values()
        .copied()
        .chain(of_silence)
        .chain(of_pages);
    assert_eq!(listed.sum::<u64>(), manifest.counts.absent);
    assert!(manifest.oldest <= manifest.sequence);
    for segment in manifest.open.files() {
        stays_inside(&segment.path);
        let folder = layout.segments(segment.kind, manifest.partition);
        assert!(segment.path.below(&folder).is_some(), "{}", segment.path);
        assert!(segment.rows <= segment.range.len());
        assert!(manifest.open.lists(&segment.path));
    }
    for page in &manifest.pages {
        stays_inside(&page.path);
        let folder = layout.pages(manifest.partition);
        assert!(page.path.below(&folder).is_some(), "{}", page.path);
        assert_eq!(page.counts.offsets(), page.range.len());
        assert!(page.bytes <= Page::MAX_BYTES);
    }
    let files = manifest.open.files().count() as u64;
    assert!(manifest.live_files() >= files);
    let elsewhere = Path::parse("etc/passwd").expect("a path");
    assert!(!manifest.open.lists(&elsewhere));
    edit(&manifest);
    let corrections = |added: &&snapback::format::Segment| added.kind == SegmentKind::Corrections;
    assert!(manifest.added().filter(corrections).count() <= manifest.open.corrections.len());
}

/// What is given up of it, and filled again, leaves a manifest that holds; or the edit is refused.
fn edit(manifest: &Manifest) {
    let declared = || Declaration {
        fingerprint: "00112233445566aa".parse().expect("a fingerprint"),
        calculation: manifest.calculation.clone(),
        condition: None,
        fields: manifest.fields.clone(),
        results: "result DECIMAL(38,0) NOT NULL".to_owned(),
        publish: None,
        carry: None,
    };
    let calculation = manifest.calculations.first().cloned();
    let calculation = calculation.unwrap_or_else(declared);
    let stamp = || Stamp {
        writer: "fuzz".to_owned(),
        created_at: manifest.created_at,
        calculation: calculation.clone(),
        known: manifest.calculations.clone(),
        committed: None,
        skipped: Vec::new(),
    };
    let holds = |next: &Manifest| {
        let written = next.encode();
        let again = Manifest::decode(&written).expect("what was written can be read");
        assert_same(next, &again);
        assert_eq!(next.range().len(), next.counts.offsets());
    };
    let gaps = manifest.gaps.iter().map(|gap| gap.range);
    let before = OffsetRange::new(Offset::ZERO, manifest.origin).ok();
    let mut lacking: Vec<(Manifest, OffsetRange)> = Vec::new();
    lacking.extend(gaps.chain(before).map(|range| (manifest.clone(), range)));
    if let Some(range) = manifest.open.segments.first().map(|one| one.range) {
        let inside = manifest
            .open
            .segments
            .iter()
            .filter(|one| one.range == range);
        let edit = Edit::GiveUp {
            range,
            reason: GapReason::Damaged,
            replaced: inside.cloned().collect(),
        };
        if let Ok(next) = apply(Some(manifest), edit, stamp()) {
            holds(&next);
            assert_eq!(next.counts.lost, manifest.counts.lost + range.len());
            lacking.push((next, range));
        }
    }
    for (base, range) in lacking {
        let edit = Edit::Backfill {
            range,
            segments: Vec::new(),
            counts: Counts {
                absent: range.len(),
                ..Counts::default()
            },
            record: RowlessRecord::all_absent(range),
        };
        if let Ok(next) = apply(Some(&base), edit, stamp()) {
            holds(&next);
            assert_eq!(next.end, base.end);
            assert!(next.gaps.iter().all(|gap| !gap.range.overlaps(range)));
        }
    }
}

/// All but the digest, which is that of the text it came with.
fn assert_same(manifest: &Manifest, again: &Manifest) {
    assert_eq!(manifest.pipeline, again.pipeline);
    assert_eq!(manifest.partition, again.partition);
    assert_eq!(manifest.sequence, again.sequence);
    assert_eq!(manifest.base, again.base);
    assert_eq!(manifest.range(), again.range());
    assert_eq!(manifest.oldest, again.oldest);
    assert_eq!(manifest.committed, again.committed);
    assert_eq!(manifest.pages, again.pages);
    assert_eq!(manifest.open.silent, again.open.silent);
    assert_eq!(manifest.open.segments, again.open.segments);
    assert_eq!(manifest.open.corrections, again.open.corrections);
    assert_eq!(manifest.counts, again.counts);
    assert_eq!(manifest.gaps, again.gaps);
    assert_eq!(manifest.calculation, again.calculation);
    assert_eq!(manifest.fields, again.fields);
    assert_eq!(manifest.edit, again.edit);
    assert_eq!(manifest.writer, again.writer);
    assert_eq!(manifest.created_at, again.created_at);
}
