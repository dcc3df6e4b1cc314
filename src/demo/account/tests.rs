use super::*;
use crate::{
    demo::readings::{Letter, Published, Stored},
    load::Malformed,
    model::OffsetRange,
};

fn offset(at: i64) -> Offset {
    Offset::new(at).unwrap()
}

fn range(start: i64, end: i64) -> OffsetRange {
    OffsetRange::new(offset(start), offset(end)).unwrap()
}

fn square(number: i64) -> Calculated {
    Calculated {
        number,
        result: i128::from(number) * i128::from(number),
    }
}

/// Numbers 10, 11 and the largest at offsets 0 to 2, a quoted number at 3; processed and stored without fault.
fn clean(exactly_once: bool) -> Readings {
    let mut read = PartitionReadings::new(Partition(3), range(0, 4));
    for (at, number) in [10, 11, i64::MIN].into_iter().enumerate() {
        let source = offset(at as i64);
        read.events.insert(source, Some(Content::Number(number)));
        read.published.push(Published {
            source,
            timestamp: Some(1),
            value: square(number),
        });
        read.stored.push(Stored {
            source,
            outcome: Outcome::Result(square(number)),
        });
    }
    let content = Some(Content::Malformed(Malformed::Quoted));
    read.events.insert(offset(3), content);
    read.letters.push(Letter {
        source: offset(3),
        reason: "wrong-type".to_owned(),
        content,
    });
    read.stored.push(Stored {
        source: offset(3),
        outcome: Outcome::Reject {
            reason: "wrong-type".to_owned(),
            content,
        },
    });
    read.chain = Some(range(0, 4));
    read.committed = Some(offset(4));
    (read.snapshots, read.segments, read.bytes) = (1, 2, 40);
    Readings {
        loaded: 4,
        exactly_once,
        partitions: vec![read],
        ..Readings::default()
    }
}

#[test]
fn clean_readings_pass_every_check_and_add_up() {
    for exactly_once in [true, false] {
        let account = account(&clean(exactly_once));
        assert!(account.holds(), "{:?}", account.checks);
        let totals = &account.totals;
        assert_eq!(
            (totals.events, totals.results, totals.published_twice),
            (4, 3, 0)
        );
        assert_eq!(
            totals.rejects,
            BTreeMap::from([("wrong-type".to_owned(), 1)])
        );
        assert_eq!((totals.absent, totals.lost), (0, 0));
        assert_eq!(totals.bytes_per_event(), Some(10.0));
    }
}

