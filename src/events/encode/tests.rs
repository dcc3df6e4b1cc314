use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray,
};
use proptest::prelude::*;
use serde_json::value::RawValue;

use super::*;

fn encoded(columns: Vec<(&str, ArrayRef)>) -> Vec<(String, String)> {
    let rows = columns[0].1.len();
    let offsets: ArrayRef = Arc::new(Int64Array::from_iter_values(
        0..i64::try_from(rows).unwrap(),
    ));
    let all = [("kafka_offset", offsets)].into_iter().chain(columns);
    let batch = RecordBatch::try_from_iter(all).unwrap();
    let mut messages = MessageBuffer::new();
    let encoder = ResultEncoder::new("events", &batch.schema()).unwrap();
    encoder.encode(Partition(3), &batch, &mut messages).unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    messages.iter().map(|(k, v)| (text(k), text(v))).collect()
}

fn decimals(values: Vec<Option<i128>>, precision: u8, scale: i8) -> ArrayRef {
    let array = Decimal128Array::from(values);
    Arc::new(array.with_precision_and_scale(precision, scale).unwrap())
}

#[test]
fn a_message_names_its_source_and_has_the_fields_in_order_then_the_result() {
    let messages = encoded(vec![
        ("number", Arc::new(Int64Array::from(vec![7, -8]))),
        ("result", decimals(vec![Some(49), Some(64)], 38, 0)),
    ]);
    let expected = [
        ("events/3/0", r#"{"number":7,"result":49}"#),
        ("events/3/1", r#"{"number":-8,"result":64}"#),
    ];
    assert_eq!(
        messages,
        expected.map(|(k, v)| (k.to_owned(), v.to_owned()))
    );
}

#[test]
fn each_type_is_written_exactly() {
    let one = |column: ArrayRef| {
        encoded(vec![("x", column)])
            .into_iter()
            .map(|(_, v)| v)
            .collect::<Vec<_>>()
    };
    let x = |values: &[&str]| {
        values
            .iter()
            .map(|v| format!("{{\"x\":{v}}}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        one(decimals(vec![Some(150), Some(-5), Some(0), None], 5, 2)),
        x(&["1.50", "-0.05", "0.00", "null"])
    );
    let largest = 10_i128.pow(38) - 1;
    assert_eq!(
        one(decimals(vec![Some(-largest), Some(1)], 38, 38)),
        x(&[&format!("-0.{largest}"), &format!("0.{}1", "0".repeat(37))])
    );
    assert_eq!(
        one(decimals(vec![Some(largest)], 38, 0)),
        x(&[&largest.to_string()])
    );
    assert_eq!(
        one(Arc::new(Float64Array::from(vec![
            0.1,
            1e16,
            1e-7,
            -0.0,
            f64::NAN
        ]))),
        x(&["0.1", "1e16", "1e-7", "-0.0", "null"])
    );
    assert_eq!(
        one(Arc::new(StringArray::from(vec![
            Some("a\"\\\n\u{0}é"),
            None,
            Some("")
        ]))),
        x(&["\"a\\\"\\\\\\n\\u0000é\"", "null", "\"\""])
    );
    assert_eq!(
        one(Arc::new(BooleanArray::from(vec![
            Some(true),
            Some(false),
            None
        ]))),
        x(&["true", "false", "null"])
    );
    assert_eq!(
        one(Arc::new(Int64Array::from(vec![i64::MIN, i64::MAX]))),
        x(&[&i64::MIN.to_string(), &i64::MAX.to_string()])
    );
}

#[test]
fn a_buffer_is_added_to_and_cleared() {
    let batch = RecordBatch::try_from_iter([
        (
            "kafka_offset",
            Arc::new(Int64Array::from(vec![5])) as ArrayRef,
        ),
        ("result", Arc::new(Int64Array::from(vec![1]))),
    ])
    .unwrap();
    let encoder = ResultEncoder::new("t", &batch.schema()).unwrap();
    let mut messages = MessageBuffer::new();
    encoder.encode(Partition(0), &batch, &mut messages).unwrap();
    encoder.encode(Partition(1), &batch, &mut messages).unwrap();
    assert_eq!((messages.len(), messages.iter().len()), (2, 2));
    assert_eq!(
        messages.get(1),
        Some((b"t/1/5".as_slice(), b"{\"result\":1}".as_slice()))
    );
    assert_eq!(messages.iter().nth(1), messages.get(1));
    assert_eq!((messages.get(2), messages.bytes()), (None, 34));
    messages.clear();
    assert!(messages.is_empty() && messages.iter().next().is_none());
}

#[test]
fn other_columns_than_the_encoder_was_made_for_are_an_error_and_add_nothing() {
    let batch = |result: ArrayRef| {
        let offset: ArrayRef = Arc::new(Int64Array::from(vec![5]));
        RecordBatch::try_from_iter([("kafka_offset", offset), ("result", result)]).unwrap()
    };
    let numbers = batch(Arc::new(Int64Array::from(vec![1])));
    let texts = batch(Arc::new(StringArray::from(vec!["1"])));
    let encoder = ResultEncoder::new("t", &numbers.schema()).unwrap();
    let mut messages = MessageBuffer::new();
    let error = encoder
        .encode(Partition(0), &texts, &mut messages)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "column \"result\" must be Int64, but the results have Utf8"
    );
    assert!(messages.is_empty());
    let bytes = batch(Arc::new(arrow_array::BinaryArray::from_vec(vec![b"1"])));
    assert!(matches!(
        ResultEncoder::new("t", &bytes.schema()),
        Err(EncodeError::Type { .. })
    ));
}

proptest! {
    #[test]
    fn what_is_written_is_json_that_reads_back_as_the_same(
        rows in prop::collection::vec((any::<i64>(), any::<f64>(), ".*", -10_i128.pow(38) + 1..10_i128.pow(38)), 1..5),
        scale in 0_i8..=38,
        name in "[^\u{0}-\u{1f}]{1,8}",
    ) {
        prop_assume!(!["kafka_offset", "kafka_timestamp", "key", "b", "c", "d"].contains(&name.as_str()));
        let finite = |f: f64| if f.is_finite() { f } else { 0.5 };
        let decimal: Vec<_> = rows.iter().map(|r| Some(r.3)).collect();
        let decimal = decimals(decimal, 38, scale);
        let expected = decimal.as_primitive::<arrow_array::types::Decimal128Type>().clone();
        let messages = encoded(vec![
            (&name, Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.0)))),
            ("b", Arc::new(Float64Array::from_iter_values(rows.iter().map(|r| finite(r.1))))),
            ("c", Arc::new(StringArray::from_iter_values(rows.iter().map(|r| &r.2)))),
            ("d", decimal),
        ]);
        for (row, ((key, value), (int, float, text, _))) in messages.iter().zip(rows).enumerate() {
            prop_assert_eq!(key, &format!("events/3/{row}"));
            let object: std::collections::HashMap<String, &RawValue> = serde_json::from_str(value).unwrap();
            prop_assert_eq!(object[&name].get(), int.to_string());
            let read: f64 = object["b"].get().parse().unwrap();
            prop_assert_eq!(read.to_bits(), finite(float).to_bits());
            prop_assert_eq!(serde_json::from_str::<String>(object["c"].get()).unwrap(), text);
            prop_assert_eq!(object["d"].get(), expected.value_as_string(row));
        }
    }
}

