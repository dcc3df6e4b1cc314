//! What was corrected: the store says what it is now, whatever the topics have.

use super::{super::proof::Published, *};
use crate::{
    format::{Accumulation, RangeOutcomes},
    model::Sequence,
};

const BEFORE: &str = "00000000000000bb";

/// Corrections of these events, which have a time and a key, as the manifest of this number has brought them.
fn corrected(
    corrections: &mut Corrections,
    evaluator: &Evaluator,
    revision: u64,
    events: &[(u64, &str)],
) -> Result<(), RecalculateError> {
    let events = events.iter().map(|(offset, payload)| Event {
        offset: at(*offset),
        timestamp: Some(9),
        key: Some(b"its own"),
        payload: Some(payload.as_bytes()),
    });
    let evaluated = evaluator.evaluate(events).unwrap();
    let declaration = evaluator.declaration();
    let before = BEFORE.parse().unwrap();
    let mut made = Accumulation::replacing(at(0), before, declaration.fingerprint.clone());
    let all = OffsetRange::new(at(0), at(100)).unwrap();
    made.append(&RangeOutcomes::new(all, evaluated).unwrap())
        .unwrap();
    let identity = Identity {
        topic: "events".to_owned(),
        partition: PARTITION,
        declaration,
        writer: "a test".to_owned(),
    };
    let file = made.close(&identity).unwrap().corrections.unwrap().bytes;
    corrections.add(
        ("events", PARTITION),
        Sequence(revision),
        &SegmentFile::Whole(file),
    )
}

fn with_small_numbers() -> Evaluator {
    let condition = Condition::parse("number < 100").unwrap();
    evaluator().with_condition(Some(&condition)).unwrap()
}

