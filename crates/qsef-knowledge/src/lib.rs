//! Knowledge base and semantic graph (paper, section 4.6): documents in chunks, found by words and by meaning, and the
//! concepts and typed relations that they tell of. All of it is one SQLite file that several processes share.
//!
//! Calls block unless they are `async`; in async code, make the others on a thread that may
//! (`tokio::task::spawn_blocking`). What a document says is data: nothing here follows it.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> qsef_core::Result<()> {
//! use qsef_knowledge::{AddOptions, KnowledgeBase};
//!
//! let base = KnowledgeBase::in_memory()?; // `open` for a file
//! let text = "# Pets\n\nA ferret is a mammal. Ferrets sleep 14 hours a day.\n";
//! base.add_text("pets", text, &AddOptions::default()).await?; // `add` for files and directories
//! let hits = base.find("How long do ferrets sleep?", 3, None).await?; // an embedder finds by meaning, too
//! assert_eq!(hits[0].citation(), "pets:3");
//! let graph = base.graph()?;
//! let ferret = graph.find("the ferrets").expect("a concept");
//! assert_eq!(graph.neighbours(ferret.id)[0].relation, "is_a");
//! # Ok(())
//! # }
//! ```

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

mod add;
mod answers;
mod base;
mod chunk;
mod documents;
mod embeddings;
mod exchange;
mod extract;
mod facts;
mod graph;
mod librarian;
mod merge;
mod passages;
mod place;
mod prompts;
mod remove;
mod schema;
mod search;
mod walk;
mod write;

pub use add::{AddOptions, Added, Left, Progress};
pub use base::{DocumentInfo, KnowledgeBase, Stats};
pub use chunk::Chunk;
pub use documents::{DocumentKind, MAX_BYTES, Parsed};
pub use embeddings::{Embeddings, Geometry, Learnt, RankReport, TrainOptions, Triple};
pub use exchange::{Imported, TripleFormat};
pub use extract::{ExtractOptions, Extracted};
pub use facts::Fact;
pub use graph::{Ancestor, Concept, ConceptInfo, Graph, Neighbour, Neighbourhood, Step};
pub use librarian::{Answer, Citation, Librarian, LibrarianOptions};
pub use merge::Merged;
pub use passages::{Passage, read_passages};
pub use place::Place;
pub use remove::Removed;
pub use search::{Hit, Mode, SearchOptions};
