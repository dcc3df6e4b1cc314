//! The table row by row, the texts of its refusals, and its properties.

mod beginnings;
mod carrying;
mod missing_commits;
mod properties;
mod refusals;
mod resuming;
mod rows;
mod unreadable;

use std::time::Duration;

use super::*;
use crate::{
    calculation::{Carry, CarryChoices, Declaration},
    format::Pipeline,
    model::{Digest, Offset, OffsetRange, Partition, Sequence},
};

const OURS: &str = "00000000000000aa";
const OLD: &str = "00000000000000bb";

fn at(offset: u64) -> Offset {
    Offset::ZERO.plus(offset)
}

fn range(start: u64, end: u64) -> OffsetRange {
    OffsetRange::new(at(start), at(end)).expect("in order")
}

fn kinds(results: u64, rejects: u64) -> OutcomeCounts {
    OutcomeCounts {
        results,
        rejects,
        filtered: 0,
    }
}

fn results(results: u64) -> OutcomeCounts {
    kinds(results, 0)
}

fn head() -> Head {
    Head {
        sequence: Sequence(12),
        digest: Digest::of(b"manifest 12"),
    }
}

/// Frontier = committed = 1000 with 990 outcomes, log 0..5000: nothing is wrong.
fn facts() -> Facts {
    Facts {
        partition: Partition(3),
        ours: pipeline(),
        calculation: Declaration {
            fingerprint: OURS.parse().unwrap(),
            calculation: "square(number)".into(),
            condition: None,
            fields: "number BIGINT NOT NULL".into(),
            results: "result DECIMAL(38,0) NOT NULL".into(),
            publish: None,
            carry: None,
        },
        carry_choices: CarryChoices::default(),
        store: "./snapshots".into(),
        chain: ChainFacts::Good(chain()),
        committed: ours(1000, 990),
        log: LogFacts {
            start: at(0),
            stable_end: at(4990),
            end: at(5000),
            since: None,
        },
        replayed: None,
        unreadable: None,
        refused: None,
    }
}

fn pipeline() -> Pipeline {
    Pipeline {
        cluster_id: Some("kPq0oTzmQ9u0AAAAAAAAAA".into()),
        group: "recalc_group".into(),
        events_topic: "events".into(),
        events_topic_id: Some("b3IxSVhUQ0tLZ3c".into()),
        events_partitions: Some(8),
        results_topic: "results".into(),
        results_partitions: 8,
    }
}

fn chain() -> GoodChain {
    GoodChain {
        pipeline: pipeline(),
        sequence: Sequence(12),
        origin: at(0),
        end: at(1000),
        counts: results(990),
        beside: 0,
        revision: None,
        lost: 0,
        head_known: true,
        bound: None,
        damage: Vec::new(),
    }
}

fn ours(offset: u64, outcomes: u64) -> Option<Committed> {
    let metadata = CommitMetadata {
        by: "snapback 0.1.0 host-0/0".into(),
        offset: at(offset),
        calculation: Some("square(number)".into()),
        condition: None,
        fields: Some("number BIGINT NOT NULL".into()),
        fingerprint: OURS.parse().unwrap(),
        head: head(),
        outcomes,
        kinds: None,
        limits: Limits::default(),
        lost: 0,
        corrections: None,
    };
    Some(Committed {
        offset: at(offset),
        authored: Authored::Ours(Box::new(metadata)),
    })
}

fn by_old_calculation(offset: u64, outcomes: u64) -> Option<Committed> {
    let mut committed = ours(offset, outcomes)?;
    if let Authored::Ours(metadata) = &mut committed.authored {
        metadata.fingerprint = OLD.parse().unwrap();
        metadata.calculation = Some("square(n)".into());
        metadata.fields = Some("n BIGINT".into());
    }
    Some(committed)
}

fn stranger(offset: u64) -> Option<Committed> {
    Some(Committed {
        offset: at(offset),
        authored: Authored::Stranger,
    })
}

fn with_chain(change: impl FnOnce(&mut GoodChain)) -> Facts {
    let mut chain = chain();
    change(&mut chain);
    Facts {
        chain: ChainFacts::Good(chain),
        ..facts()
    }
}

fn log_from(start: u64) -> LogFacts {
    LogFacts {
        start: at(start),
        ..facts().log
    }
}

fn accepting(ranges: &[OffsetRange]) -> Policy {
    Policy {
        accept_loss: ranges.iter().map(|range| (Partition(3), *range)).collect(),
        ..Policy::default()
    }
}

fn resuming(side: ResumeFrom) -> Policy {
    Policy {
        resume_from: Some(side),
        ..Policy::default()
    }
}

fn refusal(decision: Decision) -> Refusal {
    match decision.plan {
        Plan::Refuse(refusal) => *refusal,
        other => panic!("not refused: {other:?}"),
    }
}

fn expect(facts: &Facts, policy: &Policy, expected: &Plan, commit: Option<u64>) {
    let decision = plan(facts, policy);
    assert_eq!(decision.plan, *expected);
    assert_eq!(decision.commit.map(|commit| commit.offset), commit.map(at));
}

fn loss(range: OffsetRange, reason: LossReason, bind: bool) -> Plan {
    Plan::AcceptLoss(AcceptLoss {
        range,
        reason,
        bind,
    })
}

fn replay(range: OffsetRange, expected: Expected) -> Plan {
    Plan::Replay(Replay {
        range,
        expected,
        at_start: results(990),
        limits: Some(Limits::default()),
        replaces: None,
        carried: None,
    })
}

fn cause(facts: &Facts, policy: &Policy) -> Cause {
    refusal(plan(facts, policy)).cause
}

const FRONTIER: ResumeFrom = ResumeFrom::Frontier;
const COMMITTED: ResumeFrom = ResumeFrom::Committed;
