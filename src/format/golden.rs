//! Golden files: what format versions 1 and 2 look like, for good. Version 2 has repairs, and nothing else that is new.
//!
//! `SNAPBACK_UPDATE_GOLDEN=1 cargo test --lib golden` writes them anew; a change in a stored format needs a new
//! format version and files of its own beside these.

use std::path::PathBuf;

use arrow_array::{Array, cast::AsArray, types::Decimal128Type};

use super::{
    Damaged, Edit, GapReason, Manifest, Stamp, apply, read_segment,
    testing::{PARTITION, batch_offsets, bind, declaration, evaluated, identity, range, stamp},
};
use crate::{
    calculation::Declaration,
    model::{Digest, Sequence},
};

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

fn other() -> Declaration {
    Declaration {
        calculation: "square(other)".into(),
        fingerprint: "ffeeddccbbaa9988".parse().unwrap(),
        ..declaration()
    }
}

/// Of offsets 101 and 102.
const OLD_MESSAGES: [&str; 2] = [
    r#"{"number":101,"result":10201}"#,
    r#"{"number":102,"result":10404}"#,
];

/// Under another calculation: the first result is a reject, the first reject a result, the second result another one.
fn repaired() -> super::Encoded {
    let old = encoded();
    let outcomes = evaluated(range(100, 160));
    let offsets = batch_offsets(&outcomes.results);
    let results = offsets[1..].iter().copied().chain([105]);
    let mut results: Vec<i64> = results.collect();
    results.sort_unstable();
    let mut rejects = outcomes.rejects;
    rejects[0] = super::testing::reject(offsets[0]);
    let result = |message| super::OutcomeText::Result { message };
    let reject = super::OutcomeText::Reject {
        reason: "not-json: the payload ends after 3 bytes",
    };
    let changes = super::Changes {
        results: [(0, result(OLD_MESSAGES[1])), (3, reject)]
            .into_iter()
            .collect(),
        rejects: [(0, result(OLD_MESSAGES[0]))].into_iter().collect(),
        ..super::Changes::default()
    };
    let identity = super::Identity {
        declaration: other(),
        ..identity("golden")
    };
    let before = old.results.as_ref().unwrap().facts.clone();
    let schema = super::testing::results_schema();
    let mut writer = super::Rewriter::new(
        old.range,
        before.absent,
        before.declaration.fingerprint,
        &schema,
        identity,
    );
    let outcomes = crate::calculation::Evaluated {
        results: super::testing::results(results),
        rejects,
        filtered: Vec::new(),
    };
    writer.write(&outcomes, &changes).unwrap();
    let fields = "number BIGINT NOT NULL".parse().unwrap();
    writer.finish(Some(fields)).unwrap()
}

fn repaired_files() -> [Vec<u8>; 3] {
    let now = repaired();
    let bytes = |file: Option<super::EncodedSegment>| file.unwrap().bytes.to_vec();
    [
        golden("v1/repaired-results.parquet", || bytes(now.results.clone())),
        golden("v1/repaired-rejects.parquet", || bytes(now.rejects.clone())),
        golden("v1/corrections.parquet", || bytes(now.corrections.clone())),
    ]
}

#[test]
fn a_golden_repair_reads_and_is_written_again_to_the_byte() {
    let [results, rejects] = segments();
    let base = manifest(&results, &rejects);
    let encoded = repaired();
    let layout = super::Layout::new("events").unwrap();
    let files = encoded
        .segments()
        .zip(repaired_files())
        .map(|(file, bytes)| {
            let mut segment = file.named(&layout, super::SegmentId(0x00c0_ffef));
            segment.digest = Digest::of(&bytes);
            segment.bytes = bytes.len() as u64;
            segment
        });
    let edit = Edit::Repair {
        range: encoded.range,
        replaced: base.open.segments.clone(),
        segments: files.collect(),
        record: repaired().record,
    };
    let known = vec![other()];
    let expected = apply(Some(&base), edit, Stamp { known, ..stamp() }).unwrap();
    let bytes = golden("v1/repair.json", || expected.encode().to_vec());
    let read = Manifest::decode(&bytes).unwrap();
    assert_eq!(read.encode(), bytes);
    assert_eq!(read, expected);
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
    let bytes = golden("v1/give-up.json", || expected.encode().to_vec());
    let read = Manifest::decode(&bytes).unwrap();
    assert_eq!(read.encode(), bytes);
    assert_eq!(read, expected);
    let encoded = encoded();
    let edit = Edit::Backfill {
        range: encoded.range,
        segments: base.open.segments.clone(),
        counts: encoded.counts,
        record: encoded.record,
    };
    let filled = apply(Some(&expected), edit, stamp()).unwrap();
    let bytes = golden("v1/backfill.json", || filled.encode().to_vec());
    let read = Manifest::decode(&bytes).unwrap();
    assert_eq!(read.encode(), bytes);
    assert_eq!(read, filled);
}

