//! Stored history under another calculation, range by range.
//!
//! In flow a partition's chain and a calculation; out flow [`Repair`](crate::history::Repair)s, one for each range whose
//! outcomes are of another fingerprint ([`outdated`] chooses them). Results are calculated again from the fields
//! stored beside them, rejects are decoded again from their payloads; where the stored fields do not suffice, or events were
//! filtered that may have an outcome now, the range is read again from Kafka. What changed becomes corrections, which the partition's owner publishes (I6).
//!
//! Which offsets have an outcome (filtered is one) never changes here (I4): a range that cannot be had completely stays as it is.
//! Memory: the files of one range, their successors, and a batch of rows of each.

mod changes;
mod choice;
mod difference;
mod differences;
mod error;
mod events;
mod open;
mod range;
mod rebuild;
mod results;
mod window;

use std::{sync::Arc, time::Duration};

pub use choice::{Outdated, filtered_otherwise, outdated, silent_parts};
pub use difference::Difference;
pub use differences::{DifferencesFile, Different, each_difference};
pub use error::{DifferencesFileError, RecalculateError};
pub use results::ResultsTopic;

use crate::{
    calculation::{CalculationError, Evaluator},
    format::{Accumulation, Encoded, Identity, SilentRange},
    history::{Chain, Repair, open_segment},
    kafka::{Connection, Reader},
    model::OffsetRange,
    store::Throttle,
};
use events::Events;
pub(super) use open::{File, open};
use range::Range;
pub(super) use rebuild::PublishedNote;
pub(super) use window::Stored;

/// Brings ranges of stored history under one calculation.
#[derive(Clone)]
pub struct Recalculator {
    /// The calculation; its fingerprint is that of the chain's identity.
    pub evaluator: Arc<Evaluator>,
    /// Where corrections go.
    pub results: ResultsTopic,
    /// Where the events are, for what the stored fields do not tell; `None`: they are not read.
    pub events: Option<Connection>,
    /// How long Kafka may say nothing while a range is read again.
    pub patience: Duration,
    /// What is read of Kafka again is taken from it.
    pub throttle: Throttle,
}

impl Recalculator {
    /// Calculates one range anew; nothing is stored by it.
    ///
    /// # Errors
    /// When a segment cannot be had, or the calculation cannot be made of what there is; the range stays as it is then.
    pub async fn recalculate(
        &self,
        chain: &Chain,
        outdated: &Outdated,
    ) -> Result<Repair, RecalculateError> {
        if let Some(silent) = &outdated.silent {
            return self.read_again(chain, silent.clone()).await;
        }
        let files = fetch_files(chain, outdated).await?;
        let (recalculator, identity) = (self.clone(), chain.identity().clone());
        let offsets = outdated.range;
        // The decoder may panic on what a writer's mistake made.
        let work = move || {
            let range = recalculator.range(identity, offsets);
            match range.of_stored(files.clone()) {
                Err(
                    needs @ (RecalculateError::Calculation(CalculationError::Stored { .. })
                    | RecalculateError::Filtered { .. }),
                ) => {
                    let topic = &range.identity.topic;
                    let events = recalculator.events(topic, needs.to_string())?;
                    range.of_events(files, &events)
                }
                recalculated => recalculated,
            }
        };
        let encoded = tokio::task::spawn_blocking(work).await??;
        Ok(Repair::new(outdated.segments.clone(), encoded))
    }

    /// Calculates one range anew with all of its events, those without a row included: one that was filtered wrongly gets its
    /// outcome. Nothing is stored by it.
    ///
    /// # Errors
    /// As [`recalculate`](Recalculator::recalculate); and when Kafka does not hold exactly these events any more.
    pub async fn reread(
        &self,
        chain: &Chain,
        outdated: &Outdated,
    ) -> Result<Repair, RecalculateError> {
        if let Some(silent) = &outdated.silent {
            return self.read_again(chain, silent.clone()).await;
        }
        let files = fetch_files(chain, outdated).await?;
        let (recalculator, identity) = (self.clone(), chain.identity().clone());
        let offsets = outdated.range;
        let work = move || {
            let needs = format!("events of {offsets} were filtered that should not have been");
            let range = recalculator.range(identity, offsets);
            let events = recalculator.events(&range.identity.topic, needs)?;
            range.of_events(files, &events)
        };
        let encoded = tokio::task::spawn_blocking(work).await??;
        Ok(Repair::new(outdated.segments.clone(), encoded))
    }

    /// Reads a range again in which nothing has a row, because a condition left its events out.
    async fn read_again(
        &self,
        chain: &Chain,
        silent: SilentRange,
    ) -> Result<Repair, RecalculateError> {
        let (recalculator, identity) = (self.clone(), chain.identity().clone());
        let was = silent.clone();
        let work = move || {
            let range = recalculator.range(identity, was.range);
            let count = was.record.filtered;
            let needs = RecalculateError::Filtered { count }.to_string();
            let events = recalculator.events(&range.identity.topic, needs)?;
            range.of_silent(&was, &events)
        };
        let encoded = tokio::task::spawn_blocking(work).await??;
        Ok(Repair::of_silent(silent, encoded))
    }

