//! Worker slots that this instance had before and has no longer: a crash with more workers may have left a transaction open
//! under such a name, and nobody would end it before it times out. Initialising the name ends it.

use std::{collections::BTreeSet, sync::Arc};

use super::super::{
    connect::ASK,
    shared::{INIT, Shared},
};
use crate::{
    config::Delivery,
    failpoint::{self, Point},
    kafka::{GroupWatch, KafkaError},
    recovery::{Authored, Committed},
};

/// The names' producers send nothing.
const QUEUE: u64 = 1 << 20;

/// Ends, beside the start of the workers, what former slots left open. Only a head start: without it the transactions end
/// when they time out.
pub fn settle(shared: &Arc<Shared>) {
    if shared.settings.delivery != Delivery::ExactlyOnce {
        return;
    }
    let shared = Arc::clone(shared);
    shared.runtime.clone().spawn_blocking(move || {
        let slots = match former_slots(&shared) {
            Ok(slots) => slots,
            Err(error) => {
                tracing::debug!("former worker slots are not known: {error}");
                return;
            }
        };
        for slot in slots {
            let name = shared.worker_name(slot);
            match shared.new_publisher(&name, QUEUE, INIT) {
                Ok(_) => {
                    failpoint::at(Point::FormerSlotEnded);
                    tracing::info!("ended what the former worker {slot} may have left open");
                }
                Err(error) => tracing::warn!(
                    "what the former worker {slot} left open ends when it times out: {error}"
                ),
            }
        }
    });
}

/// The slots beyond ours that committed last, as far as the group's commits tell. An open transaction does not hide them.
fn former_slots(shared: &Shared) -> Result<BTreeSet<usize>, KafkaError> {
    let settings = &shared.settings;
    let pipeline = &settings.pipeline;
    let watch = GroupWatch::open(&settings.connection, &pipeline.group, &pipeline.events)?;
    let commits = watch.commits(shared.partitions, ASK)?;
    let slots = commits
        .into_values()
        .filter_map(|commit| match Committed::from(commit).authored {
            Authored::Ours(metadata) => slot(&metadata.by, shared.instance.name()),
            Authored::Newer { .. } | Authored::Stranger => None,
        });
    Ok(slots.filter(|slot| *slot >= settings.workers).collect())
}

/// The worker in `snapback 0.1.0 INSTANCE/WORKER`, when the instance is ours.
fn slot(by: &str, instance: &str) -> Option<usize> {
    let (_, name) = by.strip_prefix("snapback ")?.split_once(' ')?;
    let (of, slot) = name.rsplit_once('/')?;
    (of == instance).then(|| slot.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::slot;

    #[test]
    fn a_slot_is_found_in_its_own_instances_commits_only() {
        assert_eq!(slot("snapback 0.1.0 host-0/3", "host-0"), Some(3));
        assert_eq!(
            slot(
                "snapback 0.1.0 a host/with/slashes/0",
                "a host/with/slashes"
            ),
            Some(0)
        );
        assert_eq!(slot("snapback 0.1.0 host-1/3", "host-0"), None);
        assert_eq!(slot("snapback 0.1.0 host-0/x", "host-0"), None);
        assert_eq!(slot("another 0.1.0 host-0/3", "host-0"), None);
    }
}
