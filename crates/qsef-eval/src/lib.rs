//! Metrics and benchmark harness behind `qsef eval`.

mod jsonl;
pub mod plan;

pub use jsonl::read_jsonl;
