//! One range from its events alone: the files that hold it are damaged or gone. Blocking.

use super::{RecalculateError, choice::MOST_BYTES, events::Events, range::Range, window::Window};
use crate::{
    calculation::{Evaluated, Fingerprint},
    format::{Accumulation, Encoded, RangeOutcomes},
    kafka::Batch,
    model::{Counts, Offset, OffsetRange},
};

impl Range<'_> {
    /// The files of the range, made again from its events as the forward path makes them. They must be as many results and
    /// rejects as `stated`; where the calculation is another than the one of `before`, every outcome becomes a correction.
    ///
    /// # Errors
    /// When Kafka does not hold exactly these events any more, or cannot be read.
    pub(super) fn of_events_alone(
        &self,
        events: &Events,
        before: Option<Fingerprint>,
        stated: Counts,
    ) -> Result<Encoded, RecalculateError> {
        let (partition, range) = (self.identity.partition, self.range);
        let start = range.start();
        let mut rebuilt = match before {
            Some(before) => {
                Accumulation::replacing(start, before, self.evaluator.fingerprint().clone())
            }
            None => Accumulation::new(start),
        };
        events.read(partition, range, self.patience, |batch| {
            self.add(&mut rebuilt, batch)
        })?;
        let nothing = Evaluated::empty(self.evaluator.results_schema());
        append(&mut rebuilt, range.end(), nothing)?;
        let found = rebuilt.counts();
        if (found.results, found.rejects) != (stated.results, stated.rejects) {
            return Err(RecalculateError::OtherCounts {
                needs: events.needs.clone(),
                range,
                found_results: found.results,
                found_rejects: found.rejects,
                stated_results: stated.results,
                stated_rejects: stated.rejects,
            });
        }
        Ok(rebuilt.close(&self.identity)?)
    }

    /// The files of offsets that the history does not have. With the calculation `published`, their results and rejects
    /// become corrections.
    ///
    /// # Errors
    /// When they are too many to be made at a time; when Kafka does not hold them any more, or cannot be read.
    pub(super) fn of_missing(
        &self,
        events: &Events,
        published: Option<Fingerprint>,
    ) -> Result<Encoded, RecalculateError> {
        let (partition, range) = (self.identity.partition, self.range);
        let mut made = Accumulation::filling(range.start(), published);
        events.read(partition, range, self.patience, |batch| {
            self.add(&mut made, batch)?;
            match made.bytes() > MOST_BYTES {
                true => Err(RecalculateError::TooManyEvents { range }),
                false => Ok(()),
            }
        })?;
        append(
            &mut made,
            range.end(),
            Evaluated::empty(self.evaluator.results_schema()),
        )?;
        Ok(made.close(&self.identity)?)
    }

    fn add(&self, rebuilt: &mut Accumulation, batch: &Batch) -> Result<(), RecalculateError> {
        let nothing = Window {
            results: None,
            rejects: None,
            fields: None,
        };
        let evaluated = self.evaluator.evaluate(batch.iter())?;
        let evaluated = self.fit(evaluated, &nothing, Some(batch))?;
        append(rebuilt, batch.last_offset().plus(1), evaluated)
    }
}

/// Adds the outcomes up to `end`.
fn append(
    rebuilt: &mut Accumulation,
    end: Offset,
    evaluated: Evaluated,
) -> Result<(), RecalculateError> {
    let range = OffsetRange::new(rebuilt.end(), end).unwrap_or(OffsetRange::empty(end));
    Ok(rebuilt.append(&RangeOutcomes::new(range, evaluated)?)?)
}
