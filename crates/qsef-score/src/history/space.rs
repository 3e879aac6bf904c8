//! Where tasks lie: what they are about and how complex they are, in few coordinates.

use nalgebra::{DMatrix, SymmetricEigen};

use crate::{
    complexity::Complexity,
    matrix::{Matrix, unit},
};

/// Principal components that are kept, at most.
const COMPONENTS: usize = 64;

/// Tasks per component, at least: fewer say nothing about a direction.
const TASKS_PER_COMPONENT: usize = 4;

/// Weight of a trait's standard score beside a unit vector: among tasks on one subject, complexity tells them apart.
const TRAIT: f32 = 0.1;

/// The same for the trend, where a linear effect of complexity is the main thing.
const TREND_TRAIT: f32 = 0.2;

/// Number of traits.
pub(super) const TRAITS: usize = Complexity::NAMES.len();

/// Principal components of the tasks' vectors together with the standard scores of their complexity.
#[derive(Debug, Clone)]
pub(super) struct Space {
    /// Mean and standard deviation of each trait.
    traits: [(f32, f32); TRAITS],
    mean: Vec<f32>,
    components: Matrix,
}

/// A task in the space.
pub(super) struct Place {
    pub coordinates: Vec<f32>,
    /// The coordinates, then the traits: the features of the trend.
    pub features: Vec<f32>,
}

impl Space {
    /// Finds the components of tasks, given their vectors and their complexity. Vectors of another length than the first
    /// are cut or filled with zeros.
    pub fn learn<'a>(tasks: impl Iterator<Item = (&'a [f32], &'a Complexity)> + Clone) -> Self {
        let count = tasks.clone().count();
        let dimensions = tasks.clone().next().map_or(0, |(v, _)| v.len());
        let n = count.max(1) as f64;
        let mut traits = [(0f32, 1f32); TRAITS];
        for (i, slot) in traits.iter_mut().enumerate() {
            let values = || tasks.clone().filter_map(|(_, c)| c.values().get(i).copied());
            let mean = values().sum::<f64>() / n;
            let deviation = (values().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
            *slot = (mean as f32, deviation.max(1e-3) as f32);
        }
        let mut space =
            Self { traits, mean: vec![0.0; dimensions + TRAITS], components: Matrix::new(dimensions + TRAITS) };
        let kept = COMPONENTS.min(count / TASKS_PER_COMPONENT).min(dimensions + TRAITS);
        if kept == 0 {
            return space;
        }
        let mut rows = Matrix::new(dimensions + TRAITS);
        for (vector, complexity) in tasks {
            rows.push(space.raw(vector, &space.scores(complexity)));
        }
        for row in rows.rows() {
            space.mean.iter_mut().zip(row).for_each(|(m, x)| *m += x / n as f32);
        }
        let centred = rows.rows().flat_map(|row| row.iter().zip(&space.mean).map(|(x, m)| x - m));
        let centred = DMatrix::<f32>::from_row_iterator(count, dimensions + TRAITS, centred);
        let eigen = SymmetricEigen::new(centred.tr_mul(&centred).cast::<f64>());
        let mut order: Vec<(usize, f64)> = eigen.eigenvalues.iter().copied().enumerate().collect();
        order.sort_by(|a, b| b.1.total_cmp(&a.1));
        for (i, _) in order.into_iter().take(kept) {
            space.components.push(eigen.eigenvectors.column(i).iter().map(|&x| x as f32));
        }
        space
    }

    /// Standard scores of the traits, within three deviations.
    fn scores(&self, complexity: &Complexity) -> [f32; TRAITS] {
        let mut scores = [0f32; TRAITS];
        for ((score, value), (mean, deviation)) in scores.iter_mut().zip(complexity.values()).zip(&self.traits) {
            *score = ((value as f32 - mean) / deviation).clamp(-3.0, 3.0);
        }
        scores
    }

    fn raw(&self, vector: &[f32], scores: &[f32; TRAITS]) -> Vec<f32> {
        let mut raw = unit(vector);
        raw.resize(self.mean.len() - TRAITS, 0.0);
        raw.extend(scores.iter().map(|s| s * TRAIT));
        raw
    }

    /// Where a task lies.
    pub fn place(&self, vector: &[f32], complexity: &Complexity) -> Place {
        let scores = self.scores(complexity);
        let mut raw = self.raw(vector, &scores);
        raw.iter_mut().zip(&self.mean).for_each(|(x, m)| *x -= m);
        let coordinates = self.components.times(&raw);
        let features = coordinates.iter().copied().chain(scores.iter().map(|s| s * TREND_TRAIT)).collect();
        Place { coordinates, features }
    }

    /// How many coordinates a place has.
    pub fn coordinates(&self) -> usize {
        self.components.len()
    }

    /// How many features the trend has.
    pub fn features(&self) -> usize {
        self.components.len() + TRAITS
    }
}
