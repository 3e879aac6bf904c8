//! Maps of the encoder on all cores, quick for short texts too.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;
use pulp::Arch;

use crate::dense::{erf, in_parallel_if_much, product, product_of_many, side_by_side};

/// Parts that a product is divided into for the threads: more than there are of these, so that none waits long.
const PARTS: usize = 16;
/// Fewer where each packs all rows for itself.
const PARTS_OF_MANY: usize = 4;

/// Rows for which packing pays.
const MANY: usize = 64;

/// `x·Wᵀ + b` in 32 bits.
pub(super) struct Linear {
    inputs: usize,
    /// (outputs, inputs).
    weight: Vec<f32>,
    /// (outputs).
    bias: Vec<f32>,
    /// What becomes of an output.
    activation: fn(&mut [f32]),
}

impl Linear {
    /// One map to the outputs of several parts, side by side. Each part has `outputs` rows of `inputs` weights.
    pub fn load(inputs: usize, outputs: usize, parts: &[VarBuilder]) -> Result<Self> {
        let weights = parts.iter().map(|p| p.get((outputs, inputs), "weight")).collect::<Result<Vec<_>>>()?;
        let biases = parts.iter().map(|p| p.get(outputs, "bias")).collect::<Result<Vec<_>>>()?;
        let weight = Tensor::cat(&weights, 0)?.flatten_all()?.to_vec1()?;
        Ok(Self { inputs, weight, bias: Tensor::cat(&biases, 0)?.to_vec1()?, activation: |_| {} })
    }

    /// With GELU after it.
    pub fn with_gelu(self) -> Self {
        Self { activation: gelu, ..self }
    }

    /// `x`: (rows, inputs), to (rows, outputs).
    pub fn forward(&self, x: &[f32]) -> Vec<f32> {
        let inputs = self.inputs.max(1);
        let rows: Vec<&[f32]> = x.chunks_exact(inputs).collect();
        let many = rows.len() >= MANY;
        let share = self.bias.len().div_ceil(if many { PARTS_OF_MANY } else { PARTS }).next_multiple_of(2).max(2);
        let parts: Vec<_> = self.weight.chunks(share * inputs).zip(self.bias.chunks(share)).collect();
        let mapped = in_parallel_if_much(rows.len() * self.weight.len(), &parts, |(weight, bias)| {
            let mut mapped = if many { product_of_many(x, weight, inputs) } else { product(&rows, weight, inputs) };
            for row in mapped.chunks_mut(bias.len()) {
                row.iter_mut().zip(*bias).for_each(|(to, bias)| *to += bias);
            }
            (self.activation)(&mut mapped);
            mapped
        });
        side_by_side(&mapped, rows.len())
    }
}

/// `x·Φ(x)`, where Φ is the distribution function of the normal distribution.
fn gelu(values: &mut [f32]) {
    Arch::new().dispatch(|| {
        for x in values {
            *x *= 0.5 * (1.0 + erf(*x * std::f32::consts::FRAC_1_SQRT_2));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_sums_of_products() {
        // Whole vectors and rests, blocks of four rows and rests, even and odd numbers of outputs, fewer than parts.
        for (rows, inputs, outputs) in [(1, 384, 384), (4, 64, 1152), (5, 37, 13), (7, 8, 33), (3, 1, 1), (2, 100, 62)]
        {
            let values = |n: usize, scale: f32| -> Vec<f32> {
                (0..n as u32).map(|i| ((i * 2_654_435 % 1009) as f32 / 504.5 - 1.0) * scale).collect()
            };
            let (x, weight, bias) = (values(rows * inputs, 1.0), values(outputs * inputs, 0.3), values(outputs, 0.7));
            let linear = Linear { inputs, weight: weight.clone(), bias: bias.clone(), activation: |_| {} };
            let mapped = linear.forward(&x);
            assert_eq!(mapped.len(), rows * outputs);
            for (i, found) in mapped.into_iter().enumerate() {
                let (x, weight) = (&x[i / outputs * inputs..], &weight[i % outputs * inputs..]);
                let exact: f64 = (0..inputs).map(|k| f64::from(x[k]) * f64::from(weight[k])).sum();
                let expected = exact as f32 + bias[i % outputs];
                assert!((expected - found).abs() < 1e-4, "{rows} × {inputs} × {outputs}: {expected}, {found}");
            }
        }
    }
}
