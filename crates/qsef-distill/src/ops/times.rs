use candle_core::{CpuStorage, CustomOp1, Device, Layout, Result, Shape, Tensor};

use super::of_storage;

struct Times(Tensor);

impl CustomOp1 for Times {
    fn name(&self) -> &'static str {
        "times"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = Tensor::from_slice(of_storage(x, layout)?, layout.shape(), &Device::Cpu)?;
        let product = x.matmul(&self.0)?;
        Ok((CpuStorage::F32(product.flatten_all()?.to_vec1()?), product.shape().clone()))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(grad.contiguous()?.matmul(&self.0.t()?)?))
    }
}

/// `x · matrix` of a matrix that is not trained: candle's own product would compute its gradient all the same. (rows, inputs) and
/// (inputs, outputs) make (rows, outputs).
///
/// # Errors
/// For other shapes than these.
pub fn times(x: &Tensor, matrix: &Tensor) -> Result<Tensor> {
    if !x.device().is_cpu() {
        return x.contiguous()?.matmul(matrix);
    }
    x.contiguous()?.apply_op1(Times(matrix.detach()))
}
