//! What holds for any facts and any policy.

use proptest::{option, prelude::*};

use super::*;

fn offsets() -> impl Strategy<Value = Offset> {
    (0_u64..12).prop_map(at)
}

fn ranges() -> impl Strategy<Value = OffsetRange> {
    (0_u64..12, 0_u64..12).prop_map(|(a, b)| range(a.min(b), a.max(b)))
}

fn chains() -> impl Strategy<Value = ChainFacts> {
    let good = (
        offsets(),
        offsets(),
        0_u64..12,
        0_u64..3,
        1_u64..3,
        any::<bool>(),
        option::of(0_u64..200_000),
        // Losses and backfills inside of the history: commits count what it was.
        (0..20, -4_i64..5, option::of(1_u64..4)),
    )
        .prop_map(
            |(a, b, outcomes, lost, sequence, head_known, age, (other, beside, revision))| {
                let mut pipeline = pipeline();
                if other == 0 {
                    pipeline.group = "other".into();
                }
                ChainFacts::Good(GoodChain {
                    pipeline,
                    sequence: Sequence(sequence),
                    origin: a.min(b),
                    end: a.max(b),
                    counts: results(outcomes),
                    beside,
                    revision: revision.map(Sequence),
                    lost,
                    head_known,
                    bound: age.filter(|_| a == b).map(Duration::from_secs),
                    damage: Vec::new(),
                })
            },
        );
    prop_oneof![
        2 => Just(ChainFacts::Absent),
        1 => Just(ChainFacts::Unreadable { damage: Vec::new() }),
        1 => Just(ChainFacts::StrayNumber { path: "a".to_owned(), below: Sequence(3) }),
        1 => Just(ChainFacts::Newer { sequence: Sequence(3), version: 2, writer: None }),
        16 => good,
    ]
}

fn commits() -> impl Strategy<Value = Option<Committed>> {
    (0_u64..12, 0_u64..12, 0..10).prop_map(|(offset, outcomes, kind)| match kind {
        0 => None,
        1 => Some(Committed {
            offset: at(offset),
            authored: Authored::Newer {
                version: 2,
                by: None,
            },
        }),
        2..4 => stranger(offset),
        4 => by_old_calculation(offset, outcomes),
        _ => ours(offset, outcomes),
    })
}

prop_compose! {
    /// Facts that a real log can show: `start <= stable_end <= end`.
    fn any_facts()(
        chain in chains(), committed in commits(), mut log in proptest::collection::vec(0_u64..14, 3),
        since in option::of(offsets()), replayed in option::of(0_u64..12),
    ) -> Facts {
        log.sort_unstable();
        let log = LogFacts { start: at(log[0]), stable_end: at(log[1]), end: at(log[2]), since };
        Facts { chain, committed, log, replayed: replayed.map(Replayed::Counted), ..facts() }
    }
}

prop_compose! {
    fn policies()(
        start in prop_oneof![Just(Start::Earliest), Just(Start::Latest), Just(Start::Time(1))],
        resume_from in option::of(prop_oneof![Just(ResumeFrom::Frontier), Just(ResumeFrom::Committed)]),
        accept_loss in proptest::collection::vec((3..5_i32, ranges()), 0..4),
    ) -> Policy {
        let accept_loss = accept_loss.into_iter().map(|(p, range)| (Partition(p), range)).collect();
        Policy { start, resume_from, accept_loss }
    }
}

fn frontier(facts: &Facts) -> Option<Offset> {
    match &facts.chain {
        ChainFacts::Good(chain) => Some(chain.end),
        _ => None,
    }
}

