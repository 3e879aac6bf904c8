//! Attention of each text's tokens to each other, in two operations, so that the shares can be compared with a teacher's.

use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor};
use pulp::Arch;
use qsef_candle::dense::softmax;
use rayon::prelude::*;

use super::{Spans, composed, floats, of_storage};

/// Query, key and value of a token stand side by side: (tokens, 3 · hidden).
#[derive(Clone)]
struct Shares {
    spans: Spans,
    heads: usize,
}

/// One head's part of a token's query (0), key (1) or value (2).
#[inline(always)]
fn part(row: &[f32], which: usize, hidden: usize, head: usize, width: usize) -> &[f32] {
    let start = which * hidden + head * width;
    row.get(start..start + width).unwrap_or_default()
}

#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (eights, rest) = a.as_chunks::<8>();
    let (others, rest_of_others) = b.as_chunks::<8>();
    let mut sums = [0f32; 8];
    for (a, b) in eights.iter().zip(others) {
        sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += a * b);
    }
    sums.iter().sum::<f32>() + rest.iter().zip(rest_of_others).map(|(a, b)| a * b).sum::<f32>()
}

#[inline(always)]
fn add_times(to: &mut [f32], by: f32, from: &[f32]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to += by * from);
}

impl CustomOp1 for Shares {
    fn name(&self) -> &'static str {
        "attention-shares"
    }

    fn cpu_fwd(&self, qkv: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (_, all) = layout.shape().dims2()?;
        let qkv = of_storage(qkv, layout)?;
        let (hidden, heads) = (all / 3, self.heads);
        let width = hidden / heads;
        let scale = 1.0 / (width as f32).sqrt();
        let size = self.spans.iter().map(|s| heads * s.len() * s.len()).sum();
        let mut out = vec![0f32; size];
        let arch = Arch::new();
        self.spans.cut(&mut out, |s| heads * s.len() * s.len()).into_par_iter().for_each(|(span, out)| {
            let tokens: Vec<&[f32]> =
                qkv.get(span.start * all..span.end * all).unwrap_or_default().chunks_exact(all).collect();
            arch.dispatch(|| {
                for (row, out) in out.chunks_exact_mut(tokens.len()).enumerate() {
                    let head = row / tokens.len();
                    let query = tokens.get(row % tokens.len()).copied().unwrap_or_default();
                    let query = part(query, 0, hidden, head, width);
                    for (out, key) in out.iter_mut().zip(&tokens) {
                        *out = dot(query, part(key, 1, hidden, head, width));
                    }
                }
            });
            out.chunks_exact_mut(tokens.len()).for_each(|row| softmax(row, scale));
        });
        Ok((CpuStorage::F32(out), size.into()))
    }

    fn bwd(&self, qkv: &Tensor, shares: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let grad = grad.contiguous()?;
        let (of_qkv, of_shares, of_grad) = (floats(qkv)?, floats(shares)?, floats(&grad)?);
        let (_, all) = qkv.dims2()?;
        let (values, heads, hidden) = (of_qkv.get()?, self.heads, all / 3);
        let width = hidden / heads;
        let scale = 1.0 / (width as f32).sqrt();
        let squares = |s: &std::ops::Range<usize>| heads * s.len() * s.len();
        let shares = self.spans.share(of_shares.get()?, squares);
        let grads = self.spans.share(of_grad.get()?, squares);
        let mut to = vec![0f32; values.len()];
        let parts = self.spans.cut(&mut to, |s| s.len() * all);
        let arch = Arch::new();
        parts.into_par_iter().zip(shares).zip(grads).for_each(|(((span, to), shares), grads)| {
            let tokens: Vec<&[f32]> =
                values.get(span.start * all..span.end * all).unwrap_or_default().chunks_exact(all).collect();
            let count = tokens.len();
            arch.dispatch(|| {
                for (row, (shares, grads)) in shares.chunks_exact(count).zip(grads.chunks_exact(count)).enumerate() {
                    let (head, own) = (row / count, row % count);
                    let level = dot(shares, grads);
                    let query = part(tokens.get(own).copied().unwrap_or_default(), 0, hidden, head, width);
                    for (other, (share, grad)) in shares.iter().zip(grads).enumerate() {
                        let slope = share * (grad - level) * scale;
                        let key = part(tokens.get(other).copied().unwrap_or_default(), 1, hidden, head, width);
                        let at = own * all + head * width;
                        add_times(to.get_mut(at..at + width).unwrap_or_default(), slope, key);
                        let at = other * all + hidden + head * width;
                        add_times(to.get_mut(at..at + width).unwrap_or_default(), slope, query);
                    }
                }
            });
        });
        Ok(Some(Tensor::from_vec(to, qkv.shape(), qkv.device())?))
    }
}

