use qsef_core::Result;
use serde::Serialize;

use crate::{
    KnowledgeBase, Place,
    graph::{Concept, Graph},
};

/// A relation, and one place that says so.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fact {
    /// The name at its beginning, as the base has it.
    pub subject: String,
    /// What relates them.
    pub relation: String,
    /// The name at its end.
    pub object: String,
    /// File and place.
    pub citation: String,
    /// How it was found: `rules`, `import`, or a model's name.
    pub method: String,
    /// How sure it is, in [0, 1].
    pub confidence: f64,
    /// When it was found, in ms since 1970.
    pub at_ms: i64,
}

impl KnowledgeBase {
    /// What says how a concept is related to others, the surest first.
    ///
    /// # Errors
    /// [`qsef_core::Error::Io`] where the file cannot be read.
    pub fn facts(&self, graph: &Graph, concept: Concept) -> Result<Vec<Fact>> {
        let names = graph.names(concept);
        self.read(|connection| {
            let mut statement = connection.prepare(
                "SELECT s.name, r.kind, o.name, e.method, e.confidence, e.at_ms, c.first, c.last, c.is_page,
                        (SELECT min(path) FROM sources WHERE document = e.document)
                 FROM names n JOIN relations r ON n.concept IN (r.subject, r.object)
                 JOIN concepts s ON s.id = r.subject JOIN concepts o ON o.id = r.object
                 JOIN evidence e ON e.relation = r.id LEFT JOIN chunks c ON c.id = e.chunk
                 WHERE n.key = ?1 ORDER BY e.id",
            )?;
            let mut facts = Vec::new();
            for name in names {
                let mut rows = statement.query([name])?;
                while let Some(row) = rows.next()? {
                    let place: Option<(u32, u32, bool)> = match row.get(6)? {
                        Some(first) => Some((first, row.get(7)?, row.get(8)?)),
                        None => None,
                    };
                    let place = place.map(|(first, last, is_page)| Place::of_columns(first, last, is_page).to_string());
                    let source: Option<String> = row.get(9)?;
                    facts.push(Fact {
                        subject: row.get(0)?,
                        relation: row.get(1)?,
                        object: row.get(2)?,
                        citation: source.unwrap_or_default() + &place.unwrap_or_default(),
                        method: row.get(3)?,
                        confidence: row.get(4)?,
                        at_ms: row.get(5)?,
                    });
                }
            }
            facts.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
            // Two names of one concept may stand at both ends.
            facts.dedup();
            Ok(facts)
        })
    }
}
