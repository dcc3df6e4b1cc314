//! One declared field's values of a batch, on their way into an Arrow array.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array,
    GenericByteArray, Int64Array, StringArray, TimestampMicrosecondArray, types::ByteArrayType,
};
use arrow_buffer::{
    ArrowNativeType, BooleanBufferBuilder, Buffer, NullBuffer, NullBufferBuilder, OffsetBuffer,
    ScalarBuffer,
};
use arrow_schema::ArrowError;

use super::super::fields::{Field, FieldType};

/// The values of one field, by its type.
pub(crate) enum Column {
    BigInt(Numbers<i64>),
    Double(Numbers<f64>),
    Decimal(Numbers<i128>, u8, u8),
    Varchar(Bytes),
    Boolean(BooleanBufferBuilder, NullBufferBuilder),
    Timestamp(Numbers<i64>),
    Date(Numbers<i32>),
    Json(Bytes),
}

/// Numbers and which of them are NULL.
pub(crate) struct Numbers<T> {
    values: Vec<T>,
    nulls: NullBufferBuilder,
}

impl<T: ArrowNativeType> Numbers<T> {
    pub(crate) fn new(capacity: usize) -> Numbers<T> {
        Numbers {
            values: Vec::with_capacity(capacity),
            nulls: NullBufferBuilder::new(capacity),
        }
    }

    #[inline]
    pub(crate) fn push(&mut self, value: T) {
        self.values.push(value);
        self.nulls.append_non_null();
    }

    pub(crate) fn push_null(&mut self) {
        self.values.push(T::default());
        self.nulls.append_null();
    }

    fn truncate(&mut self, len: usize) {
        if self.values.len() > len {
            self.values.truncate(len);
            self.nulls.truncate(len);
        }
    }

    pub(crate) fn finish(self) -> (ScalarBuffer<T>, Option<NullBuffer>) {
        (self.values.into(), self.nulls.build())
    }
}

/// Texts or byte strings one after the other, and which of them are NULL.
pub(crate) struct Bytes {
    values: Vec<u8>,
    ends: Vec<i32>,
    nulls: NullBufferBuilder,
    /// More than the 32-bit offsets of Arrow can tell apart.
    too_large: bool,
}

impl Bytes {
    pub(crate) fn new(capacity: usize) -> Bytes {
        let mut ends = Vec::with_capacity(capacity + 1);
        ends.push(0);
        Bytes {
            values: Vec::new(),
            ends,
            nulls: NullBufferBuilder::new(capacity),
            too_large: false,
        }
    }

    pub(crate) fn push(&mut self, value: Option<&[u8]>) {
        self.values.extend_from_slice(value.unwrap_or_default());
        self.nulls.append(value.is_some());
        let end = i32::try_from(self.values.len());
        self.too_large |= end.is_err();
        self.ends.push(end.unwrap_or(i32::MAX));
    }

    pub(crate) fn len(&self) -> usize {
        self.nulls.len()
    }

    pub(crate) fn push_nulls(&mut self, count: usize) {
        let last = self.ends.last().copied().unwrap_or_default();
        self.ends.resize(self.ends.len() + count, last);
        self.nulls.append_n_nulls(count);
    }

    fn truncate(&mut self, len: usize) {
        if self.nulls.len() > len {
            self.ends.truncate(len + 1);
            self.values.truncate(self.ends[len].as_usize());
            self.nulls.truncate(len);
        }
    }

    fn finish<T: ByteArrayType<Offset = i32>>(self) -> Result<GenericByteArray<T>, ArrowError> {
        if self.too_large {
            return Err(ArrowError::OffsetOverflowError(self.values.len()));
        }
        let ends = OffsetBuffer::new(self.ends.into());
        GenericByteArray::try_new(ends, Buffer::from_vec(self.values), self.nulls.build())
    }

    /// The byte strings as an array.
    ///
    /// # Errors
    /// When they are more than 2 GiB together.
    pub(crate) fn finish_binary(self) -> Result<BinaryArray, ArrowError> {
        self.finish()
    }
}

impl Column {
    pub(super) fn new(field: &Field, capacity: usize) -> Column {
        match field.data_type {
            FieldType::BigInt => Column::BigInt(Numbers::new(capacity)),
            FieldType::Double => Column::Double(Numbers::new(capacity)),
            FieldType::Decimal { precision, scale } => {
                Column::Decimal(Numbers::new(capacity), precision, scale)
            }
            FieldType::Varchar => Column::Varchar(Bytes::new(capacity)),
            FieldType::Boolean => Column::Boolean(
                BooleanBufferBuilder::new(capacity),
                NullBufferBuilder::new(capacity),
            ),
            FieldType::Timestamp => Column::Timestamp(Numbers::new(capacity)),
            FieldType::Date => Column::Date(Numbers::new(capacity)),
            FieldType::Json => Column::Json(Bytes::new(capacity)),
        }
    }

    /// Adds NULL.
    pub(super) fn append_null(&mut self) {
        match self {
            Column::BigInt(column) => column.push_null(),
            Column::Double(column) => column.push_null(),
            Column::Decimal(column, ..) => column.push_null(),
            Column::Varchar(column) => column.push(None),
            Column::Boolean(values, nulls) => {
                values.append(false);
                nulls.append_null();
            }
            Column::Timestamp(column) => column.push_null(),
            Column::Date(column) => column.push_null(),
            Column::Json(column) => column.push(None),
        }
    }

    /// Forgets all but the first `len` values.
    pub(super) fn truncate(&mut self, len: usize) {
        match self {
            Column::BigInt(column) => column.truncate(len),
            Column::Double(column) => column.truncate(len),
            Column::Decimal(column, ..) => column.truncate(len),
            Column::Varchar(column) => column.truncate(len),
            Column::Boolean(values, nulls) => {
                if values.len() > len {
                    values.truncate(len);
                    nulls.truncate(len);
                }
            }
            Column::Timestamp(column) => column.truncate(len),
            Column::Date(column) => column.truncate(len),
            Column::Json(column) => column.truncate(len),
        }
    }

    pub(super) fn finish(self) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            Column::BigInt(column) => {
                let (values, nulls) = column.finish();
                Arc::new(Int64Array::try_new(values, nulls)?)
            }
            Column::Double(column) => {
                let (values, nulls) = column.finish();
                Arc::new(Float64Array::try_new(values, nulls)?)
            }
            Column::Decimal(column, precision, scale) => {
                let (values, nulls) = column.finish();
                let array = Decimal128Array::try_new(values, nulls)?;
                Arc::new(array.with_precision_and_scale(precision, scale.cast_signed())?)
            }
            Column::Varchar(column) | Column::Json(column) => {
                Arc::new(column.finish()? as StringArray)
            }
            Column::Timestamp(column) => {
                let (values, nulls) = column.finish();
                let array = TimestampMicrosecondArray::try_new(values, nulls)?;
                Arc::new(array.with_data_type(FieldType::Timestamp.data_type()))
            }
            Column::Date(column) => {
                let (values, nulls) = column.finish();
                Arc::new(Date32Array::try_new(values, nulls)?)
            }
            Column::Boolean(values, nulls) => {
                Arc::new(BooleanArray::new(values.build(), nulls.build()))
            }
        })
    }
}
