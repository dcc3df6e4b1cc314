use super::*;
use crate::format::{
    check_segment, read_segment,
    testing::{PARTITION, accumulated, at, encoded, file_offsets, identity, range},
};

#[test]
fn a_segment_reads_back_as_it_was_and_says_what_it_is() {
    let identity = identity("writer");
    let encoded = accumulated(95, &[1000, 1001, 9000])
        .close(&identity)
        .unwrap();
    let results = encoded.results.as_ref().unwrap();
    let expected: Vec<i64> = (95..9000).filter(|o| o % 5 != 0).collect();
    assert_eq!(file_offsets(Some(results)), expected);
    let (facts, rows) = check_segment(results.bytes.clone()).unwrap();
    assert_eq!(rows, expected.len() as u64);
    assert_eq!(facts, results.facts);
    assert_eq!((facts.partition, facts.range), (PARTITION, range(95, 9000)));
    assert_eq!(facts.counts, encoded.counts);
    let read: Vec<_> = read_segment(results.bytes.clone())
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let batch = arrow_select::concat::concat_batches(&read[0].schema(), &read).unwrap();
    assert_eq!(
        batch.columns(),
        crate::format::testing::results(expected).columns()
    );
    let rejects = encoded.rejects.unwrap();
    assert_eq!(
        check_segment(rejects.bytes).unwrap().1,
        encoded.counts.rejects
    );
}

#[test]
fn columns_are_stored_as_every_reader_can_read_them() {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    let encoded = encoded(0, 10_000, &identity("writer"));
    let file = SerializedFileReader::new(encoded.results.unwrap().bytes).unwrap();
    let created_by = file.metadata().file_metadata().created_by().unwrap();
    assert!(created_by.starts_with("snapback "), "{created_by}");
    let group = file.metadata().row_group(0);
    let uses = |column: usize, encoding| group.column(column).encodings().any(|e| e == encoding);
    assert!(uses(0, Encoding::DELTA_BINARY_PACKED) && uses(1, Encoding::DELTA_BINARY_PACKED));
    for column in [0, 1, 2, 4, 5] {
        assert!(!uses(column, Encoding::RLE_DICTIONARY), "{column}");
    }
    assert!(uses(3, Encoding::RLE_DICTIONARY));
    for column in group.columns() {
        assert!(!column.encodings().any(|e| e == Encoding::BYTE_STREAM_SPLIT));
        assert!(matches!(column.compression(), Compression::ZSTD(_)));
    }
    assert!(group.column(0).statistics().is_some());
}

#[test]
fn a_row_group_of_large_rows_is_not_large() {
    const MEGABYTE: usize = 1 << 20;
    let mut random = <rand::rngs::StdRng as rand::SeedableRng>::seed_from_u64(1);
    let mut payload = vec![0; MEGABYTE];
    let rejects = (0..24).map(|offset| {
        rand::Rng::fill_bytes(&mut random, &mut payload);
        crate::model::Reject {
            payload: Some(payload.clone()),
            ..crate::format::testing::reject(offset)
        }
    });
    let batch = crate::format::outcomes::rejects_batch(&rejects.collect::<Vec<_>>());
    let mut writer = SegmentWriter::new(SegmentKind::Rejects, at(0), batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    let metadata = writer.writer.finish().unwrap();
    let rows = metadata.row_groups().iter().map(|group| group.num_rows());
    assert_eq!(rows.collect::<Vec<_>>(), [16, 8]);
}

#[test]
fn a_file_of_somebody_else_is_refused() {
    let batch = crate::format::testing::results(0..3);
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    let bytes = Bytes::from(writer.into_inner().unwrap());
    let error = read_segment(bytes).err().unwrap();
    assert!(matches!(
        error,
        SegmentError::Facts(FactsError::Missing { .. })
    ));
    assert!(read_segment(Bytes::from_static(b"PAR1")).is_err());
}

#[test]
fn rows_that_are_unsorted_or_outside_are_not_written() {
    let batch = |offsets: &[i64]| crate::format::testing::results(offsets.iter().copied());
    let open = || SegmentWriter::new(SegmentKind::Results, at(10), batch(&[]).schema()).unwrap();
    assert!(open().write(&batch(&[9])).is_err());
    assert!(open().write(&batch(&[12, 11])).is_err());
    let mut writer = open();
    writer.write(&batch(&[10, 11])).unwrap();
    assert!(writer.write(&batch(&[11])).is_err());
    let mut facts = encoded(10, 20, &identity("writer")).results.unwrap().facts;
    facts.range = range(10, 11);
    assert!(writer.close(facts).is_err());
}

#[test]
fn a_file_states_the_digest_of_itself_and_a_flipped_bit_anywhere_is_found() {
    let file = encoded(0, 40, &identity("tests")).results.unwrap();
    check_segment(file.bytes.clone()).unwrap();
    assert_eq!(Digest::of(&file.bytes), file.digest);
    for at in (4..file.bytes.len()).step_by(7) {
        let mut bytes = file.bytes.to_vec();
        bytes[at] ^= 1;
        let checked = std::panic::catch_unwind(|| check_segment(bytes.into()));
        assert!(!matches!(checked, Ok(Ok(_))), "{at}");
    }
}
