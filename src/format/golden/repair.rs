//! What a repair writes: new segments, and corrections of what changed.

use super::*;
use crate::{
    calculation::Declaration,
    format::testing::{declaration, evaluated},
};

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
fn repaired() -> crate::format::Encoded {
    let old = encoded();
    let outcomes = evaluated(range(100, 160));
    let offsets = batch_offsets(&outcomes.results);
    let results = offsets[1..].iter().copied().chain([105]);
    let mut results: Vec<i64> = results.collect();
    results.sort_unstable();
    let mut rejects = outcomes.rejects;
    rejects[0] = crate::format::testing::reject(offsets[0]);
    let result = |message| crate::format::OutcomeText::Result { message };
    let reject = crate::format::OutcomeText::Reject {
        reason: "not-json: the payload ends after 3 bytes",
    };
    let changes = crate::format::Changes {
        results: [(0, result(OLD_MESSAGES[1])), (3, reject)]
            .into_iter()
            .collect(),
        rejects: [(0, result(OLD_MESSAGES[0]))].into_iter().collect(),
        ..crate::format::Changes::default()
    };
    let identity = crate::format::Identity {
        declaration: other(),
        ..identity("golden")
    };
    let before = old.results.as_ref().unwrap().facts.clone();
    let schema = crate::format::testing::results_schema();
    let mut writer = crate::format::Rewriter::new(
        old.range,
        before.absent,
        before.declaration.fingerprint,
        &schema,
        identity,
    );
    let outcomes = crate::calculation::Evaluated {
        results: crate::format::testing::results(results),
        rejects,
        filtered: Vec::new(),
    };
    writer.write(&outcomes, &changes).unwrap();
    let fields = "number BIGINT NOT NULL".parse().unwrap();
    writer.finish(Some(fields)).unwrap()
}

fn repaired_files() -> [Vec<u8>; 3] {
    let now = repaired();
    let bytes = |file: Option<crate::format::EncodedSegment>| file.unwrap().bytes.to_vec();
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
    let layout = crate::format::Layout::new("events").unwrap();
    let files = encoded
        .segments()
        .zip(repaired_files())
        .map(|(file, bytes)| {
            let mut segment = file.named(&layout, crate::format::SegmentId(0x00c0_ffef));
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
    golden_manifest("v1/repair.json", &expected);
}

#[test]
fn golden_corrections_of_a_repair_say_what_changed_and_from_what() {
    let [results, rejects, corrections] = repaired_files();
    let facts = |bytes: Vec<u8>| read_segment(bytes.into()).unwrap().facts().clone();
    assert_eq!(facts(results).payload_fields, None);
    let fields = facts(rejects).payload_fields.unwrap();
    assert_eq!(fields.to_string(), "number BIGINT NOT NULL");
    let (facts, rows) = crate::format::check_segment(corrections.clone().into()).unwrap();
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
    let crate::format::Corrected {
        results, rejects, ..
    } = crate::format::split_corrections(&batch).unwrap();
    assert_eq!((results.num_rows(), rejects.len()), (2, 1));
}
