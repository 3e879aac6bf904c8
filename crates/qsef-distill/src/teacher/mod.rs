//! Who a student learns from.

mod targets;

pub use targets::{Inner, Knowledge};
