use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};

use super::{add_to, composed, floats, of_storage};

struct Rows(Arc<[u32]>);

impl CustomOp1 for Rows {
    fn name(&self) -> &'static str {
        "rows"
    }

    fn cpu_fwd(&self, table: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (count, width) = layout.shape().dims2()?;
        let table = of_storage(table, layout)?;
        let mut out = Vec::with_capacity(self.0.len() * width);
        for id in self.0.iter().map(|id| *id as usize) {
            let Some(row) = table.get(id * width..(id + 1) * width) else { bail!("row {id} of a table of {count}") };
            out.extend_from_slice(row);
        }
        Ok((CpuStorage::F32(out), (self.0.len(), width).into()))
    }

    fn bwd(&self, table: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let grad = grad.contiguous()?;
        let (_, width) = table.dims2()?;
        let mut to = vec![0f32; table.elem_count()];
        for (id, grad) in self.0.iter().zip(floats(&grad)?.get()?.chunks_exact(width)) {
            let start = *id as usize * width;
            add_to(to.get_mut(start..start + width).unwrap_or_default(), grad);
        }
        Ok(Some(Tensor::from_vec(to, table.shape(), table.device())?))
    }
}

/// Rows of a table, (rows, width), by their numbers.
///
/// # Errors
/// For a row beyond the table.
pub fn rows(table: &Tensor, ids: Arc<[u32]>) -> Result<Tensor> {
    if !table.device().is_cpu() {
        return composed::rows(table, &ids);
    }
    table.apply_op1(Rows(ids))
}
