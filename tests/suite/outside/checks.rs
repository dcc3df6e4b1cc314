//! What must hold for topics and store at rest.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use serde_json::json;

use super::messages::{Message, without_reason};
use super::{Offsets, Outcomes, Pipeline};
use crate::support::{Record, read_all};

impl Pipeline {
    /// Topics and store hold every event exactly once, and nothing else.
    #[track_caller]
    pub fn check(&self) {
        self.check_against(&self.expected(), Offsets::default());
    }

    /// Topics and store hold exactly these outcomes, each once.
    #[track_caller]
    pub fn check_against(&self, expected: &Outcomes, offsets: Offsets) {
        self.check_published(expected);
        self.check_stored(expected, offsets);
    }

    /// The results and dead-letter topics hold exactly these outcomes, each once.
    #[track_caller]
    pub fn check_published(&self, expected: &Outcomes) {
        self.check_published_with(expected, |_| true);
    }

    /// The same, where others have written into the results topic as well: `ours` tells which results count.
    #[track_caller]
    pub fn check_published_with(&self, expected: &Outcomes, ours: impl Fn(&Record) -> bool) {
        let results = read_all(&self.brokers, &self.results).into_iter();
        assert_equal(
            "published results",
            self.result_messages(expected),
            results.filter(|record| ours(record)).map(Message::from),
        );
        assert_equal(
            "dead letters",
            self.dead_letters(expected),
            read_all(&self.brokers, &self.rejects)
                .into_iter()
                .map(without_reason),
        );
    }

    /// The results and dead-letter topics hold exactly these outcomes, each at least once.
    #[track_caller]
    pub fn check_published_at_least_once(&self, expected: &Outcomes) {
        let once = |messages: BTreeSet<Message>| messages.into_iter();
        let published = read_all(&self.brokers, &self.results)
            .into_iter()
            .map(Message::from);
        assert_equal(
            "published results",
            self.result_messages(expected),
            once(published.collect()),
        );
        let letters = read_all(&self.brokers, &self.rejects)
            .into_iter()
            .map(without_reason);
        assert_equal(
            "dead letters",
            self.dead_letters(expected),
            once(letters.collect()),
        );
    }

    /// The store holds exactly these outcomes, each once: as DuckDB reads the plain glob, and as `verify` says.
    #[track_caller]
    pub fn check_stored(&self, expected: &Outcomes, offsets: Offsets) {
        let seen = self.read_store(expected);
        let nothing = json!([0, []]);
        for (kind, rows) in [
            ("results", expected.results.len()),
            ("rejects", expected.rejects.len()),
        ] {
            let as_expected =
                json!({"rows": rows, "twice": nothing, "missing": nothing, "unexpected": nothing});
            assert_eq!(
                seen[kind], as_expected,
                "stored {kind} as DuckDB reads them"
            );
        }
        assert_eq!(
            seen["wrong"],
            json!(0),
            "results that DuckDB calculates differently"
        );
        self.check_verified(expected, offsets);
    }

    /// `verify` is clean and counts exactly these outcomes.
    #[track_caller]
    pub fn check_verified(&self, expected: &Outcomes, Offsets { absent, lost }: Offsets) {
        let report = self.verify(0);
        let (results, rejects) = (expected.results.len() as u64, expected.rejects.len() as u64);
        let counts = json!({
            "clean": report["clean"], "offsets": report["offsets"], "results": report["results"],
            "rejects": report["rejects"], "absent": report["absent"], "lost": report["lost"],
        });
        let as_expected = json!({
            "clean": true, "offsets": results + rejects + absent + lost, "results": results,
            "rejects": rejects, "absent": absent, "lost": lost,
        });
        assert_eq!(counts, as_expected, "{report:#}");
    }
}

/// Both hold the same, in whatever order, each as often; panics with the first differences.
#[track_caller]
fn assert_equal<T: Ord + Debug>(
    what: &str,
    expected: impl Iterator<Item = T>,
    found: impl Iterator<Item = T>,
) {
    let mut balance: BTreeMap<T, i64> = BTreeMap::new();
    let (mut wanted, mut seen) = (0, 0);
    for item in expected {
        *balance.entry(item).or_default() -= 1;
        wanted += 1;
    }
    for item in found {
        *balance.entry(item).or_default() += 1;
        seen += 1;
    }
    balance.retain(|_, count| *count != 0);
    let first: Vec<_> = balance.iter().take(5).collect();
    assert!(
        balance.is_empty(),
        "{what}: {seen} found, {wanted} expected, {} differ (-: missing, +: too many): {first:#?}",
        balance.len()
    );
}
