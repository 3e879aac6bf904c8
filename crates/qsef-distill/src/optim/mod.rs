//! How variables follow their gradients.

mod adamw;
mod schedule;

pub use adamw::{AdamW, AdamWSettings};
pub use schedule::{Decay, Schedule};
