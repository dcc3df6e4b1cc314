//! Calls of functions, by their table.

use sqlparser::ast::{
    CeilFloorKind, DateTimeField, Expr, Function as Called, FunctionArg, FunctionArgExpr,
    FunctionArguments,
};

use super::{Gate, Taken, texts::never_taken};
use crate::{
    calculation::sql::{
        error::SqlError,
        functions::{Function, Gives, Takes},
        tree::{Extreme, Kind, Node, Scalar},
        types::{Digits, MOST_DIGITS},
    },
    events::FieldType,
};

const TRIM_SET: &str = "the order of the values is another in DuckDB than in Spark; write trim(BOTH 'x' FROM text), or LEADING, TRAILING";

impl Gate<'_> {
    pub(super) fn call(&self, whole: &Expr, called: &Called) -> Taken {
        let name = called.name.to_string();
        let arguments = self.arguments(whole, &name, called)?;
        let exactly = |count: usize| match arguments.len() == count {
            true => Ok(()),
            false => Err(self.refuse(
                whole,
                format!("{name} takes {count} values, here are {}", arguments.len()),
            )),
        };
        let at_least_two = || match arguments.len() {
            0 | 1 => Err(self.refuse(whole, format!("{name} takes two or more values"))),
            _ => Ok(()),
        };
        match name.to_ascii_lowercase().as_str() {
            "coalesce" => {
                at_least_two()?;
                self.coalesce(&arguments)
            }
            "nullif" => {
                exactly(2)?;
                self.nullif(arguments[0], arguments[1])
            }
            "greatest" => {
                at_least_two()?;
                self.extreme(Extreme::Greatest, &arguments)
            }
            "least" => {
                at_least_two()?;
                self.extreme(Extreme::Least, &arguments)
            }
            "mod" => {
                exactly(2)?;
                let op = crate::calculation::sql::tree::Arithmetic::Remainder;
                self.arithmetic(whole, op, arguments[0], arguments[1])
            }
            "position" => Err(self.refuse(whole, "write position(part IN text)")),
            "ltrim" | "rtrim" if arguments.len() > 1 => Err(self.refuse(whole, TRIM_SET)),
            _ => match Function::named(&name) {
                Some(function) => self.function(whole, function, &arguments),
                None => Err(self.refuse(whole, unknown(&name))),
            },
        }
    }

    /// sqlparser reads these two as forms of their own.
    pub(super) fn ceil_or_floor(&self, whole: &Expr) -> Taken {
        let (function, value, field) = match whole {
            Expr::Ceil { expr, field } => (Function::Ceil, expr, field),
            Expr::Floor { expr, field } => (Function::Floor, expr, field),
            other => return self.node(other),
        };
        match field {
            CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) => {
                self.function(whole, function, &[value])
            }
            _ => Err(self.refuse(
                whole,
                format!("{} takes one value", function.definition().name),
            )),
        }
    }

    fn arguments<'e>(
        &self,
        whole: &Expr,
        name: &str,
        called: &'e Called,
    ) -> Result<Vec<&'e Expr>, SqlError> {
        let plain = called.filter.is_none()
            && called.over.is_none()
            && called.null_treatment.is_none()
            && called.within_group.is_empty()
            && matches!(called.parameters, FunctionArguments::None);
        let list = match &called.args {
            FunctionArguments::List(list)
                if plain && list.duplicate_treatment.is_none() && list.clauses.is_empty() =>
            {
                list
            }
            _ => {
                return Err(self.refuse(
                    whole,
                    format!("{name} with DISTINCT, FILTER, OVER or a query is not taken: a result is calculated from the fields of its own event"),
                ));
            }
        };
        let argument = |argument: &'e FunctionArg| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => Ok(expression),
            other => Err(self.refuse(whole, format!("{other} is not taken as a value of {name}"))),
        };
        list.args.iter().map(argument).collect()
    }

    pub(super) fn function(&self, whole: &Expr, function: Function, arguments: &[&Expr]) -> Taken {
        let definition = function.definition();
        let most = definition.takes.len();
        if arguments.len() > most || arguments.len() + definition.optional < most {
            let (signature, found) = (definition.signature(), arguments.len());
            return Err(self.refuse(whole, format!("it is {signature}, here are {found} values")));
        }
        let mut nodes = Vec::with_capacity(arguments.len());
        for (takes, argument) in definition.takes.iter().zip(arguments) {
            nodes.push(match takes {
                Takes::Number => self.number(argument)?,
                Takes::Text => self.textual(argument)?,
                Takes::Whole => self.whole_number(argument)?,
                Takes::Time => self.time(argument)?,
                Takes::Unit => self.unit(argument)?,
                Takes::Path => self.path(argument)?,
                Takes::Digits => {
                    let digits = self.digits(argument).filter(|digits| digits.abs() <= 38);
                    let digits = digits.ok_or_else(|| {
                        let message = format!("the digits of {} are a whole number from -38 to 38 that stands in the text", definition.name);
                        self.refuse(argument, message)
                    })?;
                    Node::new(Kind::Literal(Scalar::BigInt(digits)), FieldType::BigInt)
                }
            });
        }
        if let Some((argument, why)) = never_taken(function, &nodes) {
            return Err(self.refuse(arguments[argument], why));
        }
        let data_type = gives(definition.gives, &nodes).map_err(|why| self.refuse(whole, why))?;
        Ok(Node::new(Kind::Call(function, nodes), data_type))
    }
}

