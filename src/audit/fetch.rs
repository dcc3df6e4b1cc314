//! A listed segment's file, from wherever it lies, or the finding that says why it cannot be had.

use super::{
    AuditError, Finding, FindingKind,
    inspect::{Content, File},
    instructions,
    verification::Verification,
};
use crate::{
    format::{Layout, Segment},
    history::{ChainError, FetchError, FoundAt, fetch_segment, lists, load_tail},
    model::Partition,
    store::Store,
};

/// Whether the newest manifest still lists a segment that is not at its own path. A processor may have replaced it since the
/// caller looked.
async fn is_live(
    store: &Store,
    layout: &Layout,
    partition: Partition,
    segment: &Segment,
) -> Result<bool, AuditError> {
    match load_tail(store, layout, partition).await {
        Ok(tail) => {
            let Some(newest) = tail.newest else {
                return Ok(true);
            };
            match lists(store, layout, &newest, &segment.path).await {
                // The page is a finding of its own.
                Err(ChainError::UnreadPage { .. }) => Ok(true),
                listed => Ok(listed?),
            }
        }
        Err(error) if error.keeps_no_other() => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Fetches a segment and compares it with its digest.
///
/// # Errors
/// When the store does not answer; what is wrong with the file alone is a finding.
pub(super) async fn fetch(
    context: &Verification,
    partition: Partition,
    segment: &Segment,
) -> Result<(File, Option<Finding>), AuditError> {
    let Verification { store, layout, .. } = context;
    let location = store.locate(&segment.path);
    let finding = |kind, detail: String, remedy: String| {
        Finding::new(kind, partition, segment.range, detail, remedy).of(&segment.path)
    };
    let restore = || instructions::restore(segment, &location);
    let stated = format!(
        "its manifest states {} bytes and {}",
        segment.bytes, segment.digest
    );
    let (bytes, finding) = match fetch_segment(store, layout, segment).await {
        Ok(fetched) if fetched.bytes.len() as u64 != segment.bytes => {
            let detail = format!("{location} has {} bytes; {stated}", fetched.bytes.len());
            let remedy = instructions::misstated();
            (
                Some(fetched.bytes),
                Some(finding(FindingKind::WrongCount, detail, remedy)),
            )
        }
        Ok(fetched) if fetched.found_at == FoundAt::OwnPath => (Some(fetched.bytes), None),
        Ok(fetched) if !is_live(store, layout, partition, segment).await? => {
            (Some(fetched.bytes), None)
        }
        Ok(fetched) => {
            let attic = layout
                .attic(&segment.path)
                .map(|path| store.locate(&path))
                .unwrap_or_default();
            let detail = format!("the segment is live, but lies in the attic ({attic})");
            let remedy = instructions::out_of_attic(&attic, &location);
            (
                Some(fetched.bytes),
                Some(finding(FindingKind::MisplacedSegment, detail, remedy)),
            )
        }
        Err(FetchError::Missing { .. }) if !is_live(store, layout, partition, segment).await? => {
            (None, None)
        }
        Err(FetchError::Missing { .. }) => {
            let detail = format!("there is no file {location}, and none in the attic");
            (
                None,
                Some(finding(FindingKind::MissingSegment, detail, restore())),
            )
        }
        Err(FetchError::Damaged { actual, .. }) => {
            let detail = format!("the digest of {location} is {actual}; {stated}");
            (
                None,
                Some(finding(FindingKind::DigestMismatch, detail, restore())),
            )
        }
        Err(FetchError::TooLarge { .. }) => {
            let detail = format!("{location} is larger than it should be; {stated}");
            (
                None,
                Some(finding(FindingKind::DigestMismatch, detail, restore())),
            )
        }
        Err(FetchError::Store(error)) if error.concerns_the_object() => (
            None,
            Some(
                finding(FindingKind::Unreadable, error.to_string(), restore())
                    .of_a_file_not_given(),
            ),
        ),
        Err(FetchError::Store(error)) => return Err(error.into()),
    };
    let file = File {
        segment: segment.clone(),
        location,
        content: bytes.map(Content::Bytes),
    };
    Ok((file, finding))
}
