use super::*;
use crate::{
    audit::{Published, Severity},
    demo::EventsRead,
};

fn offset(at: i64) -> Offset {
    Offset::new(at).unwrap()
}

fn range(start: i64, end: i64) -> OffsetRange {
    OffsetRange::new(offset(start), offset(end)).unwrap()
}

/// Three numbers and a quoted one in partition 3; processed and stored without fault.
fn clean(exactly_once: bool) -> Facts {
    let partition = Partition(3);
    Facts {
        loaded: 4,
        exactly_once,
        events: EventsRead {
            partitions: BTreeMap::from([(partition, (range(0, 4), 4))]),
            numbers: 3,
            malformed: BTreeMap::from([("wrong-type".to_owned(), 1)]),
            ..EventsRead::default()
        },
        committed: BTreeMap::from([(partition, offset(4))]),
        chains: BTreeMap::from([(partition, range(0, 4))]),
        snapshots: 1,
        segments: 2,
        bytes: 40,
        report: Report {
            clean: true,
            partitions: 1,
            offsets: 4,
            results: 3,
            rejects: 1,
            published: Some(Published {
                messages: 4,
                ..Published::default()
            }),
            ..Report::default()
        },
        ..Facts::default()
    }
}

fn find(facts: &mut Facts, kind: FindingKind, severity: Severity) {
    facts.report.findings.push(Finding {
        kind,
        partition: Partition(3),
        start: offset(1),
        end: offset(2),
        segment: None,
        manifest: None,
        not_given: false,
        detail: format!("found {kind}"),
        remedy: "none".to_owned(),
        severity,
    });
}

#[test]
fn clean_facts_pass_every_check_and_add_up() {
    for exactly_once in [true, false] {
        let checked = judge(&clean(exactly_once));
        assert!(checked.holds(), "{:?}", checked.checks);
        let totals = &checked.totals;
        assert_eq!((totals.events, totals.results, totals.rejects), (4, 3, 1));
        assert_eq!(totals.malformed["wrong-type"], 1);
        assert_eq!(
            (totals.absent, totals.lost, totals.published_twice),
            (0, 0, 0)
        );
        assert_eq!(totals.bytes_per_event(), Some(10.0));
    }
}

/// What is done to clean facts, which claims it contradicts (by a word of theirs), and what an example says.
#[test]
fn every_fault_contradicts_its_claim_and_no_other() {
    type Damage = fn(&mut Facts);
    const STORED: &str = "exactly once, as a result";
    const VERIFY: &str = "verify";
    let table: &[(&str, Damage, &[&str], &str)] = &[
        (
            "a stored row is missing",
            |facts| facts.report.results = 2,
            &[STORED],
            "3 events are numbers, stored results are 2",
        ),
        (
            "a malformed event is stored as a result",
            |facts| (facts.report.results, facts.report.rejects) = (4, 0),
            &[STORED],
            "1 events are malformed, stored rejects are 0",
        ),
        (
            "an offset is recorded as absent that is not",
            |facts| facts.report.absent = 1,
            &[STORED],
            "0 offsets deliver no event, recorded as absent are 1",
        ),
        (
            "a segment is damaged",
            |facts| find(facts, FindingKind::DigestMismatch, Severity::Damage),
            &[STORED, VERIFY],
            "digest-mismatch",
        ),
        (
            "a stored value is wrong",
            |facts| find(facts, FindingKind::WrongResult, Severity::Damage),
            &["square", VERIFY],
            "wrong-result",
        ),
        (
            "a result is another number's",
            |facts| {
                facts
                    .outputs
                    .wrong_results
                    .push("3/1 has the result 4".to_owned())
            },
            &["square"],
            "3/1 has the result 4",
        ),
        (
            "a stored reject has another reason",
            |facts| find(facts, FindingKind::WrongReject, Severity::Damage),
            &["malformed on purpose", VERIFY],
            "wrong-reject",
        ),
        (
            "a good event is a dead letter",
            |facts| {
                facts
                    .outputs
                    .wrong_letters
                    .push("3/1 is rejected".to_owned())
            },
            &["malformed on purpose"],
            "3/1 is rejected",
        ),
        (
            "an outcome was not published",
            |facts| find(facts, FindingKind::Unpublished, Severity::Damage),
            &["dead-letter topic", VERIFY],
            "unpublished",
        ),
        (
            "an outcome was published twice",
            |facts| find(facts, FindingKind::PublishedTwice, Severity::Damage),
            &["dead-letter topic", VERIFY],
            "published-twice",
        ),
        (
            "a message names no event",
            |facts| facts.report.published.as_mut().unwrap().unknown = 1,
            &["nothing else"],
            "1 messages name no event",
        ),
        (
            "the group stopped early",
            |facts| facts.committed = BTreeMap::from([(Partition(3), offset(3))]),
            &["reach the end"],
            "committed is 3, the log ends at 4",
        ),
        (
            "there is no snapshot",
            |facts| facts.chains.clear(),
            &["reach the end"],
            "the snapshots cover nothing, the log is 0-4",
        ),
        (
            "a gap was accepted",
            |facts| facts.report.lost = 1,
            &["reach the end"],
            "1 offsets were given up as lost",
        ),
        (
            "the topic lost events",
            |facts| facts.loaded = 5,
            &["what was produced"],
            "5 events were acknowledged, read were 4",
        ),
        (
            "somebody else produced",
            |facts| {
                facts
                    .events
                    .unknown
                    .push("3/2 is no event of this demo".to_owned())
            },
            &["what was produced"],
            "3/2 is no event",
        ),
    ];
    for (name, damage, claims, example) in table {
        let mut facts = clean(true);
        damage(&mut facts);
        let checked = judge(&facts);
        let failed: Vec<&Check> = checked.checks.iter().filter(|c| !c.passed()).collect();
        assert_eq!(failed.len(), claims.len(), "{name}: {failed:?}");
        for claim in *claims {
            assert!(
                failed.iter().any(|check| check.claim.contains(claim)),
                "{name}: {failed:?}"
            );
        }
        let said = failed.iter().flat_map(|check| &check.examples);
        assert!(
            said.clone().any(|text| text.contains(example)),
            "{name}: {failed:?}"
        );
        assert!(!checked.holds());
    }
}

