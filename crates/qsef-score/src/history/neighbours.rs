//! How experts did at the most similar tasks.

use crate::{
    index::Index,
    matrix::{Matrix, dot, largest},
};

/// Outcomes per expert that a neighbourhood should hold: enough for a rate, few enough to be similar.
const OUTCOMES: usize = 80;

/// Tasks of a neighbourhood per task of the history, at most: with little history, the near half of it is not similar.
const SHARE: usize = 5;

/// How many tasks a neighbourhood may take beyond [`OUTCOMES`] where each has only some of the experts.
const SPARSE: usize = 8;

/// Squared distance at which an outcome of a ledger counts `e⁻¹ = 0.37` of one at the same task. Unit vectors of cosine 0.85
/// are that far apart, of cosine 0.5 more than three times as far.
const LEDGER_REACH: f32 = 0.3;

/// One expert's outcome in a task.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub expert: u32,
    pub success: f32,
    pub weight: f32,
    /// NaN where it is not known.
    pub seconds: f32,
}

/// Sums over an expert's outcomes in a neighbourhood.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Sums {
    pub weight: f64,
    pub success: f64,
    pub count: u32,
    pub seconds: f64,
    pub timed: u32,
}

impl Sums {
    pub fn add(&mut self, seen: &Seen) {
        self.add_in_part(seen, 1.0);
    }

    /// Adds an outcome that counts a share in [0, 1].
    fn add_in_part(&mut self, seen: &Seen, share: f32) {
        self.weight += f64::from(share * seen.weight);
        self.success += f64::from(share * seen.weight * seen.success);
        self.count += 1;
        if seen.seconds.is_finite() {
            self.seconds += f64::from(seen.seconds);
            self.timed += 1;
        }
    }
}

/// Past tasks by place, with their outcomes.
#[derive(Debug, Clone)]
pub(super) struct Neighbours {
    places: Matrix,
    /// Half the squared length of each place.
    halves: Vec<f32>,
    /// Where the outcomes of each task end in `seen`.
    ends: Vec<u32>,
    seen: Vec<Seen>,
    index: Option<Index>,
}

impl Neighbours {
    pub fn new(coordinates: usize) -> Self {
        Self { places: Matrix::new(coordinates), halves: Vec::new(), ends: Vec::new(), seen: Vec::new(), index: None }
    }

    pub fn add(&mut self, coordinates: &[f32], outcomes: impl IntoIterator<Item = Seen>) {
        self.places.push(coordinates.iter().copied());
        self.halves.push(dot(coordinates, coordinates) / 2.0);
        self.seen.extend(outcomes);
        self.ends.push(self.seen.len() as u32);
        self.index = None;
    }

    /// Makes look-ups quick where there are many tasks; to be called after the last [`Self::add`].
    pub fn build_index(&mut self) {
        self.index = Index::build(&self.places);
    }

    pub fn tasks(&self) -> usize {
        self.ends.len()
    }

    fn outcomes(&self, task: usize) -> &[Seen] {
        let start = task.checked_sub(1).and_then(|t| self.ends.get(t)).copied().unwrap_or(0);
        let end = self.ends.get(task).copied().unwrap_or(start);
        self.seen.get(start as usize..end as usize).unwrap_or_default()
    }

    /// The sums of each of `experts` experts over all tasks, which count the less the farther they are from a place. The
    /// outcomes of a ledger are those of experts that were chosen, near what they are for: they say nothing of tasks that
    /// are far, however few are nearer.
    pub fn within_reach(&self, coordinates: &[f32], experts: usize) -> Vec<Sums> {
        let own = dot(coordinates, coordinates);
        let mut sums = vec![Sums::default(); experts];
        for (task, (row, half)) in self.places.rows().zip(&self.halves).enumerate() {
            let squared = (own + 2.0 * (half - dot(row, coordinates))).max(0.0);
            let share = (-squared / LEDGER_REACH).exp();
            // Half a hundredth of a task is too little to speak of one.
            for seen in self.outcomes(task).iter().filter(|_| share > 0.005) {
                if let Some(sum) = sums.get_mut(seen.expert as usize) {
                    sum.add_in_part(seen, share);
                }
            }
        }
        sums
    }

    /// Tasks in a neighbourhood.
    fn size(&self, experts: usize) -> usize {
        let outcomes = OUTCOMES.min((self.tasks() / SHARE).max(5));
        let sparse = (self.tasks() * experts).div_ceil(self.seen.len().max(1)).clamp(1, SPARSE);
        (outcomes * sparse).min(self.tasks())
    }

    /// The sums of each of `experts` experts over the tasks nearest to a place.
    pub fn near(&self, coordinates: &[f32], experts: usize) -> Vec<Sums> {
        let wanted = self.size(experts);
        // The nearest have the largest product less half the squared length.
        let near: Vec<u32> = match &self.index {
            Some(index) => {
                let half = |t: u32| self.halves.get(t as usize).copied().unwrap_or_default();
                let near = index.candidates(coordinates, wanted).into_iter();
                largest(near.map(|(product, t)| (product - half(t), t)), wanted).collect()
            }
            None => {
                let products = self.places.times(coordinates).into_iter().zip(&self.halves).zip(0..);
                largest(products.map(|((product, half), t)| (product - half, t)), wanted).collect()
            }
        };
        let mut sums = vec![Sums::default(); experts];
        for seen in near.into_iter().flat_map(|task| self.outcomes(task as usize)) {
            if let Some(sum) = sums.get_mut(seen.expert as usize) {
                sum.add(seen);
            }
        }
        sums
    }
}
