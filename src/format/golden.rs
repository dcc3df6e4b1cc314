//! Golden files: what format versions 1 and 2 look like, for good. Version 2 has repairs, and nothing else that is new.
//!
//! `SNAPBACK_UPDATE_GOLDEN=1 cargo test --lib golden` writes them anew; a change in a stored format needs a new
//! format version and files of its own beside these.

use std::path::PathBuf;

use arrow_array::{Array, cast::AsArray, types::Decimal128Type};

use super::{
    Damaged, Edit, GapReason, Manifest, Stamp, apply, read_segment,
    testing::{PARTITION, batch_offsets, bind, identity, range, stamp},
};
use crate::model::{Digest, Sequence};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// The golden bytes; what `now` makes, when they are to be written anew.
fn golden(name: &str, now: impl FnOnce() -> Vec<u8>) -> Vec<u8> {
    let path = folder().join(name);
    if std::env::var_os("SNAPBACK_UPDATE_GOLDEN").is_some_and(|value| value == "1") {
        let folder = path.parent().unwrap();
        std::fs::create_dir_all(folder).unwrap();
        // Whole or not at all: the tests beside this one read it at the same time.
        let whole = tempfile::NamedTempFile::new_in(folder).unwrap();
        std::fs::write(whole.path(), now()).unwrap();
        whole.persist(&path).unwrap();
    }
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn encoded() -> super::Encoded {
    super::testing::encoded(100, 160, &identity("golden"))
}

/// Every kind of edit, a base with damaged numbers, characters that JSON escapes.
fn manifest(results: &[u8], rejects: &[u8]) -> Manifest {
    let stamp = || Stamp {
        writer: "snapback 0.1.0 \"höst\"-0/0".into(),
        ..stamp()
    };
    let first = apply(None, bind(40), stamp()).unwrap();
    let loss = Edit::AcceptLoss {
        range: range(40, 100),
        reason: GapReason::Expired,
    };
    let second = apply(Some(&first), loss, stamp()).unwrap();
    let encoded = encoded();
    let layout = super::Layout::new("events").unwrap();
    let segments = encoded
        .segments()
        .zip([results, rejects])
        .map(|(file, bytes)| {
            let mut segment = file.named(&layout, super::SegmentId(0x00c0_ffee));
            segment.digest = Digest::of(bytes);
            segment.bytes = bytes.len() as u64;
            segment
        });
    let edit = Edit::Append {
        range: encoded.range,
        segments: segments.collect(),
        counts: encoded.counts,
        record: encoded.record.clone(),
    };
    let skipped = vec![
        Damaged {
            sequence: Sequence(3),
            digest: None,
        },
        Damaged {
            sequence: Sequence(4),
            digest: Some(Digest::of(b"damaged")),
        },
    ];
    apply(Some(&second), edit, Stamp { skipped, ..stamp() }).unwrap()
}

fn segments() -> [Vec<u8>; 2] {
    let now = encoded();
    let results = now.results.unwrap().bytes.to_vec();
    let rejects = now.rejects.unwrap().bytes.to_vec();
    [
        golden("v1/results.parquet", || results),
        golden("v1/rejects.parquet", || rejects),
    ]
}

#[test]
fn a_golden_loss_and_what_fills_it_read_and_are_written_again_to_the_byte() {
    let [results, rejects] = segments();
    let base = manifest(&results, &rejects);
    let edit = Edit::GiveUp {
        range: encoded().range,
        reason: GapReason::Damaged,
        replaced: base.open.segments.clone(),
    };
    let expected = apply(Some(&base), edit, stamp()).unwrap();
    golden_manifest("v1/give-up.json", &expected);
    let encoded = encoded();
    let edit = Edit::Backfill {
        range: encoded.range,
        segments: base.open.segments.clone(),
        counts: encoded.counts,
        record: encoded.record,
    };
    let filled = apply(Some(&expected), edit, stamp()).unwrap();
    golden_manifest("v1/backfill.json", &filled);
}

/// A manifest that is read from its golden file as it is expected, and written again to the byte.
fn golden_manifest(name: &str, expected: &Manifest) -> Manifest {
    let bytes = golden(name, || expected.encode().to_vec());
    let read = Manifest::decode(&bytes).unwrap();
    assert_eq!(read.encode(), bytes);
    assert_eq!(read, *expected);
    read
}

/// The append of a range of absent offsets.
fn silence(over: crate::model::OffsetRange) -> Edit {
    let counts = crate::model::Counts {
        absent: over.len(),
        ..Default::default()
    };
    Edit::Append {
        range: over,
        segments: Vec::new(),
        counts,
        record: super::testing::record(over, counts),
    }
}

#[test]
fn a_golden_manifest_reads_and_is_written_again_to_the_byte() {
    let [results, rejects] = segments();
    let expected = manifest(&results, &rejects);
    golden_manifest("v1/manifest.json", &expected);
}

#[test]
fn a_golden_retirement_after_silence_reads_and_is_written_again_to_the_byte() {
    let first = apply(None, bind(40), stamp()).unwrap();
    let second = apply(Some(&first), silence(range(40, 60)), stamp()).unwrap();
    let over = range(60, 80);
    let filtered = Edit::Append {
        range: over,
        segments: Vec::new(),
        counts: crate::model::Counts {
            filtered: over.len() - 2,
            absent: 2,
            ..Default::default()
        },
        record: super::RowlessRecord {
            absent: super::Absent::Ranges(vec![range(65, 66), range(79, 80)]),
            filtered: over.len() - 2,
        },
    };
    let other = crate::calculation::Declaration {
        fingerprint: "aa66554433221100".parse().unwrap(),
        condition: Some("number > 0".into()),
        ..super::testing::declaration()
    };
    let third = Stamp {
        calculation: other,
        ..stamp()
    };
    let second = apply(Some(&second), filtered, third).unwrap();
    let (sequence, digest) = second.head();
    let corrections = super::CorrectionsProgress {
        sequence,
        rows: 1000,
    };
    let head = super::Head { sequence, digest };
    let committed = Some(super::KnownCommit::new(head, Some(corrections)));
    let edit = Edit::Retire { oldest: sequence };
    let expected = apply(
        Some(&second),
        edit,
        Stamp {
            committed,
            ..stamp()
        },
    )
    .unwrap();
    golden_manifest("v1/retire.json", &expected);
}

#[test]
fn the_digest_of_a_golden_manifest_is_that_of_all_lines_but_the_last_two() {
    let [results, rejects] = segments();
    let bytes = golden("v1/manifest.json", || {
        manifest(&results, &rejects).encode().to_vec()
    });
    let text = String::from_utf8(bytes).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let (body, last) = lines.split_at(lines.len() - 2);
    assert_eq!(last[1], "}\n");
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        value["digest"],
        Digest::of(body.concat().as_bytes()).to_string()
    );
}

