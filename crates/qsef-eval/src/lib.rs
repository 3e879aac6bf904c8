//! Metrics and benchmark harness behind `qsef eval`.

pub mod adapt;
mod embed;
pub mod intent;
mod jsonl;
pub mod plan;
mod profiles;
pub mod readability;
pub mod route;

pub use jsonl::read_jsonl;
pub use profiles::read_profiles;
