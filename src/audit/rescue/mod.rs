//! What is damaged and gone from Kafka, made again from what was published of it: the results topic and the dead letters.
//!
//! In flow a range that has to be made again from events ([`Mend`]) and what Kafka has no more of it ([`Loss`]), which is always its
//! beginning; out flows one edit of the whole range ([`Repair`]): that part from the topics, or from a file of the range
//! that is whole, the rest from Kafka. So nothing is given up in between (I2), and nothing is published: what is stored is
//! what was published (I6).
//!
//! A message is believed only as far as it proves itself ([`Taker`]): its fields are decoded and calculated anew, under the
//! calculation that is on record for the range, and the message that this gives must be the same, byte for byte; a dead
//! letter's payload must be rejected for the same reason. Where an outcome was corrected, the store has the correction, and what it
//! says counts ([`Corrections`]), whether it is published by now or not. As many results and rejects as the manifest states must
//! come of it (I4). Retention takes the oldest messages first, so that what another topic of the same name had brought is gone
//! before anything of ours; where an offset has two outcomes all the same, nothing is taken.
//!
//! Only what the topics do not have is gone for good, and is offered as lost; whatever else keeps a range from being made is said,
//! and leaves it as it is, or until an operator gives it up who knows better ([`RescueError::unmade`]).
//!
//! What messages do not say is marked as not known in the files ([`NotKnown`](crate::format::NotKnown)): the times of the events
//! of results, and their keys unless they were carried.

mod corrected;
mod kept;
mod proof;
mod read;
mod seen;
mod stored;
mod taker;

#[cfg(test)]
mod tests;

use super::{
    OutputTopics, RecalculateError, Recalculator,
    repair::{Loss, Mend, Mended, RepairError, Unmade, read_back},
};
use crate::{
    calculation::Calculations,
    format::{Listed, Pipeline, SegmentKind},
    history::{
        Chain, ChainError, FetchError, Repair, Repaired, open_segment, read_listed_of,
        seal_when_long, write_repair,
    },
    model::OffsetRange,
};
use corrected::Corrections;
use read::Topics;
use stored::Whole;
use taker::Taker;

