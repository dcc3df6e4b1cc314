//! A batch of stored rows as what is published for them. Pure.

use arrow_array::{Array as _, BinaryArray, RecordBatch, cast::AsArray as _};

use super::message::{Body, Letter};
use crate::{
    events::{MessageBuffer, ResultEncoder, columns, reason_code},
    format::{OutcomeKind, correction_kinds, split_corrections},
    model::{Digest, Partition},
};

/// What the rows of a segment are read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// Results, and their messages.
    Results,
    /// Rejects, and their letters.
    Rejects,
    /// Of corrections: the kinds that the outcomes had before.
    Before,
    /// Of corrections: those to results, and their messages.
    CorrectedResults,
    /// Of corrections: those to rejects, which take back a result.
    TakenBack,
    /// Of corrections: those to rejects, and their letters.
    CorrectedRejects,
}

/// The rows of a batch that are of the kind that is asked for.
#[derive(Default)]
pub(super) struct Rows {
    offsets: Vec<i64>,
    contents: Contents,
    /// The first offset after the whole batch.
    end: Option<i64>,
}

#[derive(Default)]
enum Contents {
    #[default]
    Nothing,
    /// The messages, and the keys of their events.
    Messages(MessageBuffer, Option<BinaryArray>),
    /// The batch, and which of its rows are meant.
    Letters(RecordBatch, Vec<usize>),
    Before(Vec<Option<OutcomeKind>>),
}

impl Rows {
    /// Reads a batch; `None` when it has not the columns that it should have.
    pub fn of(what: What, topic: &str, partition: Partition, batch: &RecordBatch) -> Option<Rows> {
        let all = columns::offsets(batch)?;
        let end = all.last().map(|last| last + 1);
        let messages = |results: &RecordBatch| {
            let encoder = ResultEncoder::new(topic, results.schema_ref()).ok()?;
            let mut messages = MessageBuffer::new();
            encoder.encode(partition, results, &mut messages).ok()?;
            // Corrections have their sources as keys.
            let keys = columns::keys(results).filter(|_| what == What::Results);
            Some(Contents::Messages(messages, keys.cloned()))
        };
        let (offsets, contents) = match what {
            What::Results => (all.to_vec(), messages(batch)?),
            What::Rejects => {
                let rows = (0..all.len()).collect();
                (all.to_vec(), Contents::Letters(batch.clone(), rows))
            }
            What::Before => {
                let kinds = correction_kinds(batch).ok()?.into_iter();
                let before = kinds.map(|kinds| kinds.before).collect();
                (all.to_vec(), Contents::Before(before))
            }
            What::CorrectedResults => {
                let results = split_corrections(batch).ok()?.results;
                let offsets = columns::offsets(&results)?.to_vec();
                (offsets, messages(&results)?)
            }
            What::TakenBack | What::CorrectedRejects => {
                let kinds = correction_kinds(batch).ok()?;
                let is_due = |row: &usize| match kinds[*row].now {
                    OutcomeKind::Result => false,
                    OutcomeKind::Reject => true,
                    OutcomeKind::Filtered => what == What::TakenBack,
                };
                let rows: Vec<usize> = (0..all.len()).filter(is_due).collect();
                let offsets = rows.iter().map(|row| all[*row]).collect();
                let contents = match what {
                    What::TakenBack => Contents::Nothing,
                    _ => Contents::Letters(batch.clone(), rows),
                };
                (offsets, contents)
            }
        };
        Some(Rows {
            offsets,
            contents,
            end,
        })
    }

    /// The offsets, ascending.
    pub fn offsets(&self) -> &[i64] {
        &self.offsets
    }

    /// The first offset after the batch, rows of other kinds included; `None` before the first batch.
    pub fn end(&self) -> Option<i64> {
        self.end
    }

    /// Of corrections: the kind of a row's outcome before, where that is known.
    pub fn before(&self, row: usize) -> Option<OutcomeKind> {
        match &self.contents {
            Contents::Before(kinds) => kinds.get(row).copied().flatten(),
            _ => None,
        }
    }

