//! The types that the columns of live results have: one each, or readers of a whole store cannot read it.
//!
//! DuckDB takes the type of the first file and reads wrong numbers from others in silence; pandas, Polars and Spark fail. So a
//! store at rest never holds one column in two types.

use std::{collections::BTreeMap, fmt};

use super::{Manifest, SegmentKind};
use crate::{
    calculation::Declaration,
    model::{OffsetRange, Partition},
};

/// Each column of results with its types, and where each is first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnTypes(BTreeMap<String, BTreeMap<String, Held>>);

/// Where a type is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    partition: Partition,
    first: OffsetRange,
    segments: u64,
}

/// A column with more than one type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MixedColumn {
    /// Its name.
    pub column: String,
    /// The partition of the first segment that has another type than the first.
    pub partition: Partition,
    /// That segment's offsets.
    pub range: OffsetRange,
    /// Each type, with how many live segments have it.
    pub types: Vec<(String, u64)>,
}

/// `number is BIGINT in 2 segments and DECIMAL(10,2) in 1`.
impl fmt::Display for MixedColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is ", self.column)?;
        for (index, (data_type, segments)) in self.types.iter().enumerate() {
            let and = if index == 0 { "" } else { " and " };
            let what = match (index, segments) {
                (0, 1) => " segment",
                (0, _) => " segments",
                _ => "",
            };
            write!(f, "{and}{data_type} in {segments}{what}")?;
        }
        Ok(())
    }
}

impl ColumnTypes {
    /// The live results of a partition as well.
    pub fn add(&mut self, manifest: &Manifest) {
        let results = |segment: &&super::Segment| segment.kind == SegmentKind::Results;
        for declared in &manifest.calculations {
            let of = |segment: &&super::Segment| segment.fingerprint == declared.fingerprint;
            let open = manifest.open.segments.iter().filter(results).filter(of);
            let open = open.map(|segment| (segment.range, 1));
            let of_pages = manifest.pages.iter().map(|page| {
                let of = page.results.get(&declared.fingerprint);
                (page.range, of.copied().unwrap_or(0))
            });
            let of_pages = of_pages.filter(|(_, segments)| *segments > 0);
            let all: Vec<(OffsetRange, u64)> = open.chain(of_pages).collect();
            let Some((first, _)) = all.iter().min_by_key(|(range, _)| range.start()) else {
                continue;
            };
            // What cannot be read is a finding of its own: nothing is calculated by it.
            for (column, data_type) in declared.columns().into_iter().flatten() {
                let held = self.0.entry(column).or_default().entry(data_type);
                let held = held.or_insert(Held {
                    partition: manifest.partition,
                    first: *first,
                    segments: 0,
                });
                held.segments += all.iter().map(|(_, segments)| segments).sum::<u64>();
            }
        }
    }

    /// Those of other partitions as well.
    pub fn merge(&mut self, other: ColumnTypes) {
        for (column, types) in other.0 {
            let own = self.0.entry(column).or_default();
            for (data_type, theirs) in types {
                let mut held = own.remove(&data_type).unwrap_or(Held {
                    segments: 0,
                    ..theirs
                });
                held.segments += theirs.segments;
                own.insert(data_type, held);
            }
        }
    }

    /// The columns that have more than one type.
    #[must_use]
    pub fn mixed(&self) -> Vec<MixedColumn> {
        let mixed = self.0.iter().filter(|(_, types)| types.len() > 1);
        mixed.filter_map(MixedColumn::of).collect()
    }

    /// The columns that would have more than one type with results of `declared`.
    #[must_use]
    pub fn mixed_with(&self, declared: &Declaration) -> Vec<MixedColumn> {
        let ours: BTreeMap<String, String> = declared.columns().into_iter().flatten().collect();
        let other = |column: &str, types: &BTreeMap<String, Held>| {
            let ours = ours.get(column);
            types.len() > 1 || ours.is_some_and(|ours| !types.contains_key(ours))
        };
        let mixed = self.0.iter().filter(|(column, types)| other(column, types));
        mixed.filter_map(MixedColumn::of).collect()
    }
}

