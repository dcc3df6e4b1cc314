//! Reading the declaration of the fields, `number BIGINT NOT NULL, note VARCHAR`.

mod error;
mod tokens;

use std::{collections::HashMap, str::FromStr};

use super::{
    columns::RESERVED,
    fields::{Declared, Field, FieldType, Fields, Form},
    path::{Path, Step},
};
pub use error::FieldsError;
use error::LONGEST;
use tokens::{Token, Tokens};

/// The longest field name in bytes.
const LONGEST_NAME: usize = 255;

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
    let mut tokens = Tokens::of(text);
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

/// The names in a list, as SQL writes them: each once, whatever its case.
///
/// # Errors
/// When it is no such list.
pub(crate) fn column_names(text: &str) -> Result<Vec<String>, FieldsError> {
    if text.len() > LONGEST {
        return Err(FieldsError::TooLong(text.len()));
    }
    let mut tokens = Tokens::of(text);
    if tokens.peek()? == Token::End {
        return Err(FieldsError::Empty);
    }
    let mut names: Vec<String> = Vec::new();
    loop {
        let name = match tokens.take()? {
            Token::Word(word) => word.to_owned(),
            Token::Quoted(name) => name,
            other => return Err(other.instead_of("a column's name")),
        };
        if let Some(other) = names.iter().find(|other| same(other, &name)) {
            return Err(FieldsError::Duplicate(other.clone(), name));
        }
        names.push(name);
        match tokens.take()? {
            Token::Symbol(',') => {}
            Token::End => return Ok(names),
            other => return Err(other.instead_of("a comma or the end")),
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

#[cfg(test)]
mod tests;
