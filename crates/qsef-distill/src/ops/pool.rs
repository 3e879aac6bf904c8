use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::{Spans, add_to, composed, floats, of_storage};

struct MeanOfTexts(Spans);

impl CustomOp1 for MeanOfTexts {
    fn name(&self) -> &'static str {
        "mean-of-texts"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (_, width) = layout.shape().dims2()?;
        let x = of_storage(x, layout)?;
        let mut out = vec![0f32; self.0.len() * width];
        for (out, span) in out.chunks_exact_mut(width).zip(self.0.iter()) {
            let count = span.len() as f32;
            let rows = x.get(span.start * width..span.end * width).unwrap_or_default();
            rows.chunks_exact(width).for_each(|row| add_to(out, row));
            out.iter_mut().for_each(|x| *x /= count);
        }
        Ok((CpuStorage::F32(out), (self.0.len(), width).into()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let grad = grad.contiguous()?;
        let (_, width) = x.dims2()?;
        let grad = floats(&grad)?;
        let mut to = Vec::with_capacity(x.elem_count());
        for (grad, span) in grad.get()?.chunks_exact(width).zip(self.0.iter()) {
            let share = 1.0 / span.len() as f32;
            for _ in span {
                to.extend(grad.iter().map(|g| g * share));
            }
        }
        Ok(Some(Tensor::from_vec(to, x.shape(), x.device())?))
    }
}

/// The mean of each text's tokens: (tokens, width) to (texts, width).
///
/// # Errors
/// For a tensor that is no contiguous matrix.
pub fn mean_of_texts(x: &Tensor, spans: &Spans) -> Result<Tensor> {
    if !x.device().is_cpu() {
        return composed::mean_of_texts(x, spans);
    }
    x.apply_op1(MeanOfTexts(spans.clone()))
}
