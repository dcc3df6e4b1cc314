//! What an event is made of: its declared fields, how they are read from its payload, how a result becomes a message, and
//! the reasons for which an event is rejected.
//!
//! **In**: a declaration such as `number BIGINT NOT NULL` ([`Fields`]) and the payloads of events; the results as columns.
//! **Out**: one column for each field, every row whole or rejected with a [`ReasonCode`]; messages ([`ResultEncoder`]).
//!
//! How payloads are written is a [`Format`] (JSON), which nobody outside knows: they see fields and columns.
//!
//! Nothing here does I/O or looks at a clock: the same bytes give the same columns and the same reasons (I4 rests on it).
//! Numbers are exact: they are read from the digits of the message, never through a float on the way, and what a declared
//! type cannot hold is a reject that says what to declare instead.

pub(crate) mod columns;
mod declaration;
mod decode;
mod encode;
mod extract;
mod fields;
mod identifier;
mod infer;
mod name;
mod path;
mod reason;
pub(crate) mod time;

pub use declaration::FieldsError;
pub(crate) use declaration::column_names;
pub use decode::Format;
pub(crate) use decode::{Bytes, Decoder, Numbers};
pub use encode::{EncodeError, MessageBuffer, ResultEncoder, source_key};
pub(crate) use encode::{Payloads, SOURCE_HEADER};
pub(crate) use extract::JsonPath;
pub use fields::{Field, FieldType, Fields, Form};
pub(crate) use identifier::Identifier;
pub use infer::Observed;
pub use name::NameTaken;
pub use path::{Path, Step};
pub use reason::{ReasonCode, reason_code, too_large};
pub(crate) use reason::{calculations_own, printable};
