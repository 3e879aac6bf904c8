use std::{
    collections::HashMap,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};

use candle_core::Tensor;
use qsef_core::{Error, Result};
use serde::{Deserialize, Serialize};

use super::{Checkpoint, Predictions, Running, predict};
use crate::{
    batch::Batch,
    loss::{Objective, Targets, Term},
    model::{Chance, Classifier, Params},
    optim::{AdamW, AdamWSettings, Decay, Schedule},
    random::{mixed, rng},
    ranges,
    sample::Sampler,
    teacher::Knowledge,
    text::Tokens,
};
use rand::RngExt;

/// How a student is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainSettings {
    /// Steps of the optimiser.
    pub steps: u64,
    /// Texts of a step.
    pub batch: usize,
    /// Parts that a step's texts are computed in, to save memory.
    pub accumulate: usize,
    /// The highest rate.
    pub rate: f64,
    /// The share of the steps in which the rate rises.
    pub warm_up: f64,
    /// How it falls.
    pub decay: Decay,
    /// Of the numbers between layers, how many are dropped.
    pub dropout: f32,
    /// The optimiser's other settings.
    pub optimiser: AdamWSettings,
    /// Steps between validations.
    pub validate_every: u64,
    /// Validations without a gain after which training ends; none: it goes on to the last step.
    pub patience: Option<u64>,
    /// Steps between checkpoints, which are written only where a place for them is given.
    pub checkpoint_every: u64,
}

impl Default for TrainSettings {
    fn default() -> Self {
        Self {
            steps: 2000,
            batch: 64,
            accumulate: 1,
            rate: 1e-3,
            warm_up: 0.1,
            decay: Decay::Linear,
            dropout: 0.1,
            optimiser: AdamWSettings::default(),
            validate_every: 200,
            patience: None,
            checkpoint_every: 500,
        }
    }
}

impl TrainSettings {
    /// What is wrong with them: field and message.
    ///
    /// # Errors
    /// The field and the message.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        ranges::positive("steps", self.steps as f64)?;
        ranges::positive("batch", self.batch as f64)?;
        ranges::positive("rate", self.rate)?;
        ranges::positive("validate_every", self.validate_every as f64)?;
        ranges::positive("checkpoint_every", self.checkpoint_every as f64)?;
        if self.patience == Some(0) {
            return Err(("patience", "must be above 0".into()));
        }
        if self.accumulate == 0 || self.accumulate > self.batch {
            return Err(("accumulate", "must be from 1 to the batch's size".into()));
        }
        ranges::share("dropout", f64::from(self.dropout))?;
        ranges::share("warm_up", self.warm_up)?;
        self.optimiser.check()
    }
}

/// A line of the log.
#[derive(Debug, Clone, Serialize)]
pub struct Logged {
    /// The step, counted from 1.
    pub step: u64,
    /// The rate.
    pub rate: f64,
    /// What is minimised.
    pub total: f32,
    /// The terms of the loss, before level and weight.
    pub terms: Vec<(Term, f32)>,
    /// The gradients' length before clipping.
    pub gradient: f64,
    /// Mean semantic distance to the teacher, where vectors are compared.
    pub distance: Option<f32>,
    /// The share of the texts at hand.
    pub at_hand: f64,
    /// How right the student is on the validation rows, where it was measured.
    pub valid: Option<f64>,
    /// How alike the student's and the teacher's vectors of the validation rows are (linear CKA), where that was measured.
    pub cka: Option<f64>,
}

/// What hears of the steps, and may stop them.
pub struct Watch<'a> {
    /// Hears of some steps.
    pub log: &'a mut dyn FnMut(&Logged),
    /// Ends training with [`Error::Cancelled`] after the current step, with a checkpoint.
    pub cancel: &'a AtomicBool,
}

/// How right predictions for the validation rows are; more is better.
pub type Judge<'a> = dyn Fn(&Predictions) -> f64 + 'a;

