//! Stored fields as the payload of an event that would have them.

use arrow_array::RecordBatch;

use super::{
    super::{
        fields::{Field, Fields, Form},
        path::{Path, Step},
    },
    cell::{self, Cells},
};

/// Writes the fields of stored results as JSON objects, each where the declaration looks for it: reading one gives the same
/// values.
pub(crate) struct Payloads<'a> {
    /// What is written before each value.
    values: Vec<(Vec<u8>, Cells<'a>)>,
    /// What is written after the last one.
    end: Vec<u8>,
}

impl<'a> Payloads<'a> {
    /// Of those of these fields that the results have, each in its place.
    pub(crate) fn of(stored: &'a RecordBatch, fields: &Fields) -> Payloads<'a> {
        let mut payloads = Payloads {
            values: Vec::new(),
            end: Vec::new(),
        };
        let found: Vec<(Path, Cells<'a>)> = fields
            .iter()
            .filter_map(|field: &Field| {
                let column = stored.column_by_name(&field.name)?;
                let cells = Cells::of(column.as_ref(), field.data_type)?;
                let cells = match field.form {
                    Form::FromString => cells.in_strings(),
                    _ => cells,
                };
                Some((field.path(), cells))
            })
            .collect();
        if found.is_empty() {
            payloads.end.extend_from_slice(b"{}");
        } else {
            payloads.value(0, found);
        }
        payloads
    }

    /// What stands at a place: `below` are the paths that lead there, or on from it, with `depth` steps in common.
    fn value(&mut self, depth: usize, mut below: Vec<(Path, Cells<'a>)>) {
        // The text of a field has all that lies below it.
        if let Some(here) = below
            .iter()
            .position(|(path, _)| path.steps().len() == depth)
        {
            let (_, cells) = below.swap_remove(here);
            let before = std::mem::take(&mut self.end);
            self.values.push((before, cells));
            return;
        }
        let mut steps: Vec<(Step, Vec<(Path, Cells<'a>)>)> = Vec::new();
        for (path, cells) in below {
            let Some(step) = path.steps().get(depth).cloned() else {
                continue;
            };
            match steps.iter_mut().find(|(known, _)| *known == step) {
                Some((_, same)) => same.push((path, cells)),
                None => steps.push((step, vec![(path, cells)])),
            }
        }
        steps.sort_by_key(|(step, _)| match step {
            Step::Member(_) => 0,
            Step::Index(index) => *index,
        });
        // A declaration takes a place as an object or as an array.
        let [opening, closing] = match steps.first() {
            Some((Step::Index(_), _)) => *b"[]",
            _ => *b"{}",
        };
        self.end.push(opening);
        let mut next = 0;
        for (at, (step, below)) in steps.into_iter().enumerate() {
            if at > 0 {
                self.end.push(b',');
            }
            match step {
                Step::Member(name) => {
                    cell::string(&name, &mut self.end);
                    self.end.push(b':');
                }
                Step::Index(index) => {
                    for _ in next..index {
                        self.end.extend_from_slice(b"null,");
                    }
                    next = index + 1;
                }
            }
            self.value(depth + 1, below);
        }
        self.end.push(closing);
    }

    /// The fields of a row.
    pub(crate) fn get(&self, row: usize) -> Vec<u8> {
        let mut payload = Vec::new();
        for (before, cells) in &self.values {
            payload.extend_from_slice(before);
            cells.write(row, &mut payload);
        }
        payload.extend_from_slice(&self.end);
        payload
    }
}
