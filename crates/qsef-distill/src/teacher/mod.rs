//! Who a student learns from.

mod answers;
mod kept;
mod language_model;
mod stored;
mod targets;

pub(crate) use answers::Answers;
pub use language_model::of_model;
pub(crate) use language_model::{calibrate, instruction};
pub use stored::{read_logits, write_logits};
pub use targets::{Inner, Keep, Knowledge, mean_of, same_tokens, same_words};
