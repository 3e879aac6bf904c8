//! The QSEF score: how likely an expert is to do a task well (paper, sections 6.1, 6.2 and 6.4).
//!
//! `TE = exp(−(k1·D + k2·R))`: semantic distance `D` between the task and the expert's profile, and cultural
//! resistance `R` of the task for that expert. Everything here is pure, synchronous and deterministic: the caller
//! brings the vectors.
//!
//! ```
//! use qsef_core::ExpertProfile;
//! use qsef_score::{Scorer, Task, Weights, anchor_texts};
//!
//! // Any function from text to a vector; an application uses an embedder.
//! let embed = |text: &str| vec![text.contains("mile") as u8 as f32, 1.0];
//! let mut scorer = Scorer::new(Weights::default());
//! for profile in [ExpertProfile::new("units", "Converts miles"), ExpertProfile::new("poems", "Writes poems")] {
//!     let vectors = anchor_texts(&profile).iter().map(|t| embed(t)).collect();
//!     scorer.add(&profile, vectors);
//! }
//! let task = Task::new("convert 3 km to miles");
//! let vectors: Vec<_> = task.texts().iter().map(|t| embed(t)).collect();
//! let scores = scorer.score(&task, &vectors);
//! assert_eq!(scores[0].expert, "units");
//! ```

pub mod adapt;
pub mod choose;
pub mod complexity;
pub mod distance;
mod fit;
mod guidance;
mod history;
mod index;
mod lexical;
mod matrix;
mod score;
mod scorer;
mod task;
mod terms;
pub mod text;

pub use distance::{Metric, cosine};
pub use fit::{Example, LearnOptions, Learned, Remembered, brier, ece};
pub use guidance::{Resisting, SamplingOptions, Simplification, resisting, simplification};
pub use history::{Outcome, Promises};
pub use score::{Score, Share, transmission_efficiency};
pub use scorer::{Ranked, Scorer};
pub use task::{Task, anchor_texts};
pub use terms::{Part, Term, Values, Weights};