/// Nothing of them is in the topics yet: they wait to be published, or a transaction hides them.
fn scene() -> Scene {
    let evaluator = with_small_numbers();
    let mut corrections = Corrections::of(range());
    let older = [
        (5, r#"{"number":1}"#),
        (11, r#"{"number":5}"#),
        (12, r#"{"number":7}"#),
        (14, r#"{"number":200}"#),
    ];
    corrected(&mut corrections, &evaluator, 7, &older).unwrap();
    corrected(&mut corrections, &evaluator, 9, &[(12, r#"{"number":6}"#)]).unwrap();
    Scene::corrected(evaluator, corrections)
}

#[test]
fn the_newest_correction_counts_also_where_the_topics_do_not_have_it() {
    let mut scene = scene();
    let counts = Counts {
        results: 3,
        filtered: 7,
        ..Counts::default()
    };
    scene.taker.expect(counts, &Whole::default()).unwrap();
    // These were published first.
    scene.letter(11, letter("{}")).unwrap();
    scene.letter(14, letter("{}")).unwrap();
    scene.first(10, Some("a key"), Some(&message(1))).unwrap();
    scene.first(12, Some("a key"), Some(&message(1))).unwrap();
    let made = scene.finish().unwrap();
    assert_eq!(made.counts, counts);
    assert!(made.rejects.is_none());
    let results = made.results.unwrap();
    let expected = [(10, message(1)), (11, message(5)), (12, message(6))];
    assert_eq!(rows(&results), expected);
    // A correction says all of its event.
    let batch = read_segment(results.bytes)
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let times = columns::Timestamps::of(&batch).unwrap();
    assert_eq!(
        [0, 1, 2].map(|row| times.get(row)),
        [None, Some(9), Some(9)]
    );
    let keys = columns::keys(&batch).unwrap();
    let expected: [&[u8]; 3] = [b"a key", b"its own", b"its own"];
    assert_eq!([0, 1, 2].map(|row| keys.value(row)), expected);
    let not_known = NotKnown {
        before: at(20),
        key: false,
    };
    assert_eq!(results.facts.not_known, Some(not_known));
}

#[test]
fn a_publication_that_the_history_does_not_know_is_not_taken() {
    let mut scene = scene();
    let of = |offset, revision| Key {
        revision: Some(Sequence(revision)),
        offset: at(offset),
    };
    for known in [
        of(12, 9),
        of(12, 8),
        of(12, 7),
        of(11, 7),
        Key::first(at(10)),
    ] {
        assert!(scene.taker.know(known).is_ok(), "{known:?}");
    }
    for unknown in [of(12, 10), of(11, 9), of(10, 7)] {
        refused(scene.taker.know(unknown), "which the history does not have");
        let letter = scene.taker.letter(unknown, &letter("{}"), None);
        refused(letter, "which the history does not have");
    }
    assert!(scene.taker.letter(of(11, 7), &letter("{}"), None).is_ok());
}

#[test]
fn what_became_a_reject_needs_its_file() {
    let became = || {
        let mut corrections = Corrections::of(range());
        corrected(&mut corrections, &evaluator(), 7, &[(13, "{}")]).unwrap();
        Scene::corrected(evaluator(), corrections)
    };
    let counts = Counts {
        results: 1,
        rejects: 1,
        ..Counts::default()
    };
    let made = became().taker.expect(counts, &Whole::default());
    refused(made, "offset 13 became a reject by a correction");

    // Its results are damaged, or they were: it was a result first.
    let file = whole(&[(13, "{}"), (14, r#"{"number":3}"#)]);
    let of = |file: Option<EncodedSegment>| open_whole(file.unwrap());
    let mut scene = became();
    let whole = of(file.rejects);
    scene.taker.expect(counts, &whole).unwrap();
    scene.taker.take_rejects(whole.rejects.unwrap()).unwrap();
    scene.number(13, 4).unwrap();
    scene.number(14, 3).unwrap();
    let made = scene.finish().unwrap();
    assert_eq!((made.counts.results, made.counts.rejects), (1, 1));
    assert_eq!(rows(&made.results.unwrap()), [(14, message(3))]);
}

#[test]
fn what_became_a_result_is_no_reject_beside_a_whole_file_of_results() {
    // The file has what it became.
    let mut corrections = Corrections::of(range()).without_results();
    let events = [(13, r#"{"number":4}"#)];
    corrected(&mut corrections, &evaluator(), 7, &events).unwrap();
    let mut with = Corrections::of(range());
    corrected(&mut with, &evaluator(), 7, &events).unwrap();
    let spared = size_of::<Published>() + "its own".len() + message(4).len();
    assert_eq!(with.bytes(), corrections.bytes() + spared);
    let mut scene = Scene::corrected(evaluator(), corrections);
    let file = whole(&[(13, r#"{"number":4}"#), (15, "{}")]).results;
    let whole = open_whole(file.unwrap());
    let counts = Counts {
        results: 1,
        rejects: 1,
        ..Counts::default()
    };
    scene.taker.expect(counts, &whole).unwrap();
    scene.letter(13, letter(r#"{"number":"4"}"#)).unwrap();
    scene.letter(15, letter(r#"{"number":"5"}"#)).unwrap();
    scene.taker.take_results(whole.results.unwrap()).unwrap();
    let made = scene.finish().unwrap();
    assert_eq!((made.counts.results, made.counts.rejects), (1, 1));
    let results = made.results.unwrap();
    assert_eq!(rows(&results), [(13, message(4))]);
    assert_eq!(results.facts.not_known, None);
}

/// The files of a range as they were written.
fn whole(events: &[(u64, &str)]) -> Encoded {
    let evaluator = evaluator();
    let events = events.iter().map(|(offset, payload)| Event {
        offset: at(*offset),
        timestamp: Some(9),
        key: None,
        payload: Some(payload.as_bytes()),
    });
    let evaluated = evaluator.evaluate(events).unwrap();
    let mut made = Accumulation::new(at(10));
    made.append(&RangeOutcomes::new(range(), evaluated).unwrap())
        .unwrap();
    let identity = Identity {
        topic: "events".to_owned(),
        partition: PARTITION,
        declaration: evaluator.declaration(),
        writer: "a test".to_owned(),
    };
    made.close(&identity).unwrap()
}

/// A file is read as it is; what the topics have is kept as far as memory goes.
#[test]
fn only_so_much_is_kept() {
    let large = "x".repeat(8 << 20);
    let all: Vec<(u64, &str)> = (10..19).map(|offset| (offset, large.as_str())).collect();
    let file = whole(&all).rejects.unwrap();
    let mut scene = Scene::new();
    let whole = open_whole(file);
    scene.taker.take_rejects(whole.rejects.unwrap()).unwrap();
    assert_eq!(scene.finish().unwrap().counts.rejects, 9);

    let mut scene = Scene::new();
    let kept = all
        .iter()
        .map(|(offset, payload)| scene.letter(*offset, letter(payload)));
    let (kept, not): (Vec<_>, Vec<_>) = kept.partition(Result::is_ok);
    assert_eq!(kept.len(), 7);
    // What comes again takes nothing more.
    let mut scene = Scene::new();
    for _ in 0..9 {
        scene.letter(10, letter(&large)).unwrap();
    }
    for made in not {
        refused(made, "too many to be taken from the topics at a time");
    }
}
