use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use candle_core::{CpuStorage, Device, InplaceOp2, Layout, Result, Tensor, Var, backprop::GradStore, bail};
use pulp::Arch;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{model::Params, ranges};

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
    /// The longest that all gradients together may be; longer ones are scaled down. 0: they stay as they are.
    pub clip: f64,
}

impl Default for AdamWSettings {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.98, eps: 1e-6, weight_decay: 0.01, clip: 1.0 }
    }
}

impl AdamWSettings {
    /// What is wrong with them: field and message.
    ///
    /// # Errors
    /// The field and the message.
    pub fn check(&self) -> std::result::Result<(), (&'static str, String)> {
        ranges::share("beta1", self.beta1)?;
        ranges::share("beta2", self.beta2)?;
        ranges::not_negative("weight_decay", self.weight_decay)?;
        ranges::not_negative("clip", self.clip)?;
        ranges::positive("eps", self.eps)
    }
}

struct Slot {
    name: String,
    var: Var,
    decays: bool,
    moments: Moments,
    /// The sum of gradients since the last step.
    sum: Option<Tensor>,
}

/// What is remembered of a variable's gradients: their mean and their mean square.
enum Moments {
    /// In the processor's memory.
    Here(Vec<f32>, Vec<f32>),
    /// On the variable's device.
    There(Tensor, Tensor),
}

impl Moments {
    fn new(var: &Var) -> Result<Self> {
        if var.device().is_cpu() {
            return Ok(Self::Here(vec![0.0; var.elem_count()], vec![0.0; var.elem_count()]));
        }
        Ok(Self::There(var.zeros_like()?, var.zeros_like()?))
    }

    fn as_tensors(&self) -> Result<[Tensor; 2]> {
        let tensor = |values: &[f32]| Tensor::from_slice(values, values.len(), &Device::Cpu);
        match self {
            Self::Here(mean, square) => Ok([tensor(mean)?, tensor(square)?]),
            Self::There(mean, square) => Ok([mean.flatten_all()?, square.flatten_all()?]),
        }
    }

    /// Sets what [`Moments::as_tensors`] gave.
    fn set(&mut self, from: [Tensor; 2]) -> Result<()> {
        let [mean, square] = from;
        match self {
            Self::Here(to_mean, to_square) => (*to_mean, *to_square) = (mean.to_vec1()?, square.to_vec1()?),
            Self::There(to_mean, to_square) => {
                let there = |from: Tensor, to: &Tensor| from.to_device(to.device())?.reshape(to.shape());
                (*to_mean, *to_square) = (there(mean, to_mean)?, there(square, to_square)?);
            }
        }
        Ok(())
    }
}

/// Adam with decoupled weight decay (Loshchilov and Hutter), whose state can be read and set exactly; candle's cannot.
pub struct AdamW {
    settings: AdamWSettings,
    slots: Vec<Slot>,
    steps: u64,
    parts: u64,
}

/// One variable's step.
#[derive(Clone, Copy)]
struct Step {
    scale: f32,
    rate: f32,
    shrink: f32,
    beta1: f32,
    beta2: f32,
    /// One over the corrections of the two means for their beginning at 0.
    corrections: (f32, f32),
    eps: f32,
}

impl Step {
    fn make(&self, var: &Var, grad: &Tensor, moments: &mut Moments) -> Result<()> {
        match moments {
            Moments::Here(mean, square) => {
                let step = InPlace { step: *self, moments: Mutex::new((mean, square)) };
                var.as_tensor().inplace_op2(grad, &step)
            }
            Moments::There(mean, square) => {
                let blend = |old: &Tensor, new: Tensor, stays: f32| {
                    let (stays, comes) = (f64::from(stays), f64::from(1.0 - stays));
                    (old * stays)? + (new * comes)?
                };
                let grad = (grad.detach() * f64::from(self.scale))?;
                *square = blend(square, grad.sqr()?, self.beta2)?;
                *mean = blend(mean, grad, self.beta1)?;
                let root = ((&*square * f64::from(self.corrections.1))?.sqrt()? + f64::from(self.eps))?;
                let change = ((&*mean * f64::from(self.corrections.0 * self.rate))? / root)?;
                var.set(&((var.as_detached_tensor() * f64::from(self.shrink))? - change)?)
            }
        }
    }
}

/// A step in one passage over the memory.
struct InPlace<'a> {
    step: Step,
    moments: Mutex<(&'a mut Vec<f32>, &'a mut Vec<f32>)>,
}

