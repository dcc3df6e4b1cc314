//! What changes, and what stays as it is.

use super::*;

#[tokio::test]
async fn results_and_rejects_change_both_ways_and_what_is_absent_stays() {
    let store = Store::memory();
    let old = evaluator(AB, SQUARE_OF_A);
    let mut chain = bind(&store, &old).await;
    let payloads = [
        r#"{"a":2,"b":3}"#,
        "",
        r#"{"a":5}"#,
        r#"{"b":6,"c":[1]}"#,
        "",
        r#"{"a":1,"b":1}"#,
        "no JSON",
        r#"{"c":1}"#,
    ];
    snapshot(&mut chain, &old, &payloads).await;
    snapshot(&mut chain, &old, &["", ""]).await;
    snapshot(&mut chain, &old, &[r#"{"a":4,"b":4}"#]).await;
    let before = chain.newest().unwrap().clone();
    let done = recalculate(&store, evaluator(AB, SQUARE_OF_B))
        .await
        .unwrap();
    let [first, second] = &done[..] else {
        panic!("two ranges have outcomes: {}", done.len())
    };
    assert_eq!(second.counts, before.counts);
    let results = rows(&store, first, SegmentKind::Results).await.unwrap();
    assert_eq!(text(&results, "kafka_offset"), ["0", "3", "5"]);
    assert_eq!(text(&results, "result"), ["9", "36", "1"]);
    let rejects = rows(&store, first, SegmentKind::Rejects).await.unwrap();
    assert_eq!(text(&rejects, "kafka_offset"), ["2", "6", "7"]);
    let payloads = rejects
        .column_by_name("payload")
        .unwrap()
        .as_binary::<i32>();
    assert_eq!(payloads.value(0), br#"{"a":5,"b":null}"#);
    assert_eq!(payloads.value(1), b"no JSON");
    let corrections = rows(&store, first, SegmentKind::Corrections).await.unwrap();
    // 5 has the same result, 6 the same reason; the reason of 7 names another field.
    assert_eq!(text(&corrections, "kafka_offset"), ["0", "2", "3", "7"]);
    let (old_kinds, new_kinds) = (
        text(&corrections, "old_kind"),
        text(&corrections, "new_kind"),
    );
    assert_eq!(old_kinds, ["result", "result", "reject", "reject"]);
    assert_eq!(new_kinds, ["result", "reject", "result", "reject"]);
    let old_messages = text(&corrections, "old_message");
    assert_eq!(
        old_messages,
        [
            r#"{"a":2,"b":3,"result":4}"#,
            r#"{"a":5,"b":null,"result":25}"#,
            "NULL",
            "NULL"
        ]
    );
    let old_reasons = text(&corrections, "old_reason");
    assert_eq!(old_reasons[..2], ["NULL", "NULL"]);
    assert!(old_reasons[2].starts_with("bad-cast: ") && old_reasons[2].contains("no a"));
    assert_ne!(old_reasons[3], text(&corrections, "reason")[3]);
    // Nothing changed there, but it is of the new calculation.
    assert!(
        rows(&store, second, SegmentKind::Corrections)
            .await
            .is_none()
    );
    assert_clean(&store, AB, SQUARE_OF_B).await;

    // And back: the payload that was made of the stored fields gives the old result again.
    let back = recalculate(&store, evaluator(AB, SQUARE_OF_A))
        .await
        .unwrap();
    assert_eq!(back.last().unwrap().counts, before.counts);
    let results = rows(&store, &back[0], SegmentKind::Results).await.unwrap();
    assert_eq!(text(&results, "kafka_offset"), ["0", "2", "5"]);
    assert_eq!(text(&results, "result"), ["4", "25", "1"]);
    assert_clean(&store, AB, SQUARE_OF_A).await;
}

#[tokio::test]
async fn a_result_too_large_for_its_topic_becomes_a_reject() {
    let store = Store::memory();
    let fields = "a BIGINT, b BIGINT, note VARCHAR";
    let old = evaluator(fields, SQUARE_OF_A);
    let mut chain = bind(&store, &old).await;
    let long = format!(r#"{{"a":1,"b":2,"note":"{}"}}"#, "x".repeat(2000));
    let rejected = format!(r#"{{"b":2,"note":"{}"}}"#, "x".repeat(2000));
    snapshot(&mut chain, &old, &[r#"{"a":1,"b":2}"#, &long, &rejected]).await;
    let done = recalculate(&store, evaluator(fields, SQUARE_OF_B))
        .await
        .unwrap();
    let rejects = rows(&store, &done[0], SegmentKind::Rejects).await.unwrap();
    assert_eq!(text(&rejects, "kafka_offset"), ["1", "2"]);
    assert!(
        text(&rejects, "reason")
            .iter()
            .all(|reason| reason.starts_with("too-large: "))
    );
    let payloads = rejects
        .column_by_name("payload")
        .unwrap()
        .as_binary::<i32>();
    assert_eq!(payloads.value(0), long.as_bytes());
    assert_eq!(payloads.value(1), rejected.as_bytes());
    assert_clean(&store, fields, SQUARE_OF_B).await;
}

#[test]
fn a_result_whose_message_stays_the_same_has_not_changed_whatever_its_columns() {
    let payloads = [r#"{"number":7}"#, r#"{"number":10000000001}"#];
    let evaluate = |fields: &str| {
        let events = (0..).zip(payloads).map(|(offset, payload)| Event {
            offset: at(offset),
            timestamp: None,
            key: None,
            payload: Some(payload.as_bytes()),
        });
        let events: Vec<Event<'_>> = events.collect();
        let evaluator = evaluator(fields, "square(number)");
        evaluator.evaluate(events.into_iter()).unwrap()
    };
    let messages = |results: &RecordBatch| {
        let encoder = ResultEncoder::new("events", results.schema_ref())?;
        let mut messages = MessageBuffer::new();
        encoder.encode(Partition(0), results, &mut messages)?;
        Ok(messages)
    };
    let before = window::Window {
        results: Some(evaluate("number BIGINT NOT NULL").results),
        rejects: None,
        fields: None,
    };
    let now = evaluate("number DECIMAL(20,0) NOT NULL");
    let (changes, _) = changes::changes(&before, &now, messages).unwrap().unwrap();
    assert!(changes.results.is_empty() && changes.rejects.is_empty());
    // Two digits after the point are another message: 7.00.
    let now = evaluate("number DECIMAL(20,2) NOT NULL");
    let (changes, _) = changes::changes(&before, &now, messages).unwrap().unwrap();
    assert_eq!(changes.results.len(), 2);
}

/// The writer of a repair of all that is stored, and the same results for it.
async fn again(store: &Store, chain: &Chain, evaluator: &Evaluator) -> (Rewriter, Evaluated) {
    let newest = chain.newest().unwrap();
    let stored = rows(store, newest, SegmentKind::Results).await.unwrap();
    let schema = evaluator.results_schema();
    let (absent, before) = (Absent::none(), evaluator.fingerprint().clone());
    let identity = chain.identity().clone();
    let writer = Rewriter::new(newest.range(), absent, before, &schema, identity);
    let outcomes = Evaluated {
        results: RecordBatch::try_new(schema, stored.columns().to_vec()).unwrap(),
        rejects: Vec::new(),
        filtered: Vec::new(),
    };
    (writer, outcomes)
}

#[tokio::test]
async fn a_correction_that_changes_nothing_is_found() {
    let store = Store::memory();
    let evaluator = evaluator(AB, SQUARE_OF_A);
    let mut chain = bind(&store, &evaluator).await;
    snapshot(&mut chain, &evaluator, &[r#"{"a":2}"#, r#"{"a":3}"#]).await;
    let newest = chain.newest().unwrap().clone();
    let (mut writer, outcomes) = again(&store, &chain, &evaluator).await;
    let result = |message| OutcomeText::Result { message };
    let was = [
        r#"{"a":2,"b":null,"result":4}"#,
        r#"{"a":3,"b":null,"result":8}"#,
    ];
    let changes = Changes {
        results: (0..).zip(was.map(result)).collect(),
        ..Changes::default()
    };
    writer.write(&outcomes, &changes).unwrap();
    let mut repair = Repair::new(newest.open.segments.clone(), writer.finish(None).unwrap());
    write_repair(&mut chain, &mut repair).await.unwrap();

    let (layout, options) = (Layout::new("events").unwrap(), Options::default());
    let (level, calculations) = (Level::Semantic, Calculations::new(builtin));
    let report = verify(&store, &layout, level, &calculations, &options, &|_| {});
    let report = report.await.unwrap();
    let [finding] = report.findings.as_slice() else {
        panic!("{:#?}", report.findings)
    };
    assert_eq!(
        (finding.kind, finding.start),
        (FindingKind::WrongResult, at(0))
    );
    assert_eq!(
        finding.detail,
        "offset 0 is corrected from a result to the same result"
    );
    assert!(finding.segment.as_ref().unwrap().contains("/corrections/"));
}

/// Whoever calculates rows anew knows no more of their events than the rows did.
#[tokio::test]
async fn what_is_not_known_of_events_stays_not_known() {
    let store = Store::memory();
    let evaluator = evaluator(AB, SQUARE_OF_A);
    let mut chain = bind(&store, &evaluator).await;
    snapshot(&mut chain, &evaluator, &[r#"{"a":2,"b":5}"#, r#"{"a":3}"#]).await;
    let newest = chain.newest().unwrap().clone();
    let (mut writer, outcomes) = again(&store, &chain, &evaluator).await;
    let not_known = Some(NotKnown {
        before: at(2),
        key: true,
    });
    writer.keep_not_known(not_known, None);
    writer.write(&outcomes, &Changes::default()).unwrap();
    let mut repair = Repair::new(newest.open.segments.clone(), writer.finish(None).unwrap());
    write_repair(&mut chain, &mut repair).await.unwrap();

    // Rejects that are made of such results do not know it either.
    let now = super::evaluator(AB, SQUARE_OF_B);
    let manifests = recalculate(&store, now).await.unwrap();
    let segments = &manifests.last().unwrap().open.segments;
    let kinds: Vec<_> = segments
        .iter()
        .map(|one| (one.kind, one.not_known))
        .collect();
    assert_eq!(
        kinds,
        [SegmentKind::Results, SegmentKind::Rejects].map(|kind| (kind, not_known))
    );
    let (layout, options) = (Layout::new("events").unwrap(), Options::default());
    let (level, calculations) = (Level::Semantic, Calculations::new(builtin));
    let report = verify(&store, &layout, level, &calculations, &options, &|_| {});
    let report = report.await.unwrap();
    assert_eq!((report.clean, report.not_known), (true, 2), "{report:#?}");
}
