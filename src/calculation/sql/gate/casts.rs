//! CAST: taken where nothing is lost unseen.

use sqlparser::ast::{CastKind, DataType, ExactNumberInfo, Expr, TimezoneInfo};

use super::{Gate, Taken, boxed};
use crate::{
    calculation::sql::{
        error::SqlError,
        tree::{Kind, Node, Scalar},
    },
    events::FieldType,
};

impl Gate<'_> {
    pub(super) fn cast(
        &self,
        whole: &Expr,
        kind: &CastKind,
        value: &Expr,
        data_type: &DataType,
    ) -> Taken {
        if matches!(kind, CastKind::TryCast | CastKind::SafeCast) {
            return Err(self.refuse(
                whole,
                "TRY_CAST is not taken: DuckDB and Spark give NULL for different texts; a CAST that fails rejects its event",
            ));
        }
        let target = self.target(whole, data_type)?;
        let node = self.node(value)?;
        if node.kind == Kind::Null {
            let null = Node::new(Kind::Literal(Scalar::Null), target);
            let value = boxed(null);
            return Ok(Node::new(
                Kind::Cast {
                    value,
                    written: true,
                },
                target,
            ));
        }
        if let Some(why) = refusal(&node, target) {
            return Err(self.refuse(whole, why));
        }
        let value = boxed(node);
        Ok(Node::new(
            Kind::Cast {
                value,
                written: true,
            },
            target,
        ))
    }

    fn target(&self, at: &Expr, data_type: &DataType) -> Result<FieldType, SqlError> {
        let decimal = |info: &ExactNumberInfo| {
            match *info {
            ExactNumberInfo::None => Err("DECIMAL needs its digits, as in DECIMAL(18,2): without them it is another type in DuckDB than in Spark".to_owned()),
            ExactNumberInfo::Precision(precision) => Ok((precision, 0)),
            ExactNumberInfo::PrecisionAndScale(precision, scale) => Ok((precision, scale)),
        }
        };
        let found = match data_type {
            DataType::BigInt(None) => Ok(FieldType::BigInt),
            DataType::Double(ExactNumberInfo::None) | DataType::DoublePrecision => {
                Ok(FieldType::Double)
            }
            DataType::Varchar(None) | DataType::Text | DataType::String(None) => {
                Ok(FieldType::Varchar)
            }
            DataType::Boolean | DataType::Bool => Ok(FieldType::Boolean),
            DataType::Date => Ok(FieldType::Date),
            DataType::Timestamp(None, TimezoneInfo::None | TimezoneInfo::Tz) => {
                Ok(FieldType::Timestamp)
            }
            DataType::Decimal(info) | DataType::Numeric(info) => {
                decimal(info).and_then(|(precision, scale)| {
                    let digits = u8::try_from(precision).ok().zip(u8::try_from(scale).ok());
                    let fits = |(p, s): &(u8, u8)| (1..=38).contains(p) && s <= p;
                    let (precision, scale) = digits.filter(fits).ok_or_else(|| {
                        format!("DECIMAL({precision},{scale}) does not exist: it holds p digits, 1 to 38, of which s, 0 to p, stand after the point")
                    })?;
                    Ok(FieldType::Decimal { precision, scale })
                })
            }
            DataType::Varchar(Some(_)) | DataType::String(Some(_)) | DataType::Char(_) => {
                Err("a length is not taken: neither DuckDB nor Spark cuts a text to it; write VARCHAR".to_owned())
            }
            DataType::Int(_)
            | DataType::Integer(_)
            | DataType::SmallInt(_)
            | DataType::TinyInt(_) => {
                Err("BIGINT is the type of whole numbers; write BIGINT".to_owned())
            }
            DataType::Float(_) | DataType::Real => {
                Err("DOUBLE is the type of binary numbers; write DOUBLE".to_owned())
            }
            other => Err(format!(
                "there is no type {other} here; the types are BIGINT, DOUBLE, DECIMAL(p,s), VARCHAR, BOOLEAN, TIMESTAMP and DATE"
            )),
        };
        found.map_err(|why| self.refuse(at, why))
    }
}

/// Why a cast is not taken; `None` when it is.
fn refusal(value: &Node, target: FieldType) -> Option<String> {
    use FieldType::{BigInt, Boolean, Date, Decimal, Double, Timestamp, Varchar};
    let why = match (value.data_type, target) {
        (from, to) if from == to => return None,
        (BigInt, Decimal { .. } | Double | Varchar) => return None,
        (Decimal { .. }, Decimal { .. } | Double) => return None,
        (Decimal { .. } | Double, BigInt) if value.is_whole() => return None,
        (Varchar, BigInt | Decimal { .. } | Double | Boolean) => return None,
        (Boolean, Varchar) => return None,
        (Varchar | Timestamp | Date, Timestamp | Date) => return None,
        (Timestamp | Date, Varchar) => return None,
        (BigInt, Timestamp) => "a number of what? write to_timestamp(seconds)".to_owned(),
        (_, Timestamp | Date) => "a number is no point in time; write to_timestamp(seconds)".to_owned(),
        (Timestamp | Date, _) => "a point in time is no number; write epoch_ms(it)".to_owned(),
        (Decimal { precision, scale }, Varchar) if precision > scale => return None,
        (Double, Varchar) => return None,
        (Decimal { precision, scale }, Varchar) => format!(
            "a DECIMAL({precision},{scale}) as text is .5 in DuckDB and 0.5 in Spark; CAST it to a DECIMAL with more digits before the point first"
        ),
        (Decimal { .. } | Double, BigInt) => "this CAST may drop digits, and DuckDB rounds where Spark cuts them off; write CAST(round(x) AS BIGINT) or CAST(floor(x) AS BIGINT)".to_owned(),
        (Double, Decimal { .. }) => "CAST of a DOUBLE to DECIMAL is not taken: DuckDB and Spark round it differently; go through text, CAST(CAST(x AS VARCHAR) AS DECIMAL(p,s))".to_owned(),
        (Boolean, _) => "a BOOLEAN is no number; write CASE WHEN it THEN 1 ELSE 0 END".to_owned(),
        (_, _) => "a number is no BOOLEAN; write x <> 0".to_owned(),
    };
    Some(why)
}
