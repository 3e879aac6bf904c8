//! Metrics of the paper's section 7.3. Each agrees with a reference implementation on the inputs in `tests/data/metrics.json`, which
//! `tests/data/metrics.py` writes.

mod alike;
mod calibration;
mod classes;

pub use alike::linear_cka;
pub use calibration::{brier, expected_calibration_error};
pub use classes::{Binary, accuracy, binary, macro_f1};
