//! Metrics and benchmark harness behind `qsef eval` and `qsef bench`.

pub mod adapt;
mod embed;
pub mod intent;
mod jsonl;
pub mod metrics;
pub mod plan;
mod profiles;
pub mod readability;
pub mod route;
pub mod speed;

pub use jsonl::read_jsonl;
pub use profiles::read_profiles;
