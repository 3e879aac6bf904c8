use candle_core::{D, Device, Result as Candle, Tensor};
use serde::{Deserialize, Serialize};

use super::{
    Divergence, Measure, Projection, align, divergence, map_distance, resistance_loss, semantic_distance, task_loss,
};
use crate::{
    batch::Batch,
    model::{Params, Pass},
    ops::mean_of_texts,
};

/// A part of the loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Term {
    /// Cross-entropy with the true class.
    Task,
    /// The divergence from the teacher's soft predictions, `L_KD`.
    Kd,
    /// The difference of hidden states, `L_SemanticAlign`.
    Align,
    /// The difference of attention maps.
    Maps,
    /// What of the semantic distance is above the threshold, `L_QSEF-SD`.
    Semantic,
    /// The task's loss weighted by resistance, `L_CulturalResistance`.
    Resistance,
}

/// How the terms make a loss: `Σ weight · term / level`. With `align` (λ₁) and `resistance` (λ₂) it is the loss of the paper's section
/// 6.3, with `align` (α) and `semantic` (β) that of section 4.3. A weight of 0 switches a term off.
///
/// As text, what is left out is as [`Settings::on`] has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default = "Settings::on", deny_unknown_fields)]
pub struct Settings {
    /// Weight of [`Term::Task`].
    pub task: f64,
    /// Weight of [`Term::Kd`].
    pub kd: f64,
    /// Weight of [`Term::Align`]: λ₁, α.
    pub align: f64,
    /// Weight of [`Term::Maps`].
    pub maps: f64,
    /// Weight of [`Term::Semantic`]: β.
    pub semantic: f64,
    /// Weight of [`Term::Resistance`]: λ₂.
    pub resistance: f64,
    /// The temperature of soft predictions.
    pub temperature: f64,
    /// Their divergence.
    pub divergence: Divergence,
    /// How hidden states are compared.
    pub measure: Measure,
    /// Which states of the student are compared with which of the teacher: pairs of layers, 0 being what goes into the first. None: the
    /// last ones.
    pub layers: Vec<(usize, usize)>,
    /// Whether states are compared token by token, which needs the same tokens, or by their mean over the text.
    pub tokens: bool,
    /// The semantic distance that is near enough, in [0, 1).
    pub threshold: f64,
    /// Of the truth, how much is spread over all classes.
    pub smoothing: f64,
    /// Whether each term is divided by its level at the beginning, before its weight applies.
    pub normalise: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            task: 1.0,
            kd: 0.0,
            align: 0.0,
            maps: 0.0,
            semantic: 0.0,
            resistance: 0.0,
            temperature: 2.0,
            divergence: Divergence::Forward,
            measure: Measure::Cosine,
            layers: Vec::new(),
            tokens: false,
            threshold: 0.05,
            smoothing: 0.0,
            normalise: true,
        }
    }
}

impl Settings {
    /// The weights that terms have where they are switched on and no other weight is given.
    pub fn on() -> Self {
        Self { kd: 1.0, align: 1.0, maps: 1.0, semantic: 1.0, resistance: 0.5, ..Self::default() }
    }

    /// What is wrong with them: field and message.
    ///
    /// # Errors
    /// The field and the message.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        let weights = [
            ("task", self.task),
            ("kd", self.kd),
            ("align", self.align),
            ("maps", self.maps),
            ("semantic", self.semantic),
            ("resistance", self.resistance),
        ];
        if let Some((field, _)) = weights.into_iter().find(|(_, weight)| !(weight.is_finite() && *weight >= 0.0)) {
            return Err((field, "must be at least 0".into()));
        }
        if !(self.temperature.is_finite() && self.temperature > 0.0) {
            return Err(("temperature", "must be above 0".into()));
        }
        let shares = [("threshold", self.threshold), ("smoothing", self.smoothing)];
        match shares.into_iter().find(|(_, share)| !(0.0..1.0).contains(share)) {
            Some((field, _)) => Err((field, "must be at least 0 and below 1".into())),
            None => Ok(()),
        }
    }

    /// Pairs of layers, the student's and the teacher's, whose attention is compared: what goes into the first layer has none.
    pub fn layers_with_maps(&self) -> impl Iterator<Item = (usize, usize)> {
        self.layers.iter().copied().filter(|(student, teacher)| *student > 0 && *teacher > 0)
    }

    /// The weight of a term.
    pub fn weight(&self, term: Term) -> f64 {
        match term {
            Term::Task => self.task,
            Term::Kd => self.kd,
            Term::Align => self.align,
            Term::Maps => self.maps,
            Term::Semantic => self.semantic,
            Term::Resistance => self.resistance,
        }
    }

    /// Whether any term needs a teacher.
    pub fn needs_teacher(&self) -> bool {
        self.kd > 0.0 || self.needs_states() || self.semantic > 0.0
    }

    /// Whether any term needs a teacher's inner states, which only an encoder has.
    pub fn needs_states(&self) -> bool {
        self.align > 0.0 || self.maps > 0.0 || self.semantic > 0.0
    }
}

