use qsef_eval::metrics::paired;
use serde::{Deserialize, Serialize};

use super::TeacherResult;
use crate::train::Logged;

/// One run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunResult {
    /// What it was made of.
    pub id: String,
    /// Its mode.
    pub mode: String,
    /// Its seed.
    pub seed: u64,
    /// On the test rows.
    pub accuracy: f64,
    /// On the test rows.
    pub macro_f1: f64,
    /// Numbers in the student.
    pub params: usize,
    /// Steps that were made.
    pub steps: u64,
    /// Seconds of training.
    pub seconds: f64,
    /// The best accuracy on the validation rows.
    pub valid: f64,
    /// Brier score of its confidence on the test rows.
    pub brier: f64,
    /// Calibration error of its confidence on the test rows.
    pub ece: f64,
    /// How alike its vectors and the teacher's are at the end (linear CKA).
    pub cka: Option<f64>,
    /// Mean semantic distance to the teacher at the end, where it was part of the loss.
    pub distance: Option<f64>,
    /// Whether each test row was right.
    #[serde(skip)]
    pub correct: Vec<bool>,
    /// Its log.
    #[serde(skip)]
    pub lines: Vec<Logged>,
}

/// A mode over its seeds.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// The mode.
    pub mode: String,
    /// Runs.
    pub n: usize,
    /// Mean accuracy on the test rows.
    pub mean: f64,
    /// Its standard error over seeds; none for one run.
    pub se: Option<f64>,
    /// Mean accuracy on the validation rows.
    pub valid: f64,
    /// Mean macro-F1 on the test rows.
    pub macro_f1: f64,
    /// Mean seconds of training.
    pub seconds: f64,
}

/// Two modes on the same seeds.
#[derive(Debug, Clone, Serialize)]
pub struct Pair {
    /// The one.
    pub a: String,
    /// The other.
    pub b: String,
    /// Seeds that both have.
    pub n: usize,
    /// Mean accuracy of the one less that of the other.
    pub difference: f64,
    /// Its standard error over seeds.
    pub se: Option<f64>,
    /// The probability of so large a difference by chance, by Student's paired test over seeds.
    pub p: Option<f64>,
}

/// What a grid found.
#[derive(Debug, Clone, Serialize)]
pub struct Results {
    /// The teacher.
    pub teacher: Option<TeacherResult>,
    /// All runs.
    pub runs: Vec<RunResult>,
    /// Each mode over its seeds.
    pub summary: Vec<Summary>,
    /// Each mode beside those before it in the configuration.
    pub paired: Vec<Pair>,
    /// Seconds of all, the teacher's training left out where it was trained before.
    pub elapsed_s: f64,
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn standard_error(values: &[f64]) -> Option<f64> {
    let middle = mean(values);
    let squares: f64 = values.iter().map(|v| (v - middle).powi(2)).sum();
    (values.len() > 1).then(|| (squares / (values.len() - 1) as f64 / values.len() as f64).sqrt())
}

impl Results {
    /// Sums runs up; modes stay in the order in which they first appear.
    pub fn new(teacher: Option<TeacherResult>, runs: Vec<RunResult>, elapsed_s: f64) -> Self {
        let mut modes: Vec<String> = Vec::new();
        for run in &runs {
            if !modes.contains(&run.mode) {
                modes.push(run.mode.clone());
            }
        }
        let of = |mode: &str, value: fn(&RunResult) -> f64| -> Vec<f64> {
            runs.iter().filter(|run| run.mode == mode).map(value).collect()
        };
        let summary = modes.iter().map(|mode| {
            let accuracy = of(mode, |run| run.accuracy);
            Summary {
                mode: mode.clone(),
                n: accuracy.len(),
                mean: mean(&accuracy),
                se: standard_error(&accuracy),
                valid: mean(&of(mode, |run| run.valid)),
                macro_f1: mean(&of(mode, |run| run.macro_f1)),
                seconds: mean(&of(mode, |run| run.seconds)),
            }
        });
        let mut pairs = Vec::new();
        for (place, a) in modes.iter().enumerate() {
            for b in modes.iter().take(place) {
                let both: Vec<f64> = runs
                    .iter()
                    .filter(|run| run.mode == *a)
                    .filter_map(|run| {
                        let other = runs.iter().find(|other| other.mode == *b && other.seed == run.seed)?;
                        Some(run.accuracy - other.accuracy)
                    })
                    .collect();
                pairs.push(Pair {
                    a: a.clone(),
                    b: b.clone(),
                    n: both.len(),
                    difference: mean(&both),
                    se: standard_error(&both),
                    p: paired(&both).map(|test| test.p),
                });
            }
        }
        Self { teacher, summary: summary.collect(), paired: pairs, runs, elapsed_s }
    }
}
