use proptest::prelude::*;

use super::*;
use crate::{
    calculation::{Carry, CarryChoices, Declaration, Evaluated, rejects_schema},
    format::Pipeline,
    model::{Digest, OffsetRange, Sequence},
    processor::watch::Stored,
    recovery::{
        AcceptLoss, ChainFacts, Expected, Head, Limits, LogFacts, LossReason, OutcomeCounts, Replay,
    },
};

fn at(offset: i64) -> Offset {
    Offset::new(offset).unwrap()
}

fn range(start: i64, end: i64) -> OffsetRange {
    OffsetRange::new(at(start), at(end)).unwrap()
}

/// Outcomes of `[start, end)`: every third offset is absent, the others are rejects.
fn outcomes(start: i64, end: i64) -> RangeOutcomes {
    let reject = |offset: i64| crate::model::Reject {
        offset: at(offset),
        timestamp: None,
        key: None,
        payload: None,
        reason: "not-json".to_owned(),
    };
    let evaluated = Evaluated {
        results: arrow_array::RecordBatch::new_empty(rejects_schema()),
        rejects: (start..end).filter(|o| o % 3 != 0).map(reject).collect(),
        filtered: Vec::new(),
    };
    RangeOutcomes::new(range(start, end), evaluated).unwrap()
}

fn count(start: i64, end: i64) -> u64 {
    (start..end).filter(|offset| offset % 3 != 0).count() as u64
}

fn facts() -> Facts {
    Facts {
        partition: Partition(3),
        ours: Pipeline {
            cluster_id: None,
            group: "group".into(),
            events_topic: "events".into(),
            events_topic_id: None,
            events_partitions: Some(8),
            results_topic: "results".into(),
            results_partitions: 8,
        },
        calculation: Declaration {
            fingerprint: "00000000000000aa".parse().unwrap(),
            calculation: "square(number)".into(),
            condition: None,
            publish: None,
            carry: None,
            fields: "number BIGINT NOT NULL".into(),
            results: "result DECIMAL(38,0) NOT NULL".into(),
        },
        carry_choices: CarryChoices::default(),
        store: "./snapshots".into(),
        chain: ChainFacts::Absent,
        committed: None,
        log: LogFacts {
            start: at(0),
            end: at(1000),
            stable_end: at(1000),
            since: None,
        },
        replayed: None,
        unreadable: None,
        refused: None,
    }
}

fn results(results: u64) -> OutcomeCounts {
    OutcomeCounts {
        results,
        ..OutcomeCounts::default()
    }
}

fn seven() -> OutcomeCounts {
    results(7)
}

fn replay(expected: u64, replaces: bool) -> Plan {
    Plan::Replay(Replay {
        range: range(10, 40),
        expected: Expected::Exactly(expected),
        at_start: seven(),
        limits: None,
        replaces: replaces.then(|| "00000000000000bb".parse().unwrap()),
        carried: None,
    })
}

fn began(plan: Plan) -> Owned {
    let mut owned = Owned::new(Partition(3), Epoch(1));
    owned.begin(plan, None, seven(), Limits::default(), facts());
    owned
}

fn newest(frontier: i64) -> Newest {
    let sequence = Sequence(2);
    Newest {
        head: Head {
            sequence,
            digest: Digest::of(b"manifest"),
        },
        stored: Stored {
            sequence,
            frontier: at(frontier),
            outcomes: 7,
            at: chrono::DateTime::UNIX_EPOCH,
        },
        corrections: Vec::new(),
        edited: None,
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// A batch of so many offsets is processed.
    Process(u8),
    /// The transaction is committed; the answer was heard.
    Commit,
    /// It was committed, but the answer was not heard: the broker is asked.
    CommitUnheard,
    /// It was not committed: everything uncommitted is dropped.
    Abort,
    /// The consumer has been started again where it was to.
    Restart,
    /// The facts are gathered anew; recovery finds what was committed.
    Forget,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..20_u8).prop_map(Step::Process),
        3 => Just(Step::Commit),
        1 => Just(Step::CommitUnheard),
        2 => Just(Step::Abort),
        3 => Just(Step::Restart),
        1 => Just(Step::Forget),
    ]
}

