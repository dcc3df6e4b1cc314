//! What the output topics take. A message larger than that is never sent: a transaction that holds one fails as a whole.
//!
//! A result too large becomes a reject. A dead letter too large is cut down until it fits, and says so; the snapshot holds
//! the event complete.

use arrow_array::{BooleanArray, cast::AsArray, types::Int64Type};
use arrow_select::filter::filter_record_batch;

use super::WorkerError;
use crate::{
    audit::ResultsTopic,
    calculation::Evaluated,
    events::{self, MessageBuffer},
    kafka::{Admin, Batch, KafkaError},
    model::{Digest, Offset, Reject},
    recovery::Limits,
};

/// What a broker counts beside key, value and headers: the batch around the message, and the lengths in it.
const FRAME: usize = 128;
/// The same for each header.
const HEADER_FRAME: usize = 12;

const TRUNCATED: &str = "snapback-payload-bytes";
const DIGEST: &str = "snapback-payload-digest";
const HEADERS_LEFT_OUT: &str = "snapback-headers-left-out";
const KEY_LEFT_OUT: &str = "snapback-key-bytes";
const KEY_MADE_OF: &str = "snapback-key-made-of";

/// Asks the broker for the largest messages that the two output topics take.
pub(super) fn ask(admin: &Admin, results: &str, rejects: &str) -> Limits {
    let limit = |topic| usual(topic, limit(admin, topic));
    Limits {
        results: limit(results),
        rejects: limit(rejects),
    }
}

/// The results topic as those who recalculate stored history need it.
///
/// # Errors
/// When the broker does not tell its limit.
pub fn results_topic(admin: &Admin, name: &str) -> Result<ResultsTopic, KafkaError> {
    let limit = limit(admin, name)?.unwrap_or(Limits::USUAL);
    Ok(ResultsTopic {
        name: name.to_owned(),
        limit,
        too_large,
    })
}

/// The same while the broker does not tell its limit.
#[must_use]
pub fn untold_results_topic(name: &str) -> ResultsTopic {
    ResultsTopic {
        name: name.to_owned(),
        limit: Limits::USUAL,
        too_large,
    }
}

/// The limit that the broker tells, or what brokers usually have.
fn usual(topic: &str, told: Result<Option<u64>, KafkaError>) -> u64 {
    match told {
        Ok(limit) => limit.unwrap_or(Limits::USUAL),
        Err(error) => {
            let usual = Limits::USUAL;
            tracing::warn!("{error}; {topic} is taken to accept messages of {usual} bytes");
            usual
        }
    }
}

fn limit(admin: &Admin, topic: &str) -> Result<Option<u64>, KafkaError> {
    let limit = admin.topic_config(topic, "max.message.bytes")?;
    Ok(limit.and_then(|limit| limit.parse().ok()))
}

/// The indices of the messages that are larger than `limit`, ascending.
pub(super) fn too_large(messages: &MessageBuffer, limit: u64) -> Vec<usize> {
    let fits = |bytes: usize| (bytes + FRAME) as u64 <= limit;
    // Nearly always all of them together are smaller than one may be, or the largest that there can be is.
    if fits(messages.bytes()) {
        return Vec::new();
    }
    let all = 0..messages.len();
    all.filter(|index| !fits(messages.size(*index))).collect()
}

/// Makes rejects of the results at `rows`, whose messages are too large for the results topic.
pub(super) fn reject_results(
    evaluated: Evaluated,
    rows: &[usize],
    messages: &MessageBuffer,
    batch: &Batch,
    (topic, limit): (&str, u64),
) -> Result<Evaluated, WorkerError> {
    let Evaluated {
        results,
        mut rejects,
        filtered,
    } = evaluated;
    let offsets = results.column(0).as_primitive::<Int64Type>().values();
    let mut keep = vec![true; results.num_rows()];
    for row in rows {
        keep[*row] = false;
        let event = batch
            .iter()
            .find(|event| Offset::new(offsets[*row]) == Some(event.offset));
        let bytes = messages.size(*row);
        let reason = events::too_large(bytes, topic, limit);
        rejects.extend(event.map(|event| Reject::of(&event, reason)));
    }
    rejects.sort_by_key(|reject| reject.offset);
    let results = filter_record_batch(&results, &BooleanArray::from(keep))?;
    Ok(Evaluated {
        results,
        rejects,
        filtered,
    })
}

/// A header of a message: its name, and its value if it has one.
pub(super) type Header = (String, Option<Vec<u8>>);

/// A dead letter before it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DeadLetter<'a> {
    pub key: Option<&'a [u8]>,
    pub payload: Option<&'a [u8]>,
    /// The event's own headers.
    pub original: Vec<Header>,
    /// Ours.
    pub headers: Vec<Header>,
}

impl<'a> DeadLetter<'a> {
    /// The whole letter. `original` is `None` when the event has headers that no client reads, which the letter says.
    pub fn new(reject: &'a Reject, original: Option<Vec<Header>>, headers: Vec<Header>) -> Self {
        let unread = original.is_none();
        let mut letter = DeadLetter {
            key: reject.key.as_deref(),
            payload: reject.payload.as_deref(),
            original: original.unwrap_or_default(),
            headers,
        };
        if unread {
            letter.say(HEADERS_LEFT_OUT, "all".to_owned());
        }
        letter
    }

    fn bytes(&self) -> usize {
        let headers = self.original.iter().chain(&self.headers);
        let headers = headers
            .map(|(name, value)| HEADER_FRAME + name.len() + value.as_ref().map_or(0, Vec::len));
        let body = [self.key, self.payload]
            .into_iter()
            .flatten()
            .map(<[u8]>::len);
        FRAME + headers.sum::<usize>() + body.sum::<usize>()
    }

    /// Gives a letter without a key `source` for one, as compacted topics want it, and a header that says so.
    pub fn with_key(mut self, source: Option<&'a str>) -> Self {
        if let (None, Some(source)) = (self.key, source) {
            self.key = Some(source.as_bytes());
            self.say(KEY_MADE_OF, "source".to_owned());
        }
        self
    }

    /// Cuts the end of the payload off, then the event's headers, then its key, until the letter has at most `limit` bytes.
    /// Headers tell what is missing, and the digest of the whole payload. `source` is the key of a letter that has none
    /// where it must have one.
    pub fn fit(self, limit: u64, source: Option<&'a str>) -> Self {
        let mut letter = self.with_key(source);
        let has_source = letter.key == source.map(str::as_bytes);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        if letter.bytes() <= limit {
            return letter;
        }
        let payload = letter.payload.unwrap_or_default();
        letter.say(TRUNCATED, payload.len().to_string());
        letter.say(DIGEST, Digest::of(payload).to_string());
        let without_payload =
            |letter: &Self| letter.bytes() - letter.payload.map_or(0, <[u8]>::len);
        if without_payload(&letter) > limit && !letter.original.is_empty() {
            let left_out = letter.original.len().to_string();
            letter.original.clear();
            letter.say(HEADERS_LEFT_OUT, left_out);
        }
        if without_payload(&letter) > limit
            && !has_source
            && let Some(key) = letter.key.take()
        {
            letter.say(KEY_LEFT_OUT, key.len().to_string());
            letter = letter.with_key(source);
        }
        let room = limit.saturating_sub(without_payload(&letter));
        letter.payload = letter
            .payload
            .map(|payload| &payload[..payload.len().min(room)]);
        letter
    }

    fn say(&mut self, name: &str, value: String) {
        self.headers
            .push((name.to_owned(), Some(value.into_bytes())));
    }
}

#[cfg(test)]
mod tests;
