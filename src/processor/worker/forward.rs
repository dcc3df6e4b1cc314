//! The forward path of one partition: a batch is decoded, calculated, published and kept for the next snapshot.

use std::time::Duration;

use super::{
    super::{
        WorkerError,
        limits::{self, DeadLetter, Header},
        partition::Owned,
    },
    Worker,
    refusals::HandedOver,
    replay::encoder_of,
};
use crate::{
    calculation::Evaluated,
    events::source_key,
    failpoint::{self, Point},
    format::RangeOutcomes,
    kafka::{Batch, PublishError, Record},
    model::{Event, Offset, OffsetRange, Partition, Reject},
};

/// How long the producer's queue may stay full before the transaction is given up.
pub(super) const PUBLISH_LIMIT: Duration = Duration::from_secs(10);

impl Worker {
    /// Moves `partition` forward by at most one batch; returns the events taken.
    pub(super) fn advance(&mut self, partition: Partition) -> Result<usize, WorkerError> {
        // A commit that failed since the caller looked has rewound it: what the consumer holds comes once more.
        let fetches = |owned: &Owned| owned.is_fetching();
        if !self.owned.get(&partition).is_some_and(fetches) {
            return Ok(0);
        }
        let Some(batch) = self.source.fetch(partition, self.most_events(partition))? else {
            self.end_replay_after_the_log(partition)?;
            return Ok(0);
        };
        self.batch_size.learn(&batch);
        failpoint::at(Point::Fetched);
        let replayed = self.owned.get(&partition).and_then(Owned::replay);
        let split = replayed.map_or(0, |replay| {
            let end = replay.range.end();
            batch.iter().take_while(|event| event.offset < end).count()
        });
        if split > 0 {
            self.replay(partition, &batch, split)?;
        }
        if split < batch.len() {
            // Everything before the next event has been read.
            if let Some(next) = batch.iter().nth(split) {
                self.end_replay(partition, next.offset)?;
            }
            let runs = |owned: &Owned| owned.is_running();
            if self.owned.get(&partition).is_some_and(runs) {
                self.process(partition, &batch, split)?;
            }
        }
        Ok(batch.len())
    }

    /// Publishes and keeps the events of `batch` from index `from` on.
    fn process(
        &mut self,
        partition: Partition,
        batch: &Batch,
        from: usize,
    ) -> Result<(), WorkerError> {
        let end = batch.last_offset().plus(1);
        if let (Some(owned), Some(first)) = (self.owned.get(&partition), batch.iter().nth(from)) {
            // Nothing that is kept already is published again.
            OffsetRange::new(owned.books.end(), first.offset)?;
        }
        let evaluated = self.evaluate(partition, end, batch.iter().skip(from))?;
        let evaluated = self.encode(partition, batch, evaluated)?;
        failpoint::at(Point::Calculated);
        if let Err(error) = self.publish(partition, batch, &evaluated) {
            let batch = HandedOver {
                partition,
                events: (batch.len() - from) as u64,
                last: batch.last_offset(),
            };
            return self.recover_from(error, &[], Some(batch));
        }
        if let Some(owned) = self.owned.get_mut(&partition) {
            owned.sent.results += evaluated.results.num_rows() as u64;
            owned.sent.filtered += evaluated.filtered.len() as u64;
            owned.sent.raw_timestamps += evaluated.raw_timestamps();
            for reject in &evaluated.rejects {
                owned.sent.rejects.reject(reject);
            }
        }
        self.keep(partition, end, evaluated)?;
        failpoint::at(Point::Kept);
        Ok(())
    }

    /// Makes the messages of the results; a result whose message is too large for its topic becomes a reject.
    pub(super) fn encode(
        &mut self,
        partition: Partition,
        batch: &Batch,
        evaluated: Evaluated,
    ) -> Result<Evaluated, WorkerError> {
        self.messages.clear();
        let encoder = encoder_of(&self.encoder, self.owned.get(&partition));
        encoder.encode(partition, &evaluated.results, &mut self.messages)?;
        let limit = self.limits(partition).results;
        let rows = limits::too_large(&self.messages, limit);
        if rows.is_empty() {
            return Ok(evaluated);
        }
        let topic = (self.shared.settings.pipeline.results.as_str(), limit);
        let evaluated = limits::reject_results(evaluated, &rows, &self.messages, batch, topic)?;
        self.messages.clear();
        encoder.encode(partition, &evaluated.results, &mut self.messages)?;
        Ok(evaluated)
    }

