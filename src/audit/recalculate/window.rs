//! The stored rows of a range, results and rejects side by side, a part of the range at a time.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, SchemaRef};
use arrow_select::concat::concat_batches;

use super::RecalculateError;
use crate::{
    events::{Fields, columns::offsets},
    format::{SegmentError, SegmentReader},
};

/// The stored outcomes of a part of a range.
pub(in crate::audit) struct Window {
    /// The results, `None` when the range has none at all.
    pub results: Option<RecordBatch>,
    /// The rejects.
    pub rejects: Option<RecordBatch>,
    /// The fields that the results have, where there are any: their other columns are what was calculated.
    pub fields: Option<Arc<Fields>>,
}

impl Window {
    /// The results, and the fields that they have.
    pub fn results(&self) -> Option<(&RecordBatch, &Fields)> {
        self.results.as_ref().zip(self.fields.as_deref())
    }
}

/// The rows of one file, passed once.
pub(in crate::audit) struct Lane {
    reader: SegmentReader,
    schema: SchemaRef,
    ahead: Option<RecordBatch>,
}

/// Both files of a range; at first, none.
#[derive(Default)]
pub(in crate::audit) struct Stored {
    pub results: Option<Lane>,
    pub rejects: Option<Lane>,
    /// The fields that the results have, where there are any.
    pub fields: Option<Arc<Fields>>,
}

impl Lane {
    pub fn new(reader: SegmentReader) -> Lane {
        Lane {
            schema: reader.schema().clone(),
            reader,
            ahead: None,
        }
    }

    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The last offset of the rows that have been read and not taken; reads on where there are none.
    fn last(&mut self) -> Result<Option<i64>, RecalculateError> {
        while self.ahead.as_ref().is_none_or(|rows| rows.num_rows() == 0) {
            match self.reader.next() {
                Some(batch) => self.ahead = Some(batch?),
                None => return Ok(None),
            }
        }
        let rows = self.ahead.as_ref();
        Ok(rows
            .map(column)
            .transpose()?
            .and_then(|o| o.last().copied()))
    }

    /// Takes the rows up to `offset`, which is one of them or lies after them.
    fn up_to(&mut self, offset: i64) -> Result<RecordBatch, RecalculateError> {
        let mut parts = Vec::new();
        while let Some(last) = self.last()? {
            let Some(rows) = self.ahead.take() else { break };
            let cut = column(&rows)?.partition_point(|row| *row <= offset);
            parts.push(rows.slice(0, cut));
            if last > offset {
                self.ahead = Some(rows.slice(cut, rows.num_rows() - cut));
                break;
            }
        }
        Ok(match parts.as_slice() {
            [only] => only.clone(),
            parts => concat_batches(&self.schema, parts)?,
        })
    }
}

impl Stored {
    /// The rows up to `offset`.
    pub fn up_to(&mut self, offset: i64) -> Result<Window, RecalculateError> {
        let rows = |lane: &mut Option<Lane>| lane.as_mut().map(|lane| lane.up_to(offset));
        Ok(Window {
            results: rows(&mut self.results).transpose()?,
            rejects: rows(&mut self.rejects).transpose()?,
            fields: self.fields.clone(),
        })
    }

    /// The next rows: as many as can be told to be complete; `None` after the last.
    pub fn next(&mut self) -> Result<Option<Window>, RecalculateError> {
        let last = |lane: &mut Option<Lane>| lane.as_mut().map_or(Ok(None), Lane::last);
        let (results, rejects) = (last(&mut self.results)?, last(&mut self.rejects)?);
        let cut = match (results, rejects) {
            (Some(results), Some(rejects)) => results.min(rejects),
            (Some(only), None) | (None, Some(only)) => only,
            (None, None) => return Ok(None),
        };
        self.up_to(cut).map(Some)
    }

    /// Whether all rows have been taken.
    pub fn is_empty(&mut self) -> Result<bool, RecalculateError> {
        let last = |lane: &mut Option<Lane>| lane.as_mut().map_or(Ok(None), Lane::last);
        Ok(last(&mut self.results)?.is_none() && last(&mut self.rejects)?.is_none())
    }
}

fn column(rows: &RecordBatch) -> Result<&[i64], RecalculateError> {
    let offsets = offsets(rows);
    offsets.ok_or_else(|| {
        let text = "the column kafka_offset is not BIGINT NOT NULL".to_owned();
        SegmentError::Rows(ArrowError::SchemaError(text)).into()
    })
}
