//! From facts to plan to a partition that is ready: gathering, deciding, and the chain edits that must come first.

use std::{
    sync::{Arc, mpsc::Sender},
    time::{Duration, Instant, SystemTime},
};

use super::{
    Context,
    partition::Epoch,
    report::{Planned, Report},
};
use crate::{
    audit,
    model::Partition,
    recovery::{self, Gathered, Plan},
    snapshot::{Chain, Edit, tidy},
};

/// Waits between attempts while the store or the broker is away.
const FIRST_BACKOFF: Duration = Duration::from_millis(200);
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);
/// How long the newest segments are checked before work goes on.
const START_CHECK: Duration = Duration::from_millis(500);

/// Gathers the facts of `wanted`, plans, makes the edits that must precede work, and reports each partition.
pub(super) async fn gather_and_plan(
    context: Arc<Context>,
    wanted: Vec<(Partition, Epoch)>,
    sender: Sender<Report>,
) {
    let partitions: Vec<Partition> = wanted.iter().map(|(partition, _)| *partition).collect();
    let mut backoff = FIRST_BACKOFF;
    let gathered = loop {
        match context.gatherer.gather(&partitions).await {
            Ok(gathered) => break gathered,
            Err(error) => {
                tracing::warn!("recovery waits: {error}; trying again in {backoff:?}");
            }
        }
        if context.stop.is_requested() {
            return;
        }
        tokio::time::sleep(backoff).await;
        backoff = (backoff * 2).min(LONGEST_BACKOFF);
    };
    let epochs: std::collections::BTreeMap<Partition, Epoch> = wanted.into_iter().collect();
    let ready = gathered.into_iter().filter_map(|gathered| {
        let partition = gathered.facts.partition;
        let epoch = *epochs.get(&partition)?;
        let context = Arc::clone(&context);
        let sender = sender.clone();
        Some(async move {
            if let Some(answer) = prepare(&context, gathered).await {
                // A worker that has ended listens no more.
                let _ = sender.send(Report::Planned {
                    partition,
                    epoch,
                    answer: Box::new(answer),
                });
            }
        })
    });
    futures::future::join_all(ready).await;
}

async fn prepare(context: &Arc<Context>, gathered: Gathered) -> Option<Planned> {
    let Gathered { facts, tail } = gathered;
    let partition = facts.partition;
    let decision = recovery::plan(&facts, &context.settings.policy);
    for note in &decision.notes {
        tracing::warn!("partition {partition}: {note}");
    }
    let mut chain = Chain::new(
        context.store.clone(),
        context.layout.clone(),
        partition,
        tail,
    );
    match &decision.plan {
        Plan::Refuse(refusal) => return Some(Planned::Refused(refusal.clone())),
        Plan::Start { at } | Plan::Adopt { at } => {
            let edit = Edit::Bind {
                pipeline: context.pipeline.clone(),
                partition,
                origin: *at,
            };
            if !append_until_done(context, &mut chain, edit).await {
                return None;
            }
        }
        _ => {
            check_newest(context, &chain, partition).await;
            spawn_tidying(context, &chain, partition);
        }
    }
    Some(Planned::Go {
        plan: decision.plan,
        chain,
        facts: Box::new(facts),
    })
}

/// Reads back what the newest manifest added, for at most [`START_CHECK`]; what is wrong is said loudly.
async fn check_newest(context: &Arc<Context>, chain: &Chain, partition: Partition) {
    let added = chain.newest_segments();
    if added.is_empty() {
        return;
    }
    let settings = &context.settings;
    let count = added.len();
    let since = Instant::now();
    let checked = audit::check_segments(
        &context.store,
        &settings.fields,
        &settings.calculation,
        added,
        START_CHECK,
    )
    .await;
    for finding in &checked.findings {
        tracing::error!("partition {partition}: {finding}");
    }
    tracing::info!(
        "partition {partition}: verified {} of the {count} segments of the newest snapshot in {:?}, {} findings",
        checked.checked,
        since.elapsed(),
        checked.findings.len()
    );
}

/// Puts the data folders in order beside the work: what a crash left behind goes to the attic.
fn spawn_tidying(context: &Arc<Context>, chain: &Chain, partition: Partition) {
    let context = Arc::clone(context);
    let tail = chain.tail().clone();
    context.runtime.clone().spawn(async move {
        match tidy(&context.store, &context.layout, partition, &tail, SystemTime::now()).await {
            Ok(report) if report.is_empty() => {}
            Ok(report) => tracing::info!("partition {partition}: {report}"),
            Err(error) => tracing::warn!(
                "partition {partition}: the data folders could not be tidied: {error}; the next start tries again"
            ),
        }
    });
}

/// Appends `edit`, waiting out a store that is away; `false` when the processor stops first.
pub(super) async fn append_until_done(
    context: &Arc<Context>,
    chain: &mut Chain,
    edit: Edit,
) -> bool {
    let mut backoff = FIRST_BACKOFF;
    while let Err(error) = chain.append(edit.clone(), context.stamp(0)).await {
        tracing::warn!("recovery waits: {error}; trying again in {backoff:?}");
        tokio::time::sleep(backoff).await;
        backoff = (backoff * 2).min(LONGEST_BACKOFF);
        if context.stop.is_requested() {
            return false;
        }
    }
    true
}
