//! The reasons for which payloads are rejected, in words. Nothing here is on the path of a good event.

use std::str::Utf8Error;

use serde::de::IgnoredAny;

use super::super::super::{
    fields::{Field, FieldType, Form},
    path::{Path, Step},
    reason::{ReasonCode, excerpt},
};

/// A payload that is not UTF-8.
pub(super) fn not_utf8(payload: &[u8], error: Utf8Error) -> String {
    if let Some(reason) = schema_registry(payload) {
        return reason;
    }
    let at = error.valid_up_to();
    ReasonCode::NotUtf8.because(format_args!(
        "byte 0x{:02x} at position {at} of {} is not UTF-8; send JSON in UTF-8",
        payload[at],
        payload.len()
    ))
}

/// A payload that a serializer of a schema registry wrote: a zero, the schema's id in four bytes, and what it wrote.
fn schema_registry(payload: &[u8]) -> Option<String> {
    let [0, id @ ..] = payload.first_chunk::<5>()? else {
        return None;
    };
    let id = u32::from_be_bytes(*id);
    Some(ReasonCode::SchemaRegistry.because(format_args!(
        "the payload starts with the five bytes of a schema registry (0x00 and the schema id {id}), before {} bytes of Avro, Protobuf or JSON Schema; send JSON without them, as JsonConverter with schemas.enable=false does",
        payload.len() - 5
    )))
}

/// A text that is not one JSON object.
pub(super) fn not_an_object(text: &str) -> String {
    if let Some(reason) = schema_registry(text.as_bytes()) {
        return reason;
    }
    if text.trim_ascii().is_empty() {
        return ReasonCode::Empty.because("the payload has no text; send a JSON object");
    }
    if let Some(rest) = text.strip_prefix('\u{feff}') {
        return ReasonCode::NotJson.because(format_args!(
            "the payload starts with a byte-order mark, before {}; send JSON without one",
            excerpt(rest)
        ));
    }
    let is_object = text.trim_ascii_start().starts_with('{');
    let any = serde_json::from_str::<IgnoredAny>(text);
    if any.is_ok() && !is_object {
        return ReasonCode::NotObject.because(format_args!(
            "the payload is {}; send a JSON object with the declared fields",
            found(text.trim_ascii())
        ));
    }
    let Err(error) = &any else {
        return ReasonCode::NotJson.because("the payload is not JSON; send a JSON object");
    };
    if error.is_eof() {
        return ReasonCode::NotJson.because(format_args!(
            "the payload ends in the middle of its JSON, after {}; send a whole JSON object",
            excerpt(last(text))
        ));
    }
    let rest = &text[position(text, error)..];
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    let first_is_whole = values.next().is_some_and(|first| first.is_ok());
    if is_object && first_is_whole {
        return ReasonCode::NotJson.because(format_args!(
            "the payload goes on behind its JSON object, with {}; send one object in each event",
            excerpt(rest)
        ));
    }
    let advice = if rest.starts_with("NaN") || rest.starts_with("Infinity") {
        "; JSON has no NaN and no Infinity: send null and declare the field without NOT NULL"
    } else if rest.starts_with('\'') {
        "; JSON has no single quotes: send json.dumps(event), not str(event)"
    } else {
        "; send a JSON object"
    };
    ReasonCode::NotJson.because(format_args!(
        "the payload is not JSON from byte {} on, at {}{advice}",
        text.len() - rest.len(),
        excerpt(rest)
    ))
}

/// Where in `text` the parser stopped: a byte position on a character's boundary.
fn position(text: &str, error: &serde_json::Error) -> usize {
    let line: usize = text
        .split_inclusive('\n')
        .take(error.line().saturating_sub(1))
        .map(str::len)
        .sum();
    let at = line + error.column().saturating_sub(1);
    text.floor_char_boundary(at.min(text.len()))
}

/// The end of a long text.
fn last(text: &str) -> &str {
    &text[text.floor_char_boundary(text.len().saturating_sub(32))..]
}

/// A declared field that occurs twice, or a member on the path to one.
pub(super) fn duplicate(path: Option<&Path>) -> String {
    let steps = path.map(Path::steps).unwrap_or_default();
    let what = match (steps, path) {
        ([Step::Member(name)], _) => format!("field \"{}\"", excerpt(name)),
        (_, Some(path)) => format!("the member {}", excerpt(&path.to_string())),
        (_, None) => "a field".to_owned(),
    };
    ReasonCode::DuplicateField.because(format_args!("{what} occurs more than once; send it once"))
}

/// A field that is NOT NULL, but missing or null.
pub(super) fn absent(field: &Field, token: Option<&str>) -> String {
    let (code, how) = match token {
        None => (ReasonCode::MissingField, "missing"),
        Some(_) => (ReasonCode::NullField, "null"),
    };
    code.because(format_args!(
        "field {} is {how}; send it, or declare it {} without NOT NULL",
        name(field),
        field.declared()
    ))
}