/// What the texts of a batch should become.
#[derive(Debug, Clone, Default)]
pub struct Targets {
    /// The true classes as numbers, (texts, 1), or (words, 1) where classes are told of words.
    pub labels: Option<Tensor>,
    /// The teacher's logits, (texts, classes) or (words, classes).
    pub logits: Option<Tensor>,
    /// Vectors of the texts in the semantic space, (texts, width).
    pub pooled: Option<Tensor>,
    /// The teacher's states, (tokens, width) or (texts, width), for each of [`Settings::layers`].
    pub states: Vec<Tensor>,
    /// The teacher's attention maps, averaged over heads, for each of [`Settings::layers_with_maps`].
    pub maps: Vec<Tensor>,
    /// The texts' cultural resistance, (texts).
    pub resistance: Option<Tensor>,
}

/// A batch's loss.
pub struct Loss {
    /// What is minimised.
    pub total: Tensor,
    /// The terms' means over the texts, before level and weight.
    pub terms: Vec<(Term, f32)>,
    /// Each text's cross-entropy.
    pub task: Vec<f32>,
    /// Each text's semantic distance to the teacher, where vectors are compared: of the texts' vectors, else of the last layers that are.
    pub distance: Vec<f32>,
}

/// Steps over which a term's level is found.
const LEVEL_STEPS: u64 = 10;

/// The loss with what it learns: projections into the teacher's space, and the terms' levels.
pub struct Objective {
    settings: Settings,
    projections: Vec<Projection>,
    pooled: Option<Projection>,
    params: Params,
    /// For each term, the sum of its first values and how many.
    levels: Vec<(Term, f64, u64)>,
    parts: u64,
    mean_resistance: f64,
}

impl Objective {
    /// For vectors of a width each, on a device; `mean_resistance` is that of the training texts.
    ///
    /// # Errors
    /// Candle's own.
    pub fn new(
        settings: Settings,
        student: usize,
        teacher: usize,
        mean_resistance: f64,
        seed: u64,
        device: &Device,
    ) -> Candle<Self> {
        let mut params = Params::on(device);
        let mut project = |name: &str| Projection::new(name, student, teacher, seed, &mut params);
        let projections = if settings.align > 0.0 {
            let named = settings.layers.iter().enumerate().map(|(i, (layer, of))| {
                // A student's layer may be compared with several of the teacher's.
                let again = settings.layers.iter().take(i).any(|(before, _)| before == layer);
                if again { format!("project.{layer}.{of}") } else { format!("project.{layer}") }
            });
            named.map(|name| project(&name)).collect::<Candle<_>>()?
        } else {
            Vec::new()
        };
        // It gets a gradient from the semantic term, and from alignment where that names no layers.
        let whole = settings.semantic > 0.0 || (settings.align > 0.0 && settings.layers.is_empty());
        let pooled = if whole { Some(project("project.pooled")?) } else { None };
        Ok(Self { settings, projections, pooled, params, levels: Vec::new(), parts: 1, mean_resistance })
    }

    /// Its settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The projections' variables.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Says in how many batches a step comes.
    pub fn set_parts(&mut self, parts: usize) {
        self.parts = parts.max(1) as u64;
    }

    /// The terms' levels, for a checkpoint.
    pub fn levels(&self) -> &[(Term, f64, u64)] {
        &self.levels
    }

    /// Sets what [`Objective::levels`] gave.
    pub fn set_levels(&mut self, levels: Vec<(Term, f64, u64)>) {
        self.levels = levels;
    }

    fn level(&mut self, term: Term, value: f32) -> f64 {
        if !self.settings.normalise {
            return 1.0;
        }
        let place = self.levels.iter().position(|(t, ..)| *t == term);
        if place.is_none() {
            self.levels.push((term, 0.0, 0));
        }
        match self.levels.iter_mut().find(|(t, ..)| *t == term) {
            Some((_, sum, count)) => {
                if *count < LEVEL_STEPS * self.parts && value.is_finite() {
                    *sum += f64::from(value);
                    *count += 1;
                }
                (*sum / (*count).max(1) as f64).max(1e-3)
            }
            None => 1.0,
        }
    }

