//! Metrics and benchmark harness behind `qsef eval`.

mod jsonl;
pub mod plan;
pub mod readability;

pub use jsonl::read_jsonl;