/// A training run.
pub struct Trainer<'a> {
    /// Its settings.
    pub settings: TrainSettings,
    /// Who learns.
    pub student: &'a Classifier,
    /// What it minimises.
    pub objective: Objective,
    /// What it sees; the texts' numbers count among `tokens`.
    pub sampler: Sampler,
    /// The texts' tokens: first those that are sampled, then simpler variants of them.
    pub tokens: &'a [Tokens],
    /// All texts' classes, or those of their words.
    pub labels: &'a [Vec<usize>],
    /// The texts' cultural resistance.
    pub resistance: &'a [f32],
    /// For each text that is sampled, its simpler variants.
    pub variants: &'a [Vec<usize>],
    /// How often a variant stands in for its text.
    pub augment: f64,
    /// What the teacher says of the texts.
    pub teacher: Option<&'a Knowledge>,
    /// The validation rows' tokens, and how right what is said of them is.
    pub valid: (&'a [Tokens], &'a Judge<'a>),
    /// What the teacher makes of the validation rows, for CKA.
    pub valid_vectors: Option<&'a [Vec<f32>]>,
    /// The seed of all chance.
    pub seed: u64,
    /// Where checkpoints go, and the name of the run in them.
    pub checkpoint: Option<(PathBuf, String)>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trained {
    /// Steps that were made.
    pub steps: u64,
    /// Seconds that they took.
    pub seconds: f64,
    /// How right the student was at best on the validation rows; it has the variables of then.
    pub valid: f64,
    /// The step that had it.
    pub best_step: u64,
}

fn candle(error: candle_core::Error) -> Error {
    Error::Internal(format!("training failed: {error}"))
}

impl Trainer<'_> {
    fn targets(&self, rows: &[usize]) -> candle_core::Result<Targets> {
        let labels: Vec<u32> =
            rows.iter().filter_map(|row| self.labels.get(*row)).flatten().map(|label| *label as u32).collect();
        let (count, device) = (labels.len(), self.student.params().device());
        let resistance: Vec<f32> = rows.iter().filter_map(|row| self.resistance.get(*row)).copied().collect();
        let mut targets = Targets {
            labels: Some(Tensor::from_vec(labels, (count, 1), device)?),
            resistance: Some(Tensor::from_vec(resistance, rows.len(), device)?),
            ..Targets::default()
        };
        if let Some(teacher) = self.teacher {
            teacher.targets(rows, self.objective.settings(), device, &mut targets)?;
        }
        Ok(targets)
    }

    /// Puts simpler variants in place of some texts.
    fn vary(&self, rows: &[usize], step: u64) -> Vec<usize> {
        let mut rng = rng(self.seed, "variants", step);
        let vary = |row: &usize| {
            let variants = self.variants.get(*row).map(Vec::as_slice).unwrap_or_default();
            let chosen = rng.random::<f64>() < self.augment && !variants.is_empty();
            let which = rng.random_range(0..variants.len().max(1));
            if chosen { variants.get(which).copied().unwrap_or(*row) } else { *row }
        };
        rows.iter().map(vary).collect()
    }

    /// Trains to the end, from the checkpoint where there is one. The student has the best variables then.
    ///
    /// # Errors
    /// [`Error::Cancelled`]; [`Error::Model`] where a term of the loss is no number, with its name: the last checkpoint stays as it was,
    /// and the student has the best variables so far; [`Error::Io`] and [`Error::File`] for checkpoints.
    pub fn run(mut self, watch: &mut Watch<'_>) -> Result<Trained> {
        let settings = self.settings.clone();
        let mut params = self.student.trained();
        params.extend(self.objective.params());
        let mut optimiser = AdamW::new(&params, settings.optimiser).map_err(candle)?;
        let schedule = Schedule {
            rate: settings.rate,
            warm_up: (settings.steps as f64 * settings.warm_up) as u64,
            steps: settings.steps,
            decay: settings.decay,
        };
        let heads = self.student.encoder().config().num_attention_heads;
        self.objective.set_parts(settings.accumulate);
        let mut state = Progress { best: None, best_step: 0, values: HashMap::new(), seconds: 0.0 };
        let mut first = 0;
        if let Some((path, run)) = &self.checkpoint
            && let Some(checkpoint) = Checkpoint::read(path, run)?
        {
            first = checkpoint.step;
            let mut running = Running { params: &params, optimiser: &mut optimiser, sampler: &mut self.sampler };
            running.set(&checkpoint).map_err(candle)?;
            self.objective.set_levels(checkpoint.levels.clone());
            state = Progress {
                best: checkpoint.best,
                best_step: checkpoint.best_step,
                values: checkpoint.part("best."),
                seconds: checkpoint.seconds,
            };
        }
        let began = Instant::now();
        let mut ended = first;
        for step in first..settings.steps {
            if watch.cancel.load(Ordering::Relaxed) {
                state.seconds += began.elapsed().as_secs_f64();
                self.save(&params, &mut optimiser, &state, step)?;
                return Err(Error::Cancelled);
            }
            let sampled = self.sampler.next(step);
            let rows = self.vary(&sampled, step);
            let mut logged = Logged {
                step: step + 1,
                rate: schedule.at(step),
                total: 0.0,
                terms: Vec::new(),
                gradient: 0.0,
                distance: None,
                at_hand: self.sampler.at_hand(step),
                valid: None,
                cka: None,
            };
            let size = rows.len().div_ceil(settings.accumulate).max(1);
            let (all, parts) = (rows.len(), rows.chunks(size).count());
            for (part, (rows, sampled)) in rows.chunks(size).zip(sampled.chunks(size)).enumerate() {
                let batch = Batch::of(rows.iter().filter_map(|row| self.tokens.get(*row)));
                let targets = self.targets(rows).map_err(candle)?;
                let chance = Chance {
                    dropout: settings.dropout,
                    seed: mixed(&[self.seed, step * settings.accumulate as u64 + part as u64]),
                };
                let (logits, pass) = self.student.forward(&batch, chance).map_err(candle)?;
                let loss = self.objective.of(&logits, &pass, &batch, &targets, heads).map_err(candle)?;
                if let Some((term, value)) = loss.terms.iter().find(|(_, value)| !value.is_finite()) {
                    return Err(self.broken(&params, &state, step, &format!("the term `{}` is {value}", name(*term))));
                }
                // Every text counts the same, whatever part it is in; the optimiser takes the mean over parts.
                let share = rows.len() as f32 / all.max(1) as f32;
                logged.total += share * loss.total.to_scalar::<f32>().map_err(candle)?;
                for (term, value) in &loss.terms {
                    match logged.terms.iter_mut().find(|(t, _)| t == term) {
                        Some((_, sum)) => *sum += share * value,
                        None => logged.terms.push((*term, share * value)),
                    }
                }
                if !loss.distance.is_empty() {
                    let mean = loss.distance.iter().sum::<f32>() / loss.distance.len() as f32;
                    *logged.distance.get_or_insert(0.0) += share * mean;
                }
                let nothing = 0.0;
                let distance = loss.distance.iter().chain(std::iter::repeat(&nothing));
                let observed: Vec<f32> = loss.task.iter().zip(distance).map(|(task, d)| task + d).collect();
                self.sampler.observe(sampled, &observed);
                let weighted = (loss.total * f64::from(share * parts as f32)).map_err(candle)?;
                optimiser.add(&weighted.backward().map_err(candle)?).map_err(candle)?;
            }
            logged.gradient = optimiser.step(logged.rate).map_err(candle)?;
            if !logged.gradient.is_finite() {
                return Err(self.broken(&params, &state, step, "the gradient is no number"));
            }
            ended = step + 1;
            let last = ended == settings.steps;
            let validate = ended.is_multiple_of(settings.validate_every) || last;
            if validate {
                let found = predict(self.student, self.valid.0).map_err(candle)?;
                let right = (self.valid.1)(&found);
                logged.valid = Some(right);
                logged.cka =
                    self.valid_vectors.and_then(|teacher| qsef_eval::metrics::linear_cka(&found.vectors, teacher));
                if state.best.is_none_or(|best| right > best) {
                    state.best = Some(right);
                    state.best_step = ended;
                    state.values = self.student.trained().values().map_err(candle)?;
                }
            }
            (watch.log)(&logged);
            let stale = validate
                && settings
                    .patience
                    .is_some_and(|patience| ended - state.best_step >= patience * settings.validate_every);
            if ended.is_multiple_of(settings.checkpoint_every) && !last && !stale {
                let so_far = state.seconds;
                state.seconds += began.elapsed().as_secs_f64();
                self.save(&params, &mut optimiser, &state, ended)?;
                state.seconds = so_far;
            }
            if stale {
                break;
            }
        }
        self.student.trained().set(&state.values).map_err(candle)?;
        Ok(Trained {
            steps: ended,
            seconds: state.seconds + began.elapsed().as_secs_f64(),
            valid: state.best.unwrap_or_default(),
            best_step: state.best_step,
        })
    }

    /// Puts the best variables so far back, and says what broke.
    fn broken(&self, params: &Params, state: &Progress, step: u64, what: &str) -> Error {
        let kept = if state.values.is_empty() {
            "nothing was validated before"
        } else if self.student.trained().set(&state.values).is_ok() {
            "the best variables before it are kept"
        } else {
            "the best variables before it cannot be put back"
        };
        let resumable = self.checkpoint.as_ref().filter(|(path, _)| path.exists());
        let resumable = resumable.map(|(path, _)| format!("; the last checkpoint is {}", path.display()));
        Error::Model {
            model: format!("student of {} numbers", params.count()),
            message: format!("step {}: {what}; {kept}{}", step + 1, resumable.unwrap_or_default()),
        }
    }

    fn save(&mut self, params: &Params, optimiser: &mut AdamW, state: &Progress, step: u64) -> Result<()> {
        let Some((path, run)) = &self.checkpoint else { return Ok(()) };
        let optimiser_steps = optimiser.steps();
        let running = Running { params, optimiser, sampler: &mut self.sampler };
        let tensors = running.tensors(&state.values).map_err(candle)?;
        Checkpoint {
            run: run.clone(),
            step,
            optimiser_steps,
            best: state.best,
            best_step: state.best_step,
            levels: self.objective.levels().to_vec(),
            seconds: state.seconds,
            tensors,
        }
        .write(path)
    }
}

/// A term's name as settings have it.
fn name(term: Term) -> String {
    format!("{term:?}").to_lowercase()
}

struct Progress {
    best: Option<f64>,
    best_step: u64,
    values: HashMap<String, Tensor>,
    seconds: f64,
}
