//! Publishing results with what they carry of their events (`--carry`): one by one, because only so a message can have headers and
//! a time of its own.

use arrow_array::RecordBatch;

use super::{Worker, forward::PUBLISH_LIMIT};
use crate::{
    events::{SOURCE_HEADER, columns::Timestamps},
    kafka::{PublishError, Record},
    model::Partition,
};

impl Worker {
    /// Publishes the messages of `results`, which are made.
    ///
    /// A time that the topic would refuse, or delete at once, is left out and counted; so are all times for a while after a broker
    /// has refused one.
    pub(super) fn publish_carrying(
        &mut self,
        partition: Partition,
        results: &RecordBatch,
    ) -> Result<(), PublishError> {
        let carry = self.evaluator.carry();
        let times = Timestamps::of(results).filter(|_| carry.timestamp());
        let taken = self.shared.carried_times.now();
        let pipeline = &self.shared.settings.pipeline;
        let to = self.shared.results_partition(partition);
        let mut left_out = 0;
        for (row, message) in self.messages.iter().enumerate() {
            let time = times.and_then(|times| times.get(row));
            let carried = time.filter(|time| taken.contains(time));
            left_out += u64::from(time.is_some() && carried.is_none());
            let source = self.messages.source(row);
            let header = source.map(|source| (SOURCE_HEADER, Some(source)));
            self.publisher.produce_with_headers(
                &pipeline.results,
                to,
                Record::from(message),
                header.as_slice(),
                carried,
                PUBLISH_LIMIT,
            )?;
        }
        if let Some(owned) = self.owned.get_mut(&partition) {
            owned.sent.times_left_out += left_out;
        }
        Ok(())
    }
}