impl MixedColumn {
    fn of((column, types): (&String, &BTreeMap<String, Held>)) -> Option<MixedColumn> {
        let last = types
            .values()
            .max_by_key(|held| (held.partition, held.first.start()))?;
        Some(MixedColumn {
            column: column.clone(),
            partition: last.partition,
            range: last.first,
            types: types
                .iter()
                .map(|(data_type, held)| (data_type.clone(), held.segments))
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{
        Edit, Layout, Rowless, Segment, SegmentId, Stamp, apply,
        testing::{PARTITION, bind, declaration, range, record, stamp},
    };
    use crate::model::{Counts, Digest};

    fn declared(fingerprint: &str, fields: &str, results: &str) -> Declaration {
        Declaration {
            fingerprint: fingerprint.parse().unwrap(),
            fields: fields.into(),
            results: results.into(),
            ..declaration()
        }
    }

    /// A manifest with an append of ten results, or rejects, under each of these.
    fn manifest(appends: &[(&Declaration, SegmentKind)]) -> Manifest {
        let layout = Layout::new("events").unwrap();
        let mut manifest = apply(None, bind(0), stamp()).unwrap();
        for (index, (calculation, kind)) in appends.iter().enumerate() {
            let start = 10 * i64::try_from(index).unwrap();
            let over = range(start, start + 10);
            let segment = Segment {
                path: layout.segment(*kind, PARTITION, over, SegmentId(7)),
                kind: *kind,
                range: over,
                rows: 10,
                rowless: Rowless::default(),
                bytes: 100,
                digest: Digest::of(b"file"),
                fingerprint: calculation.fingerprint.clone(),
                not_known: None,
                revision: None,
            };
            let rows = |of| if *kind == of { 10 } else { 0 };
            let counts = Counts {
                results: rows(SegmentKind::Results),
                rejects: rows(SegmentKind::Rejects),
                ..Counts::default()
            };
            let edit = Edit::Append {
                range: over,
                segments: vec![segment],
                counts,
                record: record(over, counts),
            };
            let stamp = Stamp {
                calculation: (*calculation).clone(),
                ..stamp()
            };
            manifest = apply(Some(&manifest), edit, stamp).unwrap();
        }
        manifest
    }

    fn types(manifest: &Manifest) -> ColumnTypes {
        let mut types = ColumnTypes::default();
        types.add(manifest);
        types
    }

    fn texts(mixed: &[MixedColumn]) -> Vec<String> {
        mixed.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_column_is_mixed_when_live_results_have_it_in_two_types_and_only_then() {
        use SegmentKind::{Rejects, Results};
        let whole = declared("00000000000000aa", "n BIGINT NOT NULL", "result DOUBLE");
        let nullable = declared("00000000000000bb", "n BIGINT, m DOUBLE", "result DOUBLE");
        let decimal = declared("00000000000000cc", "n DECIMAL(10,2)", "result DOUBLE");
        let of = |appends: &[(&Declaration, SegmentKind)]| types(&manifest(appends));
        let none: [String; 0] = [];
        let clean = of(&[(&whole, Results), (&nullable, Results), (&decimal, Rejects)]);
        assert_eq!(texts(&clean.mixed()), none);
        assert_eq!(texts(&clean.mixed_with(&whole)), none);
        assert_eq!(
            texts(&clean.mixed_with(&decimal)),
            ["n is BIGINT in 2 segments"]
        );
        let mixed = of(&[(&whole, Results), (&whole, Results), (&decimal, Results)]);
        let text = ["n is BIGINT in 2 segments and DECIMAL(10,2) in 1"];
        assert_eq!(texts(&mixed.mixed()), text);
        assert_eq!(mixed.mixed()[0].range, range(20, 30));
        assert_eq!(texts(&mixed.mixed_with(&whole)), text);
        // Over partitions as within one.
        let mut both = of(&[(&whole, Results)]);
        both.merge(of(&[(&decimal, Results)]));
        assert_eq!(
            texts(&both.mixed()),
            ["n is BIGINT in 1 segment and DECIMAL(10,2) in 1"]
        );
    }
}
