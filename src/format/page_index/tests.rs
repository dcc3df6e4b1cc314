use bytes::Bytes;
use parquet::{
    arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder},
    file::{metadata::PageIndexPolicy, page_index::column_index::ColumnIndexMetaData},
};

use super::*;
use crate::format::{
    check_segment, read_segment,
    testing::{encoded, identity},
};

fn metadata(file: &Bytes) -> ParquetMetaData {
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(file.clone(), options);
    builder.unwrap().metadata().as_ref().clone()
}

#[test]
fn a_large_file_says_where_its_pages_are_and_which_offsets_each_has() {
    let file = encoded(100, 300_000, &identity("writer")).results.unwrap();
    assert!(file.bytes.len() as u64 > READ_WHOLE, "{}", file.bytes.len());
    let metadata = metadata(&file.bytes);
    let pages = metadata.offset_index().expect("every page's place");
    let columns = &metadata.column_index().expect("what the offsets are")[0];
    let offsets = pages[0][0].page_locations();
    assert!(offsets.len() >= 12, "{offsets:?}");
    // A column of nulls has one page.
    let first_rows = pages[0]
        .iter()
        .map(|column| column.page_locations()[0].first_row_index);
    assert!(first_rows.eq(pages[0].iter().map(|_| 0)));
    let pages = pages[0].iter().map(|column| column.page_locations().len());
    // At least the offset, the time, the number and the result.
    assert!(pages.filter(|pages| *pages >= 12).count() >= 4);
    let ColumnIndexMetaData::INT64(of_offsets) = &columns[0] else {
        panic!("{columns:?}")
    };
    let last = offsets.len() - 1;
    assert_eq!(of_offsets.min_value(0), Some(&101));
    assert_eq!(of_offsets.max_value(last), Some(&299_999));
    // Nothing is said of the values of other columns, which may be anything.
    let others = &columns[1..];
    let is_none = |index: &ColumnIndexMetaData| matches!(index, ColumnIndexMetaData::NONE);
    assert!(others.iter().all(is_none), "{others:?}");
    check_segment(file.bytes).unwrap();
}

#[test]
fn a_small_file_has_its_rows_and_its_footer_and_nothing_else() {
    let files = encoded(100, 1_100, &identity("writer"));
    for file in [files.results.unwrap(), files.rejects.unwrap()] {
        let metadata = metadata(&file.bytes);
        assert!(metadata.offset_index().is_none());
        let chunks = metadata.row_groups()[0].columns();
        let ends = chunks.iter().map(|chunk| {
            assert_eq!(
                (chunk.column_index_offset(), chunk.offset_index_offset()),
                (None, None)
            );
            let (start, length) = chunk.byte_range();
            start + length
        });
        let footer: [u8; 4] = file.bytes[file.bytes.len() - 8..][..4].try_into().unwrap();
        let footer = u64::from(u32::from_le_bytes(footer)) + 8;
        assert_eq!(ends.max().unwrap() + footer, file.bytes.len() as u64);
        check_segment(file.bytes.clone()).unwrap();
        let rows = read_segment(file.bytes)
            .unwrap()
            .map(|batch| batch.unwrap().num_rows());
        assert_eq!(rows.sum::<usize>() as u64, file.rows);
    }
}
