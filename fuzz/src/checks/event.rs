//! Payloads of events, which anybody who can write to the topic can make.

use std::sync::{Arc, LazyLock};

use snapback::arrow_array::{Array, RecordBatch, StringArray};
use snapback::arrow_schema::{DataType, Field, Schema};
use snapback::model::{Event, Offset, Partition, Reject};
use snapback::{
    calculation::{Calculation, CalculationError, Evaluator, Outcomes, builtin},
    events::{Fields, Form, MessageBuffer, ReasonCode, ResultEncoder, reason_code},
};

/// The longest reason there is, in characters.
const LONGEST_REASON: usize = 500;

/// An event that is a result under every declaration below.
const GOOD: &[u8] = br#"{"number": 7, "text": "seven", "flag": true, "a \"n\u00e4me\"": 1, "n": "7", "at": "2024-05-01T00:00:00Z", "day": "2024-05-01", "doc": {"x": [1]}}"#;

/// A field that no payload has.
const UNUSED: &str = "never sent";

/// One number under its two paths of decoding, then every type, NOT NULL and not.
const DECLARATIONS: [(&str, &str); 11] = [
    ("number BIGINT NOT NULL", "square"),
    (
        "number BIGINT NOT NULL, \"never sent\" VARCHAR",
        "square(number)",
    ),
    ("number BIGINT", "square"),
    ("number DOUBLE, text VARCHAR", "square(number)"),
    (
        "flag BOOLEAN, number DECIMAL(38,6), text VARCHAR NOT NULL",
        "square(number)",
    ),
    (
        "number DECIMAL(18,2) NOT NULL, flag BOOLEAN NOT NULL",
        "square(number)",
    ),
    (
        "\"a \"\"n\u{e4}me\"\"\" BIGINT, number DECIMAL(19,18)",
        "square(\"a \"\"n\u{e4}me\"\"\")",
    ),
    ("text VARCHAR", "echo"),
    (
        "number BIGINT NOT NULL PATH \"$.number\", n BIGINT PATH \"$.a.b[1].c\", m DOUBLE PATH \"$.a.b[0]\", text VARCHAR PATH \"$.a.t\"",
        "square(number)",
    ),
    (
        "n BIGINT FROM STRING, i INTEGER PATH \"$.number\", at TIMESTAMP, day DATE, doc JSON, u UUID",
        "coalesce(i, 0)",
    ),
    (
        "text VARCHAR PATH \"$['a \"\"n\u{e4}me\"\"'].text\", number BIGINT NOT NULL",
        "square(number)",
    ),
];

struct Declared {
    evaluator: Evaluator,
    encoder: ResultEncoder,
    good: Message,
    /// Whether a field is found elsewhere in the event than in the result message, or written otherwise.
    nested: bool,
}

/// A result message, or a reject.
type Outcome = Result<(RecordBatch, Message), Reject>;
type Message = (Vec<u8>, Vec<u8>);

static DECLARED: LazyLock<Vec<Declared>> = LazyLock::new(|| {
    let declared = DECLARATIONS.into_iter().map(|(fields, calculation)| {
        let fields = Fields::parse(fields).expect("a declaration");
        let calculation = match calculation {
            "echo" => Arc::new(Echo),
            other => builtin(other).expect("a calculation"),
        };
        let evaluator = Evaluator::new(fields, calculation).expect("fields of such types");
        let encoder = ResultEncoder::new("events", &evaluator.results_schema()).expect("columns");
        let mut fields = evaluator.fields().iter();
        let nested = fields.any(|field| field.path.is_some() || field.form == Form::FromString);
        let declared = Declared {
            nested,
            evaluator,
            encoder,
            good: Message::default(),
        };
        let (_, good) = declared.outcome(GOOD).expect("a result");
        Declared { good, ..declared }
    });
    declared.collect()
});

/// Any bytes as the payload of an event.
pub fn check(data: &[u8]) {
    let outcomes: Vec<Outcome> = DECLARED.iter().map(|way| examine(way, data)).collect();
    assert_same_on_both_paths(&outcomes[0], &outcomes[1]);
}

