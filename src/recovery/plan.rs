//! What to do with a partition: the table's judgement, with what people should know and what they can do.

use super::{
    decision::{Decision, Plan},
    facts::{Facts, Policy},
    judgement::judge,
    notes,
    refusal::Refusal,
    remedies,
};

/// What to do with a partition; total, and a function of nothing but its arguments.
#[must_use]
pub fn plan(facts: &Facts, policy: &Policy) -> Decision {
    match judge(facts, policy) {
        Ok((plan, commit)) => {
            let notes = notes::notes(facts, policy, &plan);
            Decision {
                plan,
                commit,
                notes,
            }
        }
        Err(cause) => {
            let remedies = remedies::find(facts, policy, &cause);
            let refusal = Refusal {
                partition: facts.partition,
                pipeline: facts.ours.clone(),
                store: facts.store.clone(),
                cause,
                remedies,
            };
            Decision {
                plan: Plan::Refuse(Box::new(refusal)),
                commit: None,
                notes: notes::damage_notes(facts),
            }
        }
    }
}
