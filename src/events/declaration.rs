//! Reading the declaration of the fields, `number BIGINT NOT NULL, note VARCHAR`.

use std::{collections::HashMap, str::FromStr};

use super::{
    columns::RESERVED,
    fields::{Declared, Field, FieldType, Fields, Form},
    identifier::is_word,
    path::{Path, Step},
};

/// The longest field name in bytes.
const LONGEST_NAME: usize = 255;
/// The longest declaration in bytes.
const LONGEST: usize = 64 << 10;

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

impl Fields {
    /// Reads a declaration such as `number BIGINT NOT NULL, note VARCHAR`.
    ///
    /// Keywords are read in any case; names are taken as written, in double quotes if they hold more
    /// than letters, digits and underscores.
    ///
    /// # Errors
    /// When it is no such declaration; the error says which part, and what is possible there.
    pub fn parse(text: &str) -> Result<Fields, FieldsError> {
        fields(text, is_reserved).map(Fields)
    }

    /// Reads columns of results, whose names are snapback's own or a calculation's, in the same form.
    pub(crate) fn parse_results(text: &str) -> Result<Fields, FieldsError> {
        fields(text, |_| false).map(Fields)
    }
}

impl FromStr for Fields {
    type Err = FieldsError;

    fn from_str(text: &str) -> Result<Fields, FieldsError> {
        Fields::parse(text)
    }
}

fn fields(text: &str, is_reserved: fn(&str) -> bool) -> Result<Vec<Field>, FieldsError> {
    if text.len() > LONGEST {
        return Err(FieldsError::TooLong(text.len()));
    }
    let mut tokens = Tokens(text);
    if tokens.peek()? == Token::End {
        return Err(FieldsError::Empty);
    }
    let mut fields: Vec<Field> = Vec::new();
    let mut names: HashMap<String, usize> = HashMap::new();
    loop {
        let field = field(&mut tokens, is_reserved)?;
        if let Some(other) = names.insert(field.name.to_lowercase(), fields.len()) {
            return Err(FieldsError::Duplicate(
                fields[other].name.clone(),
                field.name,
            ));
        }
        fields.push(field);
        match tokens.take()? {
            Token::Symbol(',') => {}
            Token::End => return alike(&fields).map(|()| fields),
            other => return Err(other.instead_of("a comma, NOT NULL, PATH or the end")),
        }
    }
}

/// Whether all paths take each value as an object, or all as an array.
fn alike(fields: &[Field]) -> Result<(), FieldsError> {
    let mut taken: HashMap<Path, (&Field, bool)> = HashMap::new();
    for field in fields {
        let Some(path) = &field.path else { continue };
        for (above, step) in path.above() {
            let is_array = matches!(step, Step::Index(_));
            let (other, was_array) = *taken.entry(above.clone()).or_insert((field, is_array));
            if was_array != is_array {
                let [object, array] = if is_array {
                    [other, field]
                } else {
                    [field, other]
                };
                return Err(FieldsError::Both {
                    path: above.to_string(),
                    object: object.name.clone(),
                    array: array.name.clone(),
                });
            }
        }
    }
    Ok(())
}

/// Whether SQL takes two names for one.
pub(super) fn same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

fn field(tokens: &mut Tokens<'_>, is_reserved: fn(&str) -> bool) -> Result<Field, FieldsError> {
    let name = match tokens.take()? {
        Token::Word(word) if !word.starts_with(|c: char| c.is_ascii_digit()) => word.to_owned(),
        Token::Quoted(name) => name,
        other => return Err(other.instead_of("a field name")),
    };
    if !is_usable(&name) {
        return Err(FieldsError::Name(name.chars().take(64).collect()));
    }
    if is_reserved(&name) {
        return Err(FieldsError::Reserved(name));
    }
    let (data_type, mut form) = data_type(&name, tokens)?;
    if is(&tokens.peek()?, "FROM") {
        tokens.take()?;
        let string = tokens.take()?;
        if !is(&string, "STRING") {
            return Err(string.instead_of("STRING after FROM"));
        }
        if form != Form::Any || !data_type.is_numeric() {
            return Err(FieldsError::FromString {
                field: name,
                declared: Declared(data_type, form).to_string(),
            });
        }
        form = Form::FromString;
    }
    let mut nullable = None;
    let mut path = None;
    loop {
        if nullable.is_none() {
            nullable = self::nullable(tokens)?;
            if nullable.is_some() {
                continue;
            }
        }
        if path.is_some() || !is(&tokens.peek()?, "PATH") {
            break;
        }
        tokens.take()?;
        path = Some(self::path(&name, tokens)?);
    }
    Ok(Field {
        path: path.filter(|path| !path.is_member(&name)),
        name,
        data_type,
        form,
        nullable: nullable.unwrap_or(true),
    })
}