impl InplaceOp2 for InPlace<'_> {
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
        let step = self.step;
        let parts = var.par_chunks_mut(SIZE).zip(grad.par_chunks(SIZE));
        let parts = parts.zip(mean.par_chunks_mut(SIZE)).zip(square.par_chunks_mut(SIZE));
        let arch = Arch::new();
        parts.for_each(|(((var, grad), mean), square)| {
            arch.dispatch(|| {
                for (((var, grad), mean), square) in
                    var.iter_mut().zip(grad).zip(mean.iter_mut()).zip(square.iter_mut())
                {
                    let grad = grad * step.scale;
                    *mean = step.beta1 * *mean + (1.0 - step.beta1) * grad;
                    *square = step.beta2 * *square + (1.0 - step.beta2) * grad * grad;
                    let root = (*square * step.corrections.1).sqrt() + step.eps;
                    *var = *var * step.shrink - step.rate * (*mean * step.corrections.0) / root;
                }
            });
        });
        Ok(())
    }
}

impl AdamW {
    /// For these variables.
    ///
    /// # Errors
    /// Candle's own.
    pub fn new(params: &Params, settings: AdamWSettings) -> Result<Self> {
        let slot = |(name, var): (&str, &Var)| {
            let decays = var.rank() > 1 && !name.contains("norm");
            Ok(Slot { name: name.to_owned(), var: var.clone(), decays, moments: Moments::new(var)?, sum: None })
        };
        Ok(Self { settings, slots: params.iter().map(slot).collect::<Result<_>>()?, steps: 0, parts: 0 })
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
                scale: scale as f32,
                rate: rate as f32,
                shrink: if slot.decays { (1.0 - rate * weight_decay) as f32 } else { 1.0 },
                beta1: beta1 as f32,
                beta2: beta2 as f32,
                corrections: (correction(beta1), correction(beta2)),
                eps: eps as f32,
            };
            step.make(&slot.var, &sum, &mut slot.moments)?;
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
            let [mean, square] = slot.moments.as_tensors()?;
            state.insert(format!("{}.mean", slot.name), mean);
            state.insert(format!("{}.square", slot.name), square);
        }
        Ok(state)
    }

    /// Sets what [`AdamW::state`] gave after `steps` steps.
    ///
    /// # Errors
    /// Where something is missing or of another size.
    pub fn set_state(&mut self, state: &HashMap<String, Tensor>, steps: u64) -> Result<()> {
        for slot in &mut self.slots {
            let find = |part: &str| {
                let name = format!("{}.{part}", slot.name);
                let Some(from) = state.get(&name) else { bail!("{name} is missing") };
                if from.elem_count() != slot.var.elem_count() {
                    bail!("{name} has {} numbers, where {} are needed", from.elem_count(), slot.var.elem_count());
                }
                Ok(from.clone())
            };
            let found = [find("mean")?, find("square")?];
            slot.moments.set(found)?;
        }
        self.steps = steps;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_the_same_on_other_devices() {
        let start = Tensor::new(&[[0.5f32, -1.0, 2.0], [0.0, 3.0, -0.25]], &Device::Cpu).unwrap();
        let (here, there) = (Var::from_tensor(&start.copy().unwrap()).unwrap(), Var::from_tensor(&start).unwrap());
        let mut of_here = Moments::new(&here).unwrap();
        let mut of_there = Moments::There(there.zeros_like().unwrap(), there.zeros_like().unwrap());
        for i in 1..5 {
            let grad = (&start * f64::from(i)).unwrap().sin().unwrap();
            let step = Step {
                scale: 0.7,
                rate: 0.01,
                shrink: 0.999,
                beta1: 0.9,
                beta2: 0.98,
                corrections: (1.3, 1.1),
                eps: 1e-6,
            };
            step.make(&here, &grad, &mut of_here).unwrap();
            step.make(&there, &grad, &mut of_there).unwrap();
        }
        let values = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let close = |a: &Tensor, b: &Tensor| {
            values(a).iter().zip(values(b)).for_each(|(a, b)| assert!((a - b).abs() < 1e-6, "{a} and {b}"));
        };
        close(&here, &there);
        let [mean, square] = of_there.as_tensors().unwrap();
        let [own_mean, own_square] = of_here.as_tensors().unwrap();
        close(&mean, &own_mean);
        close(&square, &own_square);
        let mut again = Moments::There(there.zeros_like().unwrap(), there.zeros_like().unwrap());
        again.set([mean.clone(), square]).unwrap();
        close(&again.as_tensors().unwrap()[0], &mean);
    }
}