#[test]
fn golden_corrections_of_a_repair_say_what_changed_and_from_what() {
    let [results, rejects, corrections] = repaired_files();
    let facts = |bytes: Vec<u8>| read_segment(bytes.into()).unwrap().facts().clone();
    assert_eq!(facts(results).payload_fields, None);
    let fields = facts(rejects).payload_fields.unwrap();
    assert_eq!(fields.to_string(), "number BIGINT NOT NULL");
    let (facts, rows) = super::check_segment(corrections.clone().into()).unwrap();
    assert_eq!((rows, facts.corrections), (3, 3));
    assert_eq!(facts.absent, encoded().results.unwrap().facts.absent);
    let before = encoded().results.unwrap().facts.declaration.fingerprint;
    assert_eq!(facts.replaces, Some(before));
    let batch = read_segment(corrections.into())
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let text = |name: &str| {
        let column = batch.column_by_name(name).unwrap().as_string::<i32>();
        column
            .iter()
            .map(|value| value.unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(batch_offsets(&batch), [101, 102, 105]);
    assert_eq!(text("old_kind"), ["result", "result", "reject"]);
    assert_eq!(text("new_kind"), ["reject", "result", "result"]);
    let texts = |name: &str| {
        let column = batch.column_by_name(name).unwrap().as_string::<i32>();
        let texts = column.iter().map(|value| value.map(ToOwned::to_owned));
        texts.collect::<Vec<_>>()
    };
    let [first, second] = OLD_MESSAGES.map(|message| Some(message.to_owned()));
    assert_eq!(texts("old_message"), [first, second, None]);
    let reason = "not-json: the payload ends after 3 bytes".to_owned();
    assert_eq!(texts("old_reason"), [None, None, Some(reason)]);
    assert_eq!(text("new_fingerprint")[0], "ffeeddccbbaa9988");
    let super::Corrected {
        results, rejects, ..
    } = super::split_corrections(&batch).unwrap();
    assert_eq!((results.num_rows(), rejects.len()), (2, 1));
}

#[test]
fn a_golden_manifest_reads_and_is_written_again_to_the_byte() {
    let [results, rejects] = segments();
    let expected = manifest(&results, &rejects);
    let bytes = golden("v1/manifest.json", || expected.encode().to_vec());
    let read = Manifest::decode(&bytes).unwrap();
    assert_eq!(read.encode(), bytes);
    assert_eq!(read, expected);
}

#[test]
fn a_golden_retirement_after_silence_reads_and_is_written_again_to_the_byte() {
    let first = apply(None, bind(40), stamp()).unwrap();
    let over = range(40, 60);
    let counts = crate::model::Counts {
        absent: over.len(),
        ..Default::default()
    };
    let silence = Edit::Append {
        range: over,
        segments: Vec::new(),
        counts,
        record: super::testing::record(over, counts),
    };
    let second = apply(Some(&first), silence, stamp()).unwrap();
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
    let bytes = golden("v1/retire.json", || expected.encode().to_vec());
    let read = Manifest::decode(&bytes).unwrap();
    assert_eq!(read.encode(), bytes);
    assert_eq!(read, expected);
}

/// Two snapshots with a silent range between them, and the same as one.
#[test]
fn a_golden_compaction_reads_and_is_written_again_to_the_byte() {
    let layout = super::Layout::new("events").unwrap();
    let mut base = apply(None, bind(100), stamp()).unwrap();
    let mut merger = super::Merger::new(range(100, 190), identity("golden"));
    for (start, end) in [(100, 130), (140, 190)] {
        if base.end.get() < start {
            let over = range(base.end.get(), start);
            let counts = crate::model::Counts {
                absent: over.len(),
                ..Default::default()
            };
            let silence = Edit::Append {
                range: over,
                segments: Vec::new(),
                counts,
                record: super::testing::record(over, counts),
            };
            base = apply(Some(&base), silence, stamp()).unwrap();
        }
        let encoded = super::testing::encoded(start, end, &identity("golden"));
        let id = super::SegmentId(u32::try_from(start).unwrap());
        let files = encoded.segments().map(|file| file.bytes.clone());
        assert_eq!(merger.add(files.collect()).unwrap(), super::Added::Whole);
        let edit = Edit::Append {
            range: encoded.range,
            segments: encoded
                .segments()
                .map(|file| file.named(&layout, id))
                .collect(),
            counts: encoded.counts,
            record: encoded.record,
        };
        base = apply(Some(&base), edit, stamp()).unwrap();
    }
    let merged = merger.finish().unwrap();
    let absent = merged.record.absent.to_string();
    assert!(absent.split(',').any(|run| run == "130-141"), "{absent}");
    for file in merged.segments() {
        let (facts, rows) = super::check_segment(file.bytes.clone()).unwrap();
        assert_eq!((facts.made_for, rows), (super::MadeFor::Compact, file.rows));
    }
    let id = super::SegmentId(0x00c0_fff0);
    let edit = Edit::Compact {
        range: merged.range,
        replaced: base.open.segments.clone(),
        segments: merged
            .segments()
            .map(|file| file.named(&layout, id))
            .collect(),
    };
    let expected = apply(Some(&base), edit, stamp()).unwrap();
    assert_eq!(
        (expected.counts, expected.open.silent.len()),
        (base.counts, 0)
    );
    let bytes = golden("v1/compact.json", || expected.encode().to_vec());
    let read = Manifest::decode(&bytes).unwrap();
    assert_eq!(read.encode(), bytes);
    assert_eq!(read, expected);

    // What does not hold together is refused.
    let edit = |replaced: &[super::Segment], range| Edit::Compact {
        range,
        replaced: replaced.to_vec(),
        segments: merged
            .segments()
            .map(|file| file.named(&layout, id))
            .collect(),
    };
    for wrong in [
        edit(&base.open.segments[1..], merged.range),
        edit(&base.open.segments, range(100, 189)),
        edit(&base.open.segments, range(99, 190)),
        edit(&[], merged.range),
    ] {
        assert!(
            apply(Some(&base), wrong.clone(), stamp()).is_err(),
            "{wrong:?}"
        );
    }
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

mod pages;
