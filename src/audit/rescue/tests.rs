//! Messages into stored outcomes, without a broker.

mod corrections;
mod unmade;
mod whole;

use std::sync::Arc;

use super::{
    super::{
        RecalculateError,
        message::{Key, Letter},
    },
    corrected::Corrections,
    stored::Whole,
    taker::Taker,
};
use crate::{
    calculation::{Condition, Evaluator, Publish, builtin},
    events::{Fields, MessageBuffer, ResultEncoder, columns},
    format::{Accumulation, Encoded, EncodedSegment, Identity, NotKnown, read_segment},
    history::SegmentFile,
    model::{Counts, Event, Offset, OffsetRange, Partition},
};

const PARTITION: Partition = Partition(3);

fn at(offset: u64) -> Offset {
    Offset::ZERO.plus(offset)
}

fn range() -> OffsetRange {
    OffsetRange::new(at(10), at(20)).unwrap()
}

fn evaluator() -> Evaluator {
    Evaluator::new(Fields::default(), builtin("square").unwrap()).unwrap()
}

/// Takes the outcomes of the offsets 10 to 20.
struct Scene {
    evaluator: Arc<Evaluator>,
    taker: Taker,
}

type Made = Result<(), RecalculateError>;

impl Scene {
    fn of(evaluator: Evaluator, counts: Counts) -> Scene {
        let mut scene = Scene::corrected(evaluator, Corrections::of(range()));
        scene.taker.expect(counts, &Whole::default()).unwrap();
        scene
    }

    fn corrected(evaluator: Evaluator, corrections: Corrections) -> Scene {
        let evaluator = Arc::new(evaluator);
        let taker = Taker::new(evaluator.clone(), ("events", PARTITION), corrections);
        Scene { evaluator, taker }
    }

    fn new() -> Scene {
        Scene::of(evaluator(), Counts::default())
    }

    fn number(&mut self, offset: u64, number: i64) -> Made {
        self.first(offset, None, Some(&message(number)))
    }

    fn first(&mut self, offset: u64, key: Option<&str>, value: Option<&str>) -> Made {
        let value = value.map(str::as_bytes);
        self.taker.first(at(offset), key.map(str::as_bytes), value)
    }

    fn letter(&mut self, offset: u64, letter: Letter<'_>) -> Made {
        self.taker.letter(Key::first(at(offset)), &letter, Some(77))
    }

    fn finish(self) -> Result<Encoded, RecalculateError> {
        Ok(close(self.taker.finish()?, &self.evaluator))
    }
}

/// The files of these outcomes.
fn close(made: Accumulation, evaluator: &Evaluator) -> Encoded {
    let identity = Identity {
        topic: "events".to_owned(),
        partition: PARTITION,
        declaration: evaluator.declaration(),
        writer: "a test".to_owned(),
    };
    made.close(&identity).unwrap()
}

/// A file that is whole, while the other one is damaged.
fn open_whole(file: EncodedSegment) -> Whole {
    Whole::open(vec![SegmentFile::Whole(file.bytes)]).unwrap()
}

fn message(number: i64) -> String {
    format!("{{\"number\":{number},\"result\":{}}}", number * number)
}

fn letter(payload: &str) -> Letter<'_> {
    Letter {
        key: Some(b"its key"),
        payload: Some(payload.as_bytes()),
        reason: "wrong-type: whatever it said then",
        whole: None,
        key_bytes: None,
    }
}

/// The offsets of a file, and what its messages are.
fn rows(file: &EncodedSegment) -> Vec<(i64, String)> {
    let mut found = Vec::new();
    for batch in read_segment(file.bytes.clone()).unwrap() {
        let batch = batch.unwrap();
        let mut messages = MessageBuffer::new();
        let encoder = ResultEncoder::new("events", batch.schema_ref()).unwrap();
        encoder.encode(PARTITION, &batch, &mut messages).unwrap();
        let text = messages.iter();
        let text = text.map(|(_, value)| String::from_utf8(value.to_vec()).unwrap());
        let offsets = columns::offsets(&batch).unwrap().iter().copied();
        found.extend(offsets.zip(text));
    }
    found
}

/// It is left as it is.
#[track_caller]
fn refused(made: Result<impl Sized, RecalculateError>, why: &str) {
    match made.map(|_| ()) {
        Err(error @ RecalculateError::NotTaken { .. }) => {
            assert!(error.to_string().contains(why), "{error}");
        }
        other => panic!("{other:?}"),
    }
}

