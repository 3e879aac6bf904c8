use candle_core::{Result, Tensor};

use super::align::cosine;

/// The semantic distance of each row to the teacher's, `(1 − cosine)/2` in [0, 1] (the paper's `D_embedding`): (rows). The teacher's get
/// no gradient.
///
/// # Errors
/// For other shapes than (rows, width) both.
pub fn semantic_distance(student: &Tensor, teacher: &Tensor) -> Result<Tensor> {
    cosine(student, &teacher.detach())?.affine(-0.5, 0.5)
}

/// What of the semantic distance is above a threshold (the paper's `L_QSEF-SD`, section 4.3): a text that is near enough gets no
/// gradient.
///
/// # Errors
/// As [`semantic_distance`].
pub fn semantic_loss(student: &Tensor, teacher: &Tensor, threshold: f64) -> Result<Tensor> {
    (semantic_distance(student, teacher)? - threshold)?.relu()
}
