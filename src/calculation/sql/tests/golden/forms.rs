//! The forms that expressions are made of, by names.

use std::collections::BTreeSet;

use crate::{
    calculation::sql::{
        functions::{Function, Takes},
        tree::{Extreme, Kind, Node, Scalar, Truth},
    },
    events::FieldType,
};

/// A type without its digits.
fn class(data_type: FieldType) -> String {
    let text = data_type.to_string();
    text.split('(').next().unwrap_or_default().to_owned()
}

/// Notes the forms that an expression is made of.
pub(super) fn note(node: &Node, found: &mut BTreeSet<String>) {
    let not = |negated: &bool| if *negated { "NOT " } else { "" };
    let of = class(node.data_type);
    let (form, below): (String, Vec<&Node>) = match &node.kind {
        Kind::Null => ("NULL".to_owned(), vec![]),
        Kind::Field(_) => (format!("field {of}"), vec![]),
        Kind::Literal(Scalar::Null) => ("NULL".to_owned(), vec![]),
        Kind::Literal(_) => (format!("literal {of}"), vec![]),
        Kind::Cast { value, .. } => (
            format!("CAST {} AS {of}", class(value.data_type)),
            vec![value],
        ),
        Kind::Negate(value) => (format!("- {of}"), vec![value]),
        Kind::Arithmetic(op, left, right) => {
            (format!("{of} {} {of}", op.symbol()), vec![left, right])
        }
        Kind::Compare(op, left, right) => {
            found.insert(format!("comparison of {}", class(left.data_type)));
            (op.symbol().to_owned(), vec![left, right])
        }
        Kind::And(left, right) => ("AND".to_owned(), vec![left, right]),
        Kind::Or(left, right) => ("OR".to_owned(), vec![left, right]),
        Kind::Not(value) => ("NOT".to_owned(), vec![value]),
        Kind::Is {
            value,
            what,
            negated,
        } => {
            let what = match what {
                Truth::Null => "NULL",
                Truth::True => "TRUE",
                Truth::False => "FALSE",
                Truth::Unknown => "UNKNOWN",
            };
            (format!("IS {}{what}", not(negated)), vec![value])
        }
        Kind::Distinct {
            left,
            right,
            negated,
        } => (
            format!("IS {}DISTINCT FROM", not(negated)),
            vec![left, right],
        ),
        Kind::In {
            value,
            list,
            negated,
        } => {
            let below = list.iter().chain([value.as_ref()]).collect();
            (format!("{}IN", not(negated)), below)
        }
        Kind::Between {
            value,
            low,
            high,
            negated,
        } => (format!("{}BETWEEN", not(negated)), vec![value, low, high]),
        Kind::Case {
            branches,
            otherwise,
        } => {
            let below = branches.iter().flat_map(|(when, then)| [when, then]);
            let otherwise = otherwise.as_deref();
            let form = if otherwise.is_some() {
                "CASE ELSE"
            } else {
                "CASE"
            };
            (form.to_owned(), below.chain(otherwise).collect())
        }
        Kind::Coalesce(values) => (format!("coalesce {of}"), values.iter().collect()),
        Kind::NullIf { value, condition } => ("nullif".to_owned(), vec![value, condition]),
        Kind::Extreme(Extreme::Greatest, values) => {
            (format!("greatest {of}"), values.iter().collect())
        }
        Kind::Extreme(Extreme::Least, values) => (format!("least {of}"), values.iter().collect()),
        Kind::Call(function, arguments) => {
            let name = function.definition().name;
            let given = match (&arguments[0].kind, function) {
                (Kind::Literal(Scalar::Text(unit)), Function::DateTrunc) => unit.clone(),
                _ => class(arguments[0].data_type),
            };
            (
                format!("{name}/{} {given}", arguments.len()),
                arguments.iter().collect(),
            )
        }
        Kind::Concatenation(left, right) => ("||".to_owned(), vec![left, right]),
        Kind::Like {
            value,
            pattern,
            escape,
            negated,
        } => {
            let escape = if escape.is_some() { " ESCAPE" } else { "" };
            (
                format!("{}LIKE{escape}", not(negated)),
                vec![value, pattern],
            )
        }
        Kind::Shift { value, count, unit } => {
            let sign = if *count < 0 { '-' } else { '+' };
            (format!("{sign} INTERVAL {}", unit.name()), vec![value])
        }
    };
    found.insert(form);
    below.into_iter().for_each(|node| note(node, found));
}

