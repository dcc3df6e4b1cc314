//! The group takes in the workers of a start; what keeps it from that is said.
//!
//! The clients try for ever and in silence: a broker that cannot make the topic of the committed offsets answers each question
//! for a coordinator with "not available", and a member whose terms do not fit those of the others is sent away again and again.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::super::{
    panics::start_watch,
    shared::Shared,
    watch::{ProcessView, Reason},
};
use crate::config::Delivery;

/// How long joining may take before it is said what is waited for: a group that divides itself anew takes seconds.
const USUAL: Duration = Duration::from_secs(5);
/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Looks until all workers have joined, or the processor stops, on a thread of its own: a broker that is away must not hold
/// up others.
pub fn watch(shared: &Arc<Shared>) {
    let watched = Arc::clone(shared);
    let look = move || look_until_joined(&watched);
    start_watch("joining", &shared.board, &shared.stop, look);
}

fn look_until_joined(shared: &Shared) {
    let since = Instant::now();
    let trouble = shared.board.trouble(&[]);
    let mut said = String::new();
    while !shared.stop.is_requested() && !have_joined(&shared.board.look()) {
        std::thread::sleep(LOOK_EVERY);
        if since.elapsed() < USUAL {
            continue;
        }
        let text = text(shared);
        if text != said {
            tracing::warn!("{text}");
            said.clone_from(&text);
        }
        trouble.is(Reason::Joining, text);
    }
    if !said.is_empty() && !shared.stop.is_requested() {
        tracing::info!("all workers have joined the group");
    }
}

fn have_joined(view: &ProcessView) -> bool {
    let mut workers = view.workers.iter();
    workers.all(|worker| worker.as_ref().is_some_and(|worker| worker.joined))
}

/// What is waited for, as far as it can be found out.
fn text(shared: &Shared) -> String {
    let group = &shared.settings.pipeline.group;
    let transactions = shared.settings.delivery == Delivery::ExactlyOnce;
    let why = match shared.coordinators_missing(transactions) {
        Ok(Some(missing)) => missing,
        Ok(None) => match shared.board.said_by_group() {
            Some(said) => said,
            None => "it has not said why; it may be dividing the partitions anew, which takes as long as its slowest member".to_owned(),
        },
        Err(error) => error.to_string(),
    };
    format!("waiting to join the group {group}: {why}")
}
