use candle_core::{D, Device, Result, Tensor};

use super::{
    Measure, Projection, Settings, Term, align, divergence, map_distance, resistance_loss, semantic_distance, task_loss,
};
use crate::{
    batch::Batch,
    model::{Params, Pass},
    ops::mean_of_texts,
};

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
    ) -> Result<Self> {
        let mut params = Params::on(device);
        let mut project = |name: &str| Projection::new(name, student, teacher, seed, &mut params);
        let projections = if settings.align > 0.0 {
            let named = settings.layers.iter().enumerate().map(|(i, (layer, of))| {
                // A student's layer may be compared with several of the teacher's.
                let again = settings.layers.iter().take(i).any(|(before, _)| before == layer);
                if again { format!("project.{layer}.{of}") } else { format!("project.{layer}") }
            });
            named.map(|name| project(&name)).collect::<Result<_>>()?
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
    pub fn of(&mut self, logits: &Tensor, pass: &Pass, batch: &Batch, targets: &Targets, heads: usize) -> Result<Loss> {
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