/// Why nothing was made of what was published.
#[derive(Debug, thiserror::Error)]
pub enum RescueError {
    /// The history cannot be read.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The range cannot be made.
    #[error(transparent)]
    Make(#[from] RecalculateError),
}

impl RescueError {
    /// What is to be said of a range that was not made: it is gone only if the topics do not have what was published of it.
    ///
    /// # Errors
    /// When the store, or Kafka, is away: nothing is to be said then.
    pub fn unmade(self) -> Result<Unmade, RepairError> {
        match self {
            RescueError::Chain(error) => Err(error.into()),
            RescueError::Make(error) if error.is_retryable() => Err(RepairError::Read(error)),
            RescueError::Make(error @ RecalculateError::NotPublished { .. }) => {
                Ok(Unmade::Gone(error.to_string()))
            }
            RescueError::Make(error @ RecalculateError::NotTaken { .. }) => {
                Ok(Unmade::NotTaken(error.to_string()))
            }
            RescueError::Make(error) => Ok(Unmade::Left(error.to_string())),
        }
    }
}

/// A range that was made again.
pub struct Rescue {
    /// The edit.
    pub repair: Repair,
    /// The part of it that was made of what was published; the rest was made of events.
    pub part: OffsetRange,
}

/// The part of a range that is made of what was published, at first; the rest is made of events. Where the file of its results is
/// whole, or what was published may be something else than the events give, that is all of it.
#[must_use]
pub fn published_part(mend: &Mend, loss: &Loss) -> OffsetRange {
    match has_results(loss) || mend.may_have_been_published_wrong() {
        true => mend.range.range,
        false => loss.lost,
    }
}

fn has_results(loss: &Loss) -> bool {
    let mut files = loss.whole.iter();
    files.any(|file| file.kind == SegmentKind::Results)
}

/// Makes the files of a range again; nothing is stored by it. Where not all of it can be made of what was published, that is only
/// looked for of the offsets whose events Kafka has lost.
///
/// # Errors
/// [`RecalculateError::NotPublished`] when the topics do not have all of it; otherwise when they have something else, or cannot be
/// read.
pub async fn try_rescue(
    recalculator: &Recalculator,
    topics: &OutputTopics,
    chain: &Chain,
    mend: &Mend,
    loss: &Loss,
) -> Result<Rescue, RescueError> {
    let whole = published_part(mend, loss);
    let may_be_less = whole != loss.lost && !mend.may_have_been_published_wrong();
    let mut part = whole;
    let mut made = make(recalculator, topics, chain, (mend, loss), part).await;
    let lacks = RecalculateError::lacks_what_was_published;
    if may_be_less && matches!(&made, Err(RescueError::Make(error)) if lacks(error)) {
        part = loss.lost;
        made = make(recalculator, topics, chain, (mend, loss), part).await;
    }
    made.map(|repair| Rescue { repair, part })
}

/// Makes the files of a range again, a part of it from what was published.
async fn make(
    recalculator: &Recalculator,
    topics: &OutputTopics,
    chain: &Chain,
    (mend, loss): (&Mend, &Loss),
    part: OffsetRange,
) -> Result<Repair, RescueError> {
    let range = mend.range.range;
    let Some(newest) = chain.newest().cloned() else {
        return Err(RecalculateError::not_taken(range, "there is no manifest").into());
    };
    let pipeline = newest.pipeline.clone();
    let listed = read_listed_of(chain.store(), chain.layout(), newest, range).await?;
    let empty = match has_results(loss) {
        true => Corrections::of(part).without_results(),
        false => Corrections::of(part),
    };
    let corrections = corrections(chain, &listed, &pipeline, empty).await?;
    let mut whole = Vec::with_capacity(loss.whole.len());
    for segment in &loss.whole {
        let file = open_segment(chain.store(), chain.layout(), segment).await;
        whole.push(file.map_err(RecalculateError::from)?);
    }
    let topics = Topics {
        output: topics.clone(),
        pipeline,
        partition: mend.partition,
        throttle: recalculator.throttle.clone(),
    };
    let evaluator = recalculator.evaluator.clone();
    let stated = mend.range.counts();
    let first = move || {
        let whole = Whole::open(whole)?;
        let source = (topics.pipeline.events_topic.as_str(), topics.partition);
        let mut taker = Taker::new(evaluator, source, corrections);
        taker.expect(stated, &whole)?;
        let mut from_topics = stated;
        if let Some(rejects) = whole.rejects {
            from_topics.rejects = 0;
            taker.take_rejects(rejects)?;
        }
        if whole.results.is_some() {
            from_topics.results = 0;
        }
        let note = topics.read(&mut taker, from_topics)?;
        if let Some(results) = whole.results {
            taker.take_results(results)?;
        }
        Ok((taker.finish()?, note))
    };
    Ok(recalculator
        .rebuild_after(chain, &mend.range, first)
        .await?)
}

/// What corrections have made of a part of a range, beginning with none.
async fn corrections(
    chain: &Chain,
    listed: &Listed,
    pipeline: &Pipeline,
    mut corrections: Corrections,
) -> Result<Corrections, RecalculateError> {
    let part = corrections.range();
    if listed.is_unread(part) {
        let why = "a page cannot be read that may list corrections of it";
        return Err(RecalculateError::not_taken(part, why));
    }
    for segment in listed.corrections() {
        let Some(revision) = segment.revision.filter(|_| segment.range.overlaps(part)) else {
            continue;
        };
        let cannot = |error: &dyn std::fmt::Display| {
            let why = format!(
                "the file of its corrections {} cannot be used: {error}",
                segment.path
            );
            RecalculateError::not_taken(part, why)
        };
        let file = match open_segment(chain.store(), chain.layout(), segment).await {
            Err(error @ FetchError::Store(_)) => return Err(error.into()),
            Err(error) => return Err(cannot(&error)),
            Ok(file) => file,
        };
        let (events, partition) = (pipeline.events_topic.clone(), chain.partition());
        let add = move || {
            corrections.add((&events, partition), revision, &file)?;
            Ok::<_, RecalculateError>(corrections)
        };
        corrections = match tokio::task::spawn_blocking(add).await? {
            Err(RecalculateError::Segment(error)) => return Err(cannot(&error)),
            added => added?,
        };
    }
    Ok(corrections)
}

/// Makes a range again, and reads back what was stored; with the part of it that was made of what was published, or why nothing was
/// made.
///
/// # Errors
/// When the store, or Kafka, is away; call it again then.
pub async fn rescue(
    recalculator: &Recalculator,
    calculations: &Calculations,
    topics: &OutputTopics,
    chain: &mut Chain,
    mend: &Mend,
    loss: &Loss,
) -> Result<Result<(Mended, OffsetRange), Unmade>, RepairError> {
    let mut made = match try_rescue(recalculator, topics, chain, mend, loss).await {
        Ok(made) => made,
        Err(error) => return Ok(Err(error.unmade()?)),
    };
    let mended = match write_repair(chain, &mut made.repair).await? {
        Repaired::Done(segments) => {
            seal_when_long(chain).await?;
            read_back(calculations, chain, mend, segments).await?
        }
        Repaired::Overtaken => Mended::Overtaken,
    };
    Ok(Ok((mended, made.part)))
}
