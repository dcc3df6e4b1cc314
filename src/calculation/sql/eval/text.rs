//! Functions of texts, `||` and LIKE.

use std::{borrow::Cow, sync::Arc};

use arrow_array::{
    Array, ArrayRef, BooleanArray, StringArray, builder::StringBuilder, cast::AsArray,
    types::Int64Type,
};
use arrow_buffer::BooleanBuffer;
use md5::Md5;
use sha2::{Digest as _, Sha256};

use super::{
    blocks::{compute, primitive},
    like::Pattern,
    text_case::{lower, upper},
    text_parts::{self, Ends},
    value::{Batch, Value, extent, nulls},
};
use crate::{
    calculation::sql::{functions::Function, tree::Node},
    events::{FieldType, ReasonCode},
};

/// The arguments of a call.
struct Arguments<'a>(&'a [Value]);

impl<'a> Arguments<'a> {
    fn text(&self, argument: usize, row: usize) -> &'a str {
        let value = &self.0[argument];
        value.array.as_string::<i32>().value(value.at(row))
    }

    fn number(&self, argument: usize, row: usize) -> i64 {
        let value = &self.0[argument];
        value.array.as_primitive::<Int64Type>().value(value.at(row))
    }
}

pub(super) fn call(function: Function, node: &Node, values: &[Value], batch: &Batch) -> Value {
    let operands: Vec<&Value> = values.iter().collect();
    let (rows, constant) = extent(&operands, batch.rows);
    let nulls = nulls(&operands, rows);
    let valid = |row: usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
    let arguments = Arguments(values);
    let (array, bad): (ArrayRef, Option<BooleanBuffer>) = match node.data_type {
        FieldType::Varchar => {
            let mut texts = StringBuilder::with_capacity(rows, rows * 16);
            let mut bad = None;
            for row in 0..rows {
                if !valid(row) {
                    texts.append_null();
                    continue;
                }
                match text(function, &arguments, row) {
                    Ok(value) => texts.append_value(value),
                    Err(_) => {
                        bad.get_or_insert_with(|| vec![false; rows])[row] = true;
                        texts.append_value("");
                    }
                }
            }
            let texts: StringArray = texts.finish();
            (Arc::new(texts), bad.map(BooleanBuffer::from))
        }
        FieldType::BigInt => {
            let number = |row| match valid(row) {
                true => whole(function, &arguments, row),
                false => 0,
            };
            let computed = compute(rows, nulls.clone(), |row| (number(row), false));
            let data_type = FieldType::BigInt.data_type();
            (Arc::new(primitive::<Int64Type>(computed, data_type)), None)
        }
        _ => {
            let truths = BooleanBuffer::collect_bool(rows, |row| {
                valid(row) && truth(function, &arguments, row)
            });
            (Arc::new(BooleanArray::new(truths, nulls.clone())), None)
        }
    };
    let faults = values.iter().map(|value| value.faults.clone());
    let faults = faults.reduce(super::value::Faults::and).unwrap_or_default();
    let values = values.to_vec();
    let faults = faults.with(bad, constant, move |row| because(function, &values, row));
    Value {
        array,
        constant,
        faults,
    }
}

/// What a function gives that gives a text; an error is what is wrong with its arguments.
fn text<'a>(
    function: Function,
    arguments: &Arguments<'a>,
    row: usize,
) -> Result<Cow<'a, str>, &'static str> {
    let first = arguments.text(0, row);
    let second = || arguments.text(1, row);
    let number = |argument| arguments.number(argument, row);
    let has = |argument| arguments.0.len() > argument;
    const CASE: &str = "it has a letter that DuckDB and Spark map otherwise";
    let trim = |ends| match has(1) {
        true => text_parts::trim_characters(first, second(), ends),
        false => text_parts::trim(first, ends),
    };
    match function {
        Function::Md5 => Ok(hex::encode(Md5::digest(first)).into()),
        Function::Sha256 => Ok(hex::encode(Sha256::digest(first)).into()),
        Function::Upper => upper(first).map(Cow::from).ok_or(CASE),
        Function::Lower => lower(first).map(Cow::from).ok_or(CASE),
        Function::Trim => trim(Ends::Both),
        Function::Ltrim => trim(Ends::Left),
        Function::Rtrim => trim(Ends::Right),
        Function::Substring => text_parts::substring(first, number(1), has(2).then(|| number(2))),
        Function::Left => text_parts::left(first, number(1)),
        Function::Right => text_parts::right(first, number(1)),
        Function::Replace => text_parts::replace(first, second(), arguments.text(2, row)),
        Function::Lpad => text_parts::pad(first, number(1), arguments.text(2, row), true),
        Function::Rpad => text_parts::pad(first, number(1), arguments.text(2, row), false),
        Function::SplitPart => text_parts::split_part(first, second(), number(2)),
        _ => Ok(first.into()),
    }
}