fn examine(way: &Declared, payload: &[u8]) -> Outcome {
    let outcome = way.outcome(payload);
    match &outcome {
        Ok((results, message)) => {
            let value: serde_json::Value =
                serde_json::from_slice(&message.1).expect("a result message is JSON");
            assert!(value.is_object());
            if !way.nested {
                let (again, written) = way.outcome(&message.1).expect("a result is a good event");
                assert_eq!((results, message), (&again, &written));
            }
            let outcomes = way.evaluator.recalculate(results).expect("stored results");
            let stored = results.column(results.num_columns() - 1);
            assert_eq!(outcomes.columns[0].as_ref(), stored.as_ref());
            assert!(outcomes.rejections.is_empty());
        }
        Err(reject) => {
            assert_eq!(reject.payload.as_deref(), Some(payload));
            let reason = &reject.reason;
            assert!(ReasonCode::parse(reason_code(reason)).is_some(), "{reason}");
            assert!(reason.chars().count() <= LONGEST_REASON, "{reason}");
            assert!(!reason.contains(char::is_control), "{reason:?}");
        }
    }
    way.assert_alone_in_its_batch(payload, &outcome);
    outcome
}

impl Declared {
    /// What becomes of an event alone.
    fn outcome(&self, payload: &[u8]) -> Outcome {
        let evaluated = self.evaluator.evaluate([event(1, payload)].into_iter());
        let mut evaluated = evaluated.expect("no event stops the processor");
        let (results, rejects) = (evaluated.results.num_rows(), evaluated.rejects.len());
        assert_eq!(results + rejects, 1, "an event is one outcome");
        match evaluated.rejects.pop() {
            Some(reject) => Err(reject),
            None => {
                let message = self.messages(&evaluated.results).remove(0);
                Ok((evaluated.results, message))
            }
        }
    }

    fn messages(&self, results: &RecordBatch) -> Vec<Message> {
        let mut buffer = MessageBuffer::new();
        self.encoder
            .encode(Partition(0), results, &mut buffer)
            .expect("results have their own columns");
        let messages = buffer.iter();
        messages
            .map(|(key, value)| (key.to_vec(), value.to_vec()))
            .collect()
    }

    /// Between others, the event's outcome is the same, and so are theirs.
    fn assert_alone_in_its_batch(&self, payload: &[u8], outcome: &Outcome) {
        let events = [event(0, GOOD), event(1, payload), event(2, GOOD)];
        let evaluated = self.evaluator.evaluate(events.into_iter());
        let evaluated = evaluated.expect("no event stops the processor");
        let messages = self.messages(&evaluated.results);
        let values: Vec<&[u8]> = messages.iter().map(|(_, value)| value.as_slice()).collect();
        let good = self.good.1.as_slice();
        match outcome {
            Ok((_, (_, value))) => assert_eq!(values, [good, value, good]),
            Err(_) => assert_eq!(values, [good, good]),
        }
        let reject = outcome.as_ref().err();
        assert_eq!(
            evaluated.rejects.iter().collect::<Vec<_>>(),
            Vec::from_iter(reject)
        );
    }
}

fn event(offset: i64, payload: &[u8]) -> Event<'_> {
    Event {
        offset: Offset::new(offset).expect("a small number"),
        timestamp: None,
        key: None,
        payload: Some(payload),
    }
}

/// The scan for one whole number accepts and rejects what the general path does, for the same reasons.
fn assert_same_on_both_paths(scanned: &Outcome, general: &Outcome) {
    let number = |results: &RecordBatch| results.column(3).to_data();
    match (scanned, general) {
        (Ok((scanned, _)), Ok((general, _))) => assert_eq!(number(scanned), number(general)),
        // The payload has the field that no payload has.
        (_, Err(reject)) if reject.reason.contains(UNUSED) => {}
        (Err(scanned), Err(general)) => assert_eq!(scanned, general),
        (scanned, general) => panic!("{scanned:?} in the scan, {general:?} in general"),
    }
}

/// A calculation of a user's own, whose results and reasons are what the event says.
struct Echo;

impl Calculation for Echo {
    fn name(&self) -> &str {
        "echo"
    }

    fn version(&self) -> u32 {
        1
    }

    fn output(&self, _: &Schema) -> Result<snapback::arrow_schema::Fields, CalculationError> {
        Ok(vec![Field::new("result", DataType::Utf8, false)].into())
    }

    fn calculate(&self, batch: &RecordBatch) -> Result<Outcomes, CalculationError> {
        let texts = batch.column(0).as_any().downcast_ref::<StringArray>();
        let texts = texts.expect("a VARCHAR column");
        let refused = |(row, text): (usize, Option<&str>)| {
            let reason = text?.strip_prefix('!')?;
            Some((row, reason.to_owned()))
        };
        Ok(Outcomes {
            columns: vec![batch.column(0).clone()],
            rejections: texts.iter().enumerate().filter_map(refused).collect(),
        })
    }
}
