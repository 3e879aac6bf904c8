use candle_core::{Result, Tensor};

/// The task's loss of each text, weighted by its cultural resistance (the paper's `L_CulturalResistance`, section 6.3) in units of the
/// mean resistance, so that it is as large as the task's loss whatever the resistances' scale: (texts) both.
///
/// # Errors
/// For other shapes than these.
pub fn resistance_loss(task: &Tensor, resistance: &Tensor, mean_resistance: f64) -> Result<Tensor> {
    (task * resistance.detach())? / mean_resistance.max(1e-9)
}
