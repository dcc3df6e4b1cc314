//! Stored fields as the payload of an event that would have them.

use arrow_array::RecordBatch;

use super::{
    super::columns::{RESULT, SOURCE},
    cell::{self, Cells},
};

/// Writes the fields of stored results as JSON objects, in the order of the columns: reading one with the same declaration
/// gives the same values.
pub(crate) struct Payloads<'a>(Vec<(Vec<u8>, Cells<'a>)>);

impl<'a> Payloads<'a> {
    /// Of these results; columns of types that no field has are left out.
    pub(crate) fn of(stored: &'a RecordBatch) -> Payloads<'a> {
        let mut columns: Vec<(Vec<u8>, Cells<'a>)> = Vec::new();
        for (field, column) in stored.schema_ref().fields().iter().zip(stored.columns()) {
            let name = field.name().as_str();
            if SOURCE.contains(&name) || name == RESULT {
                continue;
            }
            let Some(cells) = Cells::of(column.as_ref()) else {
                continue;
            };
            let separator = if columns.is_empty() { b'{' } else { b',' };
            let mut before = vec![separator];
            cell::string(name, &mut before);
            before.push(b':');
            columns.push((before, cells));
        }
        Payloads(columns)
    }

    /// The fields of a row.
    pub(crate) fn get(&self, row: usize) -> Vec<u8> {
        let mut payload = Vec::new();
        for (before, cells) in &self.0 {
            payload.extend_from_slice(before);
            cells.write(row, &mut payload);
        }
        if self.0.is_empty() {
            payload.push(b'{');
        }
        payload.push(b'}');
        payload
    }
}
