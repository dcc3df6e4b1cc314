//! What manifests list of a range becomes a page: a pure function.

use bytes::Bytes;

use super::{CorrectionsProgress, Inconsistency, Manifest, Page, Segment, codec, validate};
use crate::{
    calculation::Declaration,
    model::{Counts, Digest, OffsetRange},
};

/// Why there can be no page of a range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// What the range is made of does not begin and end with it, or is too much or too little for a page.
    #[error("{range} cannot become a page: {source}")]
    Inconsistent {
        /// The range.
        range: OffsetRange,
        /// What does not fit.
        source: Inconsistency,
    },
    /// The page would be larger than any that is read.
    #[error(
        "a page of {range} would have {bytes} bytes, more than the {} that are read",
        Page::MAX_BYTES
    )]
    TooLarge {
        /// The range.
        range: OffsetRange,
        /// Its size.
        bytes: u64,
    },
}

impl Page {
    /// The page of what `manifest` lists in `range`, with its stored form. Corrections that are not all published, by what
    /// the group has `published`, stay in the manifest.
    ///
    /// # Errors
    /// When a segment lies across the range's start or end, or there is too much or nothing to list.
    pub fn of(
        manifest: &Manifest,
        range: OffsetRange,
        published: Option<CorrectionsProgress>,
    ) -> Result<(Page, Bytes), PageError> {
        Page::with(manifest, range, |one| is_published(one, published))
    }

    /// The same with those corrections inside of the range that `takes` names.
    ///
    /// # Errors
    /// As [`Page::of`].
    pub fn with(
        manifest: &Manifest,
        range: OffsetRange,
        takes: impl Fn(&Segment) -> bool,
    ) -> Result<(Page, Bytes), PageError> {
        let within = |other: OffsetRange| other.overlaps(range);
        let listed = |segments: &[Segment]| -> Vec<Segment> {
            let segments = segments.iter().filter(|segment| within(segment.range));
            segments.cloned().collect()
        };
        let segments = listed(&manifest.open.segments);
        let mut corrections = listed(&manifest.open.corrections);
        corrections.retain(|one| range.includes(one.range) && takes(one));
        let gaps = manifest.gaps.iter().filter(|gap| within(gap.range));
        let silent = manifest.open.silent.iter().filter(|one| within(one.range));
        let has = |declared: &&Declaration| {
            let mut files = segments.iter().chain(&corrections);
            let mut filtered = silent.clone().filter_map(|one| one.fingerprint.as_ref());
            files.any(|segment| segment.fingerprint == declared.fingerprint)
                || filtered.any(|fingerprint| *fingerprint == declared.fingerprint)
        };
        let page = Page {
            topic: manifest.pipeline.events_topic.clone(),
            partition: manifest.partition,
            range,
            counts: Counts::default(),
            gaps: gaps.cloned().collect(),
            silent: silent.clone().cloned().collect(),
            calculations: manifest.calculations.iter().filter(has).cloned().collect(),
            segments,
            corrections,
            digest: Digest::of(&[]),
        };
        let counts = validate::sum_of_page(&page);
        let checked = counts.and_then(|counts| {
            let page = Page { counts, ..page };
            validate::check_page(&page)?;
            Ok(page)
        });
        let page = checked.map_err(|source| PageError::Inconsistent { range, source })?;
        let (page, stored) = codec::seal_page(page);
        match stored.len() as u64 {
            bytes if bytes > Page::MAX_BYTES => Err(PageError::TooLarge { range, bytes }),
            _ => Ok((page, stored)),
        }
    }
}

/// Whether all rows of corrections are published.
pub(super) fn is_published(corrections: &Segment, progress: Option<CorrectionsProgress>) -> bool {
    let (Some(revision), Some(done)) = (corrections.revision, progress) else {
        return false;
    };
    revision < done.sequence || (revision == done.sequence && done.rows >= corrections.rows)
}

#[cfg(test)]
mod tests;
