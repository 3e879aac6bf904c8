use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::{Spans, add_to, composed, floats, of_storage};

struct MeanOfHeads {
    spans: Spans,
    heads: usize,
}

impl CustomOp1 for MeanOfHeads {
    fn name(&self) -> &'static str {
        "mean-of-heads"
    }

    fn cpu_fwd(&self, shares: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let size = self.spans.iter().map(|s| s.len() * s.len()).sum();
        let mut out = vec![0f32; size];
        let shares = self.spans.share(of_storage(shares, layout)?, |s| self.heads * s.len() * s.len());
        for ((span, out), shares) in self.spans.cut(&mut out, |s| s.len() * s.len()).into_iter().zip(shares) {
            shares.chunks_exact(span.len() * span.len()).for_each(|head| add_to(out, head));
            out.iter_mut().for_each(|x| *x /= self.heads as f32);
        }
        Ok((CpuStorage::F32(out), size.into()))
    }

    fn bwd(&self, shares: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let grad = grad.contiguous()?;
        let grad = floats(&grad)?;
        let mut to = Vec::with_capacity(shares.elem_count());
        for grad in self.spans.share(grad.get()?, |s| s.len() * s.len()) {
            (0..self.heads).for_each(|_| to.extend(grad.iter().map(|g| g / self.heads as f32)));
        }
        Ok(Some(Tensor::from_vec(to, shares.shape(), shares.device())?))
    }
}

/// The mean over the heads of [`super::shares`]: for every text (tokens, tokens), one after the other.
///
/// # Errors
/// Candle's own.
pub fn mean_of_heads(shares: &Tensor, spans: &Spans, heads: usize) -> Result<Tensor> {
    if !shares.device().is_cpu() {
        return composed::mean_of_heads(shares, spans, heads);
    }
    shares.apply_op1(MeanOfHeads { spans: spans.clone(), heads })
}
