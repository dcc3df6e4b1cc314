//! Ends a segment's file: a large one with Parquet's page index, so that who looks for one row reads a few pages of it; a small one
//! without, because it is read whole.
//!
//! The writer knows how large a file is only when it ends, so that it always collects the index. It stands between the rows and
//! the footer: of a small file it is cut off, and the footer written again behind the rows.
//!
//! A flipped bit in the index would lead to another row than the one that is looked for. So the footer of a file with an index has the
//! digest of all bytes from the index on, in which the digits of this digest and of the file's own are zeros.

use parquet::{
    arrow::ArrowWriter,
    errors::ParquetError,
    file::metadata::{
        ColumnChunkMetaData, FileMetaData, KeyValue, ParquetMetaData, ParquetMetaDataWriter,
        RowGroupMetaData,
    },
};

use super::own_digest;
use crate::model::Digest;

/// A segment up to this size has no page index: whoever looks for one of its rows reads all of it.
pub const READ_WHOLE: u64 = 256 << 10;

/// The key of the digest.
pub(super) const KEY: &str = "snapback.index_digest";

/// Ends the file.
pub(super) fn finish(mut writer: ArrowWriter<Vec<u8>>) -> Result<Vec<u8>, ParquetError> {
    writer.append_key_value_metadata(KeyValue::new(
        KEY.to_owned(),
        own_digest::UNKNOWN.to_owned(),
    ));
    let metadata = writer.finish()?;
    let mut file = std::mem::take(writer.inner_mut());
    let start = start(&metadata).unwrap_or(file.len() as u64);
    let start = usize::try_from(start)?;
    if file.len() as u64 <= READ_WHOLE {
        file.truncate(start);
        ParquetMetaDataWriter::new(&mut file, &without_index(metadata)?).finish()?;
    } else {
        let end = &mut file[start..];
        let digest = Digest::of(end).to_string();
        let at = own_digest::find(end, KEY, own_digest::UNKNOWN);
        let at = at.ok_or_else(|| ParquetError::General(format!("the footer has no {KEY}")))?;
        end[at..at + digest.len()].copy_from_slice(digest.as_bytes());
    }
    Ok(file)
}

/// Where the index of a file starts, if it has one.
fn start(metadata: &ParquetMetaData) -> Option<u64> {
    let groups = metadata.row_groups().iter();
    let chunks = groups.flat_map(RowGroupMetaData::columns);
    let starts =
        chunks.flat_map(|chunk| [chunk.column_index_offset(), chunk.offset_index_offset()]);
    starts
        .flatten()
        .filter_map(|start| u64::try_from(start).ok())
        .min()
}

/// Whether the index and the footer of a file of `bytes` bytes, which `end` is the end of, are as they were written. `own` is the
/// digest that the file states of itself. A file without an index has nothing to be wrong.
pub(super) fn is_whole(end: &[u8], bytes: u64, metadata: &ParquetMetaData, own: Digest) -> bool {
    let pairs = metadata.file_metadata().key_value_metadata();
    let mut pairs = pairs.into_iter().flatten();
    let stated = pairs.find(|pair| pair.key == KEY);
    let stated = stated.and_then(|pair| pair.value.as_deref());
    match (start(metadata), stated) {
        (None, stated) => stated.is_none(),
        (Some(_), None) => false,
        (Some(start), Some(stated)) => {
            let covered = covered(end, bytes, start, &own.to_string(), stated);
            covered.is_some_and(|digest| digest.to_string() == stated)
        }
    }
}

/// The digest of everything from `start` on.
fn covered(end: &[u8], bytes: u64, start: u64, own: &str, stated: &str) -> Option<Digest> {
    let length = usize::try_from(bytes.checked_sub(start)?).ok()?;
    let mut end = end.get(end.len().checked_sub(length)?..)?.to_vec();
    for (key, value) in [(own_digest::KEY, own), (KEY, stated)] {
        let at = own_digest::find(&end, key, value)?;
        let value = end.get_mut(at..at + own_digest::UNKNOWN.len())?;
        value.copy_from_slice(own_digest::UNKNOWN.as_bytes());
    }
    Some(Digest::of(&end))
}

fn without_index(metadata: ParquetMetaData) -> Result<ParquetMetaData, ParquetError> {
    let chunk = |chunk: &ColumnChunkMetaData| {
        let chunk = chunk.clone().into_builder();
        chunk
            .set_column_index_offset(None)
            .set_column_index_length(None)
            .set_offset_index_offset(None)
            .set_offset_index_length(None)
            .build()
    };
    let group = |group: RowGroupMetaData| {
        let chunks = group.columns().iter().map(chunk);
        let chunks = chunks.collect::<Result<Vec<_>, _>>()?;
        group.into_builder().set_column_metadata(chunks).build()
    };
    let mut builder = metadata.into_builder();
    let groups = builder.take_row_groups().into_iter().map(group);
    let groups = groups.collect::<Result<Vec<_>, _>>()?;
    let without = builder.set_row_groups(groups).build();
    let file = without.file_metadata();
    let pairs = file.key_value_metadata().into_iter().flatten();
    let pairs = pairs.filter(|pair| pair.key != KEY).cloned().collect();
    let file = FileMetaData::new(
        file.version(),
        file.num_rows(),
        file.created_by().map(ToOwned::to_owned),
        Some(pairs),
        file.schema_descr_ptr(),
        file.column_orders().cloned(),
    );
    Ok(ParquetMetaData::new(file, without.row_groups().to_vec()))
}

#[cfg(test)]
mod tests;
