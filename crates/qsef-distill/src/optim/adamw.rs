use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use candle_core::{CpuStorage, Device, InplaceOp2, Layout, Result, Tensor, Var, backprop::GradStore, bail};
use pulp::Arch;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::model::Params;

/// Numbers that one thread works on at a time.
const SIZE: usize = 1 << 14;

/// The settings of [`AdamW`] but for the rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdamWSettings {
    /// How much of the mean gradient stays at a step.
    pub beta1: f64,
    /// How much of the mean squared gradient stays at a step.
    pub beta2: f64,
    /// What is added to its root.
    pub eps: f64,
    /// How much weights shrink, in units of the rate. Biases and norms do not.
    pub weight_decay: f64,
    /// The longest that all gradients together may be; longer ones are scaled down.
    pub clip: f64,
}

impl Default for AdamWSettings {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.98, eps: 1e-6, weight_decay: 0.01, clip: 1.0 }
    }
}

struct Slot {
    name: String,
    var: Var,
    decays: bool,
    mean: Vec<f32>,
    square: Vec<f32>,
    /// The sum of gradients since the last step.
    sum: Option<Tensor>,
}

/// Adam with decoupled weight decay (Loshchilov and Hutter), whose state can be read and set exactly; candle's cannot.
pub struct AdamW {
    settings: AdamWSettings,
    slots: Vec<Slot>,
    steps: u64,
    parts: u64,
}

/// One variable's step, in place and in one passage over the memory.
struct Step<'a> {
    moments: Mutex<(&'a mut [f32], &'a mut [f32])>,
    scale: f32,
    rate: f32,
    shrink: f32,
    beta1: f32,
    beta2: f32,
    /// One over the corrections of the two means for their beginning at 0.
    corrections: (f32, f32),
    eps: f32,
}

impl InplaceOp2 for Step<'_> {
    fn name(&self) -> &'static str {
        "adamw"
    }

    fn cpu_fwd(&self, var: &mut CpuStorage, _: &Layout, grad: &CpuStorage, of_grad: &Layout) -> Result<()> {
        let (CpuStorage::F32(var), Some((start, end))) = (var, of_grad.contiguous_offsets()) else {
            bail!("variables are of 32 bits, and gradients contiguous")
        };
        let grad = grad.as_slice::<f32>()?.get(start..end).unwrap_or_default();
        let mut moments = self.moments.lock().unwrap_or_else(PoisonError::into_inner);
        let (mean, square) = &mut *moments;
        let parts = var.par_chunks_mut(SIZE).zip(grad.par_chunks(SIZE));
        let parts = parts.zip(mean.par_chunks_mut(SIZE)).zip(square.par_chunks_mut(SIZE));
        let arch = Arch::new();
        parts.for_each(|(((var, grad), mean), square)| {
            arch.dispatch(|| {
                for (((var, grad), mean), square) in
                    var.iter_mut().zip(grad).zip(mean.iter_mut()).zip(square.iter_mut())
                {
                    let grad = grad * self.scale;
                    *mean = self.beta1 * *mean + (1.0 - self.beta1) * grad;
                    *square = self.beta2 * *square + (1.0 - self.beta2) * grad * grad;
                    let root = (*square * self.corrections.1).sqrt() + self.eps;
                    *var = *var * self.shrink - self.rate * (*mean * self.corrections.0) / root;
                }
            });
        });
        Ok(())
    }
}

impl AdamW {
    /// For these variables.
    pub fn new(params: &Params, settings: AdamWSettings) -> Self {
        let slot = |(name, var): (&str, &Var)| Slot {
            name: name.to_owned(),
            var: var.clone(),
            decays: var.rank() > 1 && !name.contains("norm"),
            mean: vec![0.0; var.elem_count()],
            square: vec![0.0; var.elem_count()],
            sum: None,
        };
        Self { settings, slots: params.iter().map(slot).collect(), steps: 0, parts: 0 }
    }

    /// Takes in the gradients of a part of a batch.
    ///
    /// # Errors
    /// Candle's own.
    pub fn add(&mut self, grads: &GradStore) -> Result<()> {
        self.parts += 1;
        for slot in &mut self.slots {
            let Some(grad) = grads.get(&slot.var) else { continue };
            slot.sum = Some(match slot.sum.take() {
                Some(sum) => (sum + grad)?,
                None => grad.contiguous()?,
            });
        }
        Ok(())
    }

    /// Moves the variables by the mean of the gradients since the last step; the gradients' length before clipping. Where that is no
    /// number, nothing moves.
    ///
    /// # Errors
    /// Candle's own.
    pub fn step(&mut self, rate: f64) -> Result<f64> {
        let parts = self.parts.max(1) as f64;
        self.parts = 0;
        let mut squares = 0.0;
        for sum in self.slots.iter().filter_map(|slot| slot.sum.as_ref()) {
            squares += f64::from(sum.sqr()?.sum_all()?.to_scalar::<f32>()?);
        }
        let length = squares.sqrt() / parts;
        if !length.is_finite() {
            self.slots.iter_mut().for_each(|slot| slot.sum = None);
            return Ok(length);
        }
        self.steps += 1;
        let AdamWSettings { beta1, beta2, eps, weight_decay, clip } = self.settings;
        let scale = if clip > 0.0 && length > clip { clip / length } else { 1.0 } / parts;
        let correction = |beta: f64| (1.0 / (1.0 - beta.powf(self.steps as f64))) as f32;
        for slot in &mut self.slots {
            let Some(sum) = slot.sum.take() else { continue };
            let step = Step {
                moments: Mutex::new((&mut slot.mean, &mut slot.square)),
                scale: scale as f32,
                rate: rate as f32,
                shrink: if slot.decays { (1.0 - rate * weight_decay) as f32 } else { 1.0 },
                beta1: beta1 as f32,
                beta2: beta2 as f32,
                corrections: (correction(beta1), correction(beta2)),
                eps: eps as f32,
            };
            slot.var.as_tensor().inplace_op2(&sum, &step)?;
        }
        Ok(length)
    }

    /// Steps that were made.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// What it remembers, by the variables' names.
    ///
    /// # Errors
    /// Candle's own.
    pub fn state(&self) -> Result<HashMap<String, Tensor>> {
        let mut state = HashMap::new();
        for slot in &self.slots {
            let tensor = |values: &[f32]| Tensor::from_slice(values, values.len(), &Device::Cpu);
            state.insert(format!("{}.mean", slot.name), tensor(&slot.mean)?);
            state.insert(format!("{}.square", slot.name), tensor(&slot.square)?);
        }
        Ok(state)
    }

    /// Sets what [`AdamW::state`] gave after `steps` steps.
    ///
    /// # Errors
    /// Where something is missing or of another size.
    pub fn set_state(&mut self, state: &HashMap<String, Tensor>, steps: u64) -> Result<()> {
        for slot in &mut self.slots {
            for (part, to) in [("mean", &mut slot.mean), ("square", &mut slot.square)] {
                let name = format!("{}.{part}", slot.name);
                let Some(from) = state.get(&name) else { bail!("{name} is missing") };
                let values = from.to_vec1::<f32>()?;
                if values.len() != to.len() {
                    bail!("{name} has {} numbers, where {} are needed", values.len(), to.len());
                }
                *to = values;
            }
        }
        self.steps = steps;
        Ok(())
    }
}