/// The type of a call.
fn gives(gives: Gives, arguments: &[Node]) -> Result<FieldType, String> {
    let first = arguments[0].data_type;
    let asked = match arguments.get(1).map(|node| &node.kind) {
        Some(Kind::Literal(Scalar::BigInt(digits))) => *digits,
        _ => 0,
    };
    match (gives, first) {
        (Gives::BigInt, _) => Ok(FieldType::BigInt),
        (Gives::Double, _) => Ok(FieldType::Double),
        (Gives::Varchar, _) => Ok(FieldType::Varchar),
        (Gives::Boolean, _) => Ok(FieldType::Boolean),
        (Gives::Timestamp, _) => Ok(FieldType::Timestamp),
        (Gives::Rounded, FieldType::Double) if asked != 0 => Err(
            "round of a DOUBLE to digits is not taken: DuckDB rounds its binary value, Spark its decimal text; CAST it to a DECIMAL through text first, CAST(CAST(x AS VARCHAR) AS DECIMAL(p,s))"
                .to_owned(),
        ),
        (Gives::Rounded, FieldType::Decimal { precision, scale })
            if -asked >= i64::from(precision - scale) && asked < 0 =>
        {
            Err(format!("round to {asked} digits leaves nothing of a {first}; write 0"))
        }
        (Gives::Whole | Gives::Rounded, FieldType::Decimal { precision, scale }) => {
            let kept = match gives {
                Gives::Rounded => u8::try_from(asked.max(0)).unwrap_or(scale).min(scale),
                _ => 0,
            };
            if kept == scale && asked >= 0 {
                return Ok(first);
            }
            // Rounding up may need one digit more: 9.99 becomes 10.
            let precision = (precision - scale + kept + 1).min(MOST_DIGITS);
            Ok(Digits::new(precision, kept).into())
        }
        (Gives::Square, FieldType::BigInt) => Ok(Digits::new(MOST_DIGITS, 0).into()),
        (Gives::Square, FieldType::Decimal { scale, .. }) if scale > 18 => Err(
            format!("the square of a DECIMAL with {scale} fraction digits has {}, more than DuckDB and Spark both keep; CAST it to at most 18 first", 2 * u16::from(scale)),
        ),
        (Gives::Square, FieldType::Decimal { scale, .. }) => {
            Ok(Digits::new(MOST_DIGITS, 2 * scale).into())
        }
        _ => Ok(first),
    }
}

/// What to write instead of a function that is not in the closed set.
fn unknown(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let instead = match lower.as_str() {
        "concat" => "DuckDB skips NULL where Spark gives NULL; write a || b",
        "pow" | "power" => "its last digits differ between machines; write x * x",
        "exp" | "ln" | "log" | "log2" | "log10" | "sin" | "cos" | "tan" | "asin" | "acos"
        | "atan" | "atan2" | "sinh" | "cosh" | "tanh" | "cbrt" => {
            "its last digits differ between machines"
        }
        "now" | "current_timestamp" | "current_date" | "today" | "random" | "rand" | "uuid"
        | "gen_random_uuid" => {
            "it gives another value each time, and a result must be the same when it is calculated again"
        }
        "sum" | "avg" | "count" | "min" | "max" | "row_number" | "lag" | "lead" => {
            "a result is calculated from the fields of its own event; sum over the snapshots in DuckDB"
        }
        "date_diff" | "datediff" | "date_sub" | "datesub" => {
            "it is counted otherwise in each engine; write epoch_ms(b) - epoch_ms(a), in milliseconds"
        }
        "date_add" | "dateadd" => "write x + INTERVAL '3' DAY",
        "epoch" => "Spark has none; write epoch_ms(x)",
        "dayofweek" | "weekday" | "dayname" | "monthname" | "isodow" => {
            "it is counted or spelled otherwise in DuckDB than in Spark"
        }
        "sha2" => "write sha256(text)",
        "json_extract"
        | "json_extract_path"
        | "json_extract_path_text"
        | "json_value"
        | "get_json_object" => "write json_extract_string(text, '$.name')",
        "ifnull" | "nvl" => "write coalesce(a, b)",
        "instr" | "strpos" | "locate" => "write position(part IN text)",
        "concat_ws" => "write a || ',' || b",
        "startswith" => "write starts_with(text, part)",
        "endswith" => "write ends_with(text, part)",
        "if" | "iff" => "write CASE WHEN condition THEN a ELSE b END",
        "isnan" => "DuckDB and Spark differ on NULL; write x = CAST('NaN' AS DOUBLE)",
        "regexp_matches" | "regexp_full_match" | "regexp_extract" | "regexp_replace"
        | "regexp_like" | "rlike" => {
            "DuckDB and Spark have other regular expressions; write LIKE, starts_with, split_part or replace"
        }
        "try_cast" => "a CAST that fails rejects its event",
        _ => {
            return match Function::like(name) {
                Some(near) => format!(
                    "there is no function {name}; did you mean {near}? `snapback functions` lists them"
                ),
                None => format!("there is no function {name}; `snapback functions` lists them"),
            };
        }
    };
    format!("{name} is not taken: {instead}")
}
