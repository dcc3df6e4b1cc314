//! One range from its events alone: the files that hold it are damaged or gone. Blocking.

use std::ops::ControlFlow;

use super::{RecalculateError, range::Range, window::Window};
use crate::{
    calculation::{Evaluated, Fingerprint},
    format::{Accumulation, Encoded, RangeOutcomes},
    kafka::{Batch, KafkaError, Reader},
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
        reader: &Reader,
        before: Option<Fingerprint>,
        stated: Counts,
        needs: String,
    ) -> Result<Encoded, RecalculateError> {
        let start = self.range.start();
        let mut rebuilt = match before {
            Some(before) => {
                Accumulation::replacing(start, before, self.evaluator.fingerprint().clone())
            }
            None => Accumulation::new(start),
        };
        let mut failure = None;
        let (partition, patience) = (self.identity.partition, self.patience);
        let read = reader.read(partition, self.range, patience, |batch| {
            match self.add(&mut rebuilt, &batch) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failure = Some(error);
                    ControlFlow::Break(())
                }
            }
        });
        if let Some(failure) = failure {
            return Err(failure);
        }
        let other = |needs: String, detail: String| RecalculateError::OtherEvents {
            needs,
            range: self.range,
            detail,
        };
        match read {
            Ok(()) => {}
            Err(error @ KafkaError::OutOfRange { .. }) => {
                return Err(other(needs, error.to_string()));
            }
            Err(source) => {
                let source = Box::new(source);
                return Err(RecalculateError::Events { needs, source });
            }
        }
        let nothing = Evaluated::empty(self.evaluator);
        let end = self.range.end();
        append(&mut rebuilt, end, nothing)?;
        let found = rebuilt.counts();
        if (found.results, found.rejects) != (stated.results, stated.rejects) {
            let detail = format!(
                "it gives {} results and {} rejects, the manifest states {} and {}",
                found.results, found.rejects, stated.results, stated.rejects
            );
            return Err(other(needs, detail));
        }
        Ok(rebuilt.close(&self.identity)?)
    }

    fn add(&self, rebuilt: &mut Accumulation, batch: &Batch) -> Result<(), RecalculateError> {
        let nothing = Window {
            results: None,
            rejects: None,
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