    /// Whether a message may have had the key of the row's event: not where it had none.
    pub fn may_carry(&self, row: usize) -> bool {
        match &self.contents {
            Contents::Messages(_, Some(keys)) => keys.is_valid(row),
            _ => true,
        }
    }

    /// How a message differs from what is published for a row; `None` when it does not.
    pub fn difference(&self, row: usize, body: &Body<'_>) -> Option<String> {
        match (&self.contents, body) {
            (Contents::Messages(messages, _), Body::Value(value)) => {
                value_differs(messages, row, *value)
            }
            // Which of the two forms it has is not asked: a calculation that carries another thing leaves what is published.
            (Contents::Messages(messages, keys), Body::Carried(key, value)) => {
                let Some(keys) = keys else {
                    return Some("it has a key of its own, and is a correction".to_owned());
                };
                let stored = Some(keys).filter(|keys| keys.is_valid(row));
                let stored = stored.map(|keys| keys.value(row));
                if stored != Some(*key) {
                    let (is, stored) = (shown(Some(key)), shown(stored));
                    return Some(format!("its key is {is}, that of its event is {stored}"));
                }
                value_differs(messages, row, *value)
            }
            (Contents::Letters(batch, rows), Body::Letter(letter)) => match rows.get(row) {
                Some(row) => letter_differs(batch, *row, letter),
                None => Some("the stored reject cannot be read".to_owned()),
            },
            (Contents::Nothing, Body::Value(None)) => None,
            (Contents::Nothing, Body::Value(value)) => {
                Some(format!("it is {}, but takes back a result", shown(*value)))
            }
            _ => Some("it is a message of another kind".to_owned()),
        }
    }
}

fn value_differs(messages: &MessageBuffer, row: usize, value: Option<&[u8]>) -> Option<String> {
    let stored = messages.get(row).map(|(_, value)| value);
    (stored != value).then(|| format!("it is {}, stored is {}", shown(value), shown(stored)))
}

fn letter_differs(batch: &RecordBatch, row: usize, letter: &Letter<'_>) -> Option<String> {
    let binary = |name: &str| {
        let column = batch.column_by_name(name)?.as_binary_opt::<i32>()?;
        Some(column.is_valid(row).then(|| column.value(row)))
    };
    let reasons = batch.column_by_name("reason")?.as_string_opt::<i32>();
    let (Some(key), Some(payload), Some(reasons)) = (binary("key"), binary("payload"), reasons)
    else {
        return Some("the stored reject cannot be read".to_owned());
    };
    let reason = reasons.value(row);
    if reason_code(letter.reason) != reason_code(reason) {
        let said = letter.reason;
        return Some(format!("its reason is {said:?}, stored is {reason:?}"));
    }
    let same_payload = match letter.whole {
        None => letter.payload == payload,
        Some((bytes, digest)) => {
            let whole = payload.unwrap_or_default();
            whole.len() as u64 == bytes
                && whole.starts_with(letter.payload.unwrap_or_default())
                && Digest::of(whole) == digest
        }
    };
    if !same_payload {
        let said = shown(letter.payload);
        return Some(format!(
            "its payload is {said}, stored is {}",
            shown(payload)
        ));
    }
    let same_key = match letter.key_bytes {
        None => letter.key == key,
        Some(bytes) => key.map_or(0, <[u8]>::len) as u64 == bytes,
    };
    (!same_key).then(|| format!("its key is {}, stored is {}", shown(letter.key), shown(key)))
}

/// The beginning of a message's bytes, for people.
pub(super) fn shown(bytes: Option<&[u8]>) -> String {
    const MOST: usize = 100;
    match bytes {
        None => "null".to_owned(),
        Some(bytes) => {
            let text = String::from_utf8_lossy(&bytes[..bytes.len().min(MOST)]);
            let more = if bytes.len() > MOST { "…" } else { "" };
            format!(
                "{}{more}",
                text.escape_debug().to_string().replace("\\\"", "\"")
            )
        }
    }
}