/// The facts after a worker has done what was decided, as far as a crash could cut it off.
fn carried_out(facts: &Facts, decision: &Decision) -> Facts {
    let mut after = facts.clone();
    let mut good = match &facts.chain {
        ChainFacts::Good(good) => good.clone(),
        _ => GoodChain {
            sequence: Sequence::FIRST,
            counts: results(0),
            lost: 0,
            ..chain()
        },
    };
    match &decision.plan {
        Plan::Start { at } | Plan::Adopt { at } => (good.origin, good.end) = (*at, *at),
        Plan::AcceptLoss(loss) => {
            if loss.bind {
                good.origin = loss.range.start();
            }
            good.end = loss.range.end();
            good.lost += loss.range.len();
            good.sequence = good.sequence.next();
            good.bound = None;
            after.replayed = None;
        }
        _ => {}
    }
    if let Some(commit) = decision.commit {
        good.head_known = true;
        let offset = u64::try_from(commit.offset.get()).expect("not negative");
        after.committed = ours(offset, commit.outcomes);
    }
    after.chain = ChainFacts::Good(good);
    after
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn a_plan_never_breaks_an_invariant(facts in any_facts(), policy in policies()) {
        let committed = facts.committed.as_ref().map(|committed| committed.offset);
        let decision = plan(&facts, &policy);
        match decision.plan {
            Plan::Start { at } => {
                prop_assert_eq!((frontier(&facts), committed), (None, None));
                prop_assert!(facts.log.start <= at);
            }
            Plan::Adopt { at } => {
                prop_assert_eq!((frontier(&facts), committed), (None, Some(at)));
                prop_assert!(facts.log.start <= at && at <= facts.log.end);
            }
            Plan::Continue { at, .. } => {
                prop_assert_eq!(frontier(&facts), Some(at));
                prop_assert!(committed.is_none_or(|committed| committed == at));
                prop_assert!(facts.log.start <= at && at <= facts.log.end);
            }
            Plan::Replay(replay) => {
                prop_assert_eq!(Some(replay.range), frontier(&facts).zip(committed).and_then(|(f, c)| OffsetRange::new(f, c).ok()));
                prop_assert!(!replay.range.is_empty());
                prop_assert!(facts.log.start <= replay.range.start() && replay.range.end() <= facts.log.end);
                prop_assert_eq!(decision.commit, None);
            }
            Plan::Republish { at, .. } => {
                prop_assert_eq!(frontier(&facts), Some(at));
                prop_assert_eq!(policy.resume_from, Some(ResumeFrom::Frontier));
                prop_assert!(facts.log.start <= at && at <= facts.log.end);
            }
            Plan::AcceptLoss(loss) => {
                prop_assert_eq!(Some(loss.range.start()), frontier(&facts).or(committed));
                prop_assert_eq!(loss.bind, frontier(&facts).is_none());
                prop_assert!(!loss.range.is_empty());
                // I1: what is appended never reaches beyond what is committed by then.
                let by_then = decision.commit.map(|commit| commit.offset).or(committed);
                prop_assert!(by_then.is_some_and(|committed| loss.range.end() <= committed));
                let named = policy.accept_loss.contains(&(facts.partition, loss.range));
                let side = loss.reason == LossReason::Foreign && policy.resume_from == Some(ResumeFrom::Committed);
                prop_assert!(named || side);
            }
            Plan::Refuse(refusal) => {
                prop_assert!(!refusal.remedies.is_empty());
                prop_assert!(!refusal.explain(&Invocation::new("run")).is_empty());
                prop_assert_eq!(decision.commit, None);
            }
        }
    }

    #[test]
    fn the_flags_that_a_refusal_prints_resolve_it(facts in any_facts(), policy in policies()) {
        let Plan::Refuse(refusal) = plan(&facts, &policy).plan else { return Ok(()) };
        for remedy in &refusal.remedies {
            let Remedy::Once { resume_from, accept_loss } = remedy else { continue };
            let mut policy = Policy { accept_loss: Vec::new(), resume_from: *resume_from, ..policy.clone() };
            policy.accept_loss.extend(accept_loss.map(|range| (facts.partition, range)));
            settles(facts.clone(), &policy)?;
        }
    }

    #[test]
    fn what_is_carried_out_needs_no_flags_any_more(facts in any_facts(), policy in policies()) {
        let decision = plan(&facts, &policy);
        if matches!(decision.plan, Plan::Refuse(_) | Plan::Replay(_)) || decision.commit.is_none() {
            return Ok(());
        }
        let after = carried_out(&facts, &decision);
        let again = plan(&after, &Policy::default()).plan;
        prop_assert!(matches!(again, Plan::Continue { .. }), "{:?} then {:?}", decision, again);
        // The same command again is harmless.
        prop_assert_eq!(plan(&after, &policy).plan, again);
    }

    #[test]
    fn even_an_impossible_log_is_judged(
        facts in any_facts(), policy in policies(), start in offsets(), stable_end in offsets(), end in offsets(),
    ) {
        let log = LogFacts { start, stable_end, end, since: None };
        let _ = plan(&Facts { log, ..facts }, &policy);
    }
}

/// Planning and carrying out ends in consuming, without another refusal.
fn settles(mut facts: Facts, policy: &Policy) -> Result<(), TestCaseError> {
    for _ in 0..3 {
        let decision = plan(&facts, policy);
        match &decision.plan {
            Plan::AcceptLoss(_) => facts = carried_out(&facts, &decision),
            Plan::Refuse(refusal) => {
                return Err(TestCaseError::fail(format!("refused again: {refusal}")));
            }
            _ => return Ok(()),
        }
    }
    Err(TestCaseError::fail("does not end"))
}
