//! Dates, points in time, and what is added to them.

use sqlparser::ast::{DataType, DateTimeField, Expr, Interval, TimezoneInfo, TypedString, Value};

use super::{Gate, Taken, boxed};
use crate::{
    calculation::sql::{
        eval::timestamp,
        functions::Function,
        tree::{Kind, Node, Scalar, Unit},
    },
    events::{FieldType, time},
};

impl Gate<'_> {
    /// An expression that is a TIMESTAMP; a DATE is the beginning of its day.
    pub(super) fn time(&self, expression: &Expr) -> Taken {
        let node = self.node(expression)?;
        match (&node.kind, node.data_type) {
            (Kind::Null, _) | (_, FieldType::Timestamp | FieldType::Date) => {
                Ok(node.into_type(FieldType::Timestamp))
            }
            (_, found) => Err(self.refuse(
                expression,
                format!("this is a {found}, and a TIMESTAMP or DATE must stand here; CAST a text to one, or write to_timestamp(seconds)"),
            )),
        }
    }

    /// `TIMESTAMP '2024-05-01 12:30:00'`, `DATE '2024-05-01'`
    pub(super) fn typed_text(&self, whole: &Expr, typed: &TypedString) -> Taken {
        let Value::SingleQuotedString(text) = &typed.value.value else {
            return Err(self.refuse(whole, "the value stands in single quotes"));
        };
        let (scalar, data_type) = match &typed.data_type {
            DataType::Date => (time::date(text).ok().map(Scalar::Date), FieldType::Date),
            DataType::Timestamp(None, TimezoneInfo::None | TimezoneInfo::Tz) => {
                (timestamp(text).map(Scalar::Timestamp), FieldType::Timestamp)
            }
            other => {
                return Err(self.refuse(
                    whole,
                    format!("{other} before a text is not taken; write DATE or TIMESTAMP, or CAST('...' AS type)"),
                ));
            }
        };
        let scalar = scalar.ok_or_else(|| {
            let form = match data_type {
                FieldType::Date => "DATE '2024-05-01'",
                _ => "TIMESTAMP '2024-05-01 12:30:00', in UTC",
            };
            self.refuse(
                whole,
                format!("'{text}' is no {data_type} of the years 1 to 9999; write {form}"),
            )
        })?;
        Ok(Node::new(Kind::Literal(scalar), data_type))
    }

    /// The name of a unit in the text.
    pub(super) fn unit(&self, expression: &Expr) -> Taken {
        let node = self.node(expression)?;
        let unit = match &node.kind {
            Kind::Literal(Scalar::Text(name)) => Unit::named(name),
            _ => None,
        };
        let unit = unit.ok_or_else(|| {
            self.refuse(
                expression,
                "the unit stands in the text: 'year', 'quarter', 'month', 'week', 'day', 'hour', 'minute', 'second', 'millisecond' or 'microsecond'",
            )
        })?;
        let name = Scalar::Text(unit.name().to_owned());
        Ok(Node::new(Kind::Literal(name), FieldType::Varchar))
    }

    /// `extract(month FROM at)`
    pub(super) fn extract(&self, whole: &Expr, field: &DateTimeField, value: &Expr) -> Taken {
        let function = match field {
            DateTimeField::Year => Function::Year,
            DateTimeField::Quarter => Function::Quarter,
            DateTimeField::Month => Function::Month,
            DateTimeField::Week(None) => Function::Week,
            DateTimeField::Day => Function::Day,
            DateTimeField::Doy => Function::DayOfYear,
            DateTimeField::Hour => Function::Hour,
            DateTimeField::Minute => Function::Minute,
            DateTimeField::Second => {
                return Err(self.refuse(
                    whole,
                    "extract(second) is whole in DuckDB and has a fraction in Spark; write second(x) for whole seconds",
                ));
            }
            DateTimeField::Dow | DateTimeField::DayOfWeek | DateTimeField::Isodow => {
                return Err(self.refuse(
                    whole,
                    "days of the week are counted otherwise in DuckDB than in Spark; write (epoch_ms(date_trunc('day', x)) div 86400000 + 3) % 7, which is 0 for Monday after 1970",
                ));
            }
            DateTimeField::Epoch => {
                return Err(self.refuse(whole, "Spark has no epoch; write epoch_ms(x)"));
            }
            other => {
                return Err(self.refuse(
                    whole,
                    format!("{other} is not taken: year, quarter, month, week, day, doy, hour and minute are the same in DuckDB and Spark"),
                ));
            }
        };
        self.function(whole, function, &[value])
    }

    /// `at + INTERVAL '3' MONTH`
    pub(super) fn shifted(&self, value: &Expr, interval: &Interval, at: &Expr, sign: i64) -> Taken {
        let value = self.time(value)?;
        let plain = interval.leading_precision.is_none()
            && interval.last_field.is_none()
            && interval.fractional_seconds_precision.is_none();
        let text = match &*interval.value {
            Expr::Value(value) => match &value.value {
                Value::SingleQuotedString(text) | Value::Number(text, false) => text.clone(),
                _ => String::new(),
            },
            _ => String::new(),
        };
        let mut words = text.split_whitespace();
        let count = words.next().and_then(|count| count.parse::<i64>().ok());
        let unit = match (&interval.leading_field, words.next()) {
            (Some(field), None) => Some(field.to_string()),
            (None, Some(word)) => Some(word.to_owned()),
            _ => None,
        };
        // Spark has no intervals of quarters.
        let unit = unit.and_then(|unit| Unit::named(&unit));
        let unit = unit.filter(|unit| *unit != Unit::Quarter);
        match (count.and_then(|count| count.checked_mul(sign)), unit, words.next()) {
            (Some(count), Some(unit), None) if plain => {
                let value = boxed(value);
                Ok(Node::new(Kind::Shift { value, count, unit }, FieldType::Timestamp))
            }
            _ => Err(self.refuse(
                at,
                "an interval is a whole number of one unit, as in INTERVAL '3' MONTH: year, month, week, day, hour, minute, second, millisecond or microsecond",
            )),
        }
    }
}
