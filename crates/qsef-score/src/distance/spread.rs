//! Distance in units of how much one expert's examples differ among themselves.

use nalgebra::{DMatrix, DVector};

use crate::matrix::{Matrix, Rows, dot, unit};

/// Share of the mean variance that is added to every direction, so that a direction in which the examples happen not to
/// differ is not infinitely telling.
const SHRINKAGE: f64 = 0.03;

/// Members of each group that are looked at for how near to its centre they are.
const SAMPLE: usize = 10;

/// A change of coordinates after which the examples of an expert differ equally in all directions. What merely varies
/// within experts ("please", a name, a place) then counts for little, what separates them for much: the Mahalanobis
/// distance under the within-class covariance of linear discriminant analysis.
#[derive(Debug, Clone)]
pub(crate) struct Spread {
    mean: Vec<f32>,
    whiten: Matrix,
    /// Cosine of a group's members to its centre that a quarter of them exceed.
    typical: f64,
}

impl Spread {
    /// Learns from groups of vectors of equal length. `None` where there are too few to tell: it takes two groups with
    /// several members, and as many members in all as the vectors have dimensions.
    pub fn learn(groups: &[Rows<'_>], dimensions: usize) -> Option<Self> {
        let groups: Vec<&Rows<'_>> = groups.iter().filter(|g| g.len() > 1 && g.columns() == dimensions).collect();
        let count: usize = groups.iter().map(|g| g.len()).sum();
        if groups.len() < 2 || count < dimensions.max(1) {
            return None;
        }
        let mut mean = vec![0f64; dimensions];
        let mut residuals = Vec::with_capacity(count * dimensions);
        for group in &groups {
            let centre = mean_of(group.rows(), dimensions);
            for (sum, c) in mean.iter_mut().zip(&centre) {
                *sum += c * group.len() as f64 / count as f64;
            }
            residuals.extend(group.rows().flat_map(|row| row.iter().zip(&centre).map(|(x, c)| x - *c as f32)));
        }
        let residuals = DMatrix::from_row_iterator(count, dimensions, residuals);
        let mut covariance: DMatrix<f64> = residuals.tr_mul(&residuals).cast();
        covariance /= (count - groups.len()).max(1) as f64;
        let variance = covariance.trace() / dimensions as f64;
        // Fewer examples say less about the covariance.
        let shrinkage = SHRINKAGE + dimensions as f64 / (10.0 * count as f64);
        covariance += DMatrix::from_diagonal_element(dimensions, dimensions, shrinkage * variance);
        let whiten = covariance.cholesky()?.l().solve_lower_triangular(&DMatrix::identity(dimensions, dimensions))?;
        let mut rows = Matrix::new(dimensions);
        for row in whiten.row_iter() {
            rows.push(row.iter().map(|&x| x as f32));
        }
        let mut spread = Self { mean: mean.iter().map(|&x| x as f32).collect(), whiten: rows, typical: 1.0 };
        let own = |group: &&Rows<'_>| {
            let centre = spread.centre(group);
            group.rows().take(SAMPLE).map(|row| dot(&spread.apply(row), &centre)).collect::<Vec<f32>>()
        };
        let mut cosines: Vec<f32> = groups.iter().flat_map(own).collect();
        cosines.sort_by(f32::total_cmp);
        spread.typical = f64::from(cosines.get(cosines.len() * 3 / 4).copied().unwrap_or(1.0)).max(0.1);
        Some(spread)
    }

    /// The distance of a task to a centre, both in the new coordinates, in [0, 1]: 0 for one that is as near as typical
    /// members of the group are, 1 for one that has nothing to do with it.
    pub fn distance(&self, task: &[f32], centre: &[f32]) -> f64 {
        (1.0 - f64::from(dot(task, centre)) / self.typical).clamp(0.0, 1.0)
    }

    /// A vector in the new coordinates, of length 1.
    pub fn apply(&self, vector: &[f32]) -> Vec<f32> {
        let centred: Vec<f32> = vector.iter().zip(&self.mean).map(|(x, m)| x - m).collect();
        unit(&self.whiten.times(&centred))
    }

    /// The direction of a group's centre in the new coordinates.
    pub fn centre(&self, group: &Rows<'_>) -> Vec<f32> {
        let rows = DMatrix::from_row_iterator(
            group.len(),
            group.columns(),
            group.rows().flat_map(|row| row.iter().zip(&self.mean).map(|(x, m)| x - m)),
        );
        let whiten =
            DMatrix::from_row_iterator(self.whiten.len(), self.whiten.columns(), self.whiten.rows().flatten().copied());
        let mut sum = DVector::<f32>::zeros(self.whiten.len());
        for column in (whiten * rows.transpose()).column_iter() {
            let norm = column.norm();
            if norm > 0.0 {
                sum += column / norm;
            }
        }
        unit(sum.as_slice())
    }
}

fn mean_of<'a>(rows: impl ExactSizeIterator<Item = &'a [f32]>, columns: usize) -> Vec<f64> {
    let count = rows.len().max(1) as f64;
    let mut mean = vec![0f64; columns];
    for row in rows {
        for (sum, x) in mean.iter_mut().zip(row) {
            *sum += f64::from(*x) / count;
        }
    }
    mean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_varies_within_groups_counts_for_little() {
        // The first coordinate only varies within the groups, the second tells them apart.
        let mut groups = [Matrix::new(2), Matrix::new(2)];
        for i in 0..20 {
            groups[0].push([(i % 5) as f32 - 2.0, 0.3]);
            groups[1].push([(i % 5) as f32 - 2.0, -0.3]);
        }
        let groups = groups.each_ref().map(|g| g.part(0..20));
        let spread = Spread::learn(&groups, 2).expect("enough examples");
        let centres = groups.each_ref().map(|g| spread.centre(g));
        let far_along_the_first = spread.apply(&[1.5, 0.3]);
        assert!(dot(&far_along_the_first, &centres[0]) > 0.5);
        assert!(dot(&far_along_the_first, &centres[1]) < -0.5);
        assert!(Spread::learn(&groups[..1], 2).is_none() && Spread::learn(&[], 2).is_none());
    }
}