#[test]
fn copies_are_counted_and_are_no_fault_where_they_only_inform() {
    let mut facts = clean(false);
    facts.report.published.as_mut().unwrap().copies = 3;
    find(&mut facts, FindingKind::PublishedTwice, Severity::Notice);
    let checked = judge(&facts);
    assert!(checked.holds(), "{:?}", checked.checks);
    assert_eq!(checked.totals.published_twice, 3);
}

#[test]
fn offsets_that_deliver_nothing_are_absent_and_no_fault() {
    let mut facts = clean(true);
    facts
        .events
        .partitions
        .insert(Partition(3), (range(0, 6), 4));
    facts.chains.insert(Partition(3), range(0, 6));
    facts.committed.insert(Partition(3), offset(6));
    facts.report.absent = 2;
    let checked = judge(&facts);
    assert!(checked.holds(), "{:?}", checked.checks);
    assert_eq!(checked.totals.absent, 2);
}

#[test]
fn many_faults_are_all_counted_and_a_few_shown() {
    let mut facts = clean(true);
    for _ in 0..20 {
        find(&mut facts, FindingKind::Overlap, Severity::Damage);
    }
    let checked = judge(&facts);
    let verify = checked.checks.last().unwrap();
    assert_eq!((verify.wrong, verify.examples.len()), (20, EXAMPLES));
}

#[test]
fn a_partition_without_events_needs_neither_snapshot_nor_commit() {
    let mut facts = clean(true);
    facts
        .events
        .partitions
        .insert(Partition(4), (range(0, 0), 0));
    assert!(judge(&facts).holds());
}

#[test]
fn with_an_own_calculation_rejects_and_filtered_events_are_counted() {
    let mut facts = clean(true);
    facts.task.condition = Some("number > 0".to_owned());
    facts.events.rejected = BTreeMap::from([("overflow".to_owned(), 1)]);
    facts.events.filtered = 1;
    (
        facts.report.results,
        facts.report.rejects,
        facts.report.filtered,
    ) = (1, 2, 1);
    let checked = judge(&facts);
    assert!(checked.holds(), "{:?}", checked.checks);
    assert_eq!(
        (checked.totals.filtered, checked.totals.rejected["overflow"]),
        (1, 1)
    );
    facts.report.filtered = 2;
    let checked = judge(&facts);
    let said = checked.checks.iter().flat_map(|check| &check.examples);
    let said: Vec<_> = said.collect();
    assert_eq!(
        said,
        ["1 events are left out by the condition, filtered are 2"]
    );
}
