//! The model's small numbers as the product's values, and back.

use snapback::{
    calculation::{Declaration, Fingerprint},
    format::Pipeline,
    history::CorrectionsProgress,
    model::{Offset, OffsetRange, Partition, Sequence},
};

use super::state::{Progress, Span};

/// The partition.
pub const PARTITION: Partition = Partition(0);

pub fn pipeline() -> Pipeline {
    Pipeline {
        cluster_id: Some("cluster".to_owned()),
        group: "group".to_owned(),
        events_topic: "events".to_owned(),
        events_topic_id: Some("topic".to_owned()),
        events_partitions: Some(8),
        results_topic: "results".to_owned(),
        results_partitions: 1,
    }
}

pub fn fingerprint(version: u8) -> Fingerprint {
    format!("{version:016x}").parse().expect("16 digits")
}

pub fn declaration(version: u8) -> Declaration {
    Declaration {
        fingerprint: fingerprint(version),
        calculation: "square(number)".to_owned(),
        condition: None,
        fields: "number BIGINT NOT NULL".to_owned(),
        results: "result DECIMAL(38,0) NOT NULL".to_owned(),
        publish: None,
        carry: None,
    }
}

pub fn version(fingerprint: &Fingerprint) -> u8 {
    u8::from_str_radix(fingerprint.as_str(), 16)
        .expect("the model's fingerprints are small numbers")
}

pub fn progress(done: Progress) -> Option<CorrectionsProgress> {
    (done != Progress::default()).then_some(CorrectionsProgress {
        sequence: Sequence(done.revision.into()),
        rows: done.rows.into(),
    })
}

/// A model's offset as the product's.
pub fn at(offset: u8) -> Offset {
    Offset::new(offset.into()).expect("not negative")
}

/// A product's offset as the model's.
pub fn byte(offset: Offset) -> u8 {
    u8::try_from(offset.get()).expect("the model's offsets are small")
}

/// A model's range as the product's.
pub fn range(span: Span) -> OffsetRange {
    OffsetRange::new(at(span.start), at(span.end)).expect("start <= end")
}

pub fn span(range: OffsetRange) -> Span {
    Span::new(byte(range.start()), byte(range.end()))
}