#[test]
fn what_is_made_of_stored_fields_is_read_as_the_same_values() {
    use super::super::{Decoder, Fields, Format};
    const FIELDS: &str = "y BIGINT PATH '$.x.y', z VARCHAR PATH '$.x.l[2].z', e DECIMAL(9,2) FROM STRING PATH '$.x.e', \
                          j JSON, k BIGINT PATH '$.j.k', u UUID PATH '$.j.u', first DOUBLE PATH '$.x.l[0]', at TIMESTAMP, day DATE";
    let decoded = |fields: &Fields, payloads: &[Vec<u8>]| {
        let decoder = Decoder::new(Format::Json, fields.clone());
        let mut rows = decoder.rows(payloads.len());
        for payload in payloads {
            decoder.decode(Some(payload), &mut rows).unwrap();
        }
        RecordBatch::try_new(fields.schema().into(), rows.finish().unwrap()).unwrap()
    };
    let fields = Fields::parse(FIELDS).unwrap();
    let events = [
        r#"{"x":{"y":1,"l":[0.5,null,{"z":"q"}],"e":"1.50"},"j":{"k":7,"u":"123e4567-e89b-12d3-a456-426614174000"},"at":"2024-05-01T00:00:00.500Z","day":"2024-05-01"}"#,
        r#"{"x":{"y":null,"l":[null,null,{"z":null}],"e":null},"j":[ 1 , "k" ],"at":null,"day":null}"#,
        r#"{"x":{"y":-1,"l":[null,null,{"z":"\""}],"e":"-0.05"},"j":null,"at":null,"day":null}"#,
    ];
    let events = events.map(|event| event.as_bytes().to_vec());
    let stored = decoded(&fields, &events);
    let payloads = Payloads::of(&stored, &fields);
    let made: Vec<Vec<u8>> = (0..3).map(|row| payloads.get(row)).collect();
    let text = |made: &[u8]| String::from_utf8(made.to_vec()).unwrap();
    assert_eq!(
        made.iter().map(|one| text(one)).collect::<Vec<_>>(),
        events.map(|one| text(&one))
    );
    assert_eq!(decoded(&fields, &made), stored);
    // Under another declaration, each field stands where that one looks for it; what it does not know under its own name,
    // unless the other has it in its way.
    let other = Fields::parse("k BIGINT PATH '$.z.k', y BIGINT FROM STRING").unwrap();
    let placed = fields
        .stored_in(stored.schema_ref())
        .unwrap()
        .placed(&other);
    let other = Payloads::of(&stored, &placed).get(0);
    assert_eq!(
        text(&other),
        r#"{"y":"1","e":1.50,"j":{"k":7,"u":"123e4567-e89b-12d3-a456-426614174000"},"z":{"k":7},"u":"123e4567-e89b-12d3-a456-426614174000","first":0.5,"at":"2024-05-01T00:00:00.500Z","day":"2024-05-01"}"#
    );
}