/// What follows PATH: in double quotes, or in single ones as SQL/JSON has it.
fn path(field: &str, tokens: &mut Tokens<'_>) -> Result<Path, FieldsError> {
    let text = match tokens.take()? {
        Token::Quoted(text) => text,
        Token::Symbol('\'') => tokens.quoted('\'')?,
        other => {
            return Err(
                other.instead_of("a path in quotes after PATH, as in PATH \"$.after.price\"")
            );
        }
    };
    Path::parse(&text).map_err(|why| FieldsError::Path {
        field: field.to_owned(),
        path: text.chars().take(64).collect(),
        why,
    })
}

fn is(token: &Token<'_>, keyword: &str) -> bool {
    matches!(token, Token::Word(word) if word.eq_ignore_ascii_case(keyword))
}

/// Whether a field can have this name.
pub(super) fn is_name(name: &str) -> bool {
    is_usable(name) && !is_reserved(name)
}

pub(super) fn is_usable(name: &str) -> bool {
    !name.is_empty() && name.len() <= LONGEST_NAME && !name.contains(char::is_control)
}

fn is_reserved(name: &str) -> bool {
    RESERVED.iter().any(|reserved| same(reserved, name))
}

fn data_type(field: &str, tokens: &mut Tokens<'_>) -> Result<(FieldType, Form), FieldsError> {
    let word = match tokens.take()? {
        Token::Word(word) => word,
        other => {
            return Err(
                other.instead_of("a type, such as BIGINT, DECIMAL(p,s), VARCHAR or TIMESTAMP")
            );
        }
    };
    let any = |data_type| Ok((data_type, Form::Any));
    match word.to_ascii_uppercase().as_str() {
        "BIGINT" => any(FieldType::BigInt),
        "INTEGER" => Ok((FieldType::BigInt, Form::Integer)),
        "SMALLINT" => Ok((FieldType::BigInt, Form::SmallInt)),
        "DOUBLE" | "FLOAT" => any(FieldType::Double),
        "VARCHAR" => any(FieldType::Varchar),
        "UUID" => Ok((FieldType::Varchar, Form::Uuid)),
        "BOOLEAN" => any(FieldType::Boolean),
        "TIMESTAMP" => any(FieldType::Timestamp),
        "DATE" => any(FieldType::Date),
        "JSON" => any(FieldType::Json),
        "DECIMAL" | "NUMERIC" => any(decimal(field, tokens)?),
        _ => Err(FieldsError::Type {
            field: field.to_owned(),
            found: word.to_owned(),
        }),
    }
}

fn decimal(field: &str, tokens: &mut Tokens<'_>) -> Result<FieldType, FieldsError> {
    let mut number = |before: char, expected| {
        match tokens.take()? {
            Token::Symbol(symbol) if symbol == before => {}
            other => return Err(other.instead_of(expected)),
        }
        match tokens.take()? {
            Token::Word(word) => Ok(word),
            other => Err(other.instead_of("a number of digits")),
        }
    };
    let precision = number('(', "(p,s) after DECIMAL")?;
    let scale = number(',', "a comma and the scale in DECIMAL(p,s)")?;
    match tokens.take()? {
        Token::Symbol(')') => {}
        other => return Err(other.instead_of("a closing parenthesis")),
    }
    match (precision.parse(), scale.parse()) {
        (Ok(precision @ 1..=38), Ok(scale)) if scale <= precision => {
            Ok(FieldType::Decimal { precision, scale })
        }
        _ => Err(FieldsError::Decimal {
            field: field.to_owned(),
            precision: precision.to_owned(),
            scale: scale.to_owned(),
        }),
    }
}