struct Mix(Shares);

impl CustomOp2 for Mix {
    fn name(&self) -> &'static str {
        "attention-mix"
    }

    fn cpu_fwd(&self, p: &CpuStorage, of_p: &Layout, qkv: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (tokens, all) = layout.shape().dims2()?;
        let (qkv, shares, heads) = (of_storage(qkv, layout)?, of_storage(p, of_p)?, self.0.heads);
        let hidden = all / 3;
        let width = hidden / heads;
        let spans = &self.0.spans;
        let shares = spans.share(shares, |s| heads * s.len() * s.len());
        let mut out = vec![0f32; tokens * hidden];
        let arch = Arch::new();
        spans.cut(&mut out, |s| s.len() * hidden).into_par_iter().zip(shares).for_each(|((span, out), shares)| {
            let count = span.len();
            let tokens = qkv.get(span.start * all..span.end * all).unwrap_or_default();
            arch.dispatch(|| {
                for (row, shares) in shares.chunks_exact(count).enumerate() {
                    let at = row % count * hidden + row / count * width;
                    let out = out.get_mut(at..at + width).unwrap_or_default();
                    for (share, token) in shares.iter().zip(tokens.chunks_exact(all)) {
                        add_times(out, *share, part(token, 2, hidden, row / count, width));
                    }
                }
            });
        });
        Ok((CpuStorage::F32(out), (tokens, hidden).into()))
    }

    fn bwd(&self, p: &Tensor, qkv: &Tensor, _: &Tensor, grad: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        let (of_qkv, of_p, of_grad) = (floats(qkv)?, floats(p)?, floats(&grad)?);
        let (_, all) = qkv.dims2()?;
        let (values, heads, hidden) = (of_qkv.get()?, self.0.heads, all / 3);
        let width = hidden / heads;
        let spans = &self.0.spans;
        let shares = spans.share(of_p.get()?, |s| heads * s.len() * s.len());
        let grads = spans.share(of_grad.get()?, |s| s.len() * hidden);
        let mut to_shares = vec![0f32; p.elem_count()];
        let mut to = vec![0f32; values.len()];
        let parts: Vec<_> = spans
            .cut(&mut to, |s| s.len() * all)
            .into_iter()
            .zip(spans.cut(&mut to_shares, |s| heads * s.len() * s.len()))
            .collect();
        let arch = Arch::new();
        parts.into_par_iter().zip(shares).zip(grads).for_each(|((((span, to), (_, to_shares)), shares), grads)| {
            let count = span.len();
            let tokens = values.get(span.start * all..span.end * all).unwrap_or_default();
            arch.dispatch(|| {
                let rows = shares.chunks_exact(count).zip(to_shares.chunks_exact_mut(count)).enumerate();
                for (row, (shares, to_shares)) in rows {
                    let (head, own) = (row / count, row % count);
                    let at = own * hidden + head * width;
                    let grad = grads.get(at..at + width).unwrap_or_default();
                    for (other, (share, to_share)) in shares.iter().zip(to_shares.iter_mut()).enumerate() {
                        let start = other * all + 2 * hidden + head * width;
                        *to_share = dot(grad, tokens.get(start..start + width).unwrap_or_default());
                        add_times(to.get_mut(start..start + width).unwrap_or_default(), *share, grad);
                    }
                }
            });
        });
        let to = Tensor::from_vec(to, qkv.shape(), qkv.device())?;
        Ok((Some(Tensor::from_vec(to_shares, p.shape(), p.device())?), Some(to)))
    }
}

/// How much of its attention each token gives to each of its text: for every text (heads, tokens, tokens), one after the other. `qkv` is
/// (tokens, 3 · hidden): query, key, value.
///
/// # Errors
/// For a tensor that is no contiguous matrix.
pub fn shares(qkv: &Tensor, spans: &Spans, heads: usize) -> Result<Tensor> {
    if !qkv.device().is_cpu() {
        return composed::shares(qkv, spans, heads);
    }
    qkv.apply_op1(Shares { spans: spans.clone(), heads })
}

/// The values of `qkv`, mixed by [`shares`]: (tokens, hidden).
///
/// # Errors
/// As [`shares`].
pub fn mix(shares: &Tensor, qkv: &Tensor, spans: &Spans, heads: usize) -> Result<Tensor> {
    if !qkv.device().is_cpu() {
        return composed::mix(shares, qkv, spans, heads);
    }
    shares.apply_op2(qkv, Mix(Shares { spans: spans.clone(), heads }))
}
