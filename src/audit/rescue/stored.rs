//! Files of a range that are whole, while others of it are not: what they hold need not be looked for.

use super::super::{RecalculateError, semantic::events};
use crate::{
    events::columns,
    format::{Absent, SegmentKind, SegmentReader},
    history::SegmentFile,
    model::Reject,
};

/// The whole files of a range.
#[derive(Default)]
pub(super) struct Whole {
    pub results: Option<SegmentReader>,
    pub rejects: Option<SegmentReader>,
}

impl Whole {
    /// Opens them.
    pub fn open(files: Vec<SegmentFile>) -> Result<Whole, RecalculateError> {
        let mut whole = Whole::default();
        for file in files {
            let reader = file.read()?;
            match reader.facts().kind {
                SegmentKind::Results => whole.results = Some(reader),
                SegmentKind::Rejects => whole.rejects = Some(reader),
                SegmentKind::Corrections => {}
            }
        }
        Ok(whole)
    }

    /// Which offsets of the range are absent, if one of them says it.
    pub fn absent(&self) -> Option<&Absent> {
        let mut files = self.results.iter().chain(&self.rejects);
        files.next().map(|file| &file.facts().absent)
    }
}

/// The rejects of a file, as they are stored.
pub(super) fn each_reject(
    file: SegmentReader,
    mut each: impl FnMut(Reject) -> Result<(), RecalculateError>,
) -> Result<(), RecalculateError> {
    for batch in file {
        let batch = batch?;
        let (Some(events), Some(reasons)) = (events(&batch), columns::reasons(&batch)) else {
            continue;
        };
        for (event, reason) in events.zip(reasons.iter()) {
            each(Reject::of(&event, reason.unwrap_or_default().to_owned()))?;
        }
    }
    Ok(())
}
