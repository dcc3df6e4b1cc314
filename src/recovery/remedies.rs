//! What resolves a refusal, found by asking the table itself: a flag is offered only when [`plan`](super::plan) goes on with it.

use super::{
    decision::{LossReason, Plan},
    facts::{ChainFacts, Damage, Facts, Policy, ResumeFrom},
    plan::judge,
    refusal::{Cause, IdentityPart, Remedy},
};
use crate::model::OffsetRange;

/// The ways out of `cause`, best first.
pub(super) fn of(facts: &Facts, policy: &Policy, cause: &Cause) -> Vec<Remedy> {
    let resume = |sides: &[ResumeFrom]| {
        sides
            .iter()
            .filter_map(|side| once(facts, policy, Some(*side)))
            .collect::<Vec<_>>()
    };
    let either = [ResumeFrom::Frontier, ResumeFrom::Committed];
    let fresh_results = Remedy::Fresh {
        group: true,
        results: true,
    };
    match cause {
        Cause::OtherPipeline { differences, .. } => {
            let differs = |part| differences.iter().any(|difference| difference.part == part);
            let stores = |part, ours: &str| {
                differences
                    .iter()
                    .find(|difference| difference.part == part)
                    .map_or_else(|| ours.to_owned(), |difference| difference.store.clone())
            };
            let typed = [IdentityPart::Group, IdentityPart::ResultsTopic];
            let mut remedies = Vec::new();
            if differences
                .iter()
                .any(|difference| typed.contains(&difference.part))
            {
                remedies.push(Remedy::StoresPipeline {
                    group: stores(IdentityPart::Group, &facts.ours.group),
                    results: stores(IdentityPart::ResultsTopic, &facts.ours.results_topic),
                });
            }
            remedies.push(Remedy::Fresh {
                group: !differs(IdentityPart::Group),
                results: differs(IdentityPart::ResultsPartitions),
            });
            remedies
        }
        Cause::NewerCommit { by, .. } | Cause::NewerManifest { by, .. } => {
            vec![Remedy::NewerProgram { by: by.clone() }, fresh_results]
        }
        Cause::Unreadable { .. } => vec![Remedy::Restore, fresh_results],
        Cause::StrayNumber { .. } => vec![Remedy::MoveAway, fresh_results],
        // No row of the table: a worker found it.
        Cause::Defect { .. } => vec![Remedy::Report],
        Cause::HeadUnknown { .. } => {
            let mut remedies = vec![Remedy::RightStore];
            remedies.extend(resume(&either));
            remedies
        }
        Cause::Truncated { .. } => vec![fresh_results],
        Cause::Gone { damage, .. } => {
            let mut remedies = Vec::new();
            if !damage.is_empty() {
                remedies.push(Remedy::Restore);
            }
            remedies.extend(once(facts, policy, policy.resume_from));
            remedies
        }
        Cause::ReplayMismatch { .. } => once(facts, policy, policy.resume_from)
            .into_iter()
            .collect(),
        Cause::CommittedByOther { .. } => resume(&either),
        Cause::GroupReset { .. } => {
            let mut remedies = resume(&[ResumeFrom::Frontier]);
            remedies.push(fresh_results);
            remedies
        }
        Cause::CommittedMissing { .. } => resume(&[ResumeFrom::Frontier]),
    }
}

/// The flags with which the partition goes on: `resume_from`, and the losses that the table asks for then.
fn once(facts: &Facts, policy: &Policy, resume_from: Option<ResumeFrom>) -> Option<Remedy> {
    let mut accept_loss = None;
    for _ in 0..2 {
        let attempt = Policy {
            start: policy.start,
            resume_from,
            accept_loss: accept_loss
                .map(|range| (facts.partition, range))
                .into_iter()
                .collect(),
        };
        match judge(facts, &attempt) {
            Ok(_) => {
                return Some(Remedy::Once {
                    resume_from,
                    accept_loss,
                });
            }
            Err(Cause::Gone { range, .. } | Cause::ReplayMismatch { range, .. }) => {
                accept_loss = Some(range)
            }
            Err(_) => return None,
        }
    }
    None
}

