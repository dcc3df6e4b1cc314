//! Digests of rows by blocks of offsets.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::rows::CanonicalRows;
use crate::{
    audit::AuditError,
    format::{Layout, Listed, SegmentError, SegmentKind},
    history::{FetchError, open_segment},
    model::{Digest, Digester, Offset, OffsetRange},
    store::Store,
};

/// The offsets of a block: it begins at a multiple of them.
const BLOCK: i64 = 1_000_000;

/// The rows of one kind in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rows {
    pub rows: u64,
    /// Of their canonical bytes, ascending by offset.
    pub digest: Digest,
}

impl Rows {
    pub fn none() -> Rows {
        Rows {
            rows: 0,
            digest: Digest::of(b""),
        }
    }
}

/// The blocks that a range has a share of, as far as they lie in it.
pub(super) fn of(range: OffsetRange) -> impl Iterator<Item = OffsetRange> {
    let (start, end) = (range.start().get(), range.end().get());
    let first = start.div_euclid(BLOCK);
    (first..)
        .map(|index| (index * BLOCK, (index + 1).saturating_mul(BLOCK)))
        .take_while(move |(begin, _)| *begin < end)
        .filter_map(move |(begin, close)| {
            let (begin, close) = (Offset::new(begin.max(start))?, Offset::new(close.min(end))?);
            OffsetRange::new(begin, close)
                .ok()
                .filter(|block| !block.is_empty())
        })
}

/// The digests of the rows of one kind, by where the block begins within `range`.
pub(super) async fn row_digests(
    store: &Store,
    layout: &Layout,
    newest: &Listed,
    kind: SegmentKind,
    range: OffsetRange,
) -> Result<BTreeMap<Offset, Rows>, AuditError> {
    let mut open = BTreeMap::new();
    let mut segments: Vec<_> = newest
        .files()
        .filter(|segment| segment.kind == kind && segment.range.overlaps(range))
        .collect();
    segments.sort_by_key(|segment| segment.range.start());
    for segment in segments {
        let file = match open_segment(store, layout, segment).await {
            Ok(file) => file,
            Err(FetchError::Store(error)) => return Err(error.into()),
            Err(error) => return Err(unreadable(&segment.path, error)),
        };
        let digested = tokio::task::spawn_blocking(move || {
            let mut buffer = Vec::new();
            for batch in file.read()? {
                let batch = batch?;
                let Some(rows) = CanonicalRows::of(&batch) else {
                    continue;
                };
                for (row, offset) in rows.offsets().iter().enumerate() {
                    if let Some(start) = block_of(*offset, range) {
                        let (count, digester) = open
                            .entry(start)
                            .or_insert_with(|| (0_u64, Digester::default()));
                        buffer.clear();
                        rows.write(row, &mut buffer);
                        digester.update(&buffer);
                        *count += 1;
                    }
                }
            }
            Ok::<_, SegmentError>(open)
        });
        open = match digested.await? {
            Ok(open) => open,
            Err(SegmentError::Store(error)) => return Err(error.into()),
            Err(error) => return Err(unreadable(&segment.path, error)),
        };
    }
    let closed = open.into_iter().map(|(start, (rows, digester))| {
        let digest = digester.finish();
        (start, Rows { rows, digest })
    });
    Ok(closed.collect())
}

fn unreadable(path: &crate::store::Path, why: impl std::fmt::Display) -> AuditError {
    AuditError::Unreadable {
        path: path.clone(),
        why: why.to_string(),
    }
}

/// Where the block of an offset begins; `None` outside of the range.
fn block_of(offset: i64, range: OffsetRange) -> Option<Offset> {
    let at = Offset::new(offset).filter(|at| range.contains(*at))?;
    let begin = at.get().div_euclid(BLOCK) * BLOCK;
    Offset::new(begin.max(range.start().get()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_begin_at_multiples_and_end_where_their_range_does() {
        let range = |start, end| {
            OffsetRange::new(Offset::new(start).unwrap(), Offset::new(end).unwrap()).unwrap()
        };
        let blocks = |start, end| {
            of(range(start, end))
                .map(|block| (block.start().get(), block.end().get()))
                .collect::<Vec<_>>()
        };
        assert_eq!(blocks(5, 5), []);
        assert_eq!(blocks(0, 7), [(0, 7)]);
        let expected = [
            (999_999, 1_000_000),
            (1_000_000, 2_000_000),
            (2_000_000, 2_000_001),
        ];
        assert_eq!(blocks(999_999, 2_000_001), expected);
        for offset in [999_999, 1_000_000, 2_000_000] {
            let start = block_of(offset, range(999_999, 2_000_001)).unwrap();
            assert!(expected.iter().any(|(begin, _)| *begin == start.get()));
        }
        assert_eq!(block_of(999_998, range(999_999, 2_000_001)), None);
        assert_eq!(block_of(2_000_001, range(999_999, 2_000_001)), None);
    }
}