/// What is done to clean readings, which claims it contradicts (by a word of theirs), and what an example says.
#[test]
fn every_fault_contradicts_its_claim_and_no_other() {
    type Damage = fn(&mut Readings);
    let table: &[(&str, Damage, &[&str], &str)] = &[
        (
            "a stored row is missing",
            |r| {
                r.partitions[0].stored.remove(1);
            },
            &["exactly once, as a result"],
            "3/1 is not in the snapshots",
        ),
        (
            "a stored row is doubled",
            |r| {
                let row = r.partitions[0].stored[0].clone();
                r.partitions[0].stored.push(row);
            },
            &["exactly once, as a result"],
            "3/0 is in the snapshots 2 times",
        ),
        (
            "an outcome is stored for no event",
            |r| {
                r.partitions[0].stored.push(Stored {
                    source: offset(9),
                    outcome: Outcome::Result(square(10)),
                });
            },
            &["exactly once, as a result", "square"],
            "3/9 is in the snapshots, but is no event",
        ),
        (
            "a stored value is wrong",
            |r| {
                r.partitions[0].stored[0].outcome = Outcome::Result(Calculated {
                    number: 10,
                    result: 101,
                });
            },
            &["square"],
            "3/0 has the result 101 of 10, the event is 10",
        ),
        (
            "a stored number is another one's, with the right square",
            |r| r.partitions[0].stored[0].outcome = Outcome::Result(square(11)),
            &["square"],
            "3/0 has the result 121 of 11, the event is 10",
        ),
        (
            "a good event is stored as a reject",
            |r| {
                r.partitions[0].stored[0].outcome = Outcome::Reject {
                    reason: "wrong-type".to_owned(),
                    content: Some(Content::Number(10)),
                };
            },
            &["malformed on purpose"],
            "3/0 is a reject for wrong-type, the event is 10",
        ),
        (
            "a malformed event is stored as a result",
            |r| r.partitions[0].stored[3].outcome = Outcome::Result(square(7)),
            &["square"],
            "3/3 has the result 49 of 7, the event is malformed (wrong-type)",
        ),
        (
            "a reject has another reason",
            |r| {
                r.partitions[0].stored[3].outcome = Outcome::Reject {
                    reason: "empty".to_owned(),
                    content: Some(Content::Malformed(Malformed::Quoted)),
                };
            },
            &["malformed on purpose"],
            "3/3 is a reject for empty, the event is malformed (wrong-type)",
        ),
        (
            "a reject has another payload",
            |r| {
                r.partitions[0].stored[3].outcome = Outcome::Reject {
                    reason: "wrong-type".to_owned(),
                    content: None,
                };
            },
            &["malformed on purpose"],
            "3/3 is a reject for wrong-type",
        ),
        (
            "a result was not published",
            |r| {
                r.partitions[0].published.remove(2);
            },
            &["results topic"],
            "3/2 is not in the results topic",
        ),
        (
            "a wrong result was published",
            |r| r.partitions[0].published[1].value.result = 0,
            &["results topic"],
            "3/1 has the result 0 of 11, the event is 11",
        ),
        (
            "a malformed event was published as a result",
            |r| {
                let mut published = r.partitions[0].published[0];
                published.source = offset(3);
                r.partitions[0].published.push(published);
            },
            &["results topic"],
            "3/3 is in the results topic, where it does not belong",
        ),
        (
            "a dead letter is missing",
            |r| r.partitions[0].letters.clear(),
            &["dead-letter topic"],
            "3/3 is not in the dead-letter topic",
        ),
        (
            "a dead letter has another reason",
            |r| r.partitions[0].letters[0].reason = "empty".to_owned(),
            &["dead-letter topic"],
            "3/3 is a reject for empty",
        ),
        (
            "a message says no source",
            |r| r.strangers.push("results/3 at 7 has no key".to_owned()),
            &["results topic"],
            "has no key",
        ),
        (
            "the group stopped early",
            |r| r.partitions[0].committed = Some(offset(3)),
            &["reach the end"],
            "committed is 3, the log ends at 4",
        ),
        (
            "there is no snapshot",
            |r| r.partitions[0].chain = None,
            &["reach the end"],
            "the snapshots cover nothing, the log is 0-4",
        ),
        (
            "a gap was accepted",
            |r| r.partitions[0].gaps.push(range(1, 2)),
            &["reach the end"],
            "1-2 was given up as lost",
        ),
        (
            "the topic lost an event, which then is nowhere",
            |r| {
                let read = &mut r.partitions[0];
                read.events.remove(&offset(0));
                read.published.remove(0);
                read.stored.remove(0);
            },
            &["what was produced"],
            "3 events were read, 4 were acknowledged",
        ),
        (
            "a file cannot be read",
            |r| {
                r.unreadable
                    .push("events/results/x.parquet: not Parquet".to_owned())
            },
            &["exactly once, as a result"],
            "not Parquet",
        ),
        (
            "the audit found something",
            |r| r.findings.push("digest-mismatch".to_owned()),
            &["verify"],
            "digest-mismatch",
        ),
    ];
    for (name, damage, claims, example) in table {
        let mut readings = clean(true);
        damage(&mut readings);
        let account = account(&readings);
        let failed: Vec<&Check> = account
            .checks
            .iter()
            .filter(|check| !check.passed())
            .collect();
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
            "{name}: {:?}",
            said.collect::<Vec<_>>()
        );
    }
}

#[test]
fn outcomes_published_twice_are_counted_and_wrong_only_when_promised_once() {
    for (exactly_once, holds) in [(false, true), (true, false)] {
        let mut readings = clean(exactly_once);
        let read = &mut readings.partitions[0];
        read.published.push(read.published[1]);
        read.published.push(read.published[1]);
        read.letters.push(read.letters[0].clone());
        let account = account(&readings);
        assert_eq!(account.totals.published_twice, 3);
        assert_eq!(account.holds(), holds);
    }
}

#[test]
fn offsets_that_deliver_nothing_are_absent_and_no_fault() {
    let mut readings = clean(true);
    let read = &mut readings.partitions[0];
    read.log = range(0, 6);
    read.chain = Some(range(0, 6));
    read.committed = Some(offset(6));
    let account = account(&readings);
    assert!(account.holds(), "{:?}", account.checks);
    assert_eq!(account.totals.absent, 2);
}

#[test]
fn many_faults_are_all_counted_and_a_few_shown() {
    let mut readings = clean(true);
    readings.partitions[0].stored.clear();
    for _ in 0..20 {
        readings.findings.push("overlap".to_owned());
    }
    let account = account(&readings);
    let audit = account.checks.last().unwrap();
    assert_eq!((audit.wrong, audit.examples.len()), (20, EXAMPLES));
    assert!(!account.holds());
}

#[test]
fn a_partition_without_events_needs_neither_snapshot_nor_commit() {
    let mut readings = clean(true);
    readings
        .partitions
        .push(PartitionReadings::new(Partition(4), range(0, 0)));
    assert!(account(&readings).holds());
}