/// Every form of the closed set that has a meaning of its own.
pub(super) fn closed_set() -> BTreeSet<String> {
    let numbers = ["BIGINT", "DECIMAL", "DOUBLE"];
    let all = [
        "BIGINT",
        "DECIMAL",
        "DOUBLE",
        "VARCHAR",
        "BOOLEAN",
        "TIMESTAMP",
        "DATE",
    ];
    let mut forms: BTreeSet<String> = [
        "NULL",
        "BIGINT div BIGINT",
        "DOUBLE / DOUBLE",
        "=",
        "<>",
        "<",
        "<=",
        ">",
        ">=",
        "AND",
        "OR",
        "NOT",
        "CASE",
        "CASE ELSE",
        "nullif",
        "||",
        "LIKE",
        "NOT LIKE",
        "LIKE ESCAPE",
        "NOT LIKE ESCAPE",
        "round/2 BIGINT",
        "round/2 DECIMAL",
        "trim/2 VARCHAR",
        "ltrim/2 VARCHAR",
        "rtrim/2 VARCHAR",
        "substring/2 VARCHAR",
    ]
    .map(str::to_owned)
    .into();
    for of in numbers {
        forms.extend(["+", "-", "*", "%"].map(|op| format!("{of} {op} {of}")));
        forms.insert(format!("- {of}"));
    }
    for of in all {
        forms.extend(
            [
                "field",
                "literal",
                "comparison of",
                "coalesce",
                "greatest",
                "least",
            ]
            .map(|form| format!("{form} {of}")),
        );
    }
    for what in ["NULL", "TRUE", "FALSE", "UNKNOWN", "DISTINCT FROM"] {
        forms.extend([format!("IS {what}"), format!("IS NOT {what}")]);
    }
    forms.extend(["IN", "NOT IN", "BETWEEN", "NOT BETWEEN"].map(str::to_owned));
    for (from, to) in [
        ("BIGINT", &["DECIMAL", "DOUBLE", "VARCHAR"][..]),
        ("DECIMAL", &["BIGINT", "DECIMAL", "DOUBLE", "VARCHAR"]),
        ("DOUBLE", &["BIGINT", "VARCHAR"]),
        (
            "VARCHAR",
            &[
                "BIGINT",
                "DECIMAL",
                "DOUBLE",
                "BOOLEAN",
                "TIMESTAMP",
                "DATE",
            ],
        ),
        ("BOOLEAN", &["VARCHAR"]),
        ("TIMESTAMP", &["VARCHAR", "DATE"]),
        ("DATE", &["VARCHAR", "TIMESTAMP"]),
    ] {
        forms.extend(to.iter().map(|to| format!("CAST {from} AS {to}")));
    }
    let units = [
        "year",
        "month",
        "week",
        "day",
        "hour",
        "minute",
        "second",
        "millisecond",
        "microsecond",
    ];
    for unit in units {
        forms.extend(['+', '-'].map(|sign| format!("{sign} INTERVAL {unit}")));
    }
    for function in Function::ALL {
        let definition = function.definition();
        let (name, count) = (definition.name, definition.takes.len());
        let required = count - definition.optional;
        match definition.takes[0] {
            Takes::Number => forms.extend(numbers.map(|of| format!("{name}/{required} {of}"))),
            Takes::Unit => {
                let units = units.iter().chain(&["quarter"]);
                forms.extend(units.map(|unit| format!("{name}/{count} {unit}")));
            }
            Takes::Text => drop(forms.insert(format!("{name}/{count} VARCHAR"))),
            Takes::Time => drop(forms.insert(format!("{name}/{count} TIMESTAMP"))),
            Takes::Whole => drop(forms.insert(format!("{name}/{count} BIGINT"))),
            Takes::Digits | Takes::Path => {}
        }
    }
    forms
}
