//! Partitions that deliver nothing, although their log holds events for us.
//!
//! When what stands before the checksum of a batch is damaged, its length for example, the client waits for the rest of it: it
//! fetches the batch again and again, and says nothing.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{
    super::{
        shared::Shared,
        watch::{Reason, Trouble},
    },
    open_transactions::waiting,
};
use crate::{
    kafka::Reader,
    model::{Offset, Partition},
};

/// How long a partition may stand still before it is looked at whether anybody gets its next event.
const STILL: Duration = Duration::from_secs(20);

/// The partitions that stand still.
#[derive(Default)]
pub struct Silences(BTreeMap<Partition, Silence>);

struct Silence {
    at: Offset,
    since: Instant,
    shown: Option<Trouble>,
}

impl Silences {
    /// Says which partitions deliver nothing. With `--exit-at-end` the run ends then: it cannot come to the end.
    pub fn look(&mut self, shared: &Shared) {
        let waiting = waiting(&shared.board.look());
        self.0
            .retain(|partition, silence| waiting.get(partition) == Some(&silence.at));
        for (partition, at) in waiting {
            let silence = self.0.entry(partition).or_insert_with(|| Silence {
                at,
                since: Instant::now(),
                shown: None,
            });
            if silence.shown.is_some() || silence.since.elapsed() < STILL {
                continue;
            }
            let Some(text) = describe(shared, partition, at) else {
                silence.since = Instant::now();
                continue;
            };
            tracing::error!("{text}");
            let shown = shared.board.trouble(&[partition]);
            shown.is(Reason::Silence, text.clone());
            silence.shown = Some(shown);
            if shared.targets.end(partition).is_some_and(|end| at < end) {
                shared.targets.give_up(text);
            }
        }
    }
}

/// What is wrong, when nobody gets the events from `at` on that are there for us.
fn describe(shared: &Shared, partition: Partition, at: Offset) -> Option<String> {
    let settings = &shared.settings;
    let (connection, topic) = (&settings.connection, &settings.pipeline.events);
    let unknown = |error| tracing::debug!("partition {partition} cannot be looked at: {error}");
    let end = shared
        .watermarks(partition)
        .map_err(unknown)
        .ok()?
        .stable_end;
    if at >= end {
        return None;
    }
    let silent = Reader::is_silent(connection, topic, partition, at).map_err(unknown);
    silent.ok()?.then(|| {
        format!(
            "partition {partition} of {topic}: nothing comes from offset {at} on, although its log goes on to {end}: the broker sends a batch of which the client can make nothing. What stands before the batch's checksum may be damaged: `kafka-dump-log.sh --files` on the log file that holds the offset shows it. If another replica is whole, let its broker lead"
        )
    })
}
