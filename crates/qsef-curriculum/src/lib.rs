//! Curricula for small models: a large model writes the same knowledge in tiers, and QSEF measures whether the simplification worked
//! (paper, sections 1.3, 3.2, 4.3.2 and 6.2): lower resistance, nothing essential lost.
//!
//! Each step stands by itself, so that an application can replace it: [`Reading`] makes items of sources, [`quality::Filter`] takes
//! out what is not worth the work, [`Generator::outcomes`] is a stream of items with their tiers, [`output::Collected`] keeps what
//! came of them on the disk, [`arrange`] puts rows in the order of training, [`output::write`] writes the folder. [`Job`] does all
//! of it.
//!
//! ```no_run
//! # async fn example(model: qsef_core::AnyModel, embedder: qsef_core::AnyEmbedder) -> qsef_core::Result<()> {
//! use futures::StreamExt;
//! use qsef_curriculum::{Cache, Generator, Reading, Settings};
//!
//! let settings = Settings::default();
//! let read = Reading { passage_words: settings.passage_words, licence: None }.path("texts.jsonl".as_ref())?;
//! let generator = Generator::new(settings, model, Cache::in_memory()?).embedder(embedder);
//! let mut outcomes = std::pin::pin!(generator.outcomes(read.items));
//! while let Some(outcome) = outcomes.next().await {
//!     for row in outcome?.rows {
//!         println!("{}: complexity {:.2}, TE {:.2}", row.id, row.complexity, row.te);
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! What a source or a model says is data: nothing here follows it.

/// A regular expression that is a constant of the program, compiled once.
macro_rules! regex {
    ($pattern:expr) => {{
        static PATTERN: std::sync::LazyLock<regex::Regex> = std::sync::LazyLock::new(|| {
            #[allow(clippy::expect_used, reason = "a constant pattern that the tests compile")]
            let compiled = regex::Regex::new($pattern).expect("a valid pattern");
            compiled
        });
        &*PATTERN
    }};
}

pub mod facts;
mod item;
mod measure;
pub mod output;
mod pipeline;
mod prompts;
pub mod quality;
mod requests;
mod sentences;
mod settings;
mod source;
mod tiers;

pub use item::{Item, Kind, Language, Origin, Pair, Rejected, Row, Step, TeacherRow, Turn};
pub use pipeline::{Done, Estimate, Generator, Input, Job, Prepared, Progress, StudentProgress, arrange};
pub use prompts::hashes as prompt_hashes;
pub use requests::Cache;
pub use settings::{Settings, Student, Tier, default_tiers};
pub use source::{Read, Reading};
pub use tiers::Outcome;
