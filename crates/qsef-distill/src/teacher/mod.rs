//! Who a student learns from.

mod kept;
mod language_model;
mod stored;
mod targets;

pub use language_model::of_model;
pub use stored::{read_logits, write_logits};
pub use targets::{Inner, Keep, Knowledge, mean_of, same_tokens, same_words};
