//! The reasoning steps that a text's words suggest.

use super::{
    markers::{COMPARISON, CONNECTIVE, NUMBER},
    reading::Reading,
};

pub(super) struct Steps {
    pub connectives: usize,
    pub comparisons: usize,
    pub numbers: usize,
}

impl Steps {
    pub(super) fn new(reading: &Reading) -> Self {
        Self {
            connectives: reading.count(CONNECTIVE),
            comparisons: reading.count(COMPARISON) + reading.marks.percents,
            numbers: reading.count(NUMBER) + reading.marks.chinese_numbers,
        }
    }
}
