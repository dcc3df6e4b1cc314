//! Statements of a store in memory.

use super::*;
use crate::{
    audit::{
        Mended, mend, plan_repair,
        tests::rows::wrong_value,
        tests::{
            fixture::{audit, chain, layout, sample, snapshot},
            forging::falsify,
        },
    },
    calculation::{Calculations, Evaluator, builtin},
};

async fn statement(store: &Store) -> Statement {
    let scope = Scope::of(store, &layout(), None).await.unwrap().unwrap();
    let report = audit(store, Level::Semantic).await;
    assert!(report.clean);
    let now = DateTime::UNIX_EPOCH;
    Statement::of(scope, &report, Level::Semantic, now, (store, &layout()))
        .await
        .unwrap()
}

async fn changed(statement: &Statement, store: &Store) -> Vec<(i32, i64, i64, String)> {
    let comparison = compare(statement, store, &layout()).await.unwrap();
    let changed = comparison.changed.into_iter();
    changed
        .map(|one| (one.partition.0, one.start.get(), one.end.get(), one.detail))
        .collect()
}

#[tokio::test]
async fn a_statement_is_read_as_it_was_written_and_no_other_way() {
    let store = sample().await;
    let statement = statement(&store).await;
    let text = statement.encode();
    assert_eq!(Statement::decode(&text).unwrap(), statement);
    assert_eq!(Statement::decode(&text).unwrap().encode(), text);
    let (body, rest) = text.split_at(text.rfind("\"digest\"").unwrap());
    assert_eq!(
        rest,
        format!("\"digest\":\"{}\"\n}}\n", Digest::of(body.as_bytes()))
    );
    let edited = text.replacen("\"topic\":\"events\"", "\"topic\":\"orders\"", 1);
    let refused = |text: &str| Statement::decode(text).unwrap_err().to_string();
    assert!(
        refused(&edited).contains("was changed since"),
        "{}",
        refused(&edited)
    );
    for cut in ["", "{}", &text[..text.len() - 5], &text[5..]] {
        assert!(Statement::decode(cut).is_err());
    }
}

#[tokio::test]
async fn it_holds_while_the_store_goes_on_and_for_a_copy_elsewhere() {
    let store = sample().await;
    let statement = statement(&store).await;
    assert_eq!(changed(&statement, &store).await, []);
    let mut chain = chain(&store, 0).await;
    snapshot(&mut chain, 400, 500, |_| false).await;
    assert_eq!(changed(&statement, &store).await, []);
    // The same events give the same rows, whoever wrote them.
    assert_eq!(changed(&statement, &sample().await).await, []);
}

#[tokio::test]
async fn another_value_is_named_with_the_repair_that_made_it() {
    let store = sample().await;
    let right = statement(&store).await;
    falsify(
        &store,
        0,
        200,
        SegmentKind::Results,
        |batch| wrong_value(batch, |row| row == 7),
        |_| (),
    )
    .await;
    let expected = "94 results, not all of them as stated; no correction in the chain says why";
    let found = changed(&right, &store).await;
    assert_eq!(found.len(), 1);
    let (partition, start, end, detail) = &found[0];
    assert_eq!((*partition, *start, *end), (0, 100, 400));
    assert!(detail.ends_with(&expected[3..]), "{detail}");
    // What was wrong when it was stated, and is mended now.
    let scope = Scope::of(&store, &layout(), None).await.unwrap().unwrap();
    let report = audit(&store, Level::Semantic).await;
    let (level, now, layout) = (Level::Semantic, DateTime::UNIX_EPOCH, layout());
    let wrong = Statement::of(scope, &report, level, now, (&store, &layout));
    let wrong = wrong.await.unwrap();
    repair(&store, &report).await;
    assert_eq!(changed(&right, &store).await, []);
    let found = changed(&wrong, &store).await;
    assert_eq!(found.len(), 1);
    assert!(
        found[0]
            .3
            .ends_with("changed by manifest 5 (1 corrections)"),
        "{}",
        found[0].3
    );
}

async fn repair(store: &Store, report: &Report) {
    let plan = plan_repair(store, &layout(), report).await.unwrap();
    let recalculator = crate::audit::Recalculator {
        evaluator: std::sync::Arc::new(
            Evaluator::new(
                crate::events::Fields::parse("number BIGINT NOT NULL").unwrap(),
                builtin("square").unwrap(),
            )
            .unwrap(),
        ),
        results: crate::audit::ResultsTopic {
            name: "results".into(),
            limit: 1000,
            too_large: |_, _| Vec::new(),
        },
        events: None,
        patience: std::time::Duration::ZERO,
        throttle: crate::store::Throttle::unlimited(),
    };
    for one in &plan.mends {
        let mut chain = chain(store, one.partition.0).await;
        let mended = mend(&recalculator, &Calculations::new(builtin), &mut chain, one).await;
        assert!(matches!(mended, Ok(Mended::Done { .. })));
    }
}

#[tokio::test]
async fn a_store_that_holds_less_is_said_to() {
    let statement = statement(&sample().await).await;
    let store = Store::memory();
    let mut first = chain(&store, 0).await;
    crate::audit::tests::fixture::bind(&mut first, 100).await;
    snapshot(&mut first, 100, 200, |_| false).await;
    let found = changed(&statement, &store).await;
    assert_eq!(
        found,
        [
            (0, 100, 400, "the store holds 100-200 only".to_owned()),
            (
                1,
                0,
                300,
                "the store holds nothing of this partition".to_owned()
            )
        ]
    );
}
