//! The reasoning steps that a text's words suggest.

use super::{
    markers::{COMPARISON, CONNECTIVE, NUMBER},
    reading::Reading,
};

pub(super) struct Steps {
    pub connectives: usize,
    pub comparisons: usize,
    pub numbers: usize,
    /// `lg(1 + x)` of the largest number in digits.
    pub largest_number: f64,
}

impl Steps {
    pub(super) fn new(reading: &Reading) -> Self {
        Self {
            connectives: reading.count(CONNECTIVE),
            comparisons: reading.count(COMPARISON) + reading.marks.percents,
            numbers: reading.count(NUMBER) + reading.marks.chinese_numbers,
            largest_number: reading.kinds.iter().map(|k| (1.0 + k.value).log10()).fold(0.0, f64::max),
        }
    }
}