    fn publish(
        &mut self,
        partition: Partition,
        batch: &Batch,
        evaluated: &Evaluated,
    ) -> Result<(), PublishError> {
        self.begin_if_needed(partition)?;
        if evaluated.results.num_rows() > 0 {
            if self.evaluator.carry().any() {
                self.publish_carrying(partition, &evaluated.results)?;
            } else {
                self.publisher.produce(
                    &self.shared.settings.pipeline.results,
                    self.shared.results_partition(partition),
                    self.messages.iter().map(Record::from),
                    PUBLISH_LIMIT,
                )?;
            }
            failpoint::at(Point::ResultsProduced);
        }
        if evaluated.rejects.is_empty() {
            return Ok(());
        }
        let mut rejects = evaluated.rejects.iter().peekable();
        for (index, event) in batch.iter().enumerate() {
            if let Some(reject) = rejects.next_if(|reject| reject.offset == event.offset) {
                self.publish_reject(partition, reject, batch.headers(index))?;
            }
        }
        failpoint::at(Point::RejectsProduced);
        Ok(())
    }

    pub(super) fn publish_reject(
        &mut self,
        partition: Partition,
        reject: &Reject,
        original: Option<Vec<Header>>,
    ) -> Result<(), PublishError> {
        let pipeline = &self.shared.settings.pipeline;
        let header =
            |name: &str, value: Option<String>| (name.to_owned(), value.map(String::into_bytes));
        let headers = vec![
            header("snapback-topic", Some(pipeline.events.clone())),
            header("snapback-partition", Some(partition.to_string())),
            header("snapback-offset", Some(reject.offset.to_string())),
            header(
                "snapback-timestamp",
                reject.timestamp.map(|at| at.to_string()),
            ),
            header("snapback-reason", Some(reject.reason.clone())),
        ];
        let letter = DeadLetter::new(reject, original, headers);
        let source = self.shared.rejects_need_keys();
        let source = source.then(|| source_key(&pipeline.events, partition, reject.offset));
        let letter = letter.fit(self.limits(partition).rejects, source.as_deref());
        let headers: Vec<(&str, Option<&[u8]>)> = letter
            .original
            .iter()
            .chain(&letter.headers)
            .map(|(name, value)| (name.as_str(), value.as_deref()))
            .collect();
        self.publisher.produce_with_headers(
            &pipeline.rejects,
            self.shared.rejects_partition(partition),
            Record {
                key: letter.key,
                payload: letter.payload,
            },
            &headers,
            None,
            PUBLISH_LIMIT,
        )
    }

    pub(super) fn evaluate<'a>(
        &mut self,
        partition: Partition,
        end: Offset,
        events: impl ExactSizeIterator<Item = Event<'a>>,
    ) -> Result<Evaluated, WorkerError> {
        self.evaluator
            .evaluate(events)
            .map_err(|source| WorkerError::Calculation {
                topic: self.shared.settings.pipeline.events.clone(),
                partition,
                end,
                source,
            })
    }

    /// Takes in the offsets after the last event of idle partitions that the log will never deliver, so that they are
    /// committed and counted too.
    pub(super) fn pass_absent_offsets(&mut self) -> Result<(), WorkerError> {
        let running = self.owned.values();
        let running = running.filter(|owned| owned.is_fetching() && owned.is_running());
        let passed: Vec<(Partition, Offset)> = running
            .filter_map(|owned| {
                let position = self.source.position(owned.partition)?;
                (position > owned.books.end()).then_some((owned.partition, position))
            })
            .collect();
        for (partition, position) in passed {
            self.keep(partition, position, self.nothing())?;
        }
        Ok(())
    }

    /// Keeps evaluated events until they are committed; `end` is the first offset after them. Offsets between them are
    /// absent: the consumer, which reads in order and committed data only, never delivers them.
    pub(super) fn keep(
        &mut self,
        partition: Partition,
        end: Offset,
        evaluated: Evaluated,
    ) -> Result<(), WorkerError> {
        if let Some(owned) = self.owned.get_mut(&partition) {
            let range = OffsetRange::new(owned.books.end(), end)?;
            if !range.is_empty() {
                let outcomes = RangeOutcomes::new(range, evaluated)?;
                self.uncommitted.add(outcomes.bytes());
                owned.books.process(outcomes)?;
            }
        }
        Ok(())
    }

    /// No events at all.
    pub(super) fn nothing(&self) -> Evaluated {
        Evaluated::empty(self.evaluator.results_schema())
    }
}
