use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use pulp::Arch;
use qsef_candle::dense::sum;
use rayon::prelude::*;

use super::{PART, add_to, composed, floats, of_storage, total};

struct NormOfSum {
    eps: f32,
}

/// The mean of a row, and one over its standard deviation.
#[inline(always)]
fn moments(row: &[f32], eps: f32) -> (f32, f32) {
    let width = row.len() as f32;
    let mean = sum(row, |x| x) / width;
    (mean, 1.0 / (sum(row, |x| (x - mean) * (x - mean)) / width + eps).sqrt())
}

impl CustomOp3 for NormOfSum {
    fn name(&self) -> &'static str {
        "norm-of-sum"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        of_x: &Layout,
        y: &CpuStorage,
        of_y: &Layout,
        scale: &CpuStorage,
        of_scale: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, y, scale) = (of_storage(x, of_x)?, of_storage(y, of_y)?, of_storage(scale, of_scale)?);
        let width = (scale.len() / 2).max(1);
        let (weight, bias) = scale.split_at(width);
        let mut out = vec![0f32; x.len()];
        let arch = Arch::new();
        let size = PART * width;
        out.par_chunks_mut(size).zip(x.par_chunks(size)).zip(y.par_chunks(size)).for_each(|((out, x), y)| {
            arch.dispatch(|| {
                let rows = out.chunks_exact_mut(width).zip(x.chunks_exact(width)).zip(y.chunks_exact(width));
                for ((out, x), y) in rows {
                    out.iter_mut().zip(x).zip(y).for_each(|((out, x), y)| *out = x + y);
                    let (mean, scale) = moments(out, self.eps);
                    for ((out, weight), bias) in out.iter_mut().zip(weight).zip(bias) {
                        *out = (*out - mean) * scale * weight + bias;
                    }
                }
            });
        });
        Ok((CpuStorage::F32(out), of_x.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        y: &Tensor,
        scale: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        let (of_x, of_y, of_scale, of_grad) = (floats(x)?, floats(y)?, floats(scale)?, floats(&grad)?);
        let (xs, ys, scales, gs) = (of_x.get()?, of_y.get()?, of_scale.get()?, of_grad.get()?);
        let width = (scales.len() / 2).max(1);
        let weight = scales.get(..width).unwrap_or_default();
        let mut to = vec![0f32; xs.len()];
        let arch = Arch::new();
        let size = PART * width;
        let parts = to.par_chunks_mut(size).zip(xs.par_chunks(size)).zip(ys.par_chunks(size)).zip(gs.par_chunks(size));
        let sums = parts.map(|(((to, x), y), grad)| {
            let mut sums = vec![0f32; 2 * width];
            let (to_weight, to_bias) = sums.split_at_mut(width);
            let mut normal = vec![0f32; width];
            arch.dispatch(|| {
                let rows = to.chunks_exact_mut(width).zip(x.chunks_exact(width)).zip(y.chunks_exact(width));
                for (((to, x), y), grad) in rows.zip(grad.chunks_exact(width)) {
                    normal.iter_mut().zip(x).zip(y).for_each(|((n, x), y)| *n = x + y);
                    let (mean, scale) = moments(&normal, self.eps);
                    normal.iter_mut().for_each(|n| *n = (*n - mean) * scale);
                    add_to(to_bias, grad);
                    to_weight.iter_mut().zip(&normal).zip(grad).for_each(|((to, n), g)| *to += n * g);
                    to.iter_mut().zip(weight).zip(grad).for_each(|((to, w), g)| *to = w * g);
                    let level = sum(to, |x| x) / width as f32;
                    // The part along the normalised row: a change of scale is undone by the norm.
                    let mut products = [0f32; 8];
                    let (eights, rest) = to.as_chunks::<8>();
                    let (others, rest_of_others) = normal.as_chunks::<8>();
                    for (a, b) in eights.iter().zip(others) {
                        products.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += a * b);
                    }
                    let rest: f32 = rest.iter().zip(rest_of_others).map(|(a, b)| a * b).sum();
                    let along = (products.iter().sum::<f32>() + rest) / width as f32;
                    to.iter_mut().zip(&normal).for_each(|(to, n)| *to = scale * (*to - level - along * n));
                }
            });
            sums
        });
        let sums = total(sums.collect(), 2 * width);
        let to = Tensor::from_vec(to, x.shape(), x.device())?;
        Ok((Some(to.clone()), Some(to), Some(Tensor::from_vec(sums, scale.shape(), scale.device())?)))
    }
}

/// The sum of two matrices, (rows, width), each row brought to mean 0 and variance 1, then to what `scale` says: (2, width), weight and
/// bias.
///
/// # Errors
/// For other shapes than these.
pub fn norm_of_sum(x: &Tensor, y: &Tensor, scale: &Tensor, eps: f64) -> Result<Tensor> {
    if !x.device().is_cpu() {
        return composed::norm_of_sum(x, y, scale, eps);
    }
    x.apply_op3(y, scale, NormOfSum { eps: eps as f32 })
}
