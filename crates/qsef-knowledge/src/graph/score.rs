//! The graph as the score sees it.

use qsef_score::distance::SemanticGraph;

use super::{Concept, Graph};

/// How sure a relation has to be for what it relates to count: surer than the weakest rules of extraction. Concepts that were only
/// named together, or of which one sentence says in passing that they need something, are often words of every day, and would bring tasks
/// near to experts that share no more than these.
const SURE: f32 = 0.65;

/// Pairs that are looked at for the typical distance.
const PAIRS: usize = 2000;

impl Graph {
    /// The median distance of pairs of concepts in the graph embedding.
    pub(super) fn typical_distance(&self) -> f64 {
        let Some(geometry) = self.geometry else { return 1.0 };
        let mut ids: Vec<Concept> = self.positions.keys().copied().collect();
        ids.sort_unstable();
        // Pairs that stand far from each other in the file are taken as drawn by chance.
        let step = ids.len() / 2 + 1;
        let pairs = ids.iter().zip(ids.iter().cycle().skip(step)).take(PAIRS);
        let mut distances: Vec<f64> = pairs
            .filter_map(|(a, b)| Some(geometry.distance(self.positions.get(a)?, self.positions.get(b)?)))
            .collect();
        distances.sort_by(f64::total_cmp);
        distances.get(distances.len() / 2).copied().filter(|d| *d > 0.0).unwrap_or(1.0)
    }
}

impl SemanticGraph for Graph {
    /// Those of the concepts that a text names of which something sure is known.
    fn concepts(&self, text: &str) -> Vec<Concept> {
        let is_sure = |id: &Concept| self.neighbours(*id).first().is_some_and(|surest| surest.confidence >= SURE);
        self.named_in(text).into_iter().filter(is_sure).collect()
    }

    fn path_length(&self, a: Concept, b: Concept) -> Option<u32> {
        Graph::path_length(self, a, b)
    }

    fn ancestor_depths(&self, a: Concept, b: Concept) -> Option<(u32, u32, u32)> {
        let common = self.common_ancestor(a, b)?;
        // By the way over it, so that the three fit together where a concept has several above it.
        Some((common.depth, common.depth + common.from_a, common.depth + common.from_b))
    }

    /// In units of the typical distance of unrelated concepts.
    fn embedding_distance(&self, a: Concept, b: Concept) -> Option<f64> {
        let distance = self.geometry?.distance(self.positions.get(&a)?, self.positions.get(&b)?);
        Some((distance / self.far).clamp(0.0, 1.0))
    }
}
