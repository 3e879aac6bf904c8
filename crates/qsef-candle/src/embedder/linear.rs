//! Linear maps that are quick for short texts too.

use std::sync::{Mutex, PoisonError};

use candle_core::{CpuStorage, Device, Result, Storage, Tensor, bail, utils::barrier_pool};
use candle_nn::VarBuilder;
use pulp::{Arch, Simd, WithSimd};

/// Rows up to which [`Linear::few_rows`] is quicker than candle, whose product first puts the whole weight into another
/// order: that is paid back by many rows only.
const FEW: usize = 256;

/// Rows of `x` that share one reading of two rows of the weight: eight sums, all of which find a register.
const BLOCK: usize = 4;

/// Parts that a product is divided into for the threads: more than there are of these, so that none waits long.
const PARTS: usize = 16;

/// `x·Wᵀ + b` in 32 bits.
pub(super) struct Linear {
    /// (outputs, inputs), contiguous.
    weight: Tensor,
    /// (outputs).
    bias: Tensor,
}

impl Linear {
    /// One map to the outputs of several parts, side by side. Each part has `outputs` rows of `inputs` weights.
    pub fn load(inputs: usize, outputs: usize, parts: &[VarBuilder]) -> Result<Self> {
        let weights = parts.iter().map(|p| p.get((outputs, inputs), "weight")).collect::<Result<Vec<_>>>()?;
        let biases = parts.iter().map(|p| p.get(outputs, "bias")).collect::<Result<Vec<_>>>()?;
        Ok(Self { weight: Tensor::cat(&weights, 0)?.contiguous()?, bias: Tensor::cat(&biases, 0)? })
    }

    /// `x`: (rows, inputs), to (rows, outputs).
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if x.dim(0)? <= FEW { self.few_rows(x) } else { x.matmul(&self.weight.t()?)?.broadcast_add(&self.bias) }
    }

    /// The map for an `x` of few rows: reads the weight once, as it lies.
    fn few_rows(&self, x: &Tensor) -> Result<Tensor> {
        let ((rows, inputs), (outputs, columns)) = (x.dims2()?, self.weight.dims2()?);
        if inputs != columns {
            bail!("rows of {inputs} values for a weight with {columns} inputs");
        }
        let (x, bias) = (x.flatten_all()?.to_vec1()?, self.bias.to_vec1()?);
        let (storage, layout) = self.weight.storage_and_layout();
        let (Storage::Cpu(CpuStorage::F32(weight)), Some((from, to))) = (&*storage, layout.contiguous_offsets()) else {
            bail!("a weight that is not contiguous, or not of 32 bits in memory");
        };
        let weight = weight.get(from..to).unwrap_or_default();

        let x: Vec<&[f32]> = x.chunks_exact(inputs.max(1)).collect();
        let share = outputs.div_ceil(PARTS).next_multiple_of(2);
        let parts: Vec<Mutex<Part<'_>>> = weight
            .chunks(share * inputs.max(1))
            .zip(bias.chunks(share))
            .map(|(weight, bias)| Mutex::new(Part { x: &x, weight, bias, mapped: vec![0.0; rows * bias.len()] }))
            .collect();
        let arch = Arch::new();
        // Candle's own threads, which wait for more work for a while: others would have to take turns with them.
        barrier_pool().execute_chunked(parts.len(), |range| {
            for part in parts.get(range).unwrap_or_default() {
                arch.dispatch(&mut *part.lock().unwrap_or_else(PoisonError::into_inner));
            }
        });
        let parts: Vec<Part<'_>> =
            parts.into_iter().map(|part| part.into_inner().unwrap_or_else(PoisonError::into_inner)).collect();
        let mut mapped = Vec::with_capacity(rows * outputs);
        for row in 0..rows {
            for Part { mapped: part, bias, .. } in &parts {
                mapped.extend_from_slice(part.get(row * bias.len()..(row + 1) * bias.len()).unwrap_or_default());
            }
        }
        Tensor::from_vec(mapped, (rows, outputs), &Device::Cpu)
    }
}

/// Some outputs for every row of `x`.
struct Part<'a> {
    x: &'a [&'a [f32]],
    /// (outputs, inputs).
    weight: &'a [f32],
    bias: &'a [f32],
    /// (rows of x, outputs).
    mapped: Vec<f32>,
}