#[test]
fn golden_segments_read_back_to_the_value() {
    for (bytes, kind) in segments().into_iter().zip(super::SegmentKind::ALL) {
        let reader = read_segment(bytes.into()).unwrap();
        let facts = reader.facts().clone();
        assert_eq!((facts.kind, facts.partition), (kind, PARTITION));
        assert_eq!(
            (facts.range, facts.counts),
            (range(100, 160), encoded().counts)
        );
        assert_eq!(
            (facts.topic.as_str(), facts.writer.as_str()),
            ("events", "golden")
        );
        assert_eq!(facts.declaration, identity("golden").declaration);
        assert_eq!(
            facts.absent.to_string(),
            "100-101,110-111,120-121,130-131,140-141,150-151"
        );
        for batch in reader {
            let batch = batch.unwrap();
            let offsets = batch_offsets(&batch);
            match kind {
                super::SegmentKind::Results => {
                    assert_eq!(batch, super::testing::results(offsets.clone()));
                    let results = batch.column(5).as_primitive::<Decimal128Type>();
                    assert_eq!(results.value(0), i128::from(offsets[0]).pow(2));
                }
                _ => {
                    assert_eq!(offsets, [105, 115, 125, 135, 145, 155]);
                    let reasons = batch.column(5).as_string::<i32>();
                    assert!(reasons.value(0).starts_with("not-json: "));
                    assert_eq!(reasons.null_count(), 0);
                }
            }
        }
    }
}

mod carried;
mod compaction;
mod pages;
mod repair;
