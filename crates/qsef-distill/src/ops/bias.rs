use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};
use pulp::Arch;
use qsef_candle::dense::{erf, exp};
use rayon::prelude::*;

use super::{PART, add_to, composed, floats, of_storage, total};

/// What follows a sum.
#[derive(Debug, Clone, Copy, PartialEq)]
enum After {
    Nothing,
    Gelu,
}

struct AddBias(After);

const HALF: f32 = std::f32::consts::FRAC_1_SQRT_2;
/// 1/√(2π).
const DENSITY: f32 = 0.398_942_3;

/// `x·Φ(x)`, where Φ is the distribution function of the normal distribution.
#[inline(always)]
fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + erf(x * HALF))
}

#[inline(always)]
fn gelu_slope(x: f32) -> f32 {
    0.5 * (1.0 + erf(x * HALF)) + x * DENSITY * exp(-0.5 * x * x)
}

impl CustomOp2 for AddBias {
    fn name(&self) -> &'static str {
        "add-bias"
    }

    fn cpu_fwd(&self, x: &CpuStorage, of_x: &Layout, b: &CpuStorage, of_b: &Layout) -> Result<(CpuStorage, Shape)> {
        let (x, bias) = (of_storage(x, of_x)?, of_storage(b, of_b)?);
        let width = bias.len().max(1);
        let mut out = vec![0f32; x.len()];
        let arch = Arch::new();
        out.par_chunks_mut(PART * width).zip(x.par_chunks(PART * width)).for_each(|(out, x)| {
            arch.dispatch(|| {
                for (out, x) in out.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
                    let sums = out.iter_mut().zip(x).zip(bias);
                    match self.0 {
                        After::Nothing => sums.for_each(|((out, x), b)| *out = x + b),
                        After::Gelu => sums.for_each(|((out, x), b)| *out = gelu(x + b)),
                    }
                }
            });
        });
        Ok((CpuStorage::F32(out), of_x.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, b: &Tensor, _: &Tensor, grad: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        let (of_x, of_b, of_grad) = (floats(x)?, floats(b)?, floats(&grad)?);
        let (xs, bias, gs) = (of_x.get()?, of_b.get()?, of_grad.get()?);
        let width = bias.len().max(1);
        let arch = Arch::new();
        if self.0 == After::Nothing {
            let sums = gs.par_chunks(PART * width).map(|grad| {
                let mut sum = vec![0f32; width];
                grad.chunks_exact(width).for_each(|row| add_to(&mut sum, row));
                sum
            });
            let sum = total(sums.collect(), width);
            drop(of_grad);
            return Ok((Some(grad), Some(Tensor::from_vec(sum, b.shape(), b.device())?)));
        }
        let mut to_x = vec![0f32; xs.len()];
        let parts = to_x.par_chunks_mut(PART * width).zip(xs.par_chunks(PART * width)).zip(gs.par_chunks(PART * width));
        let sums = parts.map(|((to, x), grad)| {
            let mut sum = vec![0f32; width];
            arch.dispatch(|| {
                let rows = to.chunks_exact_mut(width).zip(x.chunks_exact(width)).zip(grad.chunks_exact(width));
                for ((to, x), grad) in rows {
                    for (((to, x), grad), b) in to.iter_mut().zip(x).zip(grad).zip(bias) {
                        *to = grad * gelu_slope(x + b);
                    }
                    add_to(&mut sum, to);
                }
            });
            sum
        });
        let sum = total(sums.collect(), width);
        Ok((Some(Tensor::from_vec(to_x, x.shape(), x.device())?), Some(Tensor::from_vec(sum, b.shape(), b.device())?)))
    }
}

/// `x + b`, row by row: (rows, width) and (width).
///
/// # Errors
/// For other shapes than these.
pub fn add_bias(x: &Tensor, bias: &Tensor) -> Result<Tensor> {
    if !x.device().is_cpu() {
        return composed::add_bias(x, bias);
    }
    x.apply_op2(bias, AddBias(After::Nothing))
}

/// GELU of `x + b`, row by row.
///
/// # Errors
/// As [`add_bias`].
pub fn add_bias_gelu(x: &Tensor, bias: &Tensor) -> Result<Tensor> {
    if !x.device().is_cpu() {
        return composed::add_bias_gelu(x, bias);
    }
    x.apply_op2(bias, AddBias(After::Gelu))
}
