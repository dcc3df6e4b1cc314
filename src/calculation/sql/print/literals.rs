//! Values that stand in the text.

use std::fmt::{self, Write as _};

use super::Printer;
use crate::{
    calculation::sql::tree::Scalar,
    events::{FieldType, time},
};

impl Printer<'_> {
    pub(super) fn literal(&mut self, scalar: &Scalar, data_type: FieldType) -> fmt::Result {
        match scalar {
            Scalar::Null if self.is_canonical() => self.text.write_str("NULL"),
            Scalar::Null => {
                let data_type = self.data_type(data_type);
                write!(self.text, "CAST(NULL AS {data_type})")
            }
            Scalar::BigInt(value) if self.is_canonical() => write!(self.text, "{value}"),
            Scalar::BigInt(value) => write!(self.text, "CAST({value} AS BIGINT)"),
            Scalar::Double(value) => write!(self.text, "{value:e}"),
            Scalar::Decimal(value) => {
                let scale = match data_type {
                    FieldType::Decimal { scale, .. } => usize::from(scale),
                    _ => 0,
                };
                let sign = if *value < 0 { "-" } else { "" };
                let digits = format!("{:0>width$}", value.unsigned_abs(), width = scale);
                let (before, after) = digits.split_at(digits.len() - scale);
                let before = if before.is_empty() { "0" } else { before };
                write!(self.text, "{sign}{before}.{after}")
            }
            Scalar::Timestamp(micros) => {
                let mut text = Vec::new();
                time::write_timestamp(*micros, &mut text);
                let name = self.data_type(FieldType::Timestamp);
                write!(self.text, "{name} '{}'", String::from_utf8_lossy(&text))
            }
            Scalar::Date(days) => {
                let mut text = Vec::new();
                time::write_date(i64::from(*days), &mut text);
                write!(self.text, "DATE '{}'", String::from_utf8_lossy(&text))
            }
            Scalar::Text(text) => {
                let text = self.quoted(text);
                self.text.write_str(&text)
            }
            Scalar::Boolean(value) => {
                write!(self.text, "{}", if *value { "TRUE" } else { "FALSE" })
            }
        }
    }
}
