use parquet::{
    arrow::ArrowWriter,
    file::properties::{EnabledStatistics, WriterProperties},
    schema::types::ColumnPath,
};
use proptest::prelude::*;

use super::*;
use crate::format::{
    own_digest, page_index,
    testing::{at, encoded, identity, results},
};

/// The rows of these offsets one by one, each from no more than two parts of the file, which is not large.
fn found(file: &Bytes, tail: usize, offsets: impl Iterator<Item = i64>) -> Vec<i64> {
    let size = file.len() as u64;
    let mut tail = tail;
    let end = loop {
        let end = file.slice(file.len().saturating_sub(tail)..);
        match SegmentEnd::read(&end, size).unwrap() {
            Ok(end) => break end,
            Err(needed) => tail = needed as usize,
        }
    };
    let mut found = Vec::new();
    for offset in offsets {
        let Some(place) = end.place(at(offset)) else {
            continue;
        };
        assert!((1..=2).contains(&place.parts.len()), "{place:?}");
        let parts = place.parts.iter();
        let parts = parts.map(|part| file.slice(part.start as usize..part.end as usize));
        if let Some(row) = end.row(at(offset), &place, parts.collect()).unwrap() {
            assert_eq!(row.num_rows(), 1);
            assert_eq!(rows::offsets(&row).value(0), offset);
            found.push(offset);
        }
    }
    found
}

/// The same rows with a page index, a few thousand rows in each page.
fn with_page_index(file: &Bytes) -> Bytes {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file.clone()).unwrap();
    let pairs = builder.metadata().file_metadata().key_value_metadata();
    let pairs = pairs.unwrap().iter();
    let pairs = pairs.filter(|pair| pair.key.starts_with("snapback."));
    let pairs = pairs.filter(|pair| pair.key != page_index::KEY);
    let pairs = pairs.cloned().map(|mut pair| {
        if pair.key == own_digest::KEY {
            pair.value = Some(own_digest::UNKNOWN.to_owned());
        }
        pair
    });
    let offsets = ColumnPath::from(rows::OFFSET_COLUMN);
    let properties = WriterProperties::builder()
        .set_key_value_metadata(Some(pairs.collect()))
        .set_data_page_row_count_limit(3000)
        .set_write_batch_size(500)
        .set_max_row_group_row_count(Some(20_000))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_column_statistics_enabled(offsets, EnabledStatistics::Page)
        .build();
    let schema = builder.schema().clone();
    let mut writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties)).unwrap();
    for batch in builder.build().unwrap() {
        writer.write(&batch.unwrap()).unwrap();
    }
    let mut file = page_index::finish(writer).unwrap();
    own_digest::write(&mut file).unwrap();
    file.into()
}

#[test]
fn a_row_is_found_by_parts_of_the_file() {
    let files = encoded(100, 70_000, &identity("writer"));
    let (file, rejects) = (files.results.unwrap().bytes, files.rejects.unwrap().bytes);
    let some = || {
        (90..70_100)
            .step_by(977)
            .chain([99, 100, 101, 69_999, 70_000])
    };
    let inside = |offset: &i64| (100..70_000).contains(offset);
    let expected = |has: fn(i64) -> bool| -> Vec<i64> {
        some()
            .filter(inside)
            .filter(|offset| has(*offset))
            .collect()
    };
    for (file, rejects) in [
        (with_page_index(&file), with_page_index(&rejects)),
        (file, rejects),
    ] {
        for tail in [8, 100, 1 << 16] {
            assert_eq!(
                found(&file, tail, some()),
                expected(|offset| offset % 5 != 0)
            );
            let of_rejects = expected(|offset| offset % 10 == 5);
            assert_eq!(found(&rejects, tail, some()), of_rejects);
        }
    }
}

