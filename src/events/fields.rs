//! The fields of an event, declared as SQL columns.

use std::fmt;

use arrow_schema::{DataType, Field as ArrowField, Schema, TimeUnit};

use super::{
    identifier::Identifier,
    path::{Path, Step},
};

/// The type of a field or of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FieldType {
    /// BIGINT: a whole number of 64 bits.
    BigInt,
    /// DOUBLE: the 64-bit float nearest to the number in the message; never infinite or NaN.
    Double,
    /// DECIMAL(p,s): an exact number of up to `precision` digits, `scale` of them after the point.
    Decimal {
        /// All digits: 1 to 38.
        precision: u8,
        /// The digits after the point: 0 to `precision`.
        scale: u8,
    },
    /// VARCHAR: text.
    Varchar,
    /// BOOLEAN: true or false.
    Boolean,
    /// TIMESTAMP: a point in time, in microseconds, of the years 1 to 9999 in UTC.
    Timestamp,
    /// DATE: a day of the years 1 to 9999.
    Date,
    /// JSON: any value, as its text stands in the payload; a column of texts.
    Json,
}

/// What of its type a field takes, and how a payload has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Form {
    /// Whatever the type holds.
    #[default]
    Any,
    /// FROM STRING: a number in a string.
    FromString,
    /// INTEGER: of a BIGINT, the whole numbers of 32 bits.
    Integer,
    /// SMALLINT: of a BIGINT, the whole numbers of 16 bits.
    SmallInt,
    /// UUID: of a VARCHAR, `123e4567-e89b-12d3-a456-426614174000` in upper or lower case.
    Uuid,
}

/// What marks a column of texts as JSON, in the metadata of its Arrow field.
const TYPE_KEY: &str = "snapback.type";
const JSON: &str = "JSON";

impl FieldType {
    /// The Arrow type of such a column.
    #[must_use]
    pub fn data_type(self) -> DataType {
        match self {
            FieldType::BigInt => DataType::Int64,
            FieldType::Double => DataType::Float64,
            FieldType::Decimal { precision, scale } => {
                DataType::Decimal128(precision, scale.cast_signed())
            }
            FieldType::Varchar | FieldType::Json => DataType::Utf8,
            FieldType::Boolean => DataType::Boolean,
            FieldType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            FieldType::Date => DataType::Date32,
        }
    }

    /// A column of this type.
    #[must_use]
    pub fn column(self, name: &str, nullable: bool) -> ArrowField {
        let column = ArrowField::new(name, self.data_type(), nullable);
        match self {
            FieldType::Json => {
                column.with_metadata([(TYPE_KEY.to_owned(), JSON.to_owned())].into())
            }
            _ => column,
        }
    }

    /// The type that such a column was made of, if it is that of a field.
    #[must_use]
    pub fn of_column(column: &ArrowField) -> Option<FieldType> {
        let marked = column.metadata().get(TYPE_KEY).map(String::as_str);
        match FieldType::of(column.data_type())? {
            FieldType::Varchar if marked == Some(JSON) => Some(FieldType::Json),
            other => Some(other),
        }
    }

    /// The type whose columns have this Arrow type, if there is one.
    #[must_use]
    pub fn of(data_type: &DataType) -> Option<FieldType> {
        match *data_type {
            DataType::Int64 => Some(FieldType::BigInt),
            DataType::Float64 => Some(FieldType::Double),
            DataType::Decimal128(precision @ 1..=38, scale) => u8::try_from(scale)
                .ok()
                .filter(|scale| *scale <= precision)
                .map(|scale| FieldType::Decimal { precision, scale }),
            DataType::Utf8 => Some(FieldType::Varchar),
            DataType::Boolean => Some(FieldType::Boolean),
            DataType::Timestamp(TimeUnit::Microsecond, Some(ref zone)) if &**zone == "UTC" => {
                Some(FieldType::Timestamp)
            }
            DataType::Date32 => Some(FieldType::Date),
            _ => None,
        }
    }

    /// Whether it is one of the number types.
    #[must_use]
    pub const fn is_numeric(self) -> bool {
        matches!(
            self,
            FieldType::BigInt | FieldType::Double | FieldType::Decimal { .. }
        )
    }
}

impl fmt::Display for FieldType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FieldType::BigInt => f.write_str("BIGINT"),
            FieldType::Double => f.write_str("DOUBLE"),
            FieldType::Decimal { precision, scale } => write!(f, "DECIMAL({precision},{scale})"),
            FieldType::Varchar => f.write_str("VARCHAR"),
            FieldType::Boolean => f.write_str("BOOLEAN"),
            FieldType::Timestamp => f.write_str("TIMESTAMP"),
            FieldType::Date => f.write_str("DATE"),
            FieldType::Json => f.write_str("JSON"),
        }
    }
}

/// One declared field of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name: the column in the snapshot, and without a path the member of the payload (compared exactly).
    pub name: String,
    /// Its type.
    pub data_type: FieldType,
    /// Whether the field may be missing or null; both are NULL.
    pub nullable: bool,
    /// What of the type it takes, and how.
    pub form: Form,
    /// Where in the payload it is found, if not at the member with its name.
    pub path: Option<Path>,
}

