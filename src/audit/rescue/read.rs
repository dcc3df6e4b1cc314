//! Reading the topics that outcomes were published to: all that they hold of one range, in the order in which it was published.
//! Blocking.

use std::{
    ops::ControlFlow,
    time::{Duration, Instant},
};

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
    kafka::{Admin, KafkaError, Reader, Topic, Watermarks},
    model::{Counts, Event, Offset, OffsetRange, Partition},
    store::Throttle,
};

/// How long a question to a broker may take.
const ASK: Duration = Duration::from_secs(15);
/// How long a topic may stay silent.
const IDLE: Duration = Duration::from_secs(30);
/// How long transactions are waited for that were open at the beginning: Kafka ends each by its time-out.
const OPEN: Duration = Duration::from_secs(30);

/// Where the outcomes of a partition were published.
pub(super) struct Topics {
    pub output: OutputTopics,
    pub pipeline: Pipeline,
    pub partition: Partition,
    /// What is read of them is taken from it.
    pub throttle: Throttle,
}

/// What is to be said of topics when something was not in them.
#[derive(Default)]
struct Notes {
    topics: Vec<String>,
    begins: Vec<String>,
    hidden: Vec<String>,
    /// Whether there was a dead letter of the partition, of any offset.
    has_letters: bool,
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
            topics: notes.topics.join(" and "),
            begins: notes.begins.join(", "),
            hidden: notes.hidden.join(", "),
            unnamed: (stated.rejects > 0 && self.output.is_rejects_default)
                .then(|| self.output.rejects.clone()),
            has_letters: notes.has_letters,
        })
    }

    fn letters(
        &self,
        admin: &Admin,
        taker: &mut Taker,
        notes: &mut Notes,
    ) -> Result<(), RecalculateError> {
        let (topic, range) = (&self.output.rejects, taker.range());
        let hint = ", to which its rejects would have been published: --rejects names the topic of the dead letters";
        let (found, reader) = self.open(admin, (topic, hint), range, notes)?;
        let places = (0..).map(Partition).take(found.partitions as usize);
        let mut has_letters = false;
        for (place, end) in self.settled(admin, topic, places, range)? {
            let place = (topic.as_str(), place, end);
            self.each(admin, &reader, place, range, notes, |event, headers| {
                let events = &self.pipeline.events_topic;
                let Some(message) = message::letter(events, event.key, event.payload, headers)
                else {
                    return Ok(());
                };
                has_letters |= message.partition == self.partition;
                match (self.is_of(&message, range), message.body) {
                    (true, Body::Letter(letter)) => {
                        let time = message::letter_time(headers);
                        taker.letter(message.key, &letter, time)
                    }
                    _ => Ok(()),
                }
            })?;
        }
        notes.has_letters = has_letters;
        Ok(())
    }

    fn results(
        &self,
        admin: &Admin,
        taker: &mut Taker,
        notes: &mut Notes,
    ) -> Result<(), RecalculateError> {
        let (topic, range) = (&self.pipeline.results_topic, taker.range());
        let (_, reader) = self.open(admin, (topic, ""), range, notes)?;
        let count = i32::try_from(self.pipeline.results_partitions).unwrap_or(i32::MAX);
        let place = self.partition.0.checked_rem(count).unwrap_or_default();
        let events = &self.pipeline.events_topic;
        let mut each = |event: &Event<'_>, headers: &[Header]| {
            let message = message::result(events, event.key, event.payload, headers);
            let Some(message) = message.filter(|message| self.is_of(message, range)) else {
                return Ok(());
            };
            taker.know(message.key)?;
            let (own, value) = match message.body {
                Body::Value(value) => (None, value),
                Body::Carried(key, value) => (Some(key), value),
                Body::Letter(_) => return Ok(()),
            };
            match message.key.revision {
                None => taker.first(message.key.offset, own, value),
                Some(_) => Ok(()),
            }
        };
        for (place, end) in self.settled(admin, topic, [Partition(place)], range)? {
            let place = (topic.as_str(), place, end);
            self.each(admin, &reader, place, range, notes, &mut each)?;
        }
        Ok(())
    }

    /// See [`settled`]; for each topic anew: to read another one may have taken long.
    fn settled(
        &self,
        admin: &Admin,
        topic: &str,
        places: impl IntoIterator<Item = Partition>,
        range: OffsetRange,
    ) -> Result<Vec<(Partition, Offset)>, RecalculateError> {
        let ask = |place| admin.watermarks(topic, place);
        let ends = settled(places, ask, Instant::now() + OPEN);
        ends.map_err(|error| failed(range, error))
    }

    /// Whether a message publishes an outcome of the range.
    fn is_of(&self, message: &Message<'_>, range: OffsetRange) -> bool {
        message.partition == self.partition && range.contains(message.key.offset)
    }

    /// A topic, and what reads it; `hint` is said where there is none.
    fn open(
        &self,
        admin: &Admin,
        (topic, hint): (&str, &str),
        range: OffsetRange,
        notes: &mut Notes,
    ) -> Result<(Topic, Reader), RecalculateError> {
        let found = admin.topic(topic).map_err(|error| failed(range, error))?;
        let found = found.ok_or_else(|| no_topic(range, topic, hint))?;
        let reader = Reader::open(&self.output.connection, topic);
        let reader = reader.map_err(|error| failed(range, error))?;
        notes.topics.push(format!("{topic:?}"));
        Ok((found, reader))
    }

    /// Reads one partition of a topic from its beginning to `end`: whatever was published of what is stored, is there.
    fn each(
        &self,
        admin: &Admin,
        reader: &Reader,
        (topic, place, end): (&str, Partition, Offset),
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
        if marks.stable_end < end {
            let (from, at) = (marks.stable_end, place);
            notes.hidden.push(format!(
                "{topic:?} partition {at} from its offset {from} on"
            ));
        }
        let whole = OffsetRange::new(marks.start, marks.stable_end.min(end));
        let whole = whole.unwrap_or(OffsetRange::empty(marks.start));
        let mut failure = None;
        let read = reader.read(place, whole, IDLE, |batch| {
            self.throttle.take_blocking(batch.bytes());
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

fn no_topic(range: OffsetRange, topic: &str, hint: &str) -> RecalculateError {
    let detail = format!(
        "there is no topic {topic:?}{hint}. If it is gone for good, create it empty: then nothing of it is waited for"
    );
    RecalculateError::not_taken(range, detail)
}

/// Where the partitions of a topic end at first, once the transactions have ended that were open then, or at the deadline.
fn settled(
    places: impl IntoIterator<Item = Partition>,
    mut ask: impl FnMut(Partition) -> Result<Watermarks, KafkaError>,
    deadline: Instant,
) -> Result<Vec<(Partition, Offset)>, KafkaError> {
    let first = places.into_iter().map(|place| Ok((place, ask(place)?)));
    let first = first.collect::<Result<Vec<_>, KafkaError>>()?;
    for (place, marks) in &first {
        marks.settled(|| ask(*place), deadline)?;
    }
    let ends = first.into_iter().map(|(place, marks)| (place, marks.end));
    Ok(ends.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(stable_end: u64, end: u64) -> Watermarks {
        let at = |offset| Offset::ZERO.plus(offset);
        Watermarks {
            start: at(0),
            stable_end: at(stable_end),
            end: at(end),
        }
    }

    /// Beside a busy processor there is always a transaction open, but never the same one.
    #[test]
    fn only_transactions_that_were_open_at_first_are_waited_for() {
        let at = |offset| Offset::ZERO.plus(offset);
        let mut answers = [
            (0, marks(90, 100)),
            (1, marks(50, 50)),
            (2, marks(7, 9)),
            (0, marks(90, 120)),
            (0, marks(110, 140)),
            (2, marks(8, 20)),
            (2, marks(9, 20)),
        ]
        .into_iter();
        let ask = |place: Partition| {
            let (asked, marks) = answers.next().unwrap();
            assert_eq!(place, Partition(asked));
            Ok(marks)
        };
        let places = [0, 1, 2].map(Partition);
        let ends = settled(places, ask, Instant::now() + OPEN).unwrap();
        let ended = [at(100), at(50), at(9)];
        assert_eq!(ends, places.into_iter().zip(ended).collect::<Vec<_>>());
        assert_eq!(answers.next(), None);
        // Those that do not end are not waited for longer than Kafka lets them be, however many there are.
        let began = Instant::now();
        let ends = settled((0..9).map(Partition), |_| Ok(marks(90, 100)), began).unwrap();
        assert!(ends.iter().all(|(_, end)| *end == at(100)));
        assert!(began.elapsed() < OPEN);
    }
}
