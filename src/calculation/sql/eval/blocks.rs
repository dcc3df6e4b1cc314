//! The loops over columns: 64 rows at a time, which are a word of a mask. A loop looks at nothing but its values.

use std::ops::Range;

use arrow_array::{ArrowPrimitiveType, PrimitiveArray};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use arrow_schema::DataType;

/// The rows of a block.
const BLOCK: usize = 64;

/// The numbers of a column; or of a constant, whose block is that number again and again, so that one loop serves both.
pub(super) struct Numbers<'a, T> {
    column: &'a [T],
    constant: Option<[T; BLOCK]>,
}

impl<'a, T: Copy> Numbers<'a, T> {
    pub(super) fn of(column: &'a [T], constant: bool) -> Numbers<'a, T> {
        let constant = constant.then(|| [column[0]; BLOCK]);
        Numbers { column, constant }
    }

    fn block(&self, rows: Range<usize>) -> &[T] {
        match &self.constant {
            Some(same) => &same[..rows.len()],
            None => &self.column[rows],
        }
    }
}

/// What was calculated of each row: the value, and where there is none.
pub(super) struct Computed<T> {
    pub(super) values: Vec<T>,
    pub(super) nulls: Option<NullBuffer>,
    /// The rows that failed; `None` when none did.
    pub(super) bad: Option<BooleanBuffer>,
}

/// Calculates `rows` values and marks the failed ones on the way.
pub(super) fn compute<T>(
    rows: usize,
    nulls: Option<NullBuffer>,
    calculate: impl Fn(usize) -> (T, bool),
) -> Computed<T> {
    in_blocks(rows, nulls, |rows, values| {
        collect(rows, values, &calculate)
    })
}

/// Calculates a value of each number.
pub(super) fn unary<A: Copy, T>(
    rows: usize,
    nulls: Option<NullBuffer>,
    a: &Numbers<'_, A>,
    calculate: impl Fn(A) -> (T, bool),
) -> Computed<T> {
    in_blocks(rows, nulls, |rows, values| {
        collect(a.block(rows).iter(), values, |a| calculate(*a))
    })
}

/// Calculates a value of every two numbers.
pub(super) fn binary<A: Copy, B: Copy, T>(
    rows: usize,
    nulls: Option<NullBuffer>,
    a: &Numbers<'_, A>,
    b: &Numbers<'_, B>,
    calculate: impl Fn(A, B) -> (T, bool),
) -> Computed<T> {
    in_blocks(rows, nulls, |rows, values| {
        let pairs = a.block(rows.clone()).iter().zip(b.block(rows));
        collect(pairs, values, |(a, b)| calculate(*a, *b))
    })
}

/// Adds the values of a block, and gives the mask of those that failed.
#[inline]
fn collect<I, T>(
    items: impl Iterator<Item = I>,
    values: &mut Vec<T>,
    calculate: impl Fn(I) -> (T, bool),
) -> u64 {
    let mut failed = 0;
    values.extend(items.enumerate().map(|(bit, item)| {
        let (value, fails) = calculate(item);
        failed |= u64::from(fails) << bit;
        value
    }));
    failed
}

/// `block` adds the values of its rows, and gives the mask of those that failed.
fn in_blocks<T>(
    rows: usize,
    nulls: Option<NullBuffer>,
    block: impl Fn(Range<usize>, &mut Vec<T>) -> u64,
) -> Computed<T> {
    let mut values = Vec::with_capacity(rows);
    let failed = words(rows, |rows| block(rows, &mut values));
    let bad = failed.iter().any(|word| *word != 0).then(|| {
        let bad = BooleanBuffer::new(failed.into(), 0, rows);
        match &nulls {
            Some(nulls) => &bad & nulls.inner(),
            None => bad,
        }
    });
    let bad = bad.filter(|bad| bad.count_set_bits() > 0);
    Computed { values, nulls, bad }
}

fn words(rows: usize, mut word: impl FnMut(Range<usize>) -> u64) -> Vec<u64> {
    let starts = (0..rows).step_by(BLOCK);
    starts
        .map(|start| word(start..rows.min(start + BLOCK)))
        .collect()
}

/// The mask of the rows that a test of two numbers holds for.
pub(super) fn test<T: Copy>(
    rows: usize,
    a: &Numbers<'_, T>,
    b: &Numbers<'_, T>,
    holds: impl Fn(T, T) -> bool,
) -> BooleanBuffer {
    let words = words(rows, |rows| {
        let pairs = a.block(rows.clone()).iter().zip(b.block(rows));
        let bits = pairs.enumerate();
        bits.fold(0, |word, (bit, (a, b))| {
            word | u64::from(holds(*a, *b)) << bit
        })
    });
    BooleanBuffer::new(words.into(), 0, rows)
}

/// The numbers of `one` where the mask is set, else those of `other`.
pub(super) fn select<T: Copy>(
    mask: &BooleanBuffer,
    one: &Numbers<'_, T>,
    other: &Numbers<'_, T>,
) -> Vec<T> {
    let rows = mask.len();
    let mut values = Vec::with_capacity(rows);
    let chunks = mask.bit_chunks();
    let mut masks = chunks.iter_padded();
    for start in (0..rows).step_by(BLOCK) {
        let block = start..rows.min(start + BLOCK);
        let all = u64::MAX >> (BLOCK - block.len());
        let mask = masks.next().unwrap_or_default() & all;
        let (one, other) = (one.block(block.clone()), other.block(block));
        if mask == 0 {
            values.extend_from_slice(other);
        } else if mask == all {
            values.extend_from_slice(one);
        } else {
            let pairs = one.iter().zip(other).enumerate();
            values.extend(pairs.map(|(bit, (one, other))| match mask >> bit & 1 {
                1 => *one,
                _ => *other,
            }));
        }
    }
    values
}

/// A column of calculated numbers, with the type of its expression.
pub(super) fn primitive<T: ArrowPrimitiveType>(
    computed: Computed<T::Native>,
    data_type: DataType,
) -> PrimitiveArray<T> {
    PrimitiveArray::<T>::new(computed.values.into(), computed.nulls).with_data_type(data_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fewer rows than a block, whole blocks, and blocks with a rest.
    const ROWS: [usize; 5] = [1, 63, 64, 128, 150];

    #[test]
    fn columns_and_constants_are_calculated_with_alike_and_failed_rows_are_marked() {
        for rows in ROWS {
            let column: Vec<i64> = (0..rows as i64).collect();
            let (a, b) = (Numbers::of(&column, false), Numbers::of(&[3], true));
            let divides = |a: i64, b: i64| (a * b, a % b == 0);
            let pairs = binary(rows, None, &a, &b, divides);
            let single = unary(rows, None, &a, |a| divides(a, 3));
            let by_row = compute(rows, None, |row| divides(column[row], 3));
            for computed in [pairs, single, by_row] {
                let tripled: Vec<i64> = column.iter().map(|a| a * 3).collect();
                assert_eq!(computed.values, tripled);
                let marked: Vec<usize> = computed.bad.unwrap().set_indices().collect();
                assert_eq!(marked, (0..rows).step_by(3).collect::<Vec<_>>());
            }
            let small = test(rows, &a, &b, |a, b| a < b);
            assert_eq!(small, BooleanBuffer::collect_bool(rows, |row| row < 3));
        }
    }

    #[test]
    fn a_failed_row_that_is_null_is_not_marked() {
        let nulls = NullBuffer::from(vec![true, false]);
        let computed = compute(2, Some(nulls.clone()), |row| (row, true));
        assert_eq!(
            computed.bad.unwrap(),
            BooleanBuffer::from(vec![true, false])
        );
        let computed = compute(2, Some(nulls), |row| (row, row == 1));
        assert!(computed.bad.is_none());
    }

    #[test]
    fn a_mask_selects_whole_blocks_and_single_rows() {
        for rows in ROWS {
            let column: Vec<i64> = (0..rows as i64).collect();
            let (one, other) = (Numbers::of(&column, false), Numbers::of(&[-1], true));
            let selects: [fn(usize) -> bool; 4] =
                [|_| false, |_| true, |row| row % 3 == 0, |row| row < 64];
            for selected in selects {
                // Masks begin within a word.
                let mask =
                    BooleanBuffer::collect_bool(rows + 5, |row| row < 5 || selected(row - 5));
                let values = select(&mask.slice(5, rows), &one, &other);
                let expected = |row: usize| if selected(row) { row as i64 } else { -1 };
                assert_eq!(values, (0..rows).map(expected).collect::<Vec<_>>());
            }
        }
    }
}
