//! Events that a condition leaves out, in pages and with digests of what is absent among them.

use super::fixture::{audit, bind, chain_of, edit, evaluated, layout, newest, range};
use crate::{
    audit::{FindingKind, Level, PageMended, mend_page},
    calculation::{Condition, Evaluator},
    events::Fields,
    format::{Absent, Changes, OutcomeText, Rewriter, SilentRange, testing::append_beside_markers},
    history::{Chain, Repair, Repaired, Sealed, write_repair, write_seal},
    model::{Offset, Partition},
    query::lookup,
    store::Store,
};

fn evaluator() -> Evaluator {
    let fields = Fields::parse(super::fixture::FIELDS).unwrap();
    let evaluator = Evaluator::new(fields, super::fixture::square()).unwrap();
    let condition = Condition::parse("number < 0").unwrap();
    evaluator.with_condition(Some(&condition)).unwrap()
}

/// Appends 1,200 offsets without a row: of each three the last is absent, the others are filtered.
async fn append_filtered(chain: &mut Chain, number: i64) {
    let over = range(number * 1200, number * 1200 + 1200);
    edit(chain, append_beside_markers(over, 3)).await;
}

#[tokio::test]
async fn a_chain_whose_silence_was_shortened_and_sealed_is_clean() {
    let store = Store::memory();
    let mut chain = chain_of(&store, 0, &evaluator()).await;
    bind(&mut chain, 0).await;
    for number in 0..12 {
        append_filtered(&mut chain, number).await;
        if number == 5 || number == 9 {
            let sealed = chain.newest().unwrap().open.silent[0].range.end();
            let sealed = range(0, sealed.get());
            let sealed = write_seal(&mut chain, sealed).await.unwrap();
            assert!(matches!(sealed, Sealed::Done(_)), "{sealed:?}");
        }
    }
    let last = newest(&store, 0).await;
    assert_eq!((last.pages.len(), last.counts.filtered), (1, 9600));
    let report = audit(&store, Level::Semantic).await;
    assert!(report.clean, "{:#?}", report.findings);
    assert_eq!(report.findings, []);
    assert_eq!((report.filtered, report.absent), (9600, 4800));
    for (offset, fate) in [
        (2, "absent-or-filtered"),
        (14_399, "absent"),
        (14_398, "filtered"),
    ] {
        let at = Offset::new(offset).unwrap();
        let found = lookup(&store, &layout(), Partition(0), at).await.unwrap();
        let found = serde_json::to_string(&found.fate).unwrap();
        assert!(found.contains(&format!("\"{fate}\"")), "{offset}: {found}");
    }
    // No segment says what the page said.
    let page = &last.pages[0];
    let kept = store.get(&page.path, page.bytes).await.unwrap();
    store.delete(&page.path).await.unwrap();
    let report = audit(&store, Level::Semantic).await;
    let [missing] = &report.findings[..] else {
        panic!("{:#?}", report.findings)
    };
    assert_eq!(missing.kind, FindingKind::PageMissing);
    let offsets = format!("which says why {} offsets have no row", page.range.len());
    assert!(missing.detail.ends_with(&offsets), "{}", missing.detail);
    let remedy = &missing.remedy;
    let from = "from the manifest that it was made of, if that is still there";
    assert!(
        remedy.contains(from) && remedy.contains("from a backup"),
        "{remedy}"
    );
    let path = page.path.as_str();
    let mended = mend_page(&store, &layout(), Partition(0), path).await;
    assert!(matches!(mended.unwrap(), PageMended::Done(_)));
    assert_eq!(store.get(&page.path, page.bytes).await.unwrap(), kept);
}

/// Of old ranges only a digest of digests says which offsets are absent. When all of their events have
/// outcomes, the rows say it.
#[tokio::test]
async fn what_has_outcomes_again_is_clean_where_digests_said_what_is_absent() {
    let store = Store::memory();
    let mut chain = chain_of(&store, 0, &evaluator()).await;
    bind(&mut chain, 0).await;
    for number in 0..12 {
        append_filtered(&mut chain, number).await;
    }
    let all = super::fixture::evaluator();
    let mut chain = chain_of(&store, 0, &all).await;
    let silent = chain.newest().unwrap().open.silent.clone();
    let is_digest = |one: &SilentRange| matches!(one.record.absent, Absent::Digest(_));
    assert!(silent.iter().any(is_digest));
    // Each repair may shorten what is said of the others.
    while let Some(silent) = chain.newest().unwrap().open.silent.first().cloned() {
        let over = silent.range;
        let mut writer = Rewriter::new(
            over,
            silent.record.absent.clone(),
            silent.fingerprint.clone().unwrap(),
            &all.results_schema(),
            chain.identity().clone(),
        );
        let is_absent = |offset: i64| offset % 3 == 2;
        let outcomes = evaluated(&all, over.start().get(), over.end().get(), is_absent);
        let rows = |count: usize| 0..u32::try_from(count).unwrap();
        let changes = Changes {
            results: rows(outcomes.results.num_rows())
                .map(|row| (row, OutcomeText::Filtered))
                .collect(),
            rejects: rows(outcomes.rejects.len())
                .map(|row| (row, OutcomeText::Filtered))
                .collect(),
            ..Changes::default()
        };
        writer.write(&outcomes, &changes).unwrap();
        let mut repair = Repair::of_silent(silent, writer.finish(None).unwrap());
        let done = write_repair(&mut chain, &mut repair).await.unwrap();
        assert!(matches!(done, Repaired::Done(_)), "{done:?}");
    }
    let report = audit(&store, Level::Semantic).await;
    assert!(report.clean, "{:#?}", report.findings);
    assert_eq!(report.findings, []);
    assert_eq!((report.filtered, report.absent), (0, 4800));
}
