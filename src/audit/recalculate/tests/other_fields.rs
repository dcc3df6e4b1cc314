//! The calculation has other fields than those that are stored.

use super::*;

#[tokio::test]
async fn fewer_fields_are_taken_from_those_that_are_stored() {
    let store = Store::memory();
    let old = evaluator("a BIGINT, b BIGINT, c VARCHAR", SQUARE_OF_A);
    let mut chain = bind(&store, &old).await;
    let payloads = [
        r#"{"a":2,"b":3,"c":"x \"y\""}"#,
        r#"{"a":5,"c":"z"}"#,
        r#"{"b":"six"}"#,
    ];
    snapshot(&mut chain, &old, &payloads).await;
    let now = "b BIGINT NOT NULL";
    let done = recalculate(&store, evaluator(now, "square")).await.unwrap();
    let results = rows(&store, &done[0], SegmentKind::Results).await.unwrap();
    assert_eq!(text(&results, "result"), ["9"]);
    assert!(results.column_by_name("a").is_none());
    let rejects = rows(&store, &done[0], SegmentKind::Rejects).await.unwrap();
    let payloads = rejects
        .column_by_name("payload")
        .unwrap()
        .as_binary::<i32>();
    assert_eq!(payloads.value(0), br#"{"a":5,"b":null,"c":"z"}"#);
    assert!(
        text(&rejects, "reason")[0].starts_with("null-field: "),
        "{rejects:?}"
    );
    // The last is rejected for the same reason as before.
    let corrections = rows(&store, &done[0], SegmentKind::Corrections)
        .await
        .unwrap();
    assert_eq!(text(&corrections, "kafka_offset"), ["0", "1"]);
    assert_clean(&store, now, "square").await;

    // That payload has what was stored, not what the event had: no other field is taken from it.
    let error = recalculate(
        &store,
        evaluator("b BIGINT NOT NULL, d BIGINT", SQUARE_OF_B),
    )
    .await;
    assert!(
        matches!(error, Err(RecalculateError::Events { .. })),
        "{error:?}"
    );
}

#[tokio::test]
async fn fields_that_are_not_stored_are_asked_of_kafka_only() {
    for now in ["a BIGINT, c BIGINT", "a DOUBLE", "a DECIMAL(10,0)"] {
        let store = Store::memory();
        let old = evaluator("a BIGINT", "square");
        let mut chain = bind(&store, &old).await;
        snapshot(&mut chain, &old, &[r#"{"a":2,"c":3}"#]).await;
        let before = chain.newest().unwrap().clone();
        let error = recalculate(&store, evaluator(now, SQUARE_OF_A))
            .await
            .unwrap_err();
        assert!(error.is_retryable(), "nobody listens there: {error}");
        chain.reload().await.unwrap();
        assert_eq!(chain.newest(), Some(&before));
    }
}
