//! The system's own answers, fed back: what they tell goes into the graph, marked as what it is.

use qsef_core::Result;

use crate::{AddOptions, Added, KnowledgeBase};

/// What the names of the system's own answers begin with.
pub(crate) const ANSWER: &str = "answer:";

impl KnowledgeBase {
    /// Adds an answer of the system under a name of its own, such as a trace's id. It is found by a search and tells the graph
    /// of concepts and relations, with half the confidence of a document; a librarian does not cite it. Removing
    /// `answer:NAME` takes it out.
    ///
    /// # Errors
    /// As [`KnowledgeBase::add_text`].
    pub async fn add_answer(&self, name: &str, request: &str, answer: &str, options: &AddOptions) -> Result<Added> {
        let request = request.split_whitespace().collect::<Vec<_>>().join(" ");
        self.add_text_of(&format!("{ANSWER}{name}"), &format!("{request}\n\n{answer}\n"), options, 0.5).await
    }
}
