use candle_core::{D, Result, Tensor, Var};
use serde::{Deserialize, Serialize};

use crate::{
    model::Params,
    ops::{Spans, mean_of_texts},
    random::rng,
};

/// How vectors are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Measure {
    /// The mean squared difference, in units of the teacher's mean square.
    Mse,
    /// One minus the cosine.
    #[default]
    Cosine,
}

/// A learned map from the student's vectors to the teacher's space. It serves training only and is not part of the student.
pub struct Projection(Var);

impl Projection {
    /// From `student` numbers to `teacher` numbers. It begins as a random map that keeps lengths on average.
    ///
    /// # Errors
    /// Candle's own.
    pub fn new(name: &str, student: usize, teacher: usize, seed: u64, params: &mut Params) -> Result<Self> {
        let deviation = 1.0 / (student as f64).sqrt();
        let mut rng = rng(seed, name, 0);
        let values: Vec<f32> =
            (0..student * teacher).map(|_| (crate::random::normal(&mut rng) * deviation) as f32).collect();
        let start = Tensor::from_vec(values, (student, teacher), &candle_core::Device::Cpu)?;
        Ok(Self(params.add(name, &start)?))
    }

    /// (rows, student) to (rows, teacher).
    ///
    /// # Errors
    /// For another width.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.matmul(&self.0)
    }
}

/// The cosine of each row of one with that of the other.
pub(super) fn cosine(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let square = |x: &Tensor| x.sqr()?.sum(D::Minus1);
    let lengths = ((square(a)? * square(b)?)? + 1e-12)?.sqrt()?;
    (a * b)?.sum(D::Minus1)? / lengths
}

/// The difference of each row, (rows, width) both, or the mean over each text's rows where `spans` is given: (texts). The teacher's get no
/// gradient.
///
/// # Errors
/// For other shapes than these.
pub fn align(student: &Tensor, teacher: &Tensor, measure: Measure, spans: Option<&Spans>) -> Result<Tensor> {
    let teacher = teacher.detach();
    let rows = match measure {
        Measure::Cosine => cosine(student, &teacher)?.affine(-1.0, 1.0)?,
        Measure::Mse => {
            let level = f64::from(teacher.sqr()?.mean_all()?.to_scalar::<f32>()?).max(1e-12);
            ((student - teacher)?.sqr()?.mean(D::Minus1)? / level)?
        }
    };
    match spans {
        Some(spans) => mean_of_texts(&rows.unsqueeze(1)?, spans)?.squeeze(1),
        None => Ok(rows),
    }
}
