use candle_core::{CpuStorage, CustomOp1, DType, Device, Layout, Result, Shape, Tensor};
use pulp::Arch;
use rayon::prelude::*;

use super::of_storage;

/// Numbers that one thread works on at a time.
const SIZE: usize = 1 << 14;

/// Which numbers stay is a function of the seed and their places, so that both passes agree without a mask in memory.
#[derive(Clone, Copy)]
struct Dropout {
    seed: u32,
    /// Of 2³² numbers, how many go.
    below: u32,
    scale: f32,
}

/// A hash of 32 bits (`lowbias32` of Wellons' search for integer hashes).
#[inline(always)]
fn mixed(x: u32) -> u32 {
    let x = (x ^ (x >> 16)).wrapping_mul(0x7feb_352d);
    let x = (x ^ (x >> 15)).wrapping_mul(0x846c_a68b);
    x ^ (x >> 16)
}

impl CustomOp1 for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = of_storage(x, layout)?;
        let mut out = vec![0f32; x.len()];
        let arch = Arch::new();
        out.par_chunks_mut(SIZE).zip(x.par_chunks(SIZE)).enumerate().for_each(|(part, (out, x))| {
            let first = (part * SIZE) as u32;
            arch.dispatch(|| {
                for ((place, out), x) in (first..).zip(out.iter_mut()).zip(x) {
                    *out = if mixed(place ^ self.seed) < self.below { 0.0 } else { x * self.scale };
                }
            });
        });
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(grad.contiguous()?.apply_op1_no_bwd(self)?))
    }
}

/// Sets a share of the numbers to 0 and scales the others so that the mean stays. `seed` and place decide which; `share` is in [0, 1).
///
/// # Errors
/// For a tensor that is not contiguous.
pub fn dropout(x: &Tensor, share: f32, seed: u64) -> Result<Tensor> {
    if share <= 0.0 {
        return Ok(x.clone());
    }
    let seed = mixed(seed as u32) ^ mixed((seed >> 32) as u32 ^ 0x9e37_79b9);
    let op = Dropout { seed, below: (f64::from(share) * 4_294_967_296.0) as u32, scale: 1.0 / (1.0 - share) };
    if !x.device().is_cpu() {
        // The same numbers stay there.
        let kept = Tensor::ones(x.shape(), DType::F32, &Device::Cpu)?.apply_op1_no_bwd(&op)?;
        return x * kept.to_device(x.device())?;
    }
    x.apply_op1(op)
}
