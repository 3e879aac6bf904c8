use candle_core::{
    CpuStorage, DType, Device, Module, Result, Storage, Tensor, bail,
    quantized::{GgmlDType, QMatMul, QTensor},
};
use qsef_decode::Kernels;

use super::blocks::Blocks;

/// More rows than these are faster one matrix after the other where the processor has AMX.
const FEW: usize = 16;

/// A quantised matrix with an optional bias: `x [rows, inputs]` to `[rows, outputs]`.
pub(super) struct Linear {
    weight: QMatMul,
    pub bias: Option<Vec<f32>>,
}

impl Linear {
    pub fn new(weight: QTensor, bias: Option<Vec<f32>>) -> Result<Self> {
        Ok(Self { weight: QMatMul::from_qtensor(weight)?, bias })
    }

    /// The product, without the bias. `x` may have fewer columns than the weight, whose others are zero.
    pub fn forward(&self, x: &Tensor, kernels: Kernels) -> Result<Tensor> {
        let x = &self.widened(x)?;
        let rows = x.dim(0)?;
        match kernels {
            Kernels::One if rows > 1 && self.is_uneven() => {
                let each =
                    (0..rows).map(|row| self.weight.forward(&x.narrow(0, row, 1)?)).collect::<Result<Vec<_>>>()?;
                Tensor::cat(&each, 0)
            }
            Kernels::Several if rows == 1 && self.is_uneven() => {
                self.weight.forward(&x.pad_with_zeros(0, 0, 1)?)?.narrow(0, 0, 1)?.contiguous()
            }
            _ => self.weight.forward(x),
        }
    }

    /// The products of the same rows with several matrices: those of the first one's type in one go where candle can do that.
    pub fn forward_all<const N: usize>(maps: [&Self; N], x: &Tensor, kernels: Kernels) -> Result<[Tensor; N]> {
        let rows = x.dim(0)?;
        let mut fused = Vec::new().into_iter();
        let first = maps.first().and_then(|m| m.quantized());
        let alike = |map: &Self| match (map.quantized(), first) {
            (Some(weight), Some(first)) => weight.dtype() == first.dtype() && rows <= FEW && !map.is_uneven(),
            _ => false,
        };
        if let Some(first) = maps.first().filter(|m| alike(m)) {
            let weights: Vec<&QTensor> = maps.iter().filter(|m| alike(m)).filter_map(|m| m.quantized()).collect();
            fused = QTensor::gemv_fused_shared_lhs(&weights, &first.widened(x)?)?.unwrap_or_default().into_iter();
        }
        let mut results = Vec::with_capacity(N);
        for map in maps {
            let ready = if alike(map) { fused.next() } else { None };
            results.push(match ready {
                Some(result) => result,
                None => map.forward(x, kernels)?,
            });
        }
        results.try_into().map_err(|_| candle_core::Error::Msg("as many products as matrices".into()))
    }

    fn widened(&self, x: &Tensor) -> Result<Tensor> {
        match &self.weight {
            QMatMul::QTensor(weight) if weight.shape().dims2()?.1 > x.dim(1)? => {
                x.pad_with_zeros(1, 0, weight.shape().dims2()?.1 - x.dim(1)?)
            }
            _ => Ok(x.clone()),
        }
    }

    fn quantized(&self) -> Option<&QTensor> {
        match &self.weight {
            QMatMul::QTensor(weight) => Some(weight),
            _ => None,
        }
    }

    /// Whether candle multiplies one row by other kernels than several.
    fn is_uneven(&self) -> bool {
        cfg!(target_arch = "x86_64") && self.quantized().is_some_and(|w| w.dtype() == GgmlDType::Q6K)
    }

    /// Makes candle build the tiled copy of the weight that its matrix kernels use, by multiplying zeros, and lets go of
    /// the blocks that it does not read after that.
    pub fn pack(&self, blocks: Option<Blocks>) -> Result<()> {
        let (Some(weight), Some(blocks)) = (self.quantized(), blocks) else { return Ok(()) };
        if !matches!(weight.dtype(), GgmlDType::Q4K | GgmlDType::Q8_0 | GgmlDType::Q6K) {
            return Ok(());
        }
        let (_, inputs) = weight.shape().dims2()?;
        // One row and several take different ways.
        for rows in [1, 2] {
            self.weight.forward(&Tensor::zeros((rows, inputs), DType::F32, &Device::Cpu)?)?;
        }
        if !blocks.are_read() {
            blocks.release();
        }
        Ok(())
    }
}

/// What `read` makes of a tensor's numbers, where they lie.
pub(super) fn read<R>(tensor: &Tensor, read: impl FnOnce(&[f32]) -> R) -> Result<R> {
    let (storage, layout) = tensor.storage_and_layout();
    let (Storage::Cpu(CpuStorage::F32(numbers)), Some((start, end))) = (&*storage, layout.contiguous_offsets()) else {
        bail!("a product is not a row of numbers")
    };
    Ok(read(numbers.get(start..end).unwrap_or_default()))
}