impl WithSimd for &mut Part<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Part { x, weight, bias, mapped } = self;
        let (width, inputs) = (bias.len(), x.first().map_or(0, |row| row.len()).max(1));
        // Two rows that are far apart, and next time the two after them: the processor reads ahead along both, where it
        // would lose the thread of pairs of neighbours.
        let half = width.div_ceil(2);
        let (lower, upper) = weight.split_at(half * inputs);
        for (output, first) in lower.chunks(inputs).enumerate() {
            // The first stands in for the one that is missing where the number is odd.
            let second = upper.get(output * inputs..(output + 1) * inputs).unwrap_or(first);
            for (rows, mapped) in x.chunks(BLOCK).zip(mapped.chunks_mut(BLOCK * width)) {
                let row = |i: usize| rows.get(i).or(rows.last()).copied().unwrap_or_default();
                let products = block(simd, [row(0), row(1), row(2), row(3)], [first, second]);
                for (mapped, products) in mapped.chunks_mut(width).zip(products) {
                    let to = mapped.iter_mut().skip(output).step_by(half);
                    to.zip(products).for_each(|(to, product)| *to = product);
                }
            }
        }
        for mapped in mapped.chunks_mut(width) {
            mapped.iter_mut().zip(bias.iter()).for_each(|(to, bias)| *to += bias);
        }
    }
}

/// The products of four rows of `x` with two of the weight.
#[inline(always)]
fn block<S: Simd>(simd: S, x: [&[f32]; BLOCK], weight: [&[f32]; 2]) -> [[f32; 2]; BLOCK] {
    let ([(x0, r0), (x1, r1), (x2, r2), (x3, r3)], [(wa, ra), (wb, rb)]) =
        (x.map(S::as_simd_f32s), weight.map(S::as_simd_f32s));
    let zero = simd.splat_f32s(0.0);
    let (mut a0, mut a1, mut a2, mut a3) = (zero, zero, zero, zero);
    let (mut b0, mut b1, mut b2, mut b3) = (zero, zero, zero, zero);
    for (((wa, wb), (x0, x1)), (x2, x3)) in wa.iter().zip(wb).zip(x0.iter().zip(x1)).zip(x2.iter().zip(x3)) {
        a0 = simd.mul_add_e_f32s(*wa, *x0, a0);
        a1 = simd.mul_add_e_f32s(*wa, *x1, a1);
        a2 = simd.mul_add_e_f32s(*wa, *x2, a2);
        a3 = simd.mul_add_e_f32s(*wa, *x3, a3);
        b0 = simd.mul_add_e_f32s(*wb, *x0, b0);
        b1 = simd.mul_add_e_f32s(*wb, *x1, b1);
        b2 = simd.mul_add_e_f32s(*wb, *x2, b2);
        b3 = simd.mul_add_e_f32s(*wb, *x3, b3);
    }
    // What is left over where the inputs are not whole vectors.
    let rest = |w: &[f32], x: &[f32]| w.iter().zip(x).map(|(w, x)| w * x).sum::<f32>();
    let whole = |sum, w: &[f32], x: &[f32]| simd.reduce_sum_f32s(sum) + rest(w, x);
    [
        [whole(a0, ra, r0), whole(b0, rb, r0)],
        [whole(a1, ra, r1), whole(b1, rb, r1)],
        [whole(a2, ra, r2), whole(b2, rb, r2)],
        [whole(a3, ra, r3), whole(b3, rb, r3)],
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_rows_are_mapped_as_many_are() {
        // Whole vectors and rests, blocks of four rows and rests, even and odd numbers of outputs, fewer than parts.
        for (rows, inputs, outputs) in [(1, 384, 384), (4, 64, 1152), (5, 37, 13), (7, 8, 33), (3, 1, 1), (2, 100, 62)]
        {
            let values = |shape: &[usize], scale: f32| {
                let n = shape.iter().product::<usize>() as u32;
                let values = (0..n).map(|i| ((i * 2_654_435 % 1009) as f32 / 504.5 - 1.0) * scale).collect();
                Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
            };
            let (x, weight) = (values(&[rows, inputs], 1.0), values(&[outputs, inputs], 0.3));
            let linear = Linear { weight: weight.clone(), bias: values(&[outputs], 0.7) };
            let expected = x.matmul(&weight.t().unwrap()).unwrap().broadcast_add(&linear.bias).unwrap();
            let (expected, found) =
                (expected.to_vec2::<f32>().unwrap(), linear.few_rows(&x).unwrap().to_vec2::<f32>().unwrap());
            for (expected, found) in expected.concat().iter().zip(found.concat()) {
                assert!((expected - found).abs() < 1e-4, "{rows} × {inputs} × {outputs}: {expected}, {found}");
            }
        }
        let linear = Linear {
            weight: Tensor::zeros((4, 8), candle_core::DType::F32, &Device::Cpu).unwrap(),
            bias: Tensor::zeros(4, candle_core::DType::F32, &Device::Cpu).unwrap(),
        };
        assert!(linear.few_rows(&Tensor::zeros((2, 7), candle_core::DType::F32, &Device::Cpu).unwrap()).is_err());
    }
}
