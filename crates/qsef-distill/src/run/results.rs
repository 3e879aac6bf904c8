use qsef_eval::metrics::paired;
use serde::{Deserialize, Serialize};

use super::TeacherResult;
use crate::{data::Task, train::Logged};

/// One run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunResult {
    /// What it was made of.
    pub id: String,
    /// Its mode.
    pub mode: String,
    /// Its seed.
    pub seed: u64,
    /// The share of the test rows whose class is right, or all of whose parts are.
    pub accuracy: f64,
    /// On the test rows: the mean of F1 over labels.
    pub macro_f1: f64,
    /// On the test rows, where parts of texts are found: F1 of all parts, each of which is right where its place and its label are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span_f1: Option<f64>,
    /// Numbers in the student.
    pub params: usize,
    /// Steps that were made.
    pub steps: u64,
    /// Seconds of training.
    pub seconds: f64,
    /// The best measure on the validation rows.
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

impl RunResult {
    /// What runs are compared by: the F1 of spans where those are found, else the accuracy.
    pub fn measure(&self) -> f64 {
        self.span_f1.unwrap_or(self.accuracy)
    }
}

/// A mode over its seeds.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// The mode.
    pub mode: String,
    /// Runs.
    pub n: usize,
    /// Mean measure on the test rows.
    pub mean: f64,
    /// Its standard error over seeds; none for one run.
    pub se: Option<f64>,
    /// Mean measure on the validation rows.
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
    /// Mean measure of the one less that of the other.
    pub difference: f64,
    /// Its standard error over seeds.
    pub se: Option<f64>,
    /// The probability of so large a difference by chance, by Student's paired test over seeds.
    pub p: Option<f64>,
}

/// What a grid found.
#[derive(Debug, Clone, Serialize)]
pub struct Results {
    /// What students are compared by: `accuracy` or `span F1`.
    pub measure: &'static str,
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
    pub fn new(task: Task, teacher: Option<TeacherResult>, runs: Vec<RunResult>, elapsed_s: f64) -> Self {
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
            let measure = of(mode, RunResult::measure);
            Summary {
                mode: mode.clone(),
                n: measure.len(),
                mean: mean(&measure),
                se: standard_error(&measure),
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
                        Some(run.measure() - other.measure())
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
        Self { measure: task.measure(), teacher, summary: summary.collect(), paired: pairs, runs, elapsed_s }
    }
}
