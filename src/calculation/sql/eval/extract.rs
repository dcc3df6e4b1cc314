//! `json_extract_string(text, 'path')`

use std::sync::Arc;

use arrow_array::{Array as _, StringArray, builder::StringBuilder, cast::AsArray as _};
use arrow_buffer::BooleanBuffer;
use arrow_schema::ArrowError;

use super::value::{Batch, Value, extent};
use crate::{
    calculation::sql::{
        functions::Function,
        tree::{Kind, Node, Scalar},
    },
    events::{JsonPath, ReasonCode},
};

pub(super) fn call(
    arguments: &[Node],
    values: &[Value],
    batch: &Batch,
) -> Result<Value, ArrowError> {
    // The gate has read it before.
    let path = arguments.get(1).and_then(|path| match &path.kind {
        Kind::Literal(Scalar::Text(path)) => JsonPath::parse(path).ok(),
        _ => None,
    });
    let (Some(path), [value, ..]) = (path, values) else {
        let message = format!("{arguments:?} are no text and path");
        return Err(ArrowError::InvalidArgumentError(message));
    };
    let (rows, constant) = extent(&[value], batch.rows);
    let given: &StringArray = value.array.as_string();
    let mut texts = StringBuilder::with_capacity(rows, rows * 16);
    let mut bad = None;
    for row in 0..rows {
        let found = match given.is_null(row) {
            true => Ok(None),
            false => path.extract(given.value(row)),
        };
        match found {
            Ok(found) => texts.append_option(found),
            Err(_) => {
                bad.get_or_insert_with(|| vec![false; rows])[row] = true;
                texts.append_null();
            }
        }
    }
    let text = value.clone();
    let why = move |row| {
        let given: &StringArray = text.array.as_string();
        let what = path.extract(given.value(text.at(row))).err();
        let what = what.map(|what| what.to_string()).unwrap_or_default();
        ReasonCode::BadArgument.because(format_args!(
            "{}({}, '{path}'): {what}",
            Function::JsonExtractString.definition().name,
            text.shown(row)
        ))
    };
    let faults = value.faults.clone();
    Ok(Value {
        array: Arc::new(texts.finish()),
        constant,
        faults: faults.with(bad.map(BooleanBuffer::from), constant, why),
    })
}
