//! Rows of equal length in one block of memory, and the sums over them that a decision spends its time in.

use std::{ops::Range, slice::ChunksExact, sync::LazyLock};

use pulp::{Arch, Simd, WithSimd};

/// The widest instructions that this processor has of those that are compiled in. Processors with others may round
/// differently; on one processor the result depends on nothing but the values.
static ARCH: LazyLock<Arch> = LazyLock::new(Arch::new);

/// The scalar product; what one vector has beyond the other's length is left out.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut result = 0.0;
    ARCH.dispatch(Products { rows: a.chunks_exact(a.len().max(1)), vector: b, each: |product| result = product });
    result
}

/// Gives `each` the product of every row with a vector. One dispatch for many rows costs less than one for each.
struct Products<'a, F> {
    rows: ChunksExact<'a, f32>,
    vector: &'a [f32],
    each: F,
}

impl<F: FnMut(f32)> WithSimd for Products<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        for row in self.rows {
            let length = row.len().min(self.vector.len());
            let both = row.get(..length).zip(self.vector.get(..length));
            (self.each)(both.map_or(0.0, |(row, vector)| product(simd, row, vector)));
        }
    }
}

/// The product of vectors of one length. It is written out since the compiler does not find the wide instructions by itself.
#[inline(always)]
fn product<S: Simd>(simd: S, a: &[f32], b: &[f32]) -> f32 {
    let ((a, last_a), (b, last_b)) = (S::as_simd_f32s(a), S::as_simd_f32s(b));
    let ((a, rest_a), (b, rest_b)) = (a.as_chunks::<4>(), b.as_chunks::<4>());
    // Four sums, so that an addition need not wait for the one before it.
    let zero = simd.splat_f32s(0.0);
    let (mut s0, mut s1, mut s2, mut s3) = (zero, zero, zero, zero);
    for ([a0, a1, a2, a3], [b0, b1, b2, b3]) in a.iter().zip(b) {
        s0 = simd.mul_add_e_f32s(*a0, *b0, s0);
        s1 = simd.mul_add_e_f32s(*a1, *b1, s1);
        s2 = simd.mul_add_e_f32s(*a2, *b2, s2);
        s3 = simd.mul_add_e_f32s(*a3, *b3, s3);
    }
    for (a, b) in rest_a.iter().zip(rest_b) {
        s0 = simd.mul_add_e_f32s(*a, *b, s0);
    }
    let sums = simd.add_f32s(simd.add_f32s(s0, s1), simd.add_f32s(s2, s3));
    simd.reduce_sum_f32s(sums) + last_a.iter().zip(last_b).map(|(x, y)| x * y).sum::<f32>()
}

/// A vector scaled to length 1. One of length zero, or with a value that is not finite, becomes all zeros: it has no
/// direction, and its product with any other is 0, which is "unrelated".
pub(crate) fn unit(vector: &[f32]) -> Vec<f32> {
    let square = dot(vector, vector);
    if (1e-20..1e20).contains(&square) {
        let scale = 1.0 / square.sqrt();
        return vector.iter().map(|x| x * scale).collect();
    }
    // Broken, or its squares have left the range of f32.
    let scale = 1.0 / vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
    if scale.is_finite() && scale > 0.0 {
        vector.iter().map(|&x| (f64::from(x) * scale) as f32).collect()
    } else {
        vec![0.0; vector.len()]
    }
}

/// A number with a value, as an integer that is the smaller the larger the value is; of equal values the smaller number
/// comes first. Integers of one word are compared, and moved, without a branch. The number is its lower half.
pub(crate) fn descending((value, number): (f32, u32)) -> u64 {
    let bits = value.to_bits();
    let rising = if value.is_sign_negative() { !bits } else { bits | 1 << 31 };
    u64::from(!rising) << 32 | u64::from(number)
}

/// The numbers with the `wanted` largest values, in no order; of equal values those with the smaller numbers.
pub(crate) fn largest(values: impl Iterator<Item = (f32, u32)>, wanted: usize) -> impl Iterator<Item = u32> {
    let mut keys: Vec<u64> = Vec::with_capacity(2 * wanted);
    // Only what is better than the last of the best so far is kept, and that is soon little.
    let mut last = u64::MAX;
    for key in values.map(descending) {
        if key < last {
            keys.push(key);
            if keys.len() >= 2 * wanted {
                last = keep(&mut keys, wanted);
            }
        }
    }
    keep(&mut keys, wanted);
    keys.into_iter().map(|key| key as u32)
}

/// Keeps the smallest, and says which is the largest of them: with none, 0, below which there is nothing.
fn keep(keys: &mut Vec<u64>, wanted: usize) -> u64 {
    let last = wanted.checked_sub(1);
    let bound = match last.filter(|last| *last < keys.len()) {
        Some(last) => *keys.select_nth_unstable(last).1,
        None => 0,
    };
    keys.truncate(wanted);
    bound
}

/// Rows of equal length.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Matrix<D = Vec<f32>> {
    columns: usize,
    data: D,
}

/// Some rows of a matrix.
pub(crate) type Rows<'a> = Matrix<&'a [f32]>;

