use std::collections::HashMap;

use candle_core::{DType, Device, Result, Tensor, Var, bail};
use rand::RngExt;

use crate::random::{Rng, normal};

/// Where the first values of variables come from.
pub(crate) enum Source<'a> {
    /// A file's tensors, under the names of BERT's files.
    File(&'a HashMap<String, Tensor>),
    /// Chance.
    Random(Box<Rng>),
}

/// What a variable begins with where no file says it.
#[derive(Clone, Copy)]
pub(crate) enum Start {
    /// Normal numbers of this standard deviation.
    Normal(f64),
    /// The same number everywhere.
    All(f32),
}

/// The variables of a model by name, in a fixed order, on one device.
#[derive(Debug, Clone)]
pub struct Params {
    vars: Vec<(String, Var)>,
    device: Device,
}

impl Params {
    /// For variables on a device.
    pub fn on(device: &Device) -> Self {
        Self { vars: Vec::new(), device: device.clone() }
    }

    /// Where the variables are.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Adds a variable. Its name is that within the model.
    ///
    /// # Errors
    /// Candle's own.
    pub fn add(&mut self, name: &str, value: &Tensor) -> Result<Var> {
        let var = Var::from_tensor(&value.to_dtype(DType::F32)?.to_device(&self.device)?.contiguous()?)?;
        self.vars.push((name.to_owned(), var.clone()));
        Ok(var)
    }

    /// All variables.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Var)> {
        self.vars.iter().map(|(name, var)| (name.as_str(), var))
    }

    /// Takes in the variables of another.
    pub fn extend(&mut self, other: &Self) {
        self.vars.extend(other.vars.iter().cloned());
    }

    /// Those whose name passes.
    #[must_use]
    pub fn filter(&self, keep: impl Fn(&str) -> bool) -> Self {
        let vars = self.vars.iter().filter(|(name, _)| keep(name)).cloned().collect();
        Self { vars, device: self.device.clone() }
    }

    /// Numbers in all of them.
    pub fn count(&self) -> usize {
        self.vars.iter().map(|(_, var)| var.elem_count()).sum()
    }

    /// A copy of all values, which training does not change.
    ///
    /// # Errors
    /// Candle's own.
    pub fn values(&self) -> Result<HashMap<String, Tensor>> {
        self.vars.iter().map(|(name, var)| Ok((name.clone(), var.as_detached_tensor().copy()?))).collect()
    }

    /// Sets all values to those of [`Params::values`].
    ///
    /// # Errors
    /// Where one is missing or has another shape.
    pub fn set(&self, values: &HashMap<String, Tensor>) -> Result<()> {
        for (name, var) in &self.vars {
            let Some(value) = values.get(name) else { bail!("the variable {name} is missing") };
            if value.shape() != var.shape() {
                bail!("{name} has the shape {:?}, where {:?} is needed", value.shape(), var.shape());
            }
            var.set(&value.to_device(&self.device)?.contiguous()?)?;
        }
        Ok(())
    }
}

impl Source<'_> {
    /// A tensor of a shape, of the file's name where there is one.
    pub fn get(&mut self, name: &str, shape: &[usize], start: Start) -> Result<Tensor> {
        match self {
            Self::File(tensors) => {
                let Some(found) = tensors.get(name) else { bail!("the tensor {name} is missing") };
                if found.dims() != shape {
                    bail!("{name} has the shape {:?}, where {shape:?} is needed", found.dims());
                }
                found.to_dtype(DType::F32)
            }
            Self::Random(rng) => random(rng, shape, start),
        }
    }

    /// Whether a tensor is there, or can be made.
    pub fn has(&self, name: &str) -> bool {
        match self {
            Self::File(tensors) => tensors.contains_key(name),
            Self::Random(_) => true,
        }
    }
}

/// A tensor to begin with.
pub(crate) fn random(rng: &mut impl RngExt, shape: &[usize], start: Start) -> Result<Tensor> {
    let count: usize = shape.iter().product();
    let values: Vec<f32> = match start {
        Start::All(value) => vec![value; count],
        Start::Normal(deviation) => (0..count).map(|_| (normal(rng) * deviation) as f32).collect(),
    };
    Tensor::from_vec(values, shape, &Device::Cpu)
}
