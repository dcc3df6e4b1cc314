//! A file of the range that is whole, while the other is damaged.

use super::*;
use crate::format::RangeOutcomes;

/// A file that is whole says which are absent, and has what need not be looked for.
#[test]
fn what_a_whole_file_of_the_range_has_is_taken_from_it() {
    let event = |offset: u64, payload: &'static str| Event {
        offset: at(offset),
        timestamp: Some(9),
        key: Some(b"a key"),
        payload: Some(payload.as_bytes()),
    };
    let where_odd = Condition::parse("number % 2 = 1").unwrap();
    let evaluator = || evaluator().with_condition(Some(&where_odd)).unwrap();
    let payloads = [
        (10, r#"{"number":1}"#),
        (12, r#"{"number":2}"#),
        (13, "{}"),
        (14, r#"{"number":3}"#),
    ];
    let events: Vec<_> = payloads.iter().map(|(at, text)| event(*at, text)).collect();
    let evaluator_of_all = evaluator();
    let evaluated = evaluator_of_all.evaluate(events.into_iter()).unwrap();
    let range = OffsetRange::new(at(10), at(20)).unwrap();
    let outcomes = RangeOutcomes::new(range, evaluated).unwrap();
    let mut all = Accumulation::new(at(10));
    all.append(&outcomes).unwrap();
    let before = close(all, &evaluator_of_all);

    // The rejects are damaged.
    let whole = open_whole(before.results.clone().unwrap());
    let mut scene = Scene::corrected(evaluator(), Corrections::of(range));
    scene.taker.expect(before.counts, &whole).unwrap();
    let mut missing = letter("{}");
    missing.reason = "missing-field: number";
    scene.letter(13, missing).unwrap();
    scene.taker.take_results(whole.results.unwrap()).unwrap();
    let made = scene.finish().unwrap();
    assert_eq!((made.counts, &made.record), (before.counts, &before.record));
    let results = made.results.unwrap();
    assert_eq!(results.facts.not_known, None);
    let of = |file: &EncodedSegment| {
        let batches = read_segment(file.bytes.clone()).unwrap();
        let batch = batches.map(Result::unwrap).next().unwrap();
        batch.columns().to_vec()
    };
    assert_eq!(of(&results), of(before.results.as_ref().unwrap()));

    // The results are damaged.
    let whole = open_whole(before.rejects.clone().unwrap());
    let mut scene = Scene::corrected(evaluator(), Corrections::of(range));
    scene.taker.expect(before.counts, &whole).unwrap();
    scene.taker.take_rejects(whole.rejects.unwrap()).unwrap();
    scene.number(10, 1).unwrap();
    scene.number(14, 3).unwrap();
    let made = scene.finish().unwrap();
    assert_eq!((made.counts, &made.record), (before.counts, &before.record));
    assert_eq!(
        of(&made.rejects.unwrap()),
        of(before.rejects.as_ref().unwrap())
    );
    assert!(made.results.unwrap().facts.not_known.is_some());
}

/// Of the rest Kafka has the events.
#[test]
fn of_a_whole_file_only_the_part_that_kafka_has_lost_is_taken() {
    let payloads = [10, 12, 14, 15, 19].map(|offset| (offset, r#"{"number":3}"#));
    let evaluator_of_all = evaluator();
    let events = payloads.iter().map(|(offset, payload)| Event {
        offset: at(*offset),
        timestamp: None,
        key: None,
        payload: Some(payload.as_bytes()),
    });
    let evaluated = evaluator_of_all.evaluate(events).unwrap();
    let mut all = Accumulation::new(at(10));
    all.append(&RangeOutcomes::new(range(), evaluated).unwrap())
        .unwrap();
    all.came_from_messages(true);
    let before = close(all, &evaluator_of_all);
    let file = before.results.unwrap();
    let not_known = |before| NotKnown {
        before: at(before),
        key: true,
    };
    assert_eq!(file.facts.not_known, Some(not_known(20)));

    let whole = open_whole(file);
    let part = OffsetRange::new(at(10), at(15)).unwrap();
    let corrections = Corrections::of(part).without_results();
    let mut scene = Scene::corrected(evaluator(), corrections);
    scene.taker.expect(before.counts, &whole).unwrap();
    scene.taker.take_results(whole.results.unwrap()).unwrap();
    let made = scene.finish().unwrap();
    assert_eq!(made.range, part);
    let results = made.results.unwrap();
    let expected = [10, 12, 14].map(|offset| (offset, message(3)));
    assert_eq!(rows(&results), expected);
    assert_eq!(results.facts.not_known, Some(not_known(15)));
}
