//! Distance in a knowledge graph (paper, section 6.1.2).

use serde::{Deserialize, Serialize};

use super::weighted_mean;

/// A concept's number in its graph.
pub type Concept = u32;

/// What the score asks of a semantic graph. Implement it for a knowledge base; every answer may be missing.
pub trait SemanticGraph: Send + Sync {
    /// The concepts that a text names.
    fn concepts(&self, text: &str) -> Vec<Concept>;

    /// Edges on the shortest path between two concepts; `None` where there is no path.
    fn path_length(&self, a: Concept, b: Concept) -> Option<u32>;

    /// Depths, from the root of the hierarchy, of the lowest common ancestor and of the two concepts; `None` where they have
    /// none.
    fn ancestor_depths(&self, a: Concept, b: Concept) -> Option<(u32, u32, u32)>;

    /// The distance of the concepts' graph embeddings (TransE, RotatE), in [0, 1]; `None` where they have none.
    fn embedding_distance(&self, a: Concept, b: Concept) -> Option<f64>;
}

/// How the parts of the graph distance are weighed; a missing part leaves its weight to the others.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GraphWeights {
    /// Shortest path of `n` edges: `n / (n + 1)`.
    pub path: f64,
    /// Lowest common ancestor: `1 − 2·depth(lca) / (depth(a) + depth(b))` (Wu and Palmer).
    pub ancestor: f64,
    /// Distance of the graph embeddings.
    pub embedding: f64,
}

impl Default for GraphWeights {
    fn default() -> Self {
        Self { path: 1.0, ancestor: 1.0, embedding: 1.0 }
    }
}

impl GraphWeights {
    /// The distance of two concepts, in [0, 1]; 1 where the graph knows nothing of the pair.
    fn distance(&self, graph: &dyn SemanticGraph, a: Concept, b: Concept) -> f64 {
        if a == b {
            return 0.0;
        }
        let path = graph.path_length(a, b).map(|n| f64::from(n) / (f64::from(n) + 1.0));
        let ancestor = graph.ancestor_depths(a, b).map(|(common, a, b)| {
            let both = f64::from(a) + f64::from(b);
            if both > 0.0 { 1.0 - 2.0 * f64::from(common) / both } else { 0.0 }
        });
        let parts = [(path, self.path), (ancestor, self.ancestor), (graph.embedding_distance(a, b), self.embedding)];
        weighted_mean(&parts).unwrap_or(1.0)
    }
}

/// `D_graph`, in [0, 1]: how far the task's concepts are from the nearest of the expert's, on average. `None` where one
/// side names no concept: then the graph has nothing to say.
pub fn graph_distance(
    graph: &dyn SemanticGraph,
    weights: &GraphWeights,
    task: &[Concept],
    expert: &[Concept],
) -> Option<f64> {
    if task.is_empty() || expert.is_empty() {
        return None;
    }
    let nearest = |&a: &Concept| expert.iter().map(|&b| weights.distance(graph, a, b)).fold(1.0, f64::min);
    Some(task.iter().map(nearest).sum::<f64>() / task.len() as f64)
}

/// The share, in [0, 1], of the task's concepts that the expert names as well (paper, section 6.2.3); `None` as for
/// [`graph_distance`].
pub fn graph_coverage(task: &[Concept], expert: &[Concept]) -> Option<f64> {
    let known = task.iter().filter(|c| expert.contains(c)).count();
    (!task.is_empty() && !expert.is_empty()).then(|| known as f64 / task.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hierarchy: 0 animal, 1 mammal, 2 bird, 3 cat, 4 dog, 5 owl; 6 stands alone.
    struct Tree;

    const PARENT: [Option<Concept>; 7] = [None, Some(0), Some(0), Some(1), Some(1), Some(2), None];

    fn line(mut c: Concept) -> Vec<Concept> {
        let mut line = vec![c];
        while let Some(parent) = PARENT[c as usize] {
            line.push(parent);
            c = parent;
        }
        line
    }

    impl SemanticGraph for Tree {
        fn concepts(&self, text: &str) -> Vec<Concept> {
            let names = ["animal", "mammal", "bird", "cat", "dog", "owl", "alone"];
            (0..).zip(names).filter(|(_, n)| text.contains(n)).map(|(i, _)| i).collect()
        }
        fn path_length(&self, a: Concept, b: Concept) -> Option<u32> {
            let (a, b) = (line(a), line(b));
            let (i, c) = a.iter().enumerate().find(|(_, c)| b.contains(c))?;
            Some((i + b.iter().position(|x| x == c)?) as u32)
        }
        fn ancestor_depths(&self, a: Concept, b: Concept) -> Option<(u32, u32, u32)> {
            let depth = |c| line(c).len() as u32;
            let common = line(a).into_iter().find(|c| line(b).contains(c))?;
            Some((depth(common), depth(a), depth(b)))
        }
        fn embedding_distance(&self, _: Concept, _: Concept) -> Option<f64> {
            None
        }
    }

    #[test]
    fn nearer_concepts_are_nearer() {
        let d =
            |a: &str, b: &str| graph_distance(&Tree, &GraphWeights::default(), &Tree.concepts(a), &Tree.concepts(b));
        assert_eq!(d("cat", "a cat"), Some(0.0));
        assert!(d("cat", "dog") < d("cat", "owl") && d("cat", "owl") < d("cat", "alone"));
        assert_eq!(d("cat", "alone"), Some(1.0));
        assert_eq!((d("cat", "nothing"), d("", "cat")), (None, None));
        assert_eq!(graph_coverage(&Tree.concepts("cat and owl"), &Tree.concepts("owl")), Some(0.5));
        assert_eq!(graph_coverage(&[], &[1]), None);
    }
}
