//! What people should know although a partition goes on.

use super::{
    decision::{LossReason, Plan},
    facts::{ChainFacts, Damage, Facts, Policy},
    judgement::judge,
    refusal::IdentityPart,
};
use crate::model::OffsetRange;

/// All that there is to say about `plan`.
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
                LossReason::Unreadable => "not readable",
                LossReason::Refused => "refused by a topic",
            };
            notes.push(format!("recording {} as lost: {why}, accepted on the command line", loss.range));
        }
        Plan::Replay(replay) => {
            notes.extend(replay.carried.map(|carry| {
                let with = if carry.any() { format!("with --carry {carry}") } else { "without --carry".to_owned() };
                format!(
                    "{} was published {with}: it is stored first, and stays in the results topic as it is",
                    replay.range
                )
            }));
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
    let used = |range: &OffsetRange| match plan {
        Plan::AcceptLoss(loss) => *range == loss.range,
        // That what follows cannot be read shows only when it is read.
        Plan::Replay(replay) => range.start() == replay.range.start(),
        Plan::Start { at }
        | Plan::Adopt { at }
        | Plan::Continue { at, .. }
        | Plan::Republish { at, .. } => range.start() == *at,
        Plan::Refuse(_) => false,
    };
    for range in policy
        .accepted_losses(facts.partition)
        .into_iter()
        .filter(|range| !used(range))
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