proptest! {
    /// I1, and nothing twice: whatever happens, the keeper gets exactly what is committed, in order, without a hole.
    #[test]
    fn what_is_handed_over_is_what_is_committed(steps in prop::collection::vec(step(), 1..80)) {
        let mut owned = began(Plan::Continue { at: at(10), outcomes: 7 });
        owned.fetch = Fetch::Running;
        // What the broker has committed, where the consumer stands, and what the keeper got.
        let (mut committed, mut position, mut handed_over) = (10, 10, 10);
        let mut epoch = 1;
        for step in steps {
            match step {
                Step::Process(offsets) if owned.is_fetching() => {
                    let end = position + i64::from(offsets);
                    owned.books.process(outcomes(position, end)).unwrap();
                    position = end;
                }
                Step::Commit | Step::CommitUnheard => {
                    committed = owned.books.end().get();
                    for batch in owned.commit(at(committed)).unwrap() {
                        prop_assert_eq!(batch.range().start(), at(handed_over));
                        handed_over = batch.range().end().get();
                    }
                    if matches!(step, Step::CommitUnheard) {
                        owned.rewind();
                    }
                }
                Step::Abort => {
                    prop_assert!(owned.commit(at(committed)).unwrap().is_empty() || handed_over == committed);
                    owned.rewind();
                }
                Step::Restart => {
                    if let Fetch::StartAt(offset) = owned.fetch {
                        position = offset.get();
                        owned.fetch = Fetch::Running;
                    }
                }
                Step::Forget => {
                    epoch += 1;
                    owned = owned.forgotten(Epoch(epoch));
                    prop_assert!(!owned.is_fetching() && owned.fetch == Fetch::Paused);
                    owned.begin(Plan::Continue { at: at(committed), outcomes: 7 + count(10, committed) }, None, results(7 + count(10, committed)), Limits::default(), facts());
                    owned.fetch = Fetch::StartAt(owned.books.end());
                }
                Step::Process(_) => {}
            }
            prop_assert_eq!(handed_over, committed);
            prop_assert_eq!(owned.books.committed(), at(committed));
            prop_assert!(owned.books.end() >= owned.books.committed());
            prop_assert_eq!(owned.books.outcomes().outcomes(), 7 + count(10, owned.books.end().get()));
            if owned.is_fetching() {
                prop_assert_eq!(owned.books.end(), at(position));
            }
        }
    }

    /// However a replay is cut into batches, and whenever memory is short, its end is found once, with the right number.
    #[test]
    fn a_replay_ends_once_with_every_outcome_counted(
        cuts in prop::collection::btree_set(11_i64..40, 0..8),
        short_after in prop::option::of(0_usize..8),
        wrong in any::<bool>(),
        replaces in any::<bool>(),
    ) {
        let expected = count(10, 40);
        let mut owned = began(replay(expected + u64::from(wrong), replaces));
        owned.fetch = Fetch::Running;
        let ends: Vec<i64> = cuts.into_iter().chain([40]).collect();
        let mut short = short_after;
        loop {
            let (mut start, mut last) = (10, ReplayEnd::GoesOn);
            for (index, end) in ends.iter().enumerate() {
                if short == Some(index) {
                    short = None;
                    prop_assert!(owned.count_replay());
                    prop_assert!(!owned.count_replay());
                    prop_assert_eq!(owned.books.end(), at(10));
                }
                if !owned.count_events(count(start, *end)) {
                    owned.books.replay(&outcomes(start, *end)).unwrap();
                }
                start = *end;
                if let Some(rest) = owned.rest_of_replay(at(start)) {
                    prop_assert!(rest > owned.books.end());
                }
                last = owned.end_replay(at(start));
                let is_end = *end == 40;
                prop_assert_eq!(is_end, !matches!(last, ReplayEnd::GoesOn));
            }
            match last {
                ReplayEnd::ReadAgain => {
                    prop_assert!(!wrong && short_after.is_some());
                    prop_assert_eq!(owned.fetch, Fetch::StartAt(at(10)));
                    // The rest of the batch lies after the range: that it has been read says nothing any more.
                    prop_assert_eq!(owned.rest_of_replay(at(45)), None);
                    prop_assert!(matches!(owned.end_replay(at(45)), ReplayEnd::GoesOn));
                    owned.fetch = Fetch::Running;
                    continue;
                }
                ReplayEnd::Miscounted { found } => prop_assert!(wrong && found.outcomes() == expected),
                ReplayEnd::Done { found } => {
                    prop_assert!(!wrong && !replaces && found == expected && owned.is_running());
                }
                ReplayEnd::Store { found, corrects } => {
                    prop_assert!(!wrong && replaces && corrects && found == expected && !owned.is_active());
                }
                ReplayEnd::GoesOn => prop_assert!(false, "the end was not found"),
            }
            break;
        }
    }
}

#[test]
fn what_follows_is_contiguous_and_committed_as_a_whole() {
    let mut books = Books::new(at(10), seven());
    assert!(books.process(outcomes(11, 20)).is_err());
    books.process(outcomes(10, 20)).unwrap();
    assert!(books.bytes() > 0 && books.has_uncommitted());
    assert!(books.commit(at(15)).is_err());
    assert!(books.commit(at(10)).unwrap().is_empty());
    assert_eq!(books.commit(at(20)).unwrap().len(), 1);
    assert_eq!((books.bytes(), books.has_uncommitted()), (0, false));
    assert!(books.replay(&outcomes(21, 30)).is_err());
}

