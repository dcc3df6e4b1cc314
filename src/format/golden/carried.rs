//! What a segment says of messages that carry something of their events.

use super::*;
use crate::{
    calculation::{Carry, Evaluator, builtin},
    events::Fields,
    format::{Accumulation, Identity, RangeOutcomes, SegmentKind},
    model::{Event, Offset},
};

const KEYS: [Option<&[u8]>; 3] = [Some(b"customer-1"), None, Some(b"")];

fn carried() -> crate::format::Encoded {
    let evaluator = Evaluator::new(Fields::default(), builtin("square").unwrap()).unwrap();
    let evaluator = evaluator.with_carry(Carry::parse("key, timestamp").unwrap());
    let events = KEYS.into_iter().enumerate().map(|(at, key)| Event {
        offset: Offset::ZERO.plus(100 + at as u64),
        timestamp: Some(1_700_000_000_000 + at as i64),
        key,
        payload: Some(br#"{"number":7}"#),
    });
    let evaluated = evaluator.evaluate(events).unwrap();
    let outcomes = RangeOutcomes::new(range(100, 103), evaluated).unwrap();
    let mut accumulation = Accumulation::new(outcomes.range().start());
    accumulation.append(&outcomes).unwrap();
    let identity = Identity {
        declaration: evaluator.declaration(),
        ..identity("golden")
    };
    accumulation.close(&identity).unwrap()
}

#[test]
fn a_golden_segment_of_results_that_carry_keys_says_so_twice() {
    let bytes = golden("v1/carried-results.parquet", || {
        carried().results.unwrap().bytes.to_vec()
    });
    let reader = read_segment(bytes.into()).unwrap();
    let facts = reader.facts().clone();
    assert_eq!(facts.kind, SegmentKind::Results);
    assert_eq!(facts.declaration.carry.as_deref(), Some("key, timestamp"));
    // Whoever reads it makes the same evaluator of it, and its messages again.
    let known = crate::calculation::Calculations::new(builtin);
    let evaluator = known.evaluator(&facts.declaration).unwrap();
    let batch = reader.map(Result::unwrap).next().unwrap();
    assert!(crate::events::columns::carries_keys(batch.schema_ref()));
    assert_eq!(batch.schema(), evaluator.results_schema());
    assert_eq!(batch, {
        let now = carried().results.unwrap().bytes;
        read_segment(now).unwrap().next().unwrap().unwrap()
    });
    let keys = crate::events::columns::keys(&batch).unwrap();
    assert_eq!(keys.iter().collect::<Vec<_>>(), KEYS);
}
