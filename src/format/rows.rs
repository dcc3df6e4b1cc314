//! Rows in memory: record batches ascending by offset, cut at any offset, never many tiny ones.

use std::collections::VecDeque;

use arrow_array::{Array, Int64Array, RecordBatch, cast::AsArray, types::Int64Type};
use arrow_select::concat::concat_batches;

use crate::{events::columns, model::Offset};

/// The column that every segment is sorted by; always the first.
pub(super) const OFFSET_COLUMN: &str = columns::OFFSET;

/// Batches of at least so many rows are kept as they come: what a batch costs beyond its rows (some 2 KiB)
/// is then below a byte per row.
const WHOLE_ROWS: usize = 4096;

/// What a batch costs beyond its arrays: the vector of columns, the deque's slot, the allocator.
const BATCH_OVERHEAD: usize = 256;

/// One batch with the memory that it keeps alive.
#[derive(Clone, Debug)]
struct Piece {
    batch: RecordBatch,
    bytes: usize,
}

impl Piece {
    fn new(batch: RecordBatch) -> Piece {
        // The capacity of the buffers, slice or not: that much stays allocated.
        let bytes = batch.get_array_memory_size() + BATCH_OVERHEAD;
        Piece { batch, bytes }
    }

    fn offsets(&self) -> &Int64Array {
        offsets(&self.batch)
    }

    /// The piece's rows `[from, from + rows)`, copied when a slice would keep alive twice its size.
    fn part(&self, from: usize, rows: usize) -> Piece {
        let slice = self.batch.slice(from, rows);
        if rows * 2 > self.batch.num_rows() && rows_size(&slice) * 2 > self.bytes {
            return Piece::new(slice);
        }
        // Concatenating two batches copies; concatenating one would only slice again.
        let nothing = self.batch.slice(0, 0);
        Piece::new(concat(&slice, &nothing).unwrap_or(slice))
    }
}

/// Batches ascending by offset, each offset at most once.
#[derive(Clone, Debug, Default)]
pub(super) struct Rows {
    pieces: VecDeque<Piece>,
    rows: usize,
    bytes: usize,
}

impl Rows {
    pub(super) fn rows(&self) -> u64 {
        self.rows as u64
    }

    /// The memory that the rows keep alive.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Appends a batch whose offsets all lie behind the ones here, merging tiny batches: the sizes of
    /// those below [`WHOLE_ROWS`] fall by half at least from one to the next, so that there are never more
    /// than a dozen, and a row is copied a dozen times at most.
    pub(super) fn push(&mut self, batch: RecordBatch) {
        if batch.num_rows() == 0 {
            return;
        }
        self.push_piece(Piece::new(batch));
        while let [.., older, newer] = self.pieces.make_contiguous() {
            let (a, b) = (older.batch.num_rows(), newer.batch.num_rows());
            if a >= WHOLE_ROWS || a > 2 * b || older.batch.schema_ref() != newer.batch.schema_ref()
            {
                break;
            }
            let Some(merged) = concat(&older.batch, &newer.batch) else {
                break;
            };
            self.pop_back();
            self.pop_back();
            self.push_piece(Piece::new(merged));
        }
    }

    /// Takes the first batch out, so that its memory is free as soon as the caller has used it.
    pub(super) fn pop_front(&mut self) -> Option<RecordBatch> {
        let piece = self.pieces.pop_front()?;
        self.rows -= piece.batch.num_rows();
        self.bytes -= piece.bytes;
        Some(piece.batch)
    }

    /// Removes the rows from `at` on and returns them.
    pub(super) fn split_off(&mut self, at: Offset) -> Rows {
        let mut behind = Rows::default();
        while let Some(piece) = self.pop_back() {
            let cut = piece
                .offsets()
                .values()
                .partition_point(|offset| *offset < at.get());
            let rows = piece.batch.num_rows();
            if cut == rows {
                self.push_piece(piece);
                break;
            }
            if cut == 0 {
                behind.push_piece_front(piece);
                continue;
            }
            self.push_piece(piece.part(0, cut));
            behind.push_piece_front(piece.part(cut, rows - cut));
            break;
        }
        behind
    }

    /// Whether a row has this offset.
    pub(super) fn contains(&self, offset: Offset) -> bool {
        self.pieces.iter().any(|piece| {
            piece
                .offsets()
                .values()
                .binary_search(&offset.get())
                .is_ok()
        })
    }

    /// The offset of each row, ascending.
    pub(super) fn offsets(&self) -> impl Iterator<Item = i64> {
        self.batches()
            .flat_map(|batch| offsets(batch).values().iter().copied())
    }

    pub(super) fn batches(&self) -> impl ExactSizeIterator<Item = &RecordBatch> {
        self.pieces.iter().map(|piece| &piece.batch)
    }

    fn push_piece(&mut self, piece: Piece) {
        self.rows += piece.batch.num_rows();
        self.bytes += piece.bytes;
        self.pieces.push_back(piece);
    }

    fn push_piece_front(&mut self, piece: Piece) {
        self.rows += piece.batch.num_rows();
        self.bytes += piece.bytes;
        self.pieces.push_front(piece);
    }

    fn pop_back(&mut self) -> Option<Piece> {
        let piece = self.pieces.pop_back()?;
        self.rows -= piece.batch.num_rows();
        self.bytes -= piece.bytes;
        Some(piece)
    }
}

fn concat(a: &RecordBatch, b: &RecordBatch) -> Option<RecordBatch> {
    concat_batches(a.schema_ref(), [a, b]).ok()
}

/// The size of exactly these rows.
pub(crate) fn rows_size(batch: &RecordBatch) -> usize {
    let sizes = batch
        .columns()
        .iter()
        .map(|column| column.to_data().get_slice_memory_size());
    sizes.map(|size| size.unwrap_or(0)).sum()
}

/// The offset column of a batch; empty when the batch has none, which [`has_offsets`] rules out first.
pub(super) fn offsets(batch: &RecordBatch) -> &Int64Array {
    batch.column(0).as_primitive::<Int64Type>()
}

/// Whether the first column is the one that segments are sorted by.
pub(super) fn has_offsets(batch: &RecordBatch) -> bool {
    batch.schema_ref().fields().first().is_some_and(|field| {
        field.name() == OFFSET_COLUMN && *field.data_type() == arrow_schema::DataType::Int64
    }) && batch.column(0).null_count() == 0
}
