//! Rows of equal length in one block of memory, and the sums over them that a decision spends its time in.

/// The scalar product. Sixteen partial sums keep the processor's vector units busy; the result does not depend on
/// anything but the values.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (blocks_a, rest_a) = a.as_chunks::<16>();
    let (blocks_b, rest_b) = b.as_chunks::<16>();
    let mut sums = [0f32; 16];
    for (x, y) in blocks_a.iter().zip(blocks_b) {
        for ((sum, x), y) in sums.iter_mut().zip(x).zip(y) {
            *sum += x * y;
        }
    }
    sums.iter().sum::<f32>() + rest_a.iter().zip(rest_b).map(|(x, y)| x * y).sum::<f32>()
}

/// A vector scaled to length 1. One of length zero, or with a value that is not finite, becomes all zeros: it has no
/// direction, and its product with any other is 0, which is "unrelated".
pub(crate) fn unit(vector: &[f32]) -> Vec<f32> {
    let norm = vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
    if norm.is_finite() && norm > 0.0 {
        vector.iter().map(|&x| (f64::from(x) / norm) as f32).collect()
    } else {
        vec![0.0; vector.len()]
    }
}

/// Rows of equal length.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Matrix {
    columns: usize,
    data: Vec<f32>,
}

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

    pub fn rows(&self) -> std::slice::ChunksExact<'_, f32> {
        self.data.chunks_exact(self.columns.max(1))
    }

    pub fn len(&self) -> usize {
        self.data.len() / self.columns.max(1)
    }

    pub fn row(&self, at: usize) -> &[f32] {
        self.data.get(at * self.columns..(at + 1) * self.columns).unwrap_or_default()
    }

    pub fn columns(&self) -> usize {
        self.columns
    }

    pub fn remove(&mut self, at: usize) {
        let range = at * self.columns..(at + 1) * self.columns;
        if range.end <= self.data.len() {
            self.data.drain(range);
        }
    }

    /// The product with a vector: one value per row.
    pub fn times(&self, vector: &[f32]) -> Vec<f32> {
        self.rows().map(|row| dot(row, vector)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_exact_for_any_length() {
        for n in [0, 1, 15, 16, 17, 384] {
            let a: Vec<f32> = (0..n).map(|i| (i % 7) as f32).collect();
            let expected: f32 = a.iter().map(|x| x * x).sum();
            assert_eq!(dot(&a, &a), expected);
        }
    }

    #[test]
    fn rows_have_equal_length_whatever_is_pushed() {
        let mut m = Matrix::new(3);
        m.push([1.0]);
        m.push([1.0, 2.0, 3.0, 4.0]);
        assert_eq!((m.len(), m.row(0), m.row(1), m.row(2)), (2, &[1.0, 0.0, 0.0][..], &[1.0, 2.0, 3.0][..], &[][..]));
        m.remove(0);
        assert_eq!(m.times(&[0.0, 1.0, 1.0]), [5.0]);
    }
}
