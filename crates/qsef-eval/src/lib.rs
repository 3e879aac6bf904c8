//! Metrics and benchmark harness behind `qsef eval`.

mod jsonl;
pub mod plan;
mod profiles;
pub mod readability;
pub mod route;

pub use jsonl::read_jsonl;
pub use profiles::read_profiles;
