//! A process that lives elsewhere and has our host name: the lock file of a slot is seen on one host only, so the group is asked.
//!
//! A member of the group that has our name is either the dead predecessor, whose session has not expired yet, or alive. The id
//! that the group gave to the predecessor is known: then nothing is waited for. Any other member is given one session to
//! expire; one that outlives it is alive, and this process takes the next slot instead of fencing it.

use std::time::{Duration, Instant};

use super::{
    Instance, ProcessorError, Stop,
    watch::{Board, Reason},
};
use crate::{
    config::RunConfig,
    kafka::{Admin, SourceConfig},
};

/// What a session's end may take longer than the session.
const MARGIN: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The instance as which this process can join its group without fencing another: `instance`, or a later slot of this host.
/// A name that the operator gave stays.
///
/// # Errors
/// When every slot is taken, or a lock file cannot be made.
pub fn avoid(
    admin: &Admin,
    settings: &RunConfig,
    mut instance: Instance,
    board: &Board,
    stop: &Stop,
) -> Result<Instance, ProcessorError> {
    let session = SourceConfig::new(&settings.pipeline.group, &settings.pipeline.events, 0, 0)
        .session_timeout(&settings.connection);
    let trouble = board.trouble(&[]);
    let mut since: Option<Instant> = None;
    while instance.is_claimed() && !stop.is_requested() {
        let Some(name) = stranger(admin, settings, &instance) else {
            break;
        };
        let began = match since {
            Some(began) => began,
            None => {
                tracing::info!(
                    "the group has a member {name} that is not known on this host: if it is dead, its session of {session:?} expires"
                );
                *since.insert(Instant::now())
            }
        };
        if began.elapsed() < session + MARGIN {
            trouble.is(
                Reason::Joining,
                format!(
                    "waiting whether the member {name} of the group is dead or lives elsewhere"
                ),
            );
            std::thread::sleep(LOOK_EVERY);
            continue;
        }
        let Some(next) = instance.next()? else {
            break;
        };
        tracing::warn!(
            "a living process elsewhere has the name {}; this one takes {}. Give each host a name of its own, or each process an --instance",
            instance.name(),
            next.name()
        );
        board.rename(next.name());
        instance = next;
        since = None;
    }
    Ok(instance)
}

/// A member of the group that has the name of one of our workers, and is not known to be its predecessor. A group that may not
/// be asked tells nothing: then the broker fences the older of two, as with a given name.
fn stranger(admin: &Admin, settings: &RunConfig, instance: &Instance) -> Option<String> {
    let pipeline = &settings.pipeline;
    (0..settings.workers).find_map(|worker| {
        let name = instance.worker_name(&pipeline.group, &pipeline.events, worker);
        match admin.member(&pipeline.group, &name) {
            Ok(Some(id)) if instance.last_id(&name).as_ref() != Some(&id) => Some(name),
            Ok(_) => None,
            Err(error) => {
                tracing::debug!("whether the group has a member {name} is not known: {error}");
                None
            }
        }
    })
}
