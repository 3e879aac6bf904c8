//! Nearest rows without looking at all of them: an inverted file over clusters (IVF).

use crate::matrix::{Matrix, descending, dot};

/// Up to this many rows, looking at all is quicker.
const EXACT: usize = 1024;

/// Rounds of k-means; the lists need not be perfect.
const ROUNDS: usize = 6;

/// Rows looked at for each one wanted, at least: the nearest are then among them nearly always.
const OVERSAMPLING: usize = 8;

/// Lists of rows by the nearest of about `2·sqrt(n)` centres.
#[derive(Debug, Clone)]
pub(crate) struct Index {
    centres: Matrix,
    /// Half the squared length of each centre.
    halves: Vec<f32>,
    lists: Vec<List>,
}

/// The rows nearest to one centre, side by side: where they are gathered from all over, memory takes longer than sums.
#[derive(Debug, Clone)]
struct List {
    numbers: Vec<u32>,
    rows: Matrix,
}

impl Index {
    /// Clusters rows; `None` where there are so few that it would not pay.
    pub fn build(rows: &Matrix) -> Option<Self> {
        if rows.len() <= EXACT {
            return None;
        }
        let count = (2.0 * (rows.len() as f64).sqrt()) as usize;
        let mut centres = Matrix::new(rows.columns());
        let stride = (rows.len() / count).max(1);
        for i in 0..count {
            centres.push(rows.row(i * stride).iter().copied());
        }
        let mut index = Self {
            halves: Vec::new(),
            lists: vec![List { numbers: Vec::new(), rows: Matrix::new(rows.columns()) }; count],
            centres,
        };
        // A sample is enough to place the centres.
        let step = (rows.len() / (64 * count)).max(1);
        for _ in 0..ROUNDS {
            index.measure();
            let mut sums = vec![vec![0f64; rows.columns()]; count];
            let mut sizes = vec![0u32; count];
            for row in rows.rows().step_by(step) {
                let nearest = index.nearest(row);
                if let (Some(sum), Some(size)) = (sums.get_mut(nearest), sizes.get_mut(nearest)) {
                    *size += 1;
                    sum.iter_mut().zip(row).for_each(|(s, x)| *s += f64::from(*x));
                }
            }
            let mut moved = Matrix::new(rows.columns());
            for ((sum, size), old) in sums.iter().zip(&sizes).zip(index.centres.rows()) {
                match f64::from(*size) {
                    0.0 => moved.push(old.iter().copied()),
                    size => moved.push(sum.iter().map(|s| (s / size) as f32)),
                }
            }
            index.centres = moved;
        }
        index.measure();
        for (number, row) in (0..).zip(rows.rows()) {
            index.insert(number, row);
        }
        Some(index)
    }

    /// Adds a row that was pushed after the index was built.
    pub fn insert(&mut self, number: u32, row: &[f32]) {
        let nearest = self.nearest(row);
        if let Some(list) = self.lists.get_mut(nearest) {
            list.numbers.push(number);
            list.rows.push(row.iter().copied());
        }
    }

    fn measure(&mut self) {
        self.halves = self.centres.rows().map(|c| dot(c, c) / 2.0).collect();
    }

    /// Closeness of a row to each centre: half the squared distance, negated, up to a constant.
    fn closeness(&self, row: &[f32]) -> impl Iterator<Item = (f32, u32)> {
        self.centres.times(row).into_iter().zip(&self.halves).map(|(product, half)| product - half).zip(0..)
    }

    fn nearest(&self, row: &[f32]) -> usize {
        self.closeness(row).map(descending).min().map_or(0, |key| key as u32 as usize)
    }

    /// The products of rows that probably hold the `wanted` nearest, with their numbers: the lists of the nearest centres,
    /// until there are enough.
    pub fn candidates(&self, row: &[f32], wanted: usize) -> Vec<(f32, u32)> {
        let mut order: Vec<u64> = self.closeness(row).map(descending).collect();
        order.sort_unstable();
        let mut found = Vec::new();
        for list in order.into_iter().filter_map(|key| self.lists.get(key as u32 as usize)) {
            found.extend(list.rows.times(row).into_iter().zip(list.numbers.iter().copied()));
            if found.len() >= wanted * OVERSAMPLING {
                break;
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::unit;

    #[test]
    fn the_nearest_rows_are_found_without_looking_at_all() {
        // Random-looking directions around 40 topics.
        let mut seed = 1u32;
        let mut next = move || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) as f32 / (1 << 24) as f32 - 0.5
        };
        let topics: Vec<Vec<f32>> = (0..40).map(|_| (0..32).map(|_| next()).collect()).collect();
        let mut rows = Matrix::new(32);
        for i in 0..4000 {
            rows.push(unit(&topics[i % 40].iter().map(|x| x + 0.6 * next()).collect::<Vec<_>>()));
        }
        let index = Index::build(&rows).expect("many rows");
        let (mut hits, mut seen) = (0, 0);
        for i in (0..4000).step_by(97) {
            let products = rows.times(rows.row(i));
            let mut order: Vec<usize> = (0..4000).collect();
            order.sort_by(|&a, &b| products[b].total_cmp(&products[a]));
            let found = index.candidates(rows.row(i), 20);
            seen += found.len();
            hits += order[..20].iter().filter(|&&r| found.iter().any(|&(_, f)| f == r as u32)).count();
        }
        let queries = 4000usize.div_ceil(97);
        assert!(hits as f64 >= 0.9 * (20 * queries) as f64, "{hits} of {}", 20 * queries);
        assert!(seen < 400 * queries, "looked at {seen} rows in {queries} queries");
    }
}
