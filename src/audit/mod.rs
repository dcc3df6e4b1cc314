//! Whether what is stored is what it should be: `verify`, and the checks of a running processor.
//!
//! In flow a store, a topic's layout, and the calculations that this program has; out flows a [`Report`] of
//! [`Finding`]s, each with its place and its remedy. Verifying changes nothing; only the last level asks Kafka, and
//! [`verify_events`], which reads the events again that have no row.
//! Damage is never an error: an `Err` means that nothing could be said. What a topic holds and nobody can read is [`Unread`]:
//! the report names it, and says nothing of it; everything else is verified.
//!
//! [`Recalculator`] brings stored history of another calculation ([`outdated`]) under this one; [`mend`] puts right what was
//! found wrong, as [`plan_repair`] says; a [`Scrubber`] does both beside a running processor, group by group.
//! [`rescue`] makes what Kafka has lost again from what had been published of it.
//! [`fill`] adds what a history does not have and Kafka has.
//! A [`Statement`] says for others what was verified, with digests of the rows.
//!
//! Levels are cumulative ([`Level`]):
//! - **integrity**: every retained manifest, from the newest back, is what its base and its edit give (I2);
//!   every live segment is at its own path with its size, digest, rows and metadata, its offsets ascending.
//! - **coverage**: every offset has exactly one outcome or a record of its absence, counted from the rows
//!   themselves (I4). It does not rest on digests or counts, which a writer's mistake would have got right.
//! - **semantic**: every result is calculated again from the fields stored beside it, every reject decoded
//!   again from its payload, each segment under its own calculation, which the chain keeps; what
//!   this program does not have is counted as not compared, and the store is not called clean.
//! - **published**: every stored outcome is in the output topics once and as it is stored, and so is every
//!   correction, as far as the topics still hold them ([`verify_published`], after [`verify`]).
//!
//! What the third rests on: a fingerprint is made of the whole declaration, stands in each segment and each manifest, and is
//! part of their digests; so a declaration that was changed alone stands for nothing here. Whoever changes values,
//! fingerprints, declarations and every manifest after them makes a store that is consistent in itself; the report names
//! what was compared with what, so that it can be seen.
//!
//! What the first three cannot see: an outcome that is gone together with its count *and* with a new record
//! of its absence, through the whole chain; or an append whose segments were taken out of every manifest
//! and which now reads as nothing but absent offsets. Such a store is consistent in itself; only Kafka
//! knows better.

mod around;
mod backfill;
mod chain;
mod check;
mod compact;
mod coverage;
mod error;
mod examine;
mod fetch;
mod finding;
mod folders;
mod groups;
mod inspect;
mod instructions;
mod level;
mod message;
mod pages;
mod partition;
mod parts;
mod published;
mod readable;
mod recalculate;
mod repair;
mod report;
mod rereading;
mod rescue;
mod rows;
mod scrub;
mod semantic;
mod settling;
mod source;
mod stated;
mod statement;
mod succession;
mod unread;
mod verification;
mod verify;

#[cfg(test)]
mod tests;

pub use backfill::{BackfillPlan, Fill, Filled, Lack, Unfilled, fill};
pub use check::{Checked, check_segments};
pub use compact::{CompactError, Compactor, Merged};
pub use error::AuditError;
pub use finding::{Finding, FindingKind, Severity};
pub use level::{Level, NotALevel};
pub use pages::{PageMended, mend_page, unread_pages};
pub use published::{OutputTopics, verify_published};
pub use readable::readable_events;
pub use recalculate::{
    Difference, DifferencesFile, DifferencesFileError, Different, Outdated, RecalculateError,
    Recalculator, ResultsTopic, each_difference, filtered_otherwise, outdated,
};
pub use repair::{
    Acceptance, Loss, ManifestMend, ManifestRemedy, Mend, Mended, RepairError, RepairPlan, Source,
    Unmade, accept_loss, find_loss, judge_loss, keep_rest, mend, mend_manifests, plan_repair,
    read_back, unfinished_loss,
};
pub use report::{ComparedWith, LostRange, Published, Report, Reread};
pub use rereading::verify_events;
pub use rescue::{Rescue, RescueError, published_part, rescue, try_rescue};
pub use scrub::{Chosen, MOST_WRONG, Scrubbed, Scrubber, Then, Turn};
pub use settling::{SettleError, Settled};
pub use source::{SourceError, is_its_source};
pub use statement::{Changed, Comparison, Scope, Statement, StatementError, compare};
pub use unread::Unread;
pub use verify::{Options, Progress, verify};
