//! The names that a column of the results may have.

use super::{
    columns::{RESERVED, RESULT},
    declaration::{is_usable, same},
};

/// Why a column of the results cannot have its name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameTaken {
    /// It is empty, too long, or holds a control character.
    #[error("a name has 1 to 255 bytes and no control characters; write another one after AS")]
    Unusable,
    /// One of snapback's own columns has it.
    #[error(
        "the name is reserved for a column of the snapshot; write another one after AS. Reserved are {reserved}",
        reserved = reserved()
    )]
    Reserved,
    /// A field has it, in this or another case.
    #[error(
        "the event has the field {0:?}, and SQL does not tell upper from lower case; write another name after AS"
    )]
    Field(String),
    /// Another column of the results has it, in this or another case.
    #[error(
        "the column {0:?} stands before it, and SQL does not tell upper from lower case; write another name after AS"
    )]
    Result(String),
}

fn reserved() -> String {
    let others = RESERVED.iter().copied().filter(|name| *name != RESULT);
    others.collect::<Vec<_>>().join(", ")
}

impl NameTaken {
    /// Checks the name of a column of the results beside the names of the fields and of the columns before it.
    ///
    /// # Errors
    /// When it is taken.
    pub(crate) fn check<'n>(
        name: &str,
        mut fields: impl Iterator<Item = &'n str>,
        mut before: impl Iterator<Item = &'n str>,
    ) -> Result<(), NameTaken> {
        let is_own = |own: &&str| **own != *RESULT && same(own, name);
        if !is_usable(name) {
            Err(NameTaken::Unusable)
        } else if RESERVED.iter().any(is_own) {
            Err(NameTaken::Reserved)
        } else if let Some(field) = fields.find(|field| same(field, name)) {
            Err(NameTaken::Field(field.to_owned()))
        } else if let Some(other) = before.find(|other| same(other, name)) {
            Err(NameTaken::Result(other.to_owned()))
        } else {
            Ok(())
        }
    }
}
