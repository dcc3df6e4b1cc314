//! What may be wrong with a declaration of fields.

use super::super::columns::RESERVED;

/// The longest declaration in bytes.
pub const LONGEST: usize = 64 << 10;

/// What is wrong with a declaration of fields.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldsError {
    /// Nothing is declared.
    #[error("no field is declared; declare at least one, such as \"number BIGINT NOT NULL\"")]
    Empty,
    /// A declaration that is too long.
    #[error("the declaration has {0} bytes; it may have {LONGEST}")]
    TooLong(usize),
    /// Something else was expected.
    #[error(
        "expected {expected} but found {found}; a declaration reads \"number BIGINT NOT NULL, note VARCHAR\""
    )]
    Unexpected {
        /// What was expected.
        expected: &'static str,
        /// What was found.
        found: String,
    },
    /// A quoted name does not end.
    #[error("the quoted text {0:?} does not end; close it with a quote")]
    OpenQuote(String),
    /// A name that cannot be used.
    #[error(
        "the field name {0:?} cannot be used: a name has 1 to 255 bytes and no control characters"
    )]
    Name(String),
    /// A type that does not exist here.
    #[error("field {field:?} has the type {found}; the types are BIGINT, DOUBLE, DECIMAL(p,s), VARCHAR, BOOLEAN, TIMESTAMP, DATE, JSON, INTEGER, SMALLINT and UUID{}", hint(.found))]
    Type {
        /// The field.
        field: String,
        /// The type that was declared.
        found: String,
    },
    /// A DECIMAL that cannot be.
    #[error(
        "field {field:?} is DECIMAL({precision},{scale}); DECIMAL(p,s) holds p digits, 1 to 38, of which s, 0 to p, stand after the point"
    )]
    Decimal {
        /// The field.
        field: String,
        /// The declared precision.
        precision: String,
        /// The declared scale.
        scale: String,
    },
    /// A name of one of snapback's own columns.
    #[error("the field name {0:?} is reserved for a column of the snapshot; reserved are {reserved}", reserved = RESERVED.join(", "))]
    Reserved(String),
    /// FROM STRING after a type that is none of a number.
    #[error(
        "field {field:?} is {declared} FROM STRING; FROM STRING stands after BIGINT, DECIMAL(p,s) and DOUBLE, for numbers that are sent in strings"
    )]
    FromString {
        /// The field.
        field: String,
        /// Its type.
        declared: String,
    },
    /// A path that is none.
    #[error(
        "field {field:?} has the PATH {path:?}: {why}; a path reads \"$.after.price\" or \"$.items[0]['unit price']\""
    )]
    Path {
        /// The field.
        field: String,
        /// The path.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// Paths that take one value as an object and as an array.
    #[error(
        "{path} is an object for field {object:?} and an array for field {array:?}; a value is one of them"
    )]
    Both {
        /// The path of the value.
        path: String,
        /// A field below it as an object.
        object: String,
        /// A field below it as an array.
        array: String,
    },
    /// Two fields that SQL cannot tell apart.
    #[error(
        "the fields {0:?} and {1:?} have the same name (SQL does not tell upper from lower case); declare it once"
    )]
    Duplicate(String, String),
}

/// What to write for the usual names of other systems.
fn hint(found: &str) -> &'static str {
    match found.to_ascii_uppercase().as_str() {
        "INT" | "INT4" | "INT32" => " (declare it INTEGER)",
        "TINYINT" => " (declare it SMALLINT)",
        "LONG" | "INT8" | "INT64" => " (declare it BIGINT)",
        "REAL" | "FLOAT8" | "FLOAT64" => " (declare it DOUBLE)",
        "HUGEINT" => " (declare it DECIMAL(38,0))",
        "TIMESTAMPTZ" | "DATETIME" => " (declare it TIMESTAMP)",
        "JSONB" | "STRUCT" | "MAP" | "OBJECT" => " (declare it JSON)",
        "TEXT" | "STRING" | "CHAR" => " (declare it VARCHAR)",
        "BOOL" => " (declare it BOOLEAN)",
        _ => "",
    }
}
