//! Metrics of the paper's section 7.3. Each agrees with a reference implementation on the inputs in `tests/data/metrics.json`, which
//! `tests/data/metrics.py` writes.

mod alike;
mod calibration;
mod classes;
mod experts;
mod paired;
mod ranks;
mod spans;
mod texts;

pub use alike::linear_cka;
pub use calibration::{brier, expected_calibration_error};
pub use classes::{Binary, accuracy, binary, macro_f1};
pub use experts::{pareto, specialisation};
pub use paired::{PairedTest, paired};
pub use ranks::{Spearman, spearman};
pub use spans::{LabelledSpan, SpanScores, span_scores};
pub use texts::{Overlap, bleu, rouge_l, rouge_n};
