//! How an expert's success depends on what a task is about and how complex it is: ridge regression.

use nalgebra::{DMatrix, DVector, SymmetricEigen};

use crate::matrix::{Matrix, dot};

/// Penalty of the squared coefficients, in observations.
const RIDGE: f64 = 10.0;

/// Outcomes that an expert needs before its trend is looked for.
const LEAST: usize = 20;

/// Directions that are kept of those in which experts differ.
const DIRECTIONS: usize = 16;

/// One expert's observations: features, and success above its mean, with weights.
pub(super) struct Observations {
    features: usize,
    rows: Vec<f32>,
    residuals: Vec<f32>,
    roots: Vec<f32>,
}

impl Observations {
    pub fn new(features: usize) -> Self {
        Self { features, rows: Vec::new(), residuals: Vec::new(), roots: Vec::new() }
    }

    pub fn add(&mut self, features: &[f32], residual: f64, weight: f64) {
        // Weighted least squares: rows and values are scaled by the root of the weight.
        let root = weight.max(0.0).sqrt() as f32;
        self.rows.extend(features.iter().map(|x| x * root));
        self.residuals.push(residual as f32 * root);
        self.roots.push(root);
    }

    /// The coefficients, the intercept last; all zero where there is too little to learn from.
    fn solve(&self) -> Vec<f32> {
        let n = self.residuals.len();
        let zero = vec![0.0; self.features + 1];
        if n < LEAST || self.rows.len() != n * self.features {
            return zero;
        }
        let mut rows = DMatrix::from_row_slice(n, self.features, &self.rows).insert_column(self.features, 0.0);
        rows.set_column(self.features, &DVector::from_column_slice(&self.roots));
        let mut gram: DMatrix<f64> = rows.tr_mul(&rows).cast();
        gram += DMatrix::from_diagonal_element(self.features + 1, self.features + 1, RIDGE);
        let target: DVector<f64> = rows.tr_mul(&DVector::from_column_slice(&self.residuals)).cast();
        match gram.cholesky() {
            Some(factors) => factors.solve(&target).iter().map(|&x| x as f32).collect(),
            None => zero,
        }
    }
}

/// Each expert's coefficients.
#[derive(Debug, Clone)]
pub(super) struct Trend(Matrix);

impl Trend {
    pub fn learn(experts: &[Observations], features: usize) -> Self {
        let mut rows = Matrix::new(features + 1);
        for expert in experts {
            rows.push(expert.solve());
        }
        Self(rows)
    }

    /// The directions of the features that experts' success depends on, scaled so that the distance of two tasks along them is
    /// that of the predicted successes of all experts.
    pub fn directions(&self) -> Matrix {
        let features = self.0.columns().saturating_sub(1);
        let mut rows = Matrix::new(features);
        if self.0.len() <= DIRECTIONS {
            self.0.rows().for_each(|row| rows.push(row.iter().copied().take(features)));
            return rows;
        }
        let all = DMatrix::from_row_iterator(self.0.len(), features + 1, self.0.rows().flatten().copied());
        let slopes = all.remove_column(features);
        let eigen = SymmetricEigen::new(slopes.tr_mul(&slopes).cast::<f64>());
        let mut order: Vec<(usize, f64)> = eigen.eigenvalues.iter().copied().enumerate().collect();
        order.sort_by(|a, b| b.1.total_cmp(&a.1));
        for (i, value) in order.into_iter().take(DIRECTIONS) {
            let scale = value.max(0.0).sqrt();
            rows.push(eigen.eigenvectors.column(i).iter().map(|x| (x * scale) as f32));
        }
        rows
    }

    /// What an expert's success is above its mean.
    pub fn above_mean(&self, expert: usize, features: &[f32]) -> f64 {
        match self.0.row(expert).split_last() {
            Some((intercept, coefficients)) => f64::from(dot(coefficients, features) + intercept),
            None => 0.0,
        }
    }
}
