//! Whether published outcomes are what their own fields, or payloads, give.

use super::super::RecalculateError;
use crate::{
    calculation::{Evaluated, Evaluator},
    events::{MessageBuffer, ReasonCode, ResultEncoder, columns, reason_code},
    model::{Event, Offset, OffsetRange, Partition, Reject},
};

/// The message of a result, outliving its batch, and what is known of its event.
#[derive(Clone, Debug)]
pub(super) struct Published {
    pub offset: Offset,
    pub timestamp: Option<i64>,
    pub key: Option<Vec<u8>>,
    pub value: Vec<u8>,
}

/// What they are held to.
pub(super) struct Proof<'p> {
    pub evaluator: &'p Evaluator,
    /// The topic of the events, and its partition.
    pub events: &'p str,
    pub partition: Partition,
    /// What is made again.
    pub range: OffsetRange,
}

impl Proof<'_> {
    /// The results that messages are of, calculated again: each gives its message, byte for byte.
    pub fn results(&self, messages: &[Published]) -> Result<Evaluated, RecalculateError> {
        let events = messages.iter().map(|one| Event {
            offset: one.offset,
            timestamp: one.timestamp,
            key: one.key.as_deref(),
            payload: Some(&one.value),
        });
        let evaluated = self.evaluator.evaluate_messages(events)?;
        let wrong = |offset: Offset, gives: String| {
            self.refuse(format!(
                "the message of offset {offset} is not what its fields give: {gives}"
            ))
        };
        if let Some(reject) = evaluated.rejects.first() {
            return Err(wrong(reject.offset, format!("a reject, {}", reject.reason)));
        }
        if let Some(offset) = evaluated.filtered.first() {
            return Err(wrong(*offset, "it is filtered".to_owned()));
        }
        let encoder = ResultEncoder::new(self.events, evaluated.results.schema_ref())?;
        let mut again = MessageBuffer::new();
        encoder.encode(self.partition, &evaluated.results, &mut again)?;
        for (row, one) in messages.iter().enumerate() {
            let value = again.get(row).map(|(_, value)| value);
            if value != Some(one.value.as_slice()) {
                let value = String::from_utf8_lossy(value.unwrap_or_default());
                return Err(wrong(one.offset, value.chars().take(200).collect()));
            }
        }
        Ok(evaluated)
    }

    /// Every one is rejected again, for the same reason.
    pub fn rejects(&self, rejects: &[Reject]) -> Result<(), RecalculateError> {
        let events = rejects.iter().map(|reject| Event {
            offset: reject.offset,
            timestamp: reject.timestamp,
            key: reject.key.as_deref(),
            payload: reject.payload.as_deref(),
        });
        let again = self.evaluator.evaluate(events)?;
        let mut rejected = again.rejects.iter().peekable();
        let has_result = columns::offsets(&again.results).unwrap_or_default();
        for reject in rejects {
            let (offset, code) = (reject.offset, reason_code(&reject.reason));
            let now = rejected.next_if(|now| now.offset == offset);
            let is_same = match now {
                Some(now) => reason_code(&now.reason) == code,
                // The topic's limit decided that, not the calculation.
                None => {
                    ReasonCode::parse(code) == Some(ReasonCode::TooLarge)
                        && has_result.binary_search(&offset.get()).is_ok()
                }
            };
            if !is_same {
                return Err(self.refuse(format!(
                    "the payload in the dead letter of offset {offset} is not rejected for its reason, {code}"
                )));
            }
        }
        Ok(())
    }

    fn refuse(&self, detail: String) -> RecalculateError {
        RecalculateError::not_taken(self.range, detail)
    }
}
