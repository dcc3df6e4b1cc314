//! The value at a place of a payload, on its way into a column.

use std::borrow::Cow;

use super::{
    super::{
        super::{
            fields::{Field, Form},
            reason::ReasonCode,
            time,
        },
        column::Column,
    },
    diagnose, number,
    scan::is_number,
};

/// Adds the value that the message has for `field`, which is JSON text, or `None` if it has none.
///
/// # Errors
/// The reason why the event is a reject. The column may then hold a value too many.
#[inline]
pub(super) fn append(
    column: &mut Column,
    field: &Field,
    token: Option<&str>,
) -> Result<(), String> {
    let Some(token) = token.filter(|token| *token != "null") else {
        if !field.nullable {
            return Err(diagnose::absent(field, token));
        }
        column.append_null();
        return Ok(());
    };
    let value = match field.form {
        Form::Any => append_value(column, token),
        form => append_checked(column, token, form),
    };
    value.map_err(|code| diagnose::value(field, token, code))
}

/// Adds a value of which the field does not take all that the type holds, or takes it from a string.
fn append_checked(column: &mut Column, token: &str, form: Form) -> Result<(), ReasonCode> {
    let of_bits = |bits: u32| {
        let number = number::bigint(as_number(token)?)?;
        let fits = (number >> (bits - 1)) == 0 || (number >> (bits - 1)) == -1;
        if fits {
            Ok(())
        } else {
            Err(ReasonCode::OutOfRange)
        }
    };
    match form {
        Form::Any => {}
        Form::Integer => of_bits(32)?,
        Form::SmallInt => of_bits(16)?,
        Form::Uuid if is_uuid(&text(token)?) => {}
        Form::Uuid => return Err(ReasonCode::BadText),
        Form::FromString => {
            let text = text(token)?;
            return match is_number(&text) {
                true => append_value(column, &text),
                false => Err(ReasonCode::BadText),
            };
        }
    }
    append_value(column, token)
}

#[inline]
fn append_value(column: &mut Column, token: &str) -> Result<(), ReasonCode> {
    match column {
        Column::BigInt(column) => column.push(number::bigint(as_number(token)?)?),
        Column::Double(column) => column.push(number::double(as_number(token)?)?),
        Column::Decimal(column, precision, scale) => {
            column.push(number::decimal(as_number(token)?, *precision, *scale)?);
        }
        Column::Varchar(column) => column.push(Some(text(token)?.as_bytes())),
        Column::Boolean(values, nulls) => {
            values.append(match token {
                "true" => true,
                "false" => false,
                _ => return Err(ReasonCode::WrongType),
            });
            nulls.append_non_null();
        }
        Column::Timestamp(column) => column.push(time::timestamp(&text(token)?)?),
        Column::Date(column) => column.push(time::date(&text(token)?)?),
        Column::Json(column) => column.push(Some(token.as_bytes())),
    }
    Ok(())
}

fn as_number(token: &str) -> Result<&str, ReasonCode> {
    match token.as_bytes() {
        [b'-' | b'0'..=b'9', ..] => Ok(token),
        _ => Err(ReasonCode::WrongType),
    }
}

fn is_uuid(text: &str) -> bool {
    const HYPHENS: [usize; 4] = [8, 13, 18, 23];
    let fits = |(at, byte): (usize, u8)| match HYPHENS.contains(&at) {
        true => byte == b'-',
        false => byte.is_ascii_hexdigit(),
    };
    text.len() == 36 && text.bytes().enumerate().all(fits)
}

/// What a JSON string says.
pub(in crate::events) fn text(token: &str) -> Result<Cow<'_, str>, ReasonCode> {
    let inner = token
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .ok_or(ReasonCode::WrongType)?;
    if inner.contains('\\') {
        // The token is a valid JSON string but for the one thing that only unescaping shows.
        serde_json::from_str(token)
            .map(Cow::Owned)
            .map_err(|_| ReasonCode::BadString)
    } else {
        Ok(Cow::Borrowed(inner))
    }
}
