//! The forward path of one partition: a batch is decoded, calculated, published and kept for the next snapshot.
//!
//! A partition in replay takes the same way, without publishing: its outcomes up to `until` were published before the
//! restart, and everything that is rebuilt lies below the committed offset (I1).

use super::{
    WorkerError,
    partition::{Owned, Phase},
    worker::Worker,
};
use crate::{
    calculation::{Evaluated, reason_code},
    kafka::{Batch, PublishError},
    model::{Offset, OffsetRange, Partition},
};

/// Events taken from a partition in one go: enough to make the cost per batch vanish, few enough that eight
/// partitions of them stay in the processor's caches.
const BATCH: usize = 8192;

impl Worker {
    /// Moves `partition` forward by at most one batch; returns the events taken.
    pub(super) fn advance(&mut self, partition: Partition) -> Result<usize, WorkerError> {
        let Some(batch) = self.source.fetch(partition, BATCH)? else {
            self.end_replay_behind_the_log(partition)?;
            return Ok(0);
        };
        let taken = batch.len();
        let Some(owned) = self.owned.get(&partition) else {
            return Ok(0);
        };
        // A seek backwards may leave earlier offsets in front of what is wanted.
        let next = owned.buffer.end();
        let first = batch.partition_point(next);
        let split = match &owned.phase {
            Phase::Replaying { range, .. } => batch.partition_point(range.end()),
            _ => first,
        };
        if first < split {
            self.replay(partition, &batch, first, split)?;
        }
        if split < taken {
            self.finish_replay(partition)?;
            if matches!(
                self.owned.get(&partition).map(|owned| &owned.phase),
                Some(Phase::Running)
            ) {
                self.process(partition, &batch, split)?;
            }
        }
        Ok(taken)
    }

    /// Publishes and keeps the events of `batch` from index `from` on.
    fn process(
        &mut self,
        partition: Partition,
        batch: &Batch,
        from: usize,
    ) -> Result<(), WorkerError> {
        let end = batch.end();
        let evaluated = self.evaluate(partition, batch, from, batch.len())?;
        if let Err(error) = self.publish(partition, batch, &evaluated) {
            return self.mend(error);
        }
        let Some(owned) = self.owned.get_mut(&partition) else {
            return Ok(());
        };
        self.summary.results += evaluated.results.num_rows() as u64;
        for reject in &evaluated.rejects {
            self.summary.rejects.add(reason_code(&reject.reason), 1);
        }
        keep(owned, end, evaluated);
        Ok(())
    }

    fn publish(
        &mut self,
        partition: Partition,
        batch: &Batch,
        evaluated: &Evaluated,
    ) -> Result<(), PublishError> {
        self.begin_if_needed(partition)?;
        let settings = &self.context.settings;
        if evaluated.results.num_rows() > 0 {
            self.messages.clear();
            self.encoder
                .encode(partition, &evaluated.results, &mut self.messages);
            let target = self.context.results_partition(partition);
            self.publisher
                .produce(&settings.results, target, &self.messages)?;
        }
        for reject in &evaluated.rejects {
            let headers = batch.headers_at(reject.offset);
            self.publisher.produce_reject(
                &settings.rejects,
                self.context.rejects_partition(partition),
                &settings.events,
                partition,
                reject,
                &headers,
            )?;
        }
        Ok(())
    }

    fn evaluate(
        &mut self,
        partition: Partition,
        batch: &Batch,
        from: usize,
        to: usize,
    ) -> Result<Evaluated, WorkerError> {
        self.evaluator
            .evaluate(batch.events(from..to))
            .map_err(|source| WorkerError::Calculation {
                topic: self.context.settings.events.clone(),
                partition,
                range: batch.range(from..to),
                source,
            })
    }

    /// Rebuilds the outcomes of the events `from..to` of `batch`, which lie inside the range that is replayed.
    fn replay(
        &mut self,
        partition: Partition,
        batch: &Batch,
        from: usize,
        to: usize,
    ) -> Result<(), WorkerError> {
        let evaluated = self.evaluate(partition, batch, from, to)?;
        let end = batch.range(from..to).end();
        let Some(owned) = self.owned.get_mut(&partition) else {
            return Ok(());
        };
        self.summary.replayed += (evaluated.results.num_rows() + evaluated.rejects.len()) as u64;
        keep(owned, end, evaluated);
        owned.buffer.mark_committed(end);
        if matches!(&owned.phase, Phase::Replaying { range, .. } if end >= range.end()) {
            self.finish_replay(partition)?;
        }
        Ok(())
    }

    /// The log may end in offsets that it never delivers: the consumer's position passes them.
    fn end_replay_behind_the_log(&mut self, partition: Partition) -> Result<(), WorkerError> {
        let Some(owned) = self.owned.get(&partition) else {
            return Ok(());
        };
        if let Phase::Replaying { range, .. } = &owned.phase
            && let Some(position) = self.source.position(partition)
            && position >= range.end()
        {
            return self.finish_replay(partition);
        }
        Ok(())
    }

    /// Ends a replay whose whole range has been read: what is left of it is absent, and the number of outcomes must be
    /// the one that was committed. Does nothing to a partition that is not in replay.
    fn finish_replay(&mut self, partition: Partition) -> Result<(), WorkerError> {
        let Some(owned) = self.owned.get_mut(&partition) else {
            return Ok(());
        };
        let Phase::Replaying {
            range,
            outcomes_at_end,
        } = &owned.phase
        else {
            return Ok(());
        };
        let (range, expected) = (*range, *outcomes_at_end);
        extend(owned, range.end());
        owned.buffer.mark_committed(range.end());
        let found = owned.outcomes();
        if expected.is_some_and(|expected| expected != found) {
            let refusal = self.context.replay_mismatch(partition, range, expected, found);
            self.hold(partition, refusal);
            return Ok(());
        }
        tracing::info!(
            "partition {partition}: replayed {range} from Kafka, {found} outcomes since the origin as committed; going on at {}",
            range.end()
        );
        owned.phase = Phase::Running;
        Ok(())
    }

    /// Takes in the offsets behind the last event of idle partitions that the log will never deliver, so that they are
    /// committed and counted too.
    pub(super) fn pass_absent_offsets(&mut self) {
        for owned in self.owned.values_mut() {
            if owned.fetching
                && matches!(owned.phase, Phase::Running)
                && let Some(position) = self.source.position(owned.partition)
                && position > owned.buffer.end()
            {
                extend(owned, position);
            }
        }
    }
}

/// Appends evaluated events; `end` is the first offset behind them. Offsets between them are absent: the consumer, which
/// reads in order and committed data only, never delivers them.
fn keep(owned: &mut Owned, end: Offset, evaluated: Evaluated) {
    let range = OffsetRange::new(owned.buffer.end(), end)
        .expect("a batch starts at or behind the buffer's end");
    owned.buffer.append(range, evaluated);
}

/// Appends offsets that the log never delivers, up to `end`.
fn extend(owned: &mut Owned, end: Offset) {
    if let Ok(range) = OffsetRange::new(owned.buffer.end(), end)
        && !range.is_empty()
    {
        owned.buffer.append_absent(range);
    }
}
