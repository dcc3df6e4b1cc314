//! Reading the topics that outcomes were published to: all that they hold of one range, in the order in which it was published.
//! Blocking.

use std::{ops::ControlFlow, time::Duration};

use super::{
    super::{
        OutputTopics, RecalculateError,
        message::{self, Body, Header, Message},
        recalculate::PublishedNote,
    },
    taker::Taker,
};
use crate::{
    format::Pipeline,
    kafka::{Admin, KafkaError, Reader},
    model::{Counts, Event, OffsetRange, Partition, Sequence},
};

/// How long a question to a broker may take.
const ASK: Duration = Duration::from_secs(15);
/// How long a topic may stay silent.
const IDLE: Duration = Duration::from_secs(30);

/// Where the outcomes of a partition were published.
pub(super) struct Topics {
    pub output: OutputTopics,
    pub pipeline: Pipeline,
    pub partition: Partition,
    /// The newest manifest, where the history has corrections of the range: none has a higher revision.
    pub corrections: Option<Sequence>,
}

/// What is to be said of a topic when something was not in it.
#[derive(Default)]
struct Notes {
    begins: Vec<String>,
    hidden: Vec<String>,
}

impl Topics {
    /// Hands everything that the topics have of the range to `taker`; what to say if that is not all.
    pub fn read(
        &self,
        taker: &mut Taker,
        stated: Counts,
    ) -> Result<PublishedNote, RecalculateError> {
        let admin = Admin::connect(&self.output.connection, ASK);
        let admin = admin.map_err(|error| failed(taker.range(), error))?;
        let mut notes = Notes::default();
        if stated.rejects > 0 {
            self.letters(&admin, taker, &mut notes)?;
        }
        if stated.results > 0 {
            self.results(&admin, taker, &mut notes)?;
        }
        Ok(PublishedNote {
            begins: notes.begins.join(", "),
            hidden: notes.hidden.join(", "),
        })
    }

    fn letters(
        &self,
        admin: &Admin,
        taker: &mut Taker,
        notes: &mut Notes,
    ) -> Result<(), RecalculateError> {
        let (topic, range) = (&self.output.rejects, taker.range());
        let found = admin.topic(topic).map_err(|error| failed(range, error))?;
        let found = found.ok_or_else(|| no_topic(range, topic))?;
        let reader = self.reader(topic, range)?;
        for place in (0..).map(Partition).take(found.partitions as usize) {
            let place = (topic.as_str(), place);
            self.each(admin, &reader, place, range, notes, |event, headers| {
                let events = &self.pipeline.events_topic;
                let Some(message) = message::letter(events, event.key, event.payload, headers)
                else {
                    return Ok(());
                };
                match (self.is_of(&message, range), message.body) {
                    (true, Body::Letter(letter)) => {
                        let time = message::letter_time(headers);
                        taker.letter(message.key, &letter, time)
                    }
                    _ => Ok(()),
                }
            })?;
        }
        Ok(())
    }

    fn results(
        &self,
        admin: &Admin,
        taker: &mut Taker,
        notes: &mut Notes,
    ) -> Result<(), RecalculateError> {
        let (topic, range) = (&self.pipeline.results_topic, taker.range());
        let found = admin.topic(topic).map_err(|error| failed(range, error))?;
        if found.is_none() {
            return Err(no_topic(range, topic));
        }
        let reader = self.reader(topic, range)?;
        let count = i32::try_from(self.pipeline.results_partitions).unwrap_or(i32::MAX);
        let place = self.partition.0.checked_rem(count).unwrap_or_default();
        let place = (topic.as_str(), Partition(place));
        let events = &self.pipeline.events_topic;
        let mut pass = |corrections: bool| {
            let mut said = Notes::default();
            self.each(admin, &reader, place, range, &mut said, |event, headers| {
                let message = message::result(events, event.key, event.payload, headers);
                let Some(message) = message.filter(|message| self.is_of(message, range)) else {
                    return Ok(());
                };
                let (own, value) = match message.body {
                    Body::Value(value) => (None, value),
                    Body::Carried(key, value) => (Some(key), value),
                    Body::Letter(_) => return Ok(()),
                };
                match (message.key.revision, self.corrections) {
                    (None, _) if !corrections => taker.first(message.key.offset, own, value),
                    (Some(revision), Some(newest)) if corrections && revision <= newest => {
                        taker.correction(message.key.offset, revision, value)
                    }
                    (Some(revision), newest) if newest.is_none_or(|newest| revision > newest) => {
                        Err(RecalculateError::not_published(
                            range,
                            format!(
                                "offset {} has revision {revision}, which the history does not have",
                                message.key.offset
                            ),
                        ))
                    }
                    _ => Ok(()),
                }
            })?;
            Ok::<_, RecalculateError>(said)
        };
        // First publications ascend; a correction stands anywhere after its own.
        if self.corrections.is_some() {
            pass(true)?;
        }
        let said = pass(false)?;
        notes.begins.extend(said.begins);
        notes.hidden.extend(said.hidden);
        Ok(())
    }

    /// Whether a message publishes an outcome of the range.
    fn is_of(&self, message: &Message<'_>, range: OffsetRange) -> bool {
        message.partition == self.partition && range.contains(message.key.offset)
    }

    fn reader(&self, topic: &str, range: OffsetRange) -> Result<Reader, RecalculateError> {
        Reader::open(&self.output.connection, topic).map_err(|error| failed(range, error))
    }

    /// Reads one partition of a topic from its beginning to the end of what is committed.
    fn each(
        &self,
        admin: &Admin,
        reader: &Reader,
        (topic, place): (&str, Partition),
        range: OffsetRange,
        notes: &mut Notes,
        mut each: impl FnMut(&Event<'_>, &[Header]) -> Result<(), RecalculateError>,
    ) -> Result<(), RecalculateError> {
        let marks = admin.watermarks(topic, place);
        let marks = marks.map_err(|error| failed(range, error))?;
        if marks.start.get() > 0 {
            let (start, at) = (marks.start, place);
            notes.begins.push(format!(
                "{topic:?} partition {at} begins at its offset {start}"
            ));
        }
        if marks.stable_end < marks.end {
            let (from, at) = (marks.stable_end, place);
            notes.hidden.push(format!(
                "{topic:?} partition {at} from its offset {from} on"
            ));
        }
        let whole = OffsetRange::new(marks.start, marks.stable_end);
        let whole = whole.unwrap_or(OffsetRange::empty(marks.start));
        let mut failure = None;
        let read = reader.read(place, whole, IDLE, |batch| {
            for (index, event) in batch.iter().enumerate() {
                // Headers that no client reads are none of ours.
                let headers = batch.headers(index).unwrap_or_default();
                if let Err(error) = each(&event, &headers) {
                    failure = Some(error);
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        });
        match failure {
            Some(failure) => Err(failure),
            None => read.map_err(|error| failed(range, error)),
        }
    }
}

fn failed(range: OffsetRange, error: KafkaError) -> RecalculateError {
    RecalculateError::Published {
        range,
        source: Box::new(error),
    }
}

fn no_topic(range: OffsetRange, topic: &str) -> RecalculateError {
    RecalculateError::not_published(range, format!("there is no topic {topic:?}"))
}
