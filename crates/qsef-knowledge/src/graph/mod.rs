//! The semantic graph: concepts and typed relations, in memory as the file has them at one moment.

mod ancestors;
mod find;
mod load;
mod neighbourhood;
mod paths;
mod score;

use std::collections::HashMap;

use petgraph::{
    Direction,
    graph::{DiGraph, NodeIndex},
    visit::EdgeRef,
};
use serde::Serialize;

pub use ancestors::Ancestor;
pub use neighbourhood::Neighbourhood;
pub use paths::Step;

pub use qsef_score::distance::Concept;

/// A concept or an entity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConceptInfo {
    /// Its number in the base.
    pub id: Concept,
    /// Its name.
    pub name: String,
    /// What it is taken for: `concept` or `entity`.
    pub kind: String,
}

/// A relation as seen from one of its ends.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Neighbour {
    /// The other end.
    pub concept: Concept,
    /// What relates them, such as `is_a`.
    pub relation: String,
    /// Whether it leads from here to there.
    pub outward: bool,
    /// How sure it is, in [0, 1].
    pub confidence: f32,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Edge {
    pub kind: u16,
    pub confidence: f32,
}

/// A view of a base's semantic graph. It does not follow later changes of the base.
pub struct Graph {
    graph: DiGraph<ConceptInfo, Edge, u32>,
    nodes: HashMap<Concept, NodeIndex>,
    /// By normalised name.
    names: HashMap<String, NodeIndex>,
    /// Most words that a name has.
    longest: usize,
    /// The kinds of relations.
    kinds: Vec<String>,
    /// The concepts above each node in the hierarchy.
    above: Vec<Vec<NodeIndex>>,
    /// Steps from the hierarchy's root to each node, which counts 1; 0 for what is in no hierarchy.
    depths: Vec<u32>,
    positions: crate::embeddings::Places,
    /// By which model these were learnt.
    geometry: Option<crate::embeddings::Geometry>,
    /// The distance of concepts that have nothing to do with each other, typically.
    far: f64,
}

impl std::fmt::Debug for Graph {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (concepts, relations) = (self.graph.node_count(), self.graph.edge_count());
        f.debug_struct("Graph").field("concepts", &concepts).field("relations", &relations).finish()
    }
}

impl Graph {
    /// How many concepts it has.
    pub fn len(&self) -> usize {
        self.graph.node_count()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.graph.node_count() == 0
    }

    /// A concept by its number.
    pub fn concept(&self, id: Concept) -> Option<&ConceptInfo> {
        self.graph.node_weight(*self.nodes.get(&id)?)
    }

    /// All concepts.
    pub fn all(&self) -> impl Iterator<Item = &ConceptInfo> {
        self.graph.node_weights()
    }

    /// Other names that lead to a concept, in normalised form, in order.
    pub fn names(&self, id: Concept) -> Vec<&str> {
        let Some(node) = self.nodes.get(&id) else { return Vec::new() };
        let mut names: Vec<&str> =
            self.names.iter().filter(|(_, n)| *n == node).map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names
    }

    /// All relations: from, kind, to, confidence.
    pub fn relations(&self) -> impl Iterator<Item = (&ConceptInfo, &str, &ConceptInfo, f32)> {
        self.graph.edge_references().filter_map(|edge| {
            let (from, to) = (self.graph.node_weight(edge.source())?, self.graph.node_weight(edge.target())?);
            Some((from, self.kind(edge.weight()), to, edge.weight().confidence))
        })
    }

    /// What a concept is related to, the surest first.
    pub fn neighbours(&self, id: Concept) -> Vec<Neighbour> {
        let Some(node) = self.nodes.get(&id) else { return Vec::new() };
        let mut neighbours = Vec::new();
        for direction in [Direction::Outgoing, Direction::Incoming] {
            for edge in self.graph.edges_directed(*node, direction) {
                let outward = direction == Direction::Outgoing;
                let other = if outward { edge.target() } else { edge.source() };
                neighbours.push(Neighbour {
                    concept: self.id(other),
                    relation: self.kind(edge.weight()).to_owned(),
                    outward,
                    confidence: edge.weight().confidence,
                });
            }
        }
        neighbours.sort_by(|a, b| b.confidence.total_cmp(&a.confidence).then(a.concept.cmp(&b.concept)));
        neighbours
    }

    /// The sizes of the parts that hang together, largest first.
    pub fn components(&self) -> Vec<usize> {
        let mut sets = petgraph::unionfind::UnionFind::new(self.graph.node_count());
        for edge in self.graph.edge_references() {
            sets.union(edge.source().index(), edge.target().index());
        }
        let mut sizes: HashMap<usize, usize> = HashMap::new();
        for set in sets.into_labeling() {
            *sizes.entry(set).or_default() += 1;
        }
        let mut sizes: Vec<usize> = sizes.into_values().collect();
        sizes.sort_unstable_by(|a, b| b.cmp(a));
        sizes
    }

    fn id(&self, node: NodeIndex) -> Concept {
        self.graph.node_weight(node).map_or(0, |c| c.id)
    }

    fn kind(&self, edge: &Edge) -> &str {
        self.kinds.get(usize::from(edge.kind)).map_or("", String::as_str)
    }
}
