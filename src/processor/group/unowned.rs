//! Partitions that nobody has, although the group is at rest.
//!
//! With cooperative assignment a partition changes its owner in two rounds: the old one gives it back and says so, and that
//! is what begins the second. When the old owner dies in between and a process of the same name takes its place, the group
//! takes that one for the old owner, with what the first round left to it, and nothing begins the second round: the
//! partition stays without an owner until somebody comes or goes. So somebody does.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    super::{panics::start_watch, shared::Shared},
    open_transactions::OpenTransactions,
    silence::Silences,
};
use crate::{
    kafka::{KafkaError, Member},
    model::Partition,
};

/// How often the group is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long a partition may have no owner before one of the members joins anew; a usual rebalance has ended by then.
const PATIENCE: Duration = Duration::from_secs(6);
/// Watches the group until the processor stops, on a thread of its own: a broker that is away must not hold up others.
pub fn watch(shared: &Arc<Shared>) {
    let watched = Arc::clone(shared);
    start_watch("group-watch", &shared.board, &shared.stop, move || {
        let mut since = None;
        let mut open = OpenTransactions::default();
        let mut silences = Silences::default();
        while watched.stop.sleep(LOOK_EVERY) {
            since = look(&watched, since);
            open.look(&watched);
            silences.look(&watched);
        }
    });
}

/// Looks at the group, and has one of our workers join anew when it is its turn. `since` and the answer: since when there
/// has been a partition without an owner.
fn look(shared: &Shared, since: Option<Instant>) -> Option<Instant> {
    shared.board.ask_broker();
    let members = shared.members();
    let is_silence = |error: &&KafkaError| {
        error.is_transient() || matches!(error, KafkaError::Unreachable { .. })
    };
    let failure = members.as_ref().err().filter(is_silence);
    shared
        .board
        .broker_answered(failure.map(ToString::to_string));
    let members = match members {
        Ok(members) => members?,
        Err(error) => {
            tracing::debug!("who has which partitions is not known: {error}");
            return None;
        }
    };
    let unowned = unowned(&members, shared.partitions);
    if unowned.is_empty() {
        return None;
    }
    let since = since.unwrap_or_else(Instant::now);
    if since.elapsed() < PATIENCE {
        return Some(since);
    }
    let turn = turn(&members, &shared.names_begin());
    let mut workers = 0..shared.settings.workers;
    let ours =
        |index: &usize| turn.is_some_and(|member| member.is_named(&shared.worker_name(*index)));
    if let Some(worker) = workers.find(ours) {
        tracing::warn!(
            "partitions {unowned:?} have had no owner for {:.0} s: a process died while it gave them away. Worker {worker} joins the group anew, so that they are given to somebody",
            since.elapsed().as_secs_f32()
        );
        shared.join_anew(worker);
    }
    None
}

/// The partitions that no member has: of the `partitions` that the topic had at the start, and of those that were added since,
/// as far as the group shows.
fn unowned(members: &[Member], partitions: u32) -> Vec<i32> {
    let owned = members.iter().flat_map(|member| &member.partitions);
    let owned: BTreeSet<Partition> = owned.copied().collect();
    let shown = owned.last().map_or(0, |last| last.0.saturating_add(1));
    let all = 0..shown.max(i32::try_from(partitions).unwrap_or(i32::MAX));
    all.filter(|partition| !owned.contains(&Partition(*partition)))
        .collect()
}

/// Whose turn it is, so that all processes come to the same answer: of the members that are workers of this pipeline, the
/// one that has the least to give back.
fn turn<'a>(members: &'a [Member], names_begin: &str) -> Option<&'a Member> {
    members
        .iter()
        .filter(|member| member.id.starts_with(names_begin))
        .min_by_key(|member| (member.partitions.len(), &member.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(id: &str, partitions: &[i32]) -> Member {
        Member {
            id: id.to_owned(),
            partitions: partitions.iter().copied().map(Partition).collect(),
        }
    }

    #[test]
    fn what_no_member_has_is_unowned() {
        let members = [member("a", &[0, 3]), member("b", &[])];
        assert_eq!(unowned(&members, 5), [1, 2, 4]);
        assert!(unowned(&[member("a", &[1, 0])], 2).is_empty());
        assert_eq!(unowned(&[member("a", &[1, 0, 3])], 2), [2]);
    }

    #[test]
    fn it_is_the_turn_of_one_member_with_the_fewest_partitions() {
        let members = [
            member("g.e.c", &[0]),
            member("g.e.b", &[]),
            member("g.e.a", &[1]),
            member("a stranger", &[]),
        ];
        assert_eq!(turn(&members, "g.e."), Some(&members[1]));
        assert_eq!(turn(&members[2..], "g.e."), Some(&members[2]));
        assert_eq!(turn(&members[3..], "g.e."), None);
    }
}
