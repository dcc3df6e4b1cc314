//! What a segment's manifest and its own metadata state, beside what was read of it. Pure.

use crate::format::{NotKnown, Segment, SegmentFacts};

/// What of it is not so; `None` when all is. So many rows were read of the file, and so many results and rejects of its append.
pub(super) fn misstated(
    segment: &Segment,
    facts: &SegmentFacts,
    (rows, results, rejects): (u64, u64, u64),
) -> Option<String> {
    let range = segment.range;
    if rows != segment.rows {
        let stated = segment.rows;
        return Some(format!(
            "{rows} rows were read, the manifest states {stated}"
        ));
    }
    if (facts.counts.results, facts.counts.rejects) != (results, rejects) {
        return Some(format!(
            "the file's metadata state {} results and {} rejects in {range}; {results} and {rejects} were read",
            facts.counts.results, facts.counts.rejects
        ));
    }
    if facts.rowless() != segment.rowless {
        return Some(format!(
            "the file's metadata state {} absent and {} filtered offsets in {range}, the manifest states {} and {}",
            facts.counts.absent,
            facts.counts.filtered,
            segment.rowless.absent,
            segment.rowless.filtered
        ));
    }
    let text = |it: Option<NotKnown>| it.map_or("nothing".to_owned(), |it| it.to_string());
    (facts.not_known != segment.not_known).then(|| {
        format!(
            "the file's metadata state as not known: {}; the manifest states {}",
            text(facts.not_known),
            text(segment.not_known)
        )
    })
}
