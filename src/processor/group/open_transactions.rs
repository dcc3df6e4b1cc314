//! Transactions of other producers that are open in the events topic. Readers of committed events come no further than to the
//! first of them: what lies after it waits, however long it stays open.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};

use super::super::{
    shared::Shared,
    watch::{PhaseView, ProcessView, Reason, Trouble},
};
use crate::{
    kafka::{Watermarks, timestamp_at},
    model::{Offset, Partition},
};

/// How long a transaction may hold us up before it is said: most end soon.
const USUAL: Duration = Duration::from_secs(8);
/// How long the time of its first event is looked for.
const LOOK: Duration = Duration::from_secs(2);

/// The partitions where one is waited for.
#[derive(Default)]
pub struct OpenTransactions(BTreeMap<Partition, Open>);

/// One that is waited for.
struct Open {
    /// Where it begins, and readers stop.
    stable_end: Offset,
    end: Offset,
    since: Instant,
    /// The time of its first event, once looked for.
    begun: Option<Option<DateTime<Utc>>>,
    shown: Option<Trouble>,
}

impl OpenTransactions {
    /// Looks where a partition of ours ends before its log does, and says what is waited for. With `--exit-at-end` the run
    /// ends when that takes longer than a transaction may.
    pub fn look(&mut self, shared: &Shared) {
        let waiting = waiting(&shared.board.look());
        self.0
            .retain(|partition, _| waiting.contains_key(partition));
        for (partition, position) in waiting {
            let marks = match shared.watermarks(partition) {
                Ok(marks) => marks,
                Err(error) => {
                    tracing::debug!("the end of partition {partition} is not known: {error}");
                    continue;
                }
            };
            if !is_held_up(position, marks) {
                self.0.remove(&partition);
                continue;
            }
            let open = self.0.entry(partition).or_insert_with(|| Open::of(marks));
            if open.stable_end != marks.stable_end {
                *open = Open::of(marks);
            }
            open.end = marks.end;
            if open.since.elapsed() >= USUAL {
                open.show(shared, partition);
            }
        }
        self.end_the_run(shared);
    }

    /// Ends a run to the end of the topic that has waited for long enough.
    fn end_the_run(&mut self, shared: &Shared) {
        if !shared.settings.exit_at_end {
            return;
        }
        let limit = shared.transaction_timeout();
        let late = self.0.iter_mut().filter(|(partition, open)| {
            let target = shared.targets.end(**partition);
            open.since.elapsed() >= limit && target.is_some_and(|target| open.stable_end < target)
        });
        let texts: Vec<String> = late
            .map(|(partition, open)| open.text(shared, *partition))
            .collect();
        if !texts.is_empty() {
            shared.targets.give_up(format!(
                "the end of the topic as it was at start is not reached after {} s of waiting:\n  {}",
                limit.as_secs(),
                texts.join("\n  ")
            ));
        }
    }
}

/// The partitions of ours whose log is longer than what was read of it, with their positions.
pub(super) fn waiting(view: &ProcessView) -> BTreeMap<Partition, Offset> {
    let partitions = view.workers.iter().flatten();
    let partitions = partitions.flat_map(|worker| &worker.partitions);
    let running = partitions.filter(|one| one.phase == PhaseView::Running);
    running
        .filter_map(|one| {
            let position = one.position?;
            (one.log_end? > position).then_some((one.partition, position))
        })
        .collect()
}

/// Whether everything was read that a reader of committed events gets, and that is not all.
fn is_held_up(position: Offset, marks: Watermarks) -> bool {
    position >= marks.stable_end && marks.stable_end < marks.end
}

impl Open {
    fn of(marks: Watermarks) -> Open {
        Open {
            stable_end: marks.stable_end,
            end: marks.end,
            since: Instant::now(),
            begun: None,
            shown: None,
        }
    }

    fn show(&mut self, shared: &Shared, partition: Partition) {
        let text = self.text(shared, partition);
        let shown = self.shown.get_or_insert_with(|| {
            tracing::warn!("{text}");
            shared.board.trouble(&[partition])
        });
        shown.is(Reason::OpenTransaction, text);
    }

    fn text(&mut self, shared: &Shared, partition: Partition) -> String {
        let (topic, connection) = (
            &shared.settings.pipeline.events,
            &shared.settings.connection,
        );
        let begun = *self.begun.get_or_insert_with(|| {
            timestamp_at(connection, topic, partition, self.stable_end, LOOK)
                .inspect_err(|error| tracing::debug!("{error}"))
                .ok()
                .flatten()
                .and_then(DateTime::from_timestamp_millis)
        });
        text(
            topic,
            partition,
            (self.stable_end, self.end),
            begun,
            connection.brokers(),
        )
    }
}

/// What is waited for, and how to find whose it is.
fn text(
    topic: &str,
    partition: Partition,
    (stable_end, end): (Offset, Offset),
    begun: Option<DateTime<Utc>>,
    brokers: &str,
) -> String {
    let since = match begun {
        None => String::new(),
        Some(begun) => format!(", open since {}", begun.format("%Y-%m-%d %H:%M:%S UTC")),
    };
    format!(
        "partition {partition} of {topic}: the {} offsets from {stable_end} on wait for the end of another producer's transaction{since}. `kafka-transactions.sh --bootstrap-server {brokers} describe-producers --topic {topic} --partition {partition}` shows its producer id, at the start offset {stable_end}; `kafka-transactions.sh --bootstrap-server {brokers} list` shows whose that is",
        end.get() - stable_end.get(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_held_up_when_everything_stable_was_read_and_there_is_more() {
        let offset = |offset| Offset::ZERO.plus(offset);
        for (position, stable_end, end, expected) in [
            (10, 10, 20, true),
            (9, 10, 20, false),
            (20, 20, 20, false),
            (0, 0, 1, true),
        ] {
            let marks = Watermarks {
                start: Offset::ZERO,
                stable_end: offset(stable_end),
                end: offset(end),
            };
            assert_eq!(is_held_up(offset(position), marks), expected);
        }
    }

    #[test]
    fn what_is_waited_for_is_said_with_the_commands_that_find_whose_it_is() {
        let offsets = (Offset::ZERO.plus(4711), Offset::ZERO.plus(5712));
        let begun = DateTime::from_timestamp_millis(1_764_201_600_000);
        let text = text("orders", Partition(3), offsets, begun, "kafka:9092");
        for part in [
            "partition 3 of orders: the 1001 offsets from 4711 on wait",
            "open since 2025-11-27 00:00:00 UTC",
            "--bootstrap-server kafka:9092 describe-producers --topic orders --partition 3`",
            "at the start offset 4711",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