/// `NULL` or `NOT NULL`; `None` for neither.
fn nullable(tokens: &mut Tokens<'_>) -> Result<Option<bool>, FieldsError> {
    let next = tokens.peek()?;
    if is(&next, "NULL") {
        tokens.take()?;
        return Ok(Some(true));
    }
    if !is(&next, "NOT") {
        return Ok(None);
    }
    tokens.take()?;
    let null = tokens.take()?;
    if is(&null, "NULL") {
        Ok(Some(false))
    } else {
        Err(null.instead_of("NULL after NOT"))
    }
}

#[derive(Debug, PartialEq)]
enum Token<'a> {
    Word(&'a str),
    Quoted(String),
    Symbol(char),
    End,
}

impl Token<'_> {
    fn instead_of(self, expected: &'static str) -> FieldsError {
        let found = match self {
            Token::Word(word) => format!("{word:?}"),
            Token::Quoted(name) => format!("the name {name:?}"),
            Token::Symbol(symbol) => format!("{symbol:?}"),
            Token::End => "the end".to_owned(),
        };
        FieldsError::Unexpected { expected, found }
    }
}

struct Tokens<'a>(&'a str);

impl<'a> Tokens<'a> {
    fn peek(&mut self) -> Result<Token<'a>, FieldsError> {
        let here = self.0;
        let token = self.take();
        self.0 = here;
        token
    }

    fn take(&mut self) -> Result<Token<'a>, FieldsError> {
        self.0 = self.0.trim_start();
        let Some(first) = self.0.chars().next() else {
            return Ok(Token::End);
        };
        if first == '"' {
            self.0 = &self.0[1..];
            return self.quoted(first).map(Token::Quoted);
        }
        let end = self.0.find(|c| !is_word(c)).unwrap_or(self.0.len());
        let (token, rest) = self.0.split_at(end.max(first.len_utf8()));
        self.0 = rest;
        Ok(if end == 0 {
            Token::Symbol(first)
        } else {
            Token::Word(token)
        })
    }

    /// What stands in quotes, after the first, in which two of them stand for one.
    fn quoted(&mut self, quote: char) -> Result<String, FieldsError> {
        let mut name = String::new();
        let mut rest = self.0.chars();
        while let Some(c) = rest.next() {
            if c != quote {
                name.push(c);
            } else if rest.as_str().starts_with(quote) {
                name.push(c);
                rest.next();
            } else {
                self.0 = rest.as_str();
                return Ok(name);
            }
        }
        Err(FieldsError::OpenQuote(name.chars().take(64).collect()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Fields;

    #[test]
    fn a_declaration_is_read_and_written_back_in_its_canonical_form() {
        for (text, canonical) in [
            ("number BIGINT NOT NULL", "number BIGINT NOT NULL"),
            ("  number\tbigint   not\nnull ", "number BIGINT NOT NULL"),
            ("n bigint null,m double", "n BIGINT, m DOUBLE"),
            (
                "price DECIMAL( 10 , 2 ) NOT NULL",
                "price DECIMAL(10,2) NOT NULL",
            ),
            (
                "a VARCHAR, b BOOLEAN NOT NULL",
                "a VARCHAR, b BOOLEAN NOT NULL",
            ),
            (
                "\"order id\" BIGINT, \"a\"\"b\" VARCHAR",
                "\"order id\" BIGINT, \"a\"\"b\" VARCHAR",
            ),
            ("\"plain\" BIGINT", "plain BIGINT"),
            (
                "a numeric(9,2) from string not null, b float, c bigint FROM STRING PATH \"$.x\"",
                "a DECIMAL(9,2) FROM STRING NOT NULL, b DOUBLE, c BIGINT FROM STRING PATH \"$.x\"",
            ),
            (
                "a timestamp, b date, c json, d integer, e smallint, f uuid, \"date\" DATE",
                "a TIMESTAMP, b DATE, c JSON, d INTEGER, e SMALLINT, f UUID, date DATE",
            ),
            ("\"größe\" DOUBLE", "\"größe\" DOUBLE"),
            ("not BIGINT", "not BIGINT"),
            (
                "a BIGINT PATH \"$.x['y'][0]\" not null, b DOUBLE NOT NULL path '$.x'",
                "a BIGINT NOT NULL PATH \"$.x.y[0]\", b DOUBLE NOT NULL PATH \"$.x\"",
            ),
            (
                "a BIGINT PATH \"$.a\", path DOUBLE",
                "a BIGINT, path DOUBLE",
            ),
            (
                "a BIGINT PATH '$[''it\\''s \"x\"'']'",
                "a BIGINT PATH \"$['it\\'s \"\"x\"\"']\"",
            ),
        ] {
            assert_eq!(
                Fields::parse(text).unwrap().to_string(),
                canonical,
                "{text}"
            );
        }
        assert_eq!(
            Fields::default(),
            Fields::parse("number BIGINT NOT NULL").unwrap()
        );
    }

    #[test]
    fn what_is_no_declaration_is_refused_with_the_reason() {
        for (text, part) in [
            ("", "no field is declared"),
            (" ", "no field is declared"),
            ("number", "found the end"),
            ("number BIGINT,", "expected a field name but found the end"),
            ("number BIGINT NOT", "expected NULL after NOT"),
            (
                "number BIGINT x",
                "expected a comma, NOT NULL, PATH or the end but found \"x\"",
            ),
            ("number BIGINT(8)", "found '('"),
            ("1a BIGINT", "expected a field name"),
            ("größe DOUBLE", "found 'ö'"),
            ("number INT", "declare it INTEGER"),
            ("n VARCHAR FROM STRING", "stands after BIGINT"),
            ("n INTEGER FROM STRING", "INTEGER FROM STRING"),
            ("n BIGINT FROM TEXT", "expected STRING after FROM"),
            ("note text", "declare it VARCHAR"),
            ("n HUGEINT", "declare it DECIMAL(38,0)"),
            ("n DECIMAL", "expected (p,s)"),
            ("n DECIMAL(5)", "the scale in DECIMAL(p,s)"),
            ("n DECIMAL(39,0)", "1 to 38"),
            ("n DECIMAL(0,0)", "1 to 38"),
            ("n DECIMAL(5,6)", "0 to p"),
            ("n DECIMAL(x,6)", "DECIMAL(x,6)"),
            ("result BIGINT", "reserved"),
            ("KEY BIGINT", "reserved"),
            ("\"Partition\" BIGINT", "reserved"),
            ("a BIGINT, A DOUBLE", "\"a\" and \"A\""),
            ("\"\" BIGINT", "1 to 255 bytes"),
            ("\"a\nb\" BIGINT", "control characters"),
            ("\"a BIGINT", "does not end"),
            ("a BIGINT PATH", "expected a path in quotes"),
            ("a BIGINT PATH $.a", "expected a path in quotes"),
            ("a BIGINT PATH '$.a", "does not end"),
            ("a BIGINT PATH \"$.a[-1]\"", "from the front"),
            ("a BIGINT PATH \"$.a\" PATH \"$.b\"", "found \"PATH\""),
            (
                "a BIGINT PATH \"$.x.y\", b BIGINT PATH \"$.x[0]\"",
                "$.x is an object for field \"a\" and an array for",
            ),
            ("a BIGINT NULL NOT NULL", "found \"NOT\""),
        ] {
            let error = Fields::parse(text).expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic_and_what_is_read_is_written_back(
            text in "([a-c\"é]{0,3} ?(BIGINT|DOUBLE|DECIMAL\\(9,[0-9]\\)|VARCHAR)? ?(NOT NULL)? ?(PATH \"\\$[.a\\[0\\]']{0,5}\")?,?){0,3}"
        ) {
            if let Ok(fields) = Fields::parse(&text) {
                prop_assert_eq!(Fields::parse(&fields.to_string()).unwrap(), fields);
            }
        }
    }
}