#[test]
fn what_a_replay_did_not_deliver_at_its_end_is_absent() {
    let mut owned = began(replay(count(10, 30), false));
    owned.fetch = Fetch::Running;
    owned.books.replay(&outcomes(10, 30)).unwrap();
    assert_eq!(owned.rest_of_replay(at(39)), None);
    assert_eq!(owned.rest_of_replay(at(45)), Some(at(40)));
    let nothing = Evaluated {
        results: arrow_array::RecordBatch::new_empty(rejects_schema()),
        rejects: Vec::new(),
        filtered: Vec::new(),
    };
    let rest = RangeOutcomes::new(range(30, 40), nothing).unwrap();
    owned.books.replay(&rest).unwrap();
    assert!(matches!(owned.end_replay(at(45)), ReplayEnd::Done { .. }));
    assert!(matches!(owned.end_replay(at(45)), ReplayEnd::GoesOn));
}

#[test]
fn a_correction_is_done_when_all_of_it_is_stored() {
    let mut owned = began(replay(count(10, 40), true));
    owned.fetch = Fetch::Running;
    owned.set_newest(newest(10));
    owned.books.replay(&outcomes(10, 40)).unwrap();
    assert!(matches!(owned.end_replay(at(40)), ReplayEnd::Store { .. }));
    owned.set_newest(newest(25));
    assert!(!owned.is_all_stored());
    owned.set_newest(newest(40));
    assert!(owned.is_all_stored());
    // So is what was published with another `--carry`, which is no correction.
    let Plan::Replay(mut carried) = replay(count(10, 40), false) else {
        panic!()
    };
    carried.carried = Some(Carry::default());
    let mut owned = began(Plan::Replay(carried));
    owned.fetch = Fetch::Running;
    owned.books.replay(&outcomes(10, 40)).unwrap();
    let end = owned.end_replay(at(40));
    assert!(matches!(
        end,
        ReplayEnd::Store {
            corrects: false,
            ..
        }
    ));
    assert!(!owned.is_active());
}

#[test]
fn other_limits_decide_only_after_everything_is_stored() {
    let limits = Limits {
        results: 1_000,
        ..Limits::default()
    };
    let mut owned = began(Plan::Start { at: at(10) });
    owned.set_newest(newest(10));
    assert!(!owned.take_limits(limits) && owned.is_running());
    assert_eq!(owned.limits, limits);
    owned.books.process(outcomes(10, 20)).unwrap();
    owned.commit(at(20)).unwrap();
    assert!(owned.take_limits(Limits::default()) && !owned.is_active());
    assert_eq!(owned.limits, limits);
    owned.set_newest(newest(20));
    assert!(owned.is_all_stored());
}

#[test]
fn a_replay_is_decided_by_the_limits_that_its_plan_names() {
    let limits = Limits {
        results: 1_000,
        ..Limits::default()
    };
    let Plan::Replay(mut named) = replay(30, false) else {
        panic!()
    };
    assert_eq!(began(Plan::Replay(named.clone())).limits, Limits::default());
    named.limits = Some(limits);
    assert_eq!(began(Plan::Replay(named)).limits, limits);
}

#[test]
fn plans_lead_to_their_phases() {
    let loss = AcceptLoss {
        range: range(10, 20),
        reason: LossReason::Expired,
        bind: false,
    };
    let runs = |plan| began(plan).is_running();
    assert!(runs(Plan::Start { at: at(10) }) && runs(Plan::Adopt { at: at(10) }));
    assert!(runs(Plan::Republish {
        at: at(10),
        outcomes: 7
    }));
    let accepting = began(Plan::AcceptLoss(loss));
    assert!(matches!(accepting.phase, Phase::AcceptingLoss(_)) && !accepting.is_active());
    assert_eq!(accepting.books.end(), at(20));
    let replaying = began(replay(20, false));
    assert!(replaying.is_active() && !replaying.is_running());
    assert_eq!(
        replaying.replay().map(|replay| replay.range),
        Some(range(10, 40))
    );
}

#[test]
fn a_partition_that_is_forgotten_keeps_only_how_often_it_failed() {
    let mut owned = began(Plan::Start { at: at(10) });
    (owned.aborts, owned.deaths, owned.lost) = (3, 2, 5);
    let fresh = owned.forgotten(Epoch(9));
    assert_eq!((fresh.aborts, fresh.deaths, fresh.lost), (3, 2, 0));
    assert!(matches!(fresh.phase, Phase::Gathering) && fresh.newest.is_none());
}
