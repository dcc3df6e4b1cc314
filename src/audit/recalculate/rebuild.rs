//! One range from its events alone: the files that hold it are damaged or gone. Blocking.

use super::{RecalculateError, choice::MOST_BYTES, events::Events, range::Range, window::Window};
use crate::{
    calculation::{Evaluated, Fingerprint},
    format::{Accumulation, Encoded, RangeOutcomes},
    kafka::Batch,
    model::{Counts, Offset, OffsetRange},
};

/// What is to be said of the topics when not all was in them that was published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::audit) struct PublishedNote {
    /// Which were read.
    pub topics: String,
    /// Where they begin, where that is not their beginning.
    pub begins: String,
    /// What an open transaction hides of them.
    pub hidden: String,
    /// The topic of the dead letters, where it was read because nobody has named another.
    pub unnamed: Option<String>,
    /// Whether a dead letter of the partition was in it, of any offset.
    pub has_letters: bool,
}

impl PublishedNote {
    /// What to say of a range of which another number of outcomes was found than is stated. Only where some are missing, and
    /// nothing hides them, the topics do not have them.
    fn other_counts(&self, range: OffsetRange, found: Counts, stated: Counts) -> RecalculateError {
        if !self.hidden.is_empty() {
            let hidden = self.hidden.clone();
            return RecalculateError::Hidden { range, hidden };
        }
        let begins = match self.begins.is_empty() {
            true => String::new(),
            false => format!(" ({})", self.begins),
        };
        let mut detail = format!(
            "by what is in {}, there are {} results and {} rejects of it, the manifest states {} and {}{begins}",
            self.topics, found.results, found.rejects, stated.results, stated.rejects
        );
        let lacks_rejects = found.rejects < stated.rejects;
        if let Some(topic) = self.unnamed.as_ref().filter(|_| lacks_rejects) {
            if !self.has_letters {
                return RecalculateError::not_taken(
                    range,
                    format!(
                        "{detail}; not one dead letter of the partition is in {topic:?}, where dead letters are by default: \
                         name their topic with --rejects, also if it is this one"
                    ),
                );
            }
            detail.push_str(&format!(
                "; --rejects names the topic of the dead letters, where it is not {topic:?}"
            ));
        }
        match found.results > stated.results || found.rejects > stated.rejects {
            true => RecalculateError::not_taken(range, detail),
            false => RecalculateError::not_published(range, detail),
        }
    }
}

impl Range<'_> {
    /// The files of the range, made again from its events as the forward path makes them. They must be as many results and
    /// rejects as `stated`; where the calculation is another than the one of `before`, every outcome becomes a correction.
    ///
    /// A replay stores what was published under another `--carry` as of its own, and nothing says so; but the key that a
    /// result carried may have made it too large. So the events are read once more, with the other keys, when they come to
    /// other counts.
    ///
    /// # Errors
    /// When Kafka does not hold exactly these events any more, or cannot be read.
    pub(super) fn of_events_alone(
        &self,
        events: &Events,
        before: Option<Fingerprint>,
        stated: Counts,
    ) -> Result<Encoded, RecalculateError> {
        let error = match self.rebuilt(events, before.clone(), stated) {
            Err(error @ RecalculateError::OtherCounts { .. }) => error,
            rebuilt => return rebuilt,
        };
        let otherwise = Range {
            identity: self.identity.clone(),
            carried_keys: Some(!self.evaluator.carry().key()),
            ..*self
        };
        match otherwise.rebuilt(events, before, stated) {
            Err(RecalculateError::OtherCounts { .. }) => Err(error),
            rebuilt => rebuilt,
        }
    }

    fn rebuilt(
        &self,
        events: &Events,
        before: Option<Fingerprint>,
        stated: Counts,
    ) -> Result<Encoded, RecalculateError> {
        let range = self.range;
        let start = range.start();
        let mut rebuilt = match before {
            Some(before) => {
                Accumulation::replacing(start, before, self.evaluator.fingerprint().clone())
            }
            None => Accumulation::new(start),
        };
        self.complete(&mut rebuilt, events)?;
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

    /// The files of the range, whose first part was made of what was published. They must be as many results and rejects as
    /// `stated`.
    ///
    /// # Errors
    /// When they are not; when Kafka does not hold the events of the rest any more, or cannot be read.
    pub(super) fn of_published(
        &self,
        mut first: Accumulation,
        events: &Events,
        stated: Counts,
        note: &PublishedNote,
    ) -> Result<Encoded, RecalculateError> {
        let range = self.range;
        self.complete(&mut first, events)?;
        let found = first.counts();
        if (found.results, found.rejects) == (stated.results, stated.rejects) {
            return Ok(first.close(&self.identity)?);
        }
        Err(note.other_counts(range, found, stated))
    }

    /// Adds the outcomes of the events from where `rebuilt` ends to the end of the range.
    fn complete(
        &self,
        rebuilt: &mut Accumulation,
        events: &Events,
    ) -> Result<(), RecalculateError> {
        let (partition, end) = (self.identity.partition, self.range.end());
        let rest = OffsetRange::new(rebuilt.end(), end).unwrap_or(OffsetRange::empty(end));
        events.read(partition, rest, self.patience, |batch| {
            self.add(rebuilt, batch)
        })?;
        append(
            rebuilt,
            end,
            Evaluated::empty(self.evaluator.results_schema()),
        )
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_gone_only_where_nothing_hides_it_and_nothing_is_too_much() {
        let range = OffsetRange::empty(Offset::ZERO);
        let counts = |results, rejects| Counts {
            results,
            rejects,
            ..Counts::default()
        };
        let mut note = PublishedNote {
            topics: r#""results" and "letters""#.to_owned(),
            ..PublishedNote::default()
        };
        let stated = counts(9, 3);
        for (found, is_gone) in [
            (counts(8, 3), true),
            (counts(9, 2), true),
            (counts(0, 0), true),
            (counts(10, 2), false),
            (counts(8, 4), false),
            (counts(9, 4), false),
        ] {
            let error = note.other_counts(range, found, stated);
            let text = error.to_string();
            assert!(text.contains(r#"in "results" and "letters","#), "{text}");
            let said = matches!(error, RecalculateError::NotPublished { .. });
            assert_eq!(said, is_gone, "{error}");
        }
        // Dead letters are sought in the right topic, or nobody knows which it is.
        note.unnamed = Some("letters".to_owned());
        for (found, has_letters, is_gone, names) in [
            (counts(9, 2), true, true, true),
            (counts(9, 0), false, false, true),
            (counts(8, 3), false, true, false),
        ] {
            note.has_letters = has_letters;
            let error = note.other_counts(range, found, stated);
            let said = matches!(error, RecalculateError::NotPublished { .. });
            assert_eq!(said, is_gone, "{error}");
            assert_eq!(error.to_string().contains("--rejects"), names, "{error}");
        }
        note.hidden = "it".to_owned();
        let error = note.other_counts(range, counts(0, 0), stated);
        assert!(matches!(error, RecalculateError::Hidden { .. }), "{error}");
    }
}