    /// The loss of a batch. Terms without a target are left out.
    ///
    /// # Errors
    /// For targets of other shapes.
    pub fn of(&mut self, logits: &Tensor, pass: &Pass, batch: &Batch, targets: &Targets, heads: usize) -> Candle<Loss> {
        let settings = self.settings.clone();
        // What is told of words counts by their mean over each text.
        let by_text = |rows: Tensor| match &batch.words {
            Some(words) => mean_of_texts(&rows.unsqueeze(1)?, &words.spans)?.squeeze(1),
            None => Ok(rows),
        };
        let mut terms: Vec<(Term, Tensor)> = Vec::new();
        let mut task_rows = Vec::new();
        if let Some(labels) = &targets.labels {
            let task = by_text(task_loss(logits, labels, settings.smoothing)?)?;
            task_rows = task.to_vec1()?;
            if let Some(resistance) = targets.resistance.as_ref().filter(|_| settings.resistance > 0.0) {
                terms.push((Term::Resistance, resistance_loss(&task, resistance, self.mean_resistance)?));
            }
            if settings.task > 0.0 {
                terms.push((Term::Task, task));
            }
        }
        if let Some(teacher) = targets.logits.as_ref().filter(|_| settings.kd > 0.0) {
            let rows = divergence(logits, teacher, settings.temperature, settings.divergence)?;
            terms.push((Term::Kd, by_text(rows)?));
        }
        let mut distance = Vec::new();
        if settings.align > 0.0 && !targets.states.is_empty() {
            let mut sum = None;
            for (((layer, _), teacher), project) in settings.layers.iter().zip(&targets.states).zip(&self.projections) {
                let Some(state) = pass.states.get(*layer) else {
                    candle_core::bail!("the student has no layer {layer}")
                };
                let (student, spans) = if settings.tokens {
                    (project.forward(state)?, Some(&batch.spans))
                } else {
                    (project.forward(&mean_of_texts(state, &batch.spans)?)?, None)
                };
                let rows = align(&student, teacher, settings.measure, spans)?;
                // The distance to the teacher is that of the last layers that are compared.
                distance = align(&student.detach(), teacher, Measure::Cosine, spans)?.affine(0.5, 0.0)?.to_vec1()?;
                sum = Some(match sum {
                    Some(sum) => (sum + rows)?,
                    None => rows,
                });
            }
            if let Some(sum) = sum {
                terms.push((Term::Align, (sum / settings.layers.len() as f64)?));
            }
        }
        if let (Some(teacher), Some(project)) = (&targets.pooled, &self.pooled) {
            let student = project.forward(&pass.pooled)?;
            let rows = semantic_distance(&student, teacher)?;
            distance = rows.to_vec1()?;
            if settings.align > 0.0 && settings.layers.is_empty() {
                terms.push((Term::Align, align(&student, teacher, settings.measure, None)?));
            }
            if settings.semantic > 0.0 {
                terms.push((Term::Semantic, (rows - settings.threshold)?.relu()?));
            }
        }
        if settings.maps > 0.0 && !targets.maps.is_empty() {
            let mut sum: Option<Tensor> = None;
            for ((layer, _), teacher) in settings.layers_with_maps().zip(&targets.maps) {
                let Some(shares) = pass.shares.get(layer - 1) else {
                    candle_core::bail!("the student has no layer {layer}")
                };
                let rows = map_distance(shares, teacher, &batch.spans, heads)?;
                sum = Some(match sum {
                    Some(sum) => (sum + rows)?,
                    None => rows,
                });
            }
            if let Some(sum) = sum {
                terms.push((Term::Maps, (sum / targets.maps.len() as f64)?));
            }
        }
        let mut total: Option<Tensor> = None;
        let mut values = Vec::new();
        for (term, rows) in terms {
            let mean = rows.mean(D::Minus1)?;
            let value = mean.to_scalar::<f32>()?;
            values.push((term, value));
            let weighted = (mean * (settings.weight(term) / self.level(term, value)))?;
            total = Some(match total {
                Some(total) => (total + weighted)?,
                None => weighted,
            });
        }
        let Some(total) = total else { candle_core::bail!("no term of the loss has a target") };
        Ok(Loss { total, terms: values, task: task_rows, distance })
    }
}
