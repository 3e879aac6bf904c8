use candle_core::{D, Result, Tensor};
use serde::{Deserialize, Serialize};

/// How a student's soft predictions are compared with a teacher's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Divergence {
    /// `KL(teacher ‖ student)`: the student covers what the teacher thinks possible (the paper's `L_KD`, section 6.3).
    #[default]
    Forward,
    /// `KL(student ‖ teacher)`: the student avoids what the teacher thinks impossible.
    Reverse,
    /// Jensen and Shannon's: the mean of both from their middle.
    Jsd,
}

/// The logarithm of each row's softmax.
///
/// # Errors
/// Candle's own.
pub fn log_softmax(logits: &Tensor) -> Result<Tensor> {
    let shifted = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?.detach())?;
    shifted.broadcast_sub(&shifted.exp()?.sum_keepdim(D::Minus1)?.log()?)
}

/// The divergence of the softened predictions of each row, times T², which keeps the gradient's size whatever the temperature (Hinton et
/// al., 2015). Both are logits, (texts, classes); the teacher's get no gradient.
///
/// # Errors
/// For other shapes than these.
pub fn divergence(student: &Tensor, teacher: &Tensor, temperature: f64, kind: Divergence) -> Result<Tensor> {
    let student = log_softmax(&(student / temperature)?)?;
    let teacher = log_softmax(&(teacher.detach() / temperature)?)?;
    let of = |from: &Tensor, to: &Tensor| from.exp()?.mul(&(from - to)?)?.sum(D::Minus1);
    let rows = match kind {
        Divergence::Forward => of(&teacher, &student)?,
        Divergence::Reverse => of(&student, &teacher)?,
        Divergence::Jsd => {
            // From the larger one on: at low temperatures both may be too small for a number.
            let larger = student.maximum(&teacher)?.detach();
            let above = ((&student - &larger)?.exp()? + (&teacher - &larger)?.exp()?)?;
            let middle = ((above * 0.5)?.log()? + larger)?;
            ((of(&student, &middle)? + of(&teacher, &middle)?)? * 0.5)?
        }
    };
    rows * (temperature * temperature)
}
