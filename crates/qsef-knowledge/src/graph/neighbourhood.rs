//! What lies around a concept.

use std::collections::HashMap;

use petgraph::{Direction, visit::EdgeRef};

use super::{Concept, ConceptInfo, Graph};

/// A part of a graph: concepts with the steps that they are away, and the relations among them.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbourhood {
    /// The concepts, the middle one first, then by distance.
    pub concepts: Vec<(ConceptInfo, u32)>,
    /// Relations: places of both ends in `concepts`, kind, confidence.
    pub relations: Vec<(usize, String, usize, f32)>,
    /// Concepts that would have been within reach, but were too many.
    pub left_out: usize,
}

impl Graph {
    /// What is at most `hops` steps away from a concept, at most `limit` concepts: those along the surest relations first.
    pub fn neighbourhood(&self, id: Concept, hops: u32, limit: usize) -> Option<Neighbourhood> {
        let middle = *self.nodes.get(&id)?;
        let mut places = HashMap::from([(middle, 0usize)]);
        let mut concepts = vec![(self.graph.node_weight(middle)?.clone(), 0)];
        let (mut front, mut left_out) = (vec![middle], 0);
        for hop in 1..=hops {
            let mut reached: HashMap<_, f32> = HashMap::new();
            for node in &front {
                for direction in [Direction::Outgoing, Direction::Incoming] {
                    for edge in self.graph.edges_directed(*node, direction) {
                        let other = if direction == Direction::Outgoing { edge.target() } else { edge.source() };
                        if !places.contains_key(&other) {
                            let sure = reached.entry(other).or_default();
                            *sure = sure.max(edge.weight().confidence);
                        }
                    }
                }
            }
            let mut reached: Vec<_> = reached.into_iter().collect();
            reached.sort_by(|(a, x), (b, y)| y.total_cmp(x).then(a.cmp(b)));
            let room = limit.saturating_sub(concepts.len());
            left_out += reached.len().saturating_sub(room);
            reached.truncate(room);
            for (node, _) in &reached {
                places.insert(*node, concepts.len());
                concepts.push((self.graph.node_weight(*node)?.clone(), hop));
            }
            front = reached.into_iter().map(|(node, _)| node).collect();
        }
        let mut relations = Vec::new();
        for (node, from) in &places {
            for edge in self.graph.edges_directed(*node, Direction::Outgoing) {
                if let Some(to) = places.get(&edge.target()) {
                    relations.push((*from, self.kind(edge.weight()).to_owned(), *to, edge.weight().confidence));
                }
            }
        }
        relations.sort_by(|a, b| (a.0, a.2, &a.1).cmp(&(b.0, b.2, &b.1)));
        Some(Neighbourhood { concepts, relations, left_out })
    }
}