/// A value that is not what the field was declared to be.
pub(super) fn value(field: &Field, token: &str, code: ReasonCode) -> String {
    let (declared, shown) = (field.data_type, field.declared());
    let (holds, advice) = match (code, declared) {
        (ReasonCode::OutOfRange, FieldType::BigInt) if field.form == Form::Integer => (
            format!("holds {} to {}", i32::MIN, i32::MAX),
            "declare it BIGINT",
        ),
        (ReasonCode::OutOfRange, FieldType::BigInt) if field.form == Form::SmallInt => (
            format!("holds {} to {}", i16::MIN, i16::MAX),
            "declare it INTEGER or BIGINT",
        ),
        (ReasonCode::OutOfRange, FieldType::Timestamp | FieldType::Date) => (
            "holds the years 1 to 9999, in UTC".to_owned(),
            "declare it VARCHAR",
        ),
        (ReasonCode::Fraction, FieldType::Timestamp) => (
            "holds microseconds".to_owned(),
            "send six digits after the point, or declare it VARCHAR",
        ),
        (ReasonCode::BadText, FieldType::Timestamp) => (
            "is a date, a time and an offset, such as 2024-05-01T12:30:00Z".to_owned(),
            "send it so, or declare it DATE or VARCHAR",
        ),
        (ReasonCode::BadText, FieldType::Date) => (
            "is a day, such as 2024-05-01".to_owned(),
            "send it so, or declare it TIMESTAMP or VARCHAR",
        ),
        (ReasonCode::BadText, FieldType::Varchar) => (
            "is 32 hexadecimal digits in five groups".to_owned(),
            "send it so, or declare it VARCHAR",
        ),
        (ReasonCode::BadText, _) => (
            "is a number in a string".to_owned(),
            "send it so, or declare it VARCHAR",
        ),
        (ReasonCode::WrongType, _) if field.form == Form::FromString => (
            "is a number in a string".to_owned(),
            match token.as_bytes().first() {
                Some(b'-' | b'0'..=b'9') => "declare it without FROM STRING",
                _ => fitting(token, declared),
            },
        ),
        (ReasonCode::Fraction, FieldType::BigInt) => (
            "holds no fraction".to_owned(),
            "declare it DOUBLE or DECIMAL(p,s)",
        ),
        (ReasonCode::Exponent, FieldType::BigInt) => (
            "is written without an exponent".to_owned(),
            "declare it DOUBLE or DECIMAL(p,s)",
        ),
        (ReasonCode::OutOfRange, FieldType::BigInt) => (
            format!("holds {} to {}", i64::MIN, i64::MAX),
            "declare it DECIMAL(38,0) or DOUBLE",
        ),
        (ReasonCode::OutOfRange, FieldType::Double) => (
            format!("holds at most {:e}", f64::MAX),
            "send it as a string and declare it VARCHAR",
        ),
        (ReasonCode::Fraction, FieldType::Decimal { scale, .. }) => (
            format!("holds {scale} fraction digits"),
            "declare it DECIMAL(p,s) with a larger s, or DOUBLE",
        ),
        (ReasonCode::OutOfRange, FieldType::Decimal { precision, scale }) => (
            format!("holds {} digits before the point", precision - scale),
            "declare it DECIMAL(p,s) with a larger p, or DOUBLE",
        ),
        (ReasonCode::BadString, _) => (
            "holds text, which half of a surrogate pair is not".to_owned(),
            "send the whole pair, or the character itself",
        ),
        _ => (needs(declared).to_owned(), fitting(token, declared)),
    };
    code.because(format_args!(
        "field {} is {}, a {shown} {holds}; {advice}",
        name(field),
        found(token)
    ))
}

fn name(field: &Field) -> String {
    let name = excerpt(&field.name);
    match &field.path {
        None => format!("\"{name}\""),
        Some(path) => format!("\"{name}\" ({})", excerpt(&path.to_string())),
    }
}

/// A JSON value in words.
fn found(token: &str) -> String {
    let kind = match token.as_bytes().first() {
        Some(b'"') => "the string ",
        Some(b'{') => "the object ",
        Some(b'[') => "the array ",
        _ => "",
    };
    format!("{kind}{}", excerpt(token))
}

const fn needs(declared: FieldType) -> &'static str {
    match declared {
        FieldType::BigInt | FieldType::Double | FieldType::Decimal { .. } => "is a number",
        FieldType::Varchar => "is a string",
        FieldType::Boolean => "is true or false",
        FieldType::Timestamp => "is a string such as 2024-05-01T12:30:00Z",
        FieldType::Date => "is a string such as 2024-05-01",
        FieldType::Json => "is any value",
    }
}

/// What to do about a value of another kind than was declared.
fn fitting(token: &str, declared: FieldType) -> &'static str {
    match token.as_bytes().first() {
        Some(b'"') if declared.is_numeric() => {
            "send it without quotes, or declare it FROM STRING, or VARCHAR"
        }
        Some(b'"') => "declare it VARCHAR",
        Some(b't' | b'f') => "declare it BOOLEAN",
        Some(b'{' | b'[') => "declare it JSON, or its parts by their PATH",
        _ => "declare it BIGINT, DOUBLE or DECIMAL(p,s)",
    }
}