/// What `--accept-loss` names for this partition.
pub(super) fn given(facts: &Facts, policy: &Policy) -> Vec<OffsetRange> {
    policy
        .accept_loss
        .iter()
        .filter(|(partition, _)| *partition == facts.partition)
        .map(|(_, range)| *range)
        .collect()
}

/// What people should know although the partition goes on.
pub(super) fn notes(facts: &Facts, policy: &Policy, plan: &Plan) -> Vec<String> {
    let mut notes = damage_notes(facts);
    if let ChainFacts::Good(chain) = &facts.chain {
        for (part, store, ours) in [
            (
                IdentityPart::Cluster,
                &chain.pipeline.cluster_id,
                &facts.ours.cluster_id,
            ),
            (
                IdentityPart::EventsTopicId,
                &chain.pipeline.events_topic_id,
                &facts.ours.events_topic_id,
            ),
        ] {
            if store.is_none() || ours.is_none() {
                notes.push(format!(
                    "the {part} is not known on both sides, so a recreated topic or another cluster would not be noticed by it"
                ));
            }
        }
    }
    match plan {
        Plan::Adopt { at } => notes.push(format!(
            "group {} was committed at {at} by another program: going on there; the outcomes before it are not in the store",
            facts.ours.group
        )),
        Plan::Republish { at, .. } => {
            let until = facts.committed.as_ref().filter(|committed| committed.offset > *at);
            notes.push(match until {
                Some(committed) => format!(
                    "publishing from {at} as --resume-from frontier says: what was published of {at}-{} appears twice",
                    committed.offset
                ),
                None => format!("publishing from {at} as --resume-from frontier says"),
            });
        }
        Plan::AcceptLoss(loss) => {
            let why = match loss.reason {
                LossReason::Expired => "gone from Kafka",
                LossReason::Foreign => "handled by another program",
                LossReason::Changed => "no longer what was published",
            };
            notes.push(format!("recording {} as lost: {why}, accepted on the command line", loss.range));
        }
        Plan::Replay(replay) => {
            notes.extend(replay.replaces.as_ref().map(|before| {
                format!(
                    "{} was published under calculation {before}, this is {}: it is calculated anew, and every outcome of it published again as a correction",
                    replay.range, facts.calculation.fingerprint
                )
            }));
        }
        Plan::Start { .. } | Plan::Continue { .. } | Plan::Refuse(_) => {}
    }
    notes.extend(unused(facts, policy, plan));
    notes
}

/// Flags that changed nothing: they stay dangerous as long as they stand in a service's command line.
fn unused(facts: &Facts, policy: &Policy, plan: &Plan) -> Vec<String> {
    let mut notes = Vec::new();
    let used = match plan {
        Plan::AcceptLoss(loss) => Some(loss.range),
        Plan::Replay(replay) => Some(replay.range),
        _ => None,
    };
    for range in given(facts, policy)
        .into_iter()
        .filter(|range| Some(*range) != used)
    {
        notes.push(format!(
            "--accept-loss {}:{range} is not needed (any more); leave it out",
            facts.partition
        ));
    }
    if let Some(side) = policy.resume_from {
        let without = Policy {
            resume_from: None,
            ..policy.clone()
        };
        if judge(facts, &without).is_ok_and(|(same, _)| same == *plan) {
            notes.push(format!(
                "--resume-from {} is not needed (any more); leave it out",
                side.as_str()
            ));
        }
    }
    notes
}

/// One note for each damaged file.
pub(super) fn damage_notes(facts: &Facts) -> Vec<String> {
    let ChainFacts::Good(chain) = &facts.chain else {
        return Vec::new();
    };
    let note = |damage: &Damage| {
        format!(
            "{}: {}; nothing is written over it, `snapback verify` reports it",
            damage.path, damage.detail
        )
    };
    chain.damage.iter().map(note).collect()
}