fn whole(function: Function, arguments: &Arguments<'_>, row: usize) -> i64 {
    let first = arguments.text(0, row);
    match function {
        Function::Position => text_parts::position(first, arguments.text(1, row)),
        _ => i64::try_from(first.chars().count()).unwrap_or(i64::MAX),
    }
}

fn truth(function: Function, arguments: &Arguments<'_>, row: usize) -> bool {
    let (text, part) = (arguments.text(0, row), arguments.text(1, row));
    match function {
        Function::StartsWith => text.starts_with(part),
        Function::EndsWith => text.ends_with(part),
        _ => text.contains(part),
    }
}

fn because(function: Function, values: &[Value], row: usize) -> String {
    let what = text(function, &Arguments(values), row).err();
    let shown: Vec<String> = values.iter().map(|value| value.shown(row)).collect();
    ReasonCode::BadArgument.because(format_args!(
        "{}({}): {}",
        function.definition().name,
        shown.join(", "),
        what.unwrap_or_default()
    ))
}

/// `a || b`
pub(super) fn concatenation(left: Value, right: Value, batch: &Batch) -> Value {
    let operands = [&left, &right];
    let (rows, constant) = extent(&operands, batch.rows);
    let nulls = nulls(&operands, rows);
    let (a, b) = (left.texts(), right.texts());
    let mut texts = StringBuilder::with_capacity(rows, rows * 16);
    for row in 0..rows {
        match nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)) {
            true => {
                // What is written is the beginning of the next value.
                use std::fmt::Write as _;
                let written = texts
                    .write_str(a(row))
                    .and_then(|()| texts.write_str(b(row)));
                debug_assert!(written.is_ok(), "a builder takes every text");
                texts.append_value("");
            }
            false => texts.append_null(),
        }
    }
    drop((a, b));
    Value {
        array: Arc::new(texts.finish()),
        constant,
        faults: left.faults.and(right.faults),
    }
}

/// `a [NOT] LIKE b`
pub(super) fn like(
    value: Value,
    pattern: Value,
    escape: Option<char>,
    negated: bool,
    batch: &Batch,
) -> Value {
    let operands = [&value, &pattern];
    let (rows, constant) = extent(&operands, batch.rows);
    let nulls = nulls(&operands, rows);
    let (texts, patterns) = (value.texts(), pattern.texts());
    let valid = |row: usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
    let once = (pattern.constant && pattern.array.null_count() == 0)
        .then(|| Pattern::read(patterns(0), escape));
    let computed = compute(rows, nulls.clone(), |row| {
        if !valid(row) {
            return (false, false);
        }
        let each;
        let read = match &once {
            Some(read) => read,
            None => {
                each = Pattern::read(patterns(row), escape);
                &each
            }
        };
        match read {
            Some(read) => (read.matches(texts(row)) != negated, false),
            None => (false, true),
        }
    });
    drop((texts, patterns));
    let array = BooleanArray::new(BooleanBuffer::from(computed.values), computed.nulls);
    let faults = value.faults.clone().and(pattern.faults.clone());
    let faults = faults.with(computed.bad, constant, move |row| {
        ReasonCode::BadArgument.because(format_args!(
            "LIKE {}: DuckDB and Spark read a backslash, or an escape before an ordinary character, otherwise",
            pattern.shown(row)
        ))
    });
    Value {
        array: Arc::new(array),
        constant,
        faults,
    }
}
