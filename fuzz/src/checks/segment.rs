//! Segments. Before the product reads one, its digest has been compared with the manifest's, but for those of a
//! crashed process, which nothing lists yet.

use std::panic::catch_unwind;

use snapback::format::{SegmentError, SegmentKind, check_segment, each_change, read_segment};
use snapback::model::Partition;

/// Any bytes as a segment.
///
/// The decoder of Parquet may panic on damaged pages; whoever calls it catches that. It must not end the process.
pub fn check(data: &[u8]) {
    let bytes = data.to_vec();
    let examined = catch_unwind(move || {
        let reader = read_segment(bytes.clone().into()).ok()?;
        let (facts, stated) = (reader.facts().clone(), reader.rows());
        let (found, rows) = check_segment(bytes.into()).ok()?;
        let batches: Vec<_> = reader.filter_map(Result::ok).collect();
        Some((facts, stated, found, rows, batches))
    });
    if let Ok(Some((facts, stated, found, rows, batches))) = examined {
        assert_eq!((facts, stated), (found.clone(), rows));
        assert!(rows <= found.range.len());
        assert!(
            found
                .expected_rows()
                .is_none_or(|expected| expected == rows)
        );
        let corrections = found.kind == SegmentKind::Corrections;
        for batch in batches.iter().filter(|_| corrections) {
            let mut changes = 0;
            let read = each_change("topic", Partition(0), batch, |_| {
                changes += 1;
                Ok::<(), SegmentError>(())
            });
            assert!(read.is_err() || changes == batch.num_rows());
        }
    }
}
