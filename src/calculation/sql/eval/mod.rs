//! Evaluation in columns: the typed tree and a batch in, a column and the rejected rows out.
//!
//! Every operation calculates all rows, and marks on the way those for which it has no value: a mask beside the column.
//! CASE, COALESCE, AND and OR keep of a branch's marks those of the rows that the branch is for. So one row's error is
//! that row's alone, and a row's reason is spelled only when the row is rejected in the end.

mod arithmetic;
mod blocks;
mod cast;
mod cast_text;
mod choose;
mod compare;
mod decimal;
mod extract;
mod like;
mod logic;
mod numeric;
mod text;
mod text_case;
mod text_parts;
mod times;
mod value;

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, RecordBatch,
    StringArray, TimestampMicrosecondArray, new_null_array,
};
use arrow_schema::ArrowError;

pub(super) use self::times::timestamp;
use self::value::{Batch, Faults, Rows, Value};
use super::{
    functions::Function,
    tree::{Kind, Node, Scalar},
};
use crate::{calculation::Outcomes, events::FieldType};

/// The columns that the expressions give for the rows of a batch, and the rows that one of them has no value for, with the
/// reason of each, in order. An expression may use the columns of those before it.
pub(super) fn evaluate(nodes: &[Node], batch: &RecordBatch) -> Result<Outcomes, ArrowError> {
    let rows = batch.num_rows();
    let fields = batch.num_columns();
    let mut batch = Batch {
        columns: batch.columns().to_vec(),
        rows,
    };
    let mut reasons: Vec<Option<String>> = Vec::new();
    for node in nodes {
        let value = value(node, &batch)?;
        for fault in &value.faults.0 {
            reasons.resize(rows, None);
            let mut reject = |row: usize| {
                if reasons[row].is_none() {
                    reasons[row] = Some((fault.why)(row));
                }
            };
            match &fault.rows {
                Rows::All => (0..rows).for_each(&mut reject),
                Rows::These(rows) => rows.set_indices().for_each(&mut reject),
            }
        }
        batch.columns.push(value.column(rows)?);
    }
    let rejected = reasons.into_iter().enumerate();
    let rejected = rejected.filter_map(|(row, reason)| Some((row, reason?)));
    Ok(Outcomes {
        rejections: rejected.collect(),
        columns: batch.columns.split_off(fields),
    })
}

fn value(node: &Node, batch: &Batch) -> Result<Value, ArrowError> {
    match &node.kind {
        Kind::Null => literal(&Scalar::Null, node),
        Kind::Literal(scalar) => literal(scalar, node),
        Kind::Field(index) => Ok(Value {
            array: Arc::clone(&batch.columns[*index]),
            constant: false,
            faults: Faults::default(),
        }),
        Kind::Negate(operand) => arithmetic::negate(node, value(operand, batch)?, batch),
        Kind::Arithmetic(op, left, right) => {
            let (left, right) = (value(left, batch)?, value(right, batch)?);
            arithmetic::arithmetic(node, *op, left, right, batch)
        }
        Kind::Compare(op, left, right) => {
            let (left, right) = (value(left, batch)?, value(right, batch)?);
            Ok(compare::compare(*op, left, right, batch))
        }
        Kind::Distinct {
            left,
            right,
            negated,
        } => {
            let (left, right) = (value(left, batch)?, value(right, batch)?);
            Ok(compare::distinct(left, right, *negated, batch))
        }
        Kind::And(left, right) => logic::and(value(left, batch)?, value(right, batch)?, batch),
        Kind::Or(left, right) => logic::or(value(left, batch)?, value(right, batch)?, batch),
        Kind::Not(operand) => Ok(logic::not(value(operand, batch)?)),
        Kind::Is {
            value: operand,
            what,
            negated,
        } => Ok(logic::is(value(operand, batch)?, *what, *negated)),
        Kind::In {
            value: operand,
            list,
            negated,
        } => {
            let list = list.iter().map(|item| value(item, batch));
            logic::contained(value(operand, batch)?, list, *negated, batch)
        }
        Kind::Between {
            value: operand,
            low,
            high,
            negated,
        } => {
            let bounds = [value(low, batch)?, value(high, batch)?];
            logic::between(value(operand, batch)?, bounds, *negated, batch)
        }
        Kind::Case {
            branches,
            otherwise,
        } => {
            let branches = branches
                .iter()
                .map(|(condition, result)| Ok((value(condition, batch)?, value(result, batch)?)));
            let otherwise = otherwise.as_deref().map(|node| value(node, batch));
            choose::case(node, branches, otherwise.transpose()?, batch)
        }
        Kind::Coalesce(values) => {
            choose::coalesce(values.iter().map(|node| value(node, batch)), batch)
        }
        Kind::NullIf {
            value: operand,
            condition,
        } => choose::null_if(
            node,
            value(operand, batch)?,
            value(condition, batch)?,
            batch,
        ),
        Kind::Extreme(extreme, values) => {
            let values = values.iter().map(|node| value(node, batch));
            choose::extreme(*extreme, values, batch)
        }
        Kind::Cast { value: operand, .. } => {
            cast::cast(operand.data_type, node, value(operand, batch)?, batch)
        }
        Kind::Call(function, arguments) => {
            let values = arguments.iter().map(|argument| value(argument, batch));
            let values = values.collect::<Result<Vec<_>, _>>()?;
            if *function == Function::JsonExtractString {
                return extract::call(arguments, &values, batch);
            }
            let of_times = |node: &Node| node.data_type == FieldType::Timestamp;
            if of_times(node) || arguments.iter().any(of_times) {
                return Ok(times::call(*function, arguments, &values, batch));
            }
            Ok(match arguments[0].data_type {
                FieldType::Varchar => text::call(*function, node, &values, batch),
                _ => numeric::call(*function, node, arguments, &values, batch),
            })
        }
        Kind::Shift {
            value: operand,
            count,
            unit,
        } => Ok(times::shift(value(operand, batch)?, *count, *unit, batch)),
        Kind::Concatenation(left, right) => {
            let (left, right) = (value(left, batch)?, value(right, batch)?);
            Ok(text::concatenation(left, right, batch))
        }
        Kind::Like {
            value: operand,
            pattern,
            escape,
            negated,
        } => {
            let (operand, pattern) = (value(operand, batch)?, value(pattern, batch)?);
            Ok(text::like(operand, pattern, *escape, *negated, batch))
        }
    }
}

/// A value that stands in the text, as a single one for all rows.
fn literal(scalar: &Scalar, node: &Node) -> Result<Value, ArrowError> {
    let data_type = node.data_type.data_type();
    let array: ArrayRef = match scalar {
        Scalar::Null => new_null_array(&data_type, 1),
        Scalar::BigInt(value) => Arc::new(Int64Array::from(vec![*value])),
        Scalar::Double(value) => Arc::new(Float64Array::from(vec![*value])),
        Scalar::Decimal(value) => {
            Arc::new(Decimal128Array::from(vec![*value]).with_data_type(data_type))
        }
        Scalar::Text(text) => Arc::new(StringArray::from(vec![text.as_str()])),
        Scalar::Boolean(value) => Arc::new(BooleanArray::from(vec![*value])),
        Scalar::Timestamp(micros) => {
            Arc::new(TimestampMicrosecondArray::from(vec![*micros]).with_data_type(data_type))
        }
        Scalar::Date(days) => Arc::new(Date32Array::from(vec![*days])),
    };
    Ok(Value {
        array,
        constant: true,
        faults: Faults::default(),
    })
}
