//! Operations of an encoder over packed texts, with gradients. The tokens of all texts of a batch stand in one matrix, (tokens, hidden),
//! one text's after the other's: nothing is padded, so nothing is masked, and texts of any length share a batch.
//!
//! Candle's fused operations have no gradient, and those it is composed of copy at every step; these have both passes over slices. On other
//! devices than the processor they are composed of candle's.

mod attention;
mod bias;
mod composed;
mod dropout;
mod heads;
mod norm;
mod pool;
mod rows;
mod spans;
mod times;

pub use attention::{mix, shares};
pub use bias::{add_bias, add_bias_gelu};
pub use dropout::dropout;
pub use heads::mean_of_heads;
pub use norm::norm_of_sum;
pub use pool::mean_of_texts;
pub use rows::rows;
pub use spans::Spans;
pub use times::times;

use std::ops::{Deref, Range};

use candle_core::{CpuStorage, Layout, Result, Storage, Tensor, bail};

/// Rows that one thread works on at a time. Sums over rows are made of these parts in their order, so they do not depend on the threads.
const PART: usize = 64;

/// The numbers of a contiguous tensor in the processor's memory.
fn of_storage<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let Some((start, end)) = layout.contiguous_offsets() else { bail!("a contiguous tensor is needed") };
    Ok(storage.as_slice::<f32>()?.get(start..end).unwrap_or_default())
}

/// The numbers of a tensor, for reading.
struct Floats<S> {
    storage: S,
    range: Range<usize>,
}

fn floats(tensor: &Tensor) -> Result<Floats<impl Deref<Target = Storage> + '_>> {
    let (storage, layout) = tensor.storage_and_layout();
    let Some((start, end)) = layout.contiguous_offsets() else { bail!("a contiguous tensor is needed") };
    Ok(Floats { storage, range: start..end })
}

impl<S: Deref<Target = Storage>> Floats<S> {
    fn get(&self) -> Result<&[f32]> {
        match &*self.storage {
            Storage::Cpu(storage) => Ok(storage.as_slice::<f32>()?.get(self.range.clone()).unwrap_or_default()),
            _ => bail!("training runs on the processor"),
        }
    }
}

/// Adds numbers to others in place.
fn add_to(to: &mut [f32], from: &[f32]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
}

/// The sum of vectors of one length.
fn total(parts: Vec<Vec<f32>>, width: usize) -> Vec<f32> {
    parts.into_iter().fold(vec![0.0; width], |mut sum, part| {
        add_to(&mut sum, &part);
        sum
    })
}

#[cfg(test)]
mod tests;