/// A field's type as it is declared: `INTEGER`, `DECIMAL(10,2) FROM STRING`.
pub(super) struct Declared(pub FieldType, pub Form);

impl fmt::Display for Declared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            Form::Any => write!(f, "{}", self.0),
            Form::FromString => write!(f, "{} FROM STRING", self.0),
            Form::Integer => f.write_str("INTEGER"),
            Form::SmallInt => f.write_str("SMALLINT"),
            Form::Uuid => f.write_str("UUID"),
        }
    }
}

impl Field {
    /// A field at the member of its name.
    #[must_use]
    pub fn new(name: &str, data_type: FieldType, nullable: bool) -> Field {
        Field {
            name: name.to_owned(),
            data_type,
            nullable,
            form: Form::Any,
            path: None,
        }
    }

    /// Its type as it is declared.
    pub(super) fn declared(&self) -> Declared {
        Declared(self.data_type, self.form)
    }

    /// Where in the payload it is found.
    #[must_use]
    pub fn path(&self) -> Path {
        let own = self.path.clone();
        own.unwrap_or_else(|| Path::member(&self.name))
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", Identifier(&self.name), self.declared())?;
        if !self.nullable {
            f.write_str(" NOT NULL")?;
        }
        match &self.path {
            Some(path) => write!(f, " PATH \"{}\"", path.to_string().replace('"', "\"\"")),
            None => Ok(()),
        }
    }
}

/// The fields of an event in their declared order: at least one, no two alike, no reserved names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields(pub(super) Vec<Field>);

impl Fields {
    /// Those of these fields that are columns of stored results, in the same type; `None` when there are none.
    #[must_use]
    pub fn stored_in(&self, schema: &Schema) -> Option<Fields> {
        let is_stored = |field: &&Field| {
            let column = schema.field_with_name(&field.name);
            column.is_ok_and(|column| FieldType::of_column(column) == Some(field.data_type))
        };
        let stored = self.iter().filter(is_stored);
        let stored: Vec<Field> = stored
            .map(|field| Field::new(&field.name, field.data_type, field.nullable))
            .collect();
        (!stored.is_empty()).then_some(Fields(stored))
    }

    /// Whether a field of this name and type is among them.
    #[must_use]
    pub fn has(&self, field: &Field) -> bool {
        let same = |own: &Field| own.name == field.name && own.data_type == field.data_type;
        self.iter().any(same)
    }

    /// Whether payloads that were made of these fields have a field of this name and type where it is looked for.
    #[must_use]
    pub fn place(&self, field: &Field) -> bool {
        self.has(field)
            && self.iter().any(|own| {
                own.name == field.name && own.path() == field.path() && own.form == field.form
            })
    }

    /// Those that are in the same place among `others`; `None` when there are none.
    #[must_use]
    pub fn common(&self, others: &Fields) -> Option<Fields> {
        let common = self.iter().filter(|own| others.place(own));
        let common: Vec<Field> = common.cloned().collect();
        (!common.is_empty()).then_some(Fields(common))
    }

    /// These fields of stored results at the places where `declared` looks for them: what is not declared is the member of
    /// its name, unless a declared one is found there or below.
    #[must_use]
    pub fn placed(&self, declared: &Fields) -> Fields {
        let below = |name: &str| {
            let is_it =
                |step: Option<&Step>| matches!(step, Some(Step::Member(first)) if first == name);
            declared
                .iter()
                .any(|field| is_it(field.path().steps().first()))
        };
        let place = |own: &Field| {
            let found = declared.iter().find(|field| field.name == own.name);
            match found {
                Some(found) => Some(Field {
                    path: found.path.clone(),
                    form: if found.data_type == own.data_type {
                        found.form
                    } else {
                        Form::Any
                    },
                    ..own.clone()
                }),
                None => (!below(&own.name)).then(|| own.clone()),
            }
        };
        Fields(self.iter().filter_map(place).collect())
    }

    /// The fields as messages of results have them: each is the member of its name, in the form in which its type is written.
    #[must_use]
    pub fn in_messages(&self) -> Fields {
        let own = |field: &Field| Field::new(&field.name, field.data_type, field.nullable);
        Fields(self.iter().map(own).collect())
    }

    /// The Arrow schema of the fields.
    #[must_use]
    pub fn schema(&self) -> Schema {
        Schema::new(
            self.iter()
                .map(|f| f.data_type.column(&f.name, f.nullable))
                .collect::<Vec<_>>(),
        )
    }

    /// The fields in their declared order.
    pub fn iter(&self) -> std::slice::Iter<'_, Field> {
        self.0.iter()
    }
}

impl Default for Fields {
    /// `number BIGINT NOT NULL`.
    fn default() -> Fields {
        Fields(vec![Field::new("number", FieldType::BigInt, false)])
    }
}

/// The field at a position of the declared order.
impl std::ops::Index<usize> for Fields {
    type Output = Field;

    fn index(&self, index: usize) -> &Field {
        &self.0[index]
    }
}

impl<'a> IntoIterator for &'a Fields {
    type Item = &'a Field;
    type IntoIter = std::slice::Iter<'a, Field>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// The canonical SQL text; reading it gives the same fields.
impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, field) in self.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{field}")?;
        }
        Ok(())
    }
}