#[test]
fn of_a_large_file_only_the_pages_of_the_row_are_read() {
    let files = encoded(100, 1_500_000, &identity("writer"));
    let file = files.results.unwrap().bytes;
    let end = SegmentEnd::read(&file.slice(file.len() - (64 << 10)..), file.len() as u64);
    let end = end.unwrap().ok().unwrap();
    for offset in [101, 700_001, 1_499_998] {
        let place = end.place(at(offset)).unwrap();
        let read: u64 = place.parts.iter().map(|part| part.end - part.start).sum();
        let parts = place.parts.iter();
        let parts = parts.map(|part| file.slice(part.start as usize..part.end as usize));
        let row = end.row(at(offset), &place, parts.collect()).unwrap();
        assert_eq!(row.unwrap().columns(), results([offset]).columns());
        assert!(
            read * 8 < file.len() as u64,
            "{offset}: {read} of {}",
            file.len()
        );
    }
}

#[test]
fn a_flipped_bit_of_the_page_index_or_the_footer_leads_to_no_row() {
    let files = encoded(100, 70_000, &identity("writer"));
    let file = with_page_index(&files.results.unwrap().bytes);
    let size = file.len() as u64;
    let end = SegmentEnd::read(&file, size).unwrap().ok().unwrap();
    let chunks = end.metadata.row_groups().iter();
    let chunks = chunks.flat_map(RowGroupMetaData::columns);
    let start = chunks.filter_map(|chunk| chunk.column_index_offset()).min();
    let start = start.unwrap() as usize;
    assert!(start + 1_000 < file.len(), "{start} of {}", file.len());
    let stated = end.own_digest.to_string();
    let own = own_digest::find(&file, own_digest::KEY, &stated).unwrap();
    for at in (start..file.len()).filter(|at| !(own..own + stated.len()).contains(at)) {
        let mut damaged = file.slice(start..).to_vec();
        damaged[at - start] ^= 1 << (at % 8);
        let read = std::panic::catch_unwind(|| {
            SegmentEnd::read(&damaged.into(), size).is_ok_and(|read| read.is_ok())
        });
        // The decoder may panic; whoever calls it expects that.
        assert!(!read.unwrap_or(false), "byte {at}");
    }
}

proptest! {
    #[test]
    fn parts_are_put_together_and_nothing_is_left_out(
        parts in prop::collection::vec((0..100_000_u64, 1..5_000_u64), 1..60)
    ) {
        let parts = parts.iter().map(|(start, length)| (start << 10, length << 10));
        let parts: Vec<Range<u64>> = parts.map(|(start, length)| start..start + length).collect();
        let made = together(parts.clone());
        prop_assert!(made.len() <= MOST_PARTS);
        let least = if made.len() > FEW_PARTS { WORTH_A_PART } else { NEAR };
        prop_assert!(made.windows(2).all(|pair| pair[1].start - pair[0].end >= least));
        for part in parts {
            prop_assert!(made.iter().any(|made| made.start <= part.start && part.end <= made.end));
        }
    }

    #[test]
    fn any_bytes_are_the_end_of_no_segment_or_of_one_that_cannot_be_read(
        at_byte in 0..4000_usize, flipped in 1..=255_u8
    ) {
        let file = encoded(0, 500, &identity("writer")).results.unwrap().bytes;
        let mut damaged = file.to_vec();
        let index = damaged.len() - 1 - at_byte % damaged.len();
        damaged[index] ^= flipped;
        let damaged = Bytes::from(damaged);
        // The decoder may panic; whoever calls it expects that.
        _ = std::panic::catch_unwind(|| {
            let end = SegmentEnd::read(&damaged, damaged.len() as u64);
            if let Ok(Ok(end)) = end && let Some(place) = end.place(at(123)) {
                let parts = place.parts.iter().map(|part| {
                    damaged.get(part.start as usize..part.end as usize).map(Bytes::copy_from_slice)
                });
                if let Some(parts) = parts.collect::<Option<Vec<_>>>() {
                    _ = end.row(at(123), &place, parts);
                }
            }
        });
    }
}
