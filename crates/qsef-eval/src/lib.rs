//! Metrics and benchmark harness behind `qsef eval`.

pub mod adapt;
mod jsonl;
pub mod plan;

pub use jsonl::read_jsonl;