impl Matrix {
    /// A matrix without rows.
    pub fn new(columns: usize) -> Self {
        Self { columns, data: Vec::new() }
    }

    /// Adds a row; one that is too short is filled with zeros, one that is too long is cut.
    pub fn push(&mut self, row: impl IntoIterator<Item = f32>) {
        let end = self.data.len() + self.columns;
        self.data.extend(row.into_iter().take(self.columns));
        self.data.resize(end, 0.0);
    }

    /// Removes the rows of a range; does nothing where there are not so many.
    pub fn remove(&mut self, rows: Range<usize>) {
        let range = rows.start * self.columns..rows.end * self.columns;
        if range.end <= self.data.len() {
            self.data.drain(range);
        }
    }

    /// The rows of a range; none where there are not so many.
    pub fn part(&self, rows: Range<usize>) -> Rows<'_> {
        let data = self.data.get(rows.start * self.columns..rows.end * self.columns).unwrap_or_default();
        Rows { columns: self.columns, data }
    }
}

impl<D: AsRef<[f32]>> Matrix<D> {
    pub fn rows(&self) -> ChunksExact<'_, f32> {
        self.data.as_ref().chunks_exact(self.columns.max(1))
    }

    pub fn len(&self) -> usize {
        self.data.as_ref().len() / self.columns.max(1)
    }

    pub fn row(&self, at: usize) -> &[f32] {
        self.data.as_ref().get(at * self.columns..(at + 1) * self.columns).unwrap_or_default()
    }

    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The product with a vector: one value per row.
    pub fn times(&self, vector: &[f32]) -> Vec<f32> {
        let mut products = Vec::with_capacity(self.len());
        ARCH.dispatch(Products { rows: self.rows(), vector, each: |product| products.push(product) });
        products
    }

    /// The largest product of a row with a vector; −∞ without rows.
    pub fn largest_product(&self, vector: &[f32]) -> f32 {
        let mut largest = f32::NEG_INFINITY;
        ARCH.dispatch(Products { rows: self.rows(), vector, each: |product| largest = largest.max(product) });
        largest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_exact_for_any_length() {
        for n in [0, 1, 7, 8, 9, 31, 32, 33, 69, 384] {
            let a: Vec<f32> = (0..n).map(|i| (i % 7) as f32).collect();
            let expected: f32 = a.iter().map(|x| x * x).sum();
            assert_eq!(dot(&a, &a), expected);
            // What the other has too much does not count.
            let longer: Vec<f32> = a.iter().copied().chain([1.0; 40]).collect();
            assert_eq!((dot(&a, &longer), dot(&longer, &a)), (expected, expected));
        }
    }

    #[test]
    fn a_vector_of_any_magnitude_has_a_direction_unless_it_is_broken() {
        for scale in [1e-30f32, 1e-3, 1.0, 1e30] {
            let [x, y] = unit(&[3.0 * scale, -4.0 * scale])[..] else { panic!("two values") };
            assert!((x - 0.6).abs() < 1e-6 && (y + 0.8).abs() < 1e-6, "{scale}: {x}, {y}");
        }
        for broken in [[0.0, 0.0], [f32::NAN, 1.0], [f32::INFINITY, 1.0]] {
            assert_eq!(unit(&broken), [0.0, 0.0]);
        }
    }

    #[test]
    fn the_largest_are_picked_and_of_equal_ones_the_first() {
        let values = [0.5, -1.0, 2.0, 0.5, -0.25, 0.0, 0.5];
        let pick = |wanted| {
            let mut picked: Vec<u32> = largest(values.into_iter().zip(0..), wanted).collect();
            picked.sort_unstable();
            picked
        };
        assert_eq!(pick(3), [0, 2, 3]);
        assert_eq!(pick(6), [0, 2, 3, 4, 5, 6]);
        assert_eq!((pick(0).len(), pick(9).len()), (0, 7));
        let many = |i: u32| ((i.wrapping_mul(2_654_435_761) >> 8) as f32, i);
        let mut sorted: Vec<u64> = (0..5000).map(many).map(descending).collect();
        sorted.sort_unstable();
        let mut picked: Vec<u32> = largest((0..5000).map(many), 64).collect();
        picked.sort_unstable();
        let mut best: Vec<u32> = sorted[..64].iter().map(|key| *key as u32).collect();
        best.sort_unstable();
        assert_eq!(picked, best);
    }

    #[test]
    fn rows_have_equal_length_whatever_is_pushed() {
        let mut m = Matrix::new(3);
        m.push([1.0]);
        m.push([1.0, 2.0, 3.0, 4.0]);
        assert_eq!((m.len(), m.row(0), m.row(1), m.row(2)), (2, &[1.0, 0.0, 0.0][..], &[1.0, 2.0, 3.0][..], &[][..]));
        assert_eq!((m.part(1..2).times(&[1.0; 3]), m.part(1..3).len()), (vec![6.0], 0));
        m.remove(0..1);
        m.remove(0..2);
        assert_eq!(m.times(&[0.0, 1.0, 1.0]), [5.0]);
    }
}
