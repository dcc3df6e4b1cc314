//! Ends a segment's file: a large one with Parquet's page index, so that who looks for one row reads a few pages of it; a small one
//! without, because it is read whole.
//!
//! The writer knows how large a file is only when it ends, so that it always collects the index. It stands between the rows and
//! the footer: of a small file it is cut off, and the footer written again behind the rows.

use parquet::{
    arrow::ArrowWriter,
    errors::ParquetError,
    file::metadata::{
        ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataWriter, RowGroupMetaData,
    },
};

/// A segment up to this size has no page index: whoever looks for one of its rows reads all of it.
pub const READ_WHOLE: u64 = 256 << 10;

/// Ends the file.
pub(super) fn finish(mut writer: ArrowWriter<Vec<u8>>) -> Result<Vec<u8>, ParquetError> {
    let metadata = writer.finish()?;
    let mut file = std::mem::take(writer.inner_mut());
    if file.len() as u64 <= READ_WHOLE {
        cut(&mut file, metadata)?;
    }
    Ok(file)
}

/// Cuts the index off a file that has one.
fn cut(file: &mut Vec<u8>, metadata: ParquetMetaData) -> Result<(), ParquetError> {
    let chunks = metadata
        .row_groups()
        .iter()
        .flat_map(|group| group.columns());
    let starts =
        chunks.flat_map(|chunk| [chunk.column_index_offset(), chunk.offset_index_offset()]);
    let Some(start) = starts.flatten().min() else {
        return Ok(());
    };
    let metadata = without_index(metadata)?;
    file.truncate(usize::try_from(start)?);
    ParquetMetaDataWriter::new(file, &metadata).finish()
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
    let builder = builder.set_column_index(None).set_offset_index(None);
    Ok(builder.set_row_groups(groups).build())
}

#[cfg(test)]
mod tests;