/// The topics do not have it.
#[track_caller]
fn missing(made: Result<impl Sized, RecalculateError>, why: &str) {
    match made.map(|_| ()) {
        Err(error @ RecalculateError::NotPublished { .. }) => {
            assert!(error.to_string().contains(why), "{error}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn results_and_dead_letters_give_the_files_that_they_were_published_of() {
    let mut scene = Scene::new();
    scene.letter(13, letter(r#"{"number":"3"}"#)).unwrap();
    for offset in [10, 11, 15, 19] {
        scene.number(offset, offset as i64 - 13).unwrap();
    }
    let made = scene.finish().unwrap();
    assert_eq!(made.record.absent.to_string(), "12-13,14-15,16-19");
    let expected = [10, 11, 15, 19].map(|offset| (offset, message(offset - 13)));
    let results = made.results.unwrap();
    assert_eq!(rows(&results), expected);
    let not_known = NotKnown {
        before: at(20),
        key: true,
    };
    assert_eq!(results.facts.not_known, Some(not_known));
    // A dead letter says everything.
    let rejects = made.rejects.unwrap();
    assert_eq!((rejects.rows, rejects.facts.not_known), (1, None));
    let batch = read_segment(rejects.bytes)
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    assert_eq!(columns::Timestamps::of(&batch).unwrap().get(0), Some(77));
    assert_eq!(columns::keys(&batch).unwrap().value(0), b"its key");
    assert_eq!(
        columns::payloads(&batch).unwrap().value(0),
        br#"{"number":"3"}"#
    );
    let reason = columns::reasons(&batch).unwrap().value(0);
    assert_eq!(reason, "wrong-type: whatever it said then");
    assert!(made.corrections.is_none());
}

#[test]
fn keys_are_known_where_messages_carry_all_of_them() {
    for (second, key) in [(Some("two"), false), (None, true)] {
        let mut scene = Scene::new();
        scene.first(10, Some("one"), Some(&message(1))).unwrap();
        scene.first(11, second, Some(&message(2))).unwrap();
        let results = scene.finish().unwrap().results.unwrap();
        assert_eq!(results.facts.not_known.unwrap().key, key);
        let batch = read_segment(results.bytes)
            .unwrap()
            .next()
            .unwrap()
            .unwrap();
        assert_eq!(columns::keys(&batch).unwrap().value(0), b"one");
    }
}

#[test]
fn a_message_that_is_not_what_its_fields_give_is_not_taken() {
    for (value, why) in [
        (r#"{"number":3,"result":8}"#, r#"{"number":3,"result":9}"#),
        (r#"{"result":9,"number":3}"#, r#"{"number":3,"result":9}"#),
        (r#"{"number":3, "result":9}"#, r#"{"number":3,"result":9}"#),
        (r#"{"number":3.0,"result":9}"#, "a reject, "),
        (r#"{"result":9}"#, "a reject, missing-field"),
        ("", "a reject, empty"),
    ] {
        let mut scene = Scene::new();
        scene.number(10, 1).unwrap();
        scene.first(12, None, Some(value)).unwrap();
        let made = scene.finish();
        refused(made, "the message of offset 12 is not what its fields give");
        let mut scene = Scene::new();
        scene.first(12, None, Some(value)).unwrap();
        refused(scene.finish(), why);
    }
    refused(Scene::new().first(12, None, None), "offset 12 has no value");
    let where_odd = Condition::parse("number % 2 = 1").unwrap();
    let evaluator = evaluator().with_condition(Some(&where_odd)).unwrap();
    let mut scene = Scene::of(evaluator, Counts::default());
    scene.number(10, 2).unwrap();
    refused(scene.finish(), "it is filtered");
}

#[test]
fn a_copy_is_taken_once_and_another_result_of_its_offset_not_at_all() {
    let mut scene = Scene::new();
    // As at-least-once delivery publishes after a crash.
    for offset in [10, 11, 12, 11, 12, 13] {
        scene.number(offset, offset as i64).unwrap();
    }
    assert_eq!(scene.finish().unwrap().counts.results, 4);
    let mut scene = Scene::new();
    scene.number(10, 1).unwrap();
    scene.number(12, 1).unwrap();
    refused(
        scene.number(12, 2),
        "two results of offset 12, which differ",
    );
    refused(scene.number(11, 2), "comes after later ones");
    refused(scene.first(12, Some("key"), Some(&message(1))), "offset 12");
}

#[test]
fn two_dead_letters_of_an_offset_that_differ_are_not_taken() {
    let differing = || {
        let mut scene = Scene::new();
        let mut other = letter("{}");
        other.key = None;
        scene.letter(12, letter("{}")).unwrap();
        scene.letter(12, other).unwrap();
        scene.letter(12, letter("{}")).unwrap();
        scene
    };
    refused(differing().finish(), "two dead letters of offset 12");
    // They are of others, perhaps: two pipelines of one events topic have the same one for their dead letters.
    let mut scene = differing();
    scene.number(12, 1).unwrap();
    let counts = scene.finish().unwrap().counts;
    assert_eq!((counts.results, counts.rejects), (1, 0));
}

#[test]
fn a_dead_letter_where_a_result_proves_itself_is_left_out() {
    let mut cut = letter("{}");
    cut.whole = Some((7, crate::model::Digest::of(b"all of it")));
    for letter in [letter(r#"{"number":3}"#), cut] {
        let mut scene = Scene::new();
        scene.letter(12, letter).unwrap();
        scene.number(12, 1).unwrap();
        let counts = scene.finish().unwrap().counts;
        assert_eq!((counts.results, counts.rejects), (1, 0));
        // A result that does not prove itself says nothing.
        let mut scene = Scene::new();
        scene.letter(12, letter).unwrap();
        let wrong = r#"{"number":3,"result":8}"#;
        scene.first(12, None, Some(wrong)).unwrap();
        refused(scene.finish(), "offset 12 is not what its fields give");
    }
}

#[test]
fn a_dead_letter_that_does_not_say_everything_or_is_wrong_is_not_taken() {
    let mut cut = letter("{}");
    cut.whole = Some((7, crate::model::Digest::of(b"all of it")));
    for cut in [
        cut,
        Letter {
            whole: None,
            key_bytes: Some(7),
            ..cut
        },
    ] {
        let mut scene = Scene::new();
        scene.letter(12, cut).unwrap();
        // The same comes again after a crash.
        scene.letter(12, cut).unwrap();
        missing(scene.finish(), "offset 12 was cut");
    }
    for payload in [r#"{"number":3}"#, "{}", ""] {
        let mut scene = Scene::new();
        scene.letter(12, letter(payload)).unwrap();
        refused(scene.finish(), "is not rejected for its reason, wrong-type");
    }
    // What the topic did not take has a result otherwise.
    let mut scene = Scene::new();
    let mut large = letter(r#"{"number":3}"#);
    large.reason = "too-large: for the topic then";
    scene.letter(12, large).unwrap();
    assert_eq!(scene.finish().unwrap().counts.rejects, 1);
}

#[test]
fn offsets_without_a_row_are_all_absent_or_all_filtered_or_it_is_not_known_which() {
    let counts = |filtered, absent| Counts {
        results: 1,
        filtered,
        absent,
        ..Counts::default()
    };
    for (stated, filtered, absent) in [
        (counts(0, 9), 0, "10-12,13-20"),
        (counts(9, 0), 9, ""),
        (counts(0, 0), 0, "10-12,13-20"),
    ] {
        let mut scene = Scene::of(evaluator(), stated);
        scene.number(12, 1).unwrap();
        let made = scene.finish().unwrap();
        assert_eq!(made.counts.filtered, filtered);
        assert_eq!(made.record.absent.to_string(), absent);
    }
    let mut scene = Scene::new();
    let made = scene.taker.expect(counts(4, 5), &Whole::default());
    missing(made, "4 of its offsets are filtered and 5 absent");
}

#[test]
fn messages_without_a_field_are_not_believed() {
    let publish = Publish::parse("result").unwrap();
    let evaluator = evaluator().with_publish(Some(&publish)).unwrap();
    let mut taker = Scene::corrected(evaluator, Corrections::of(range())).taker;
    let results = Counts {
        results: 1,
        ..Counts::default()
    };
    missing(
        taker.expect(results, &Whole::default()),
        "the field number (--publish)",
    );
    let rejects = Counts {
        rejects: 1,
        ..Counts::default()
    };
    assert!(taker.expect(rejects, &Whole::default()).is_ok());
}