    fn range(&self, identity: Identity, range: OffsetRange) -> Range<'_> {
        Range {
            evaluator: &self.evaluator,
            results: &self.results,
            patience: self.patience,
            identity,
            range,
            carried_keys: None,
        }
    }

    /// The events, which are needed for what `needs` says.
    fn events(&self, topic: &str, needs: String) -> Result<Events, RecalculateError> {
        let Some(events) = &self.events else {
            return Err(RecalculateError::NoEvents { needs });
        };
        match Reader::open(events, topic) {
            Ok(reader) => Ok(Events {
                reader,
                needs,
                throttle: self.throttle.clone(),
            }),
            Err(source) => {
                let source = Box::new(source);
                Err(RecalculateError::Events { needs, source })
            }
        }
    }

    /// Makes the files of a range again from its events, whatever has become of the files that held it; nothing is stored by
    /// it. They are as many results and rejects as the manifest states. With `corrects`, and under another calculation than
    /// theirs, every outcome is published again as a correction; without, they are what was published: the same events give
    /// the same outcomes.
    ///
    /// # Errors
    /// When Kafka does not hold exactly these events any more, or cannot be read; the range stays as it is then.
    pub async fn rebuild(
        &self,
        chain: &Chain,
        damaged: &Outdated,
        corrects: bool,
    ) -> Result<Repair, RecalculateError> {
        let (recalculator, identity) = (self.clone(), chain.identity().clone());
        let (offsets, stated) = (damaged.range, damaged.counts());
        let ours = self.evaluator.fingerprint();
        let mut fingerprints = damaged.segments.iter().map(|segment| &segment.fingerprint);
        let before = fingerprints
            .find(|found| corrects || *found != ours)
            .cloned();
        let work = move || {
            let needs = format!("the stored files of {offsets} cannot be used");
            let events = recalculator.events(&identity.topic, needs)?;
            let range = recalculator.range(identity, offsets);
            range.of_events_alone(&events, before, stated)
        };
        let encoded = tokio::task::spawn_blocking(work).await??;
        Ok(Repair::new(damaged.segments.clone(), encoded))
    }
}

impl Recalculator {
    /// Makes the files of a range again, the first part of which `first` gives, from what was published of it; the rest is made of
    /// its events. Nothing is stored by it. They are as many results and rejects as the manifest states, and nothing is to be
    /// published: it is what was.
    ///
    /// # Errors
    /// When they are not, or Kafka does not hold the events of the rest any more, or cannot be read.
    pub(super) async fn rebuild_after(
        &self,
        chain: &Chain,
        damaged: &Outdated,
        first: impl FnOnce() -> Result<(Accumulation, PublishedNote), RecalculateError> + Send + 'static,
    ) -> Result<Repair, RecalculateError> {
        let (recalculator, identity) = (self.clone(), chain.identity().clone());
        let (offsets, stated) = (damaged.range, damaged.counts());
        let work = move || {
            let (first, note) = first()?;
            let needs = format!("the stored files of {offsets} cannot be used");
            let events = recalculator.events(&identity.topic, needs)?;
            let range = recalculator.range(identity, offsets);
            range.of_published(first, &events, stated, &note)
        };
        let encoded = tokio::task::spawn_blocking(work).await??;
        Ok(Repair::new(damaged.segments.clone(), encoded))
    }

    /// Makes files of a range that the history does not have, from its events; nothing is stored by it. With `publishes`, its
    /// results and rejects are corrections.
    ///
    /// # Errors
    /// [`RecalculateError::TooManyEvents`] when it is to be made in smaller parts; when Kafka does not hold all of it any
    /// more, or cannot be read.
    pub async fn fill(
        &self,
        chain: &Chain,
        range: OffsetRange,
        publishes: bool,
    ) -> Result<Encoded, RecalculateError> {
        let (recalculator, identity) = (self.clone(), chain.identity().clone());
        let ours = self.evaluator.fingerprint();
        let published = publishes.then(|| ours.clone());
        let work = move || {
            let needs = format!("the history does not have {range}");
            let events = recalculator.events(&identity.topic, needs)?;
            recalculator
                .range(identity, range)
                .of_missing(&events, published)
        };
        tokio::task::spawn_blocking(work).await?
    }
}

async fn fetch_files(chain: &Chain, outdated: &Outdated) -> Result<Vec<File>, RecalculateError> {
    let mut files = Vec::with_capacity(outdated.segments.len());
    for segment in &outdated.segments {
        let file = open_segment(chain.store(), chain.layout(), segment).await?;
        files.push((segment.kind, file));
    }
    Ok(files)
}

#[cfg(test)]
mod tests;
