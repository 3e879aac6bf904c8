//! Which texts a student sees when.

use std::str::FromStr;

use rand::RngExt;
use serde::{
    Deserialize, Serialize,
    de::{IntoDeserializer, value},
};

use crate::random::{rng, shuffled};

/// How texts are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Sampling {
    /// Every text once, in random order, then again.
    #[default]
    Uniform,
    /// Half as [`Sampling::Uniform`], half by the texts' current resistance: the student's loss and distance (the paper's dynamic
    /// difficulty, section 4.3).
    Dynamic,
    /// In stages from easy to hard: each adds as many texts as the one before.
    Staged,
    /// From easy to hard without steps: the texts at hand grow until half of the training is over.
    Progressive,
    /// As [`Sampling::Progressive`], from hard to easy: a control.
    Reverse,
    /// The pace of [`Sampling::Progressive`] in random order: a control.
    RandomPaced,
}

impl FromStr for Sampling {
    type Err = value::Error;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::deserialize(name.into_deserializer())
    }
}

/// How much a new observation counts beside those before.
const NEW: f32 = 0.4;
/// The share of the texts at hand at the beginning of a progression.
const FIRST: f64 = 0.25;
const STAGES: f64 = 4.0;
/// The least weight of a text in units of the mean.
const LEAST: f32 = 0.1;

/// Chooses texts. What it chooses depends on the seed, the step and what was observed alone.
#[derive(Debug, Clone)]
pub struct Sampler {
    sampling: Sampling,
    seed: u64,
    batch: usize,
    steps: u64,
    /// From first to last in a progression.
    order: Vec<usize>,
    /// Current resistance, by text.
    current: Vec<f32>,
    /// The order of an epoch.
    epoch: (u64, Vec<usize>),
}

impl Sampler {
    /// For texts of a static difficulty each; `steps` is all of the training's.
    pub fn new(sampling: Sampling, difficulty: &[f32], batch: usize, steps: u64, seed: u64) -> Self {
        let mut order: Vec<usize> = (0..difficulty.len()).collect();
        let at = |i: &usize| difficulty.get(*i).copied().unwrap_or_default();
        match sampling {
            Sampling::Reverse => order.sort_by(|a, b| at(b).total_cmp(&at(a))),
            Sampling::RandomPaced => order = shuffled(&mut rng(seed, "paced", 0), difficulty.len()),
            _ => order.sort_by(|a, b| at(a).total_cmp(&at(b))),
        }
        let batch = batch.clamp(1, difficulty.len().max(1));
        let epoch = (u64::MAX, Vec::new());
        Self { sampling, seed, batch, steps, order, current: vec![f32::NAN; difficulty.len()], epoch }
    }

    /// The texts of a step.
    pub fn next(&mut self, step: u64) -> Vec<usize> {
        match self.sampling {
            Sampling::Uniform => self.in_turn(step, self.batch),
            Sampling::Dynamic => {
                let half = (self.batch / 2).max(1);
                let mut rows = self.in_turn(step, half);
                rows.extend(self.by_resistance(step, self.batch - half));
                rows
            }
            Sampling::Staged | Sampling::Progressive | Sampling::Reverse | Sampling::RandomPaced => {
                let at_hand = (self.at_hand(step) * self.order.len() as f64).ceil() as usize;
                let at_hand = self.order.get(..at_hand.max(self.batch)).unwrap_or(&self.order);
                let mut rng = rng(self.seed, "choice", step);
                let chosen = shuffled(&mut rng, at_hand.len()).into_iter().take(self.batch);
                chosen.filter_map(|place| at_hand.get(place).copied()).collect()
            }
        }
    }

    /// The share of the texts at hand at a step.
    pub fn at_hand(&self, step: u64) -> f64 {
        let done = (step as f64 / (self.steps as f64 / 2.0).max(1.0)).min(1.0);
        match self.sampling {
            Sampling::Uniform | Sampling::Dynamic => 1.0,
            Sampling::Staged => ((done * STAGES).floor() + 1.0).min(STAGES) / STAGES,
            _ => FIRST + (1.0 - FIRST) * done,
        }
    }

    fn in_turn(&mut self, step: u64, count: usize) -> Vec<usize> {
        let all = self.current.len() as u64;
        let first = step * count as u64;
        (first..first + count as u64)
            .filter_map(|place| {
                let epoch = place / all.max(1);
                if self.epoch.0 != epoch {
                    self.epoch = (epoch, shuffled(&mut rng(self.seed, "epoch", epoch), all as usize));
                }
                self.epoch.1.get((place % all.max(1)) as usize).copied()
            })
            .collect()
    }

    /// Without repetition, with weights (Efraimidis and Spirakis, 2006).
    fn by_resistance(&self, step: u64, count: usize) -> Vec<usize> {
        let seen: Vec<f32> = self.current.iter().copied().filter(|r| !r.is_nan()).collect();
        let mean = if seen.is_empty() { 1.0 } else { (seen.iter().sum::<f32>() / seen.len() as f32).max(1e-9) };
        let mut rng = rng(self.seed, "resistance", step);
        let key = |(place, current): (usize, &f32)| {
            let weight = if current.is_nan() { 1.0 } else { LEAST + current / mean };
            (f64::from(weight).recip() * rng.random::<f64>().max(1e-300).ln(), place)
        };
        let mut keys: Vec<(f64, usize)> = self.current.iter().enumerate().map(key).collect();
        let count = count.min(keys.len());
        if count > 0 && count < keys.len() {
            keys.select_nth_unstable_by(count - 1, |a, b| b.0.total_cmp(&a.0));
        }
        keys.into_iter().take(count).map(|(_, place)| place).collect()
    }

    /// Takes in how much the texts of a step resisted: any number of at least 0.
    pub fn observe(&mut self, rows: &[usize], resistance: &[f32]) {
        for (row, new) in rows.iter().zip(resistance).filter(|(_, new)| new.is_finite()) {
            if let Some(slot) = self.current.get_mut(*row) {
                *slot = if slot.is_nan() { *new } else { NEW * new + (1.0 - NEW) * *slot };
            }
        }
    }

    /// What was observed, for a checkpoint and for the curriculum generator: NaN for a text that was not seen yet.
    pub fn current(&self) -> &[f32] {
        &self.current
    }

    /// Sets what [`Sampler::current`] gave.
    pub fn set_current(&mut self, current: Vec<f32>) {
        if current.len() == self.current.len() {
            self.current = current;
        }
    }
}

#[cfg(test)]
mod tests;
