//! What resolves a refusal, found by asking the table itself: a flag is offered only when [`plan`](super::plan) goes on with it.

use super::{
    facts::{Facts, Policy, ResumeFrom},
    judgement::judge,
    refusal::{Cause, IdentityPart, Remedy},
};
use crate::kafka::FaultKind;

/// The ways out of `cause`, best first.
pub(super) fn find(facts: &Facts, policy: &Policy, cause: &Cause) -> Vec<Remedy> {
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
        // No rows of the table: a worker, and gathering, found them.
        Cause::Closed { .. } => vec![Remedy::LetRead],
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
        Cause::UnreadableEvents { fault, .. } => {
            let mut remedies = Vec::new();
            match fault.kind {
                FaultKind::TooLarge => remedies.push(Remedy::LargerBatches),
                FaultKind::Damaged | FaultKind::Broker => remedies.push(Remedy::AnotherReplica),
                FaultKind::Malformed
                | FaultKind::Unsupported
                | FaultKind::Denied
                | FaultKind::Passing => {}
            }
            remedies.extend(once(facts, policy, policy.resume_from));
            remedies
        }
        Cause::RefusedEvent { .. } => {
            let mut remedies = vec![Remedy::OtherRules];
            remedies.extend(once(facts, policy, policy.resume_from));
            remedies
        }
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
            Err(
                Cause::Gone { range, .. }
                | Cause::ReplayMismatch { range, .. }
                | Cause::UnreadableEvents { range, .. }
                | Cause::RefusedEvent { range, .. },
            ) => accept_loss = Some(range),
            Err(_) => return None,
        }
    }
    None
}
