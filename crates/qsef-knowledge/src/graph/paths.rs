//! Shortest paths, by a search from both ends.

use std::collections::HashMap;

use petgraph::{Direction, graph::NodeIndex, visit::EdgeRef};
use serde::Serialize;

use super::{Concept, Graph};

/// The most concepts that a search looks at before it gives up.
const MOST: usize = 200_000;

/// A step of a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Where it begins.
    pub from: Concept,
    /// The relation that it follows.
    pub relation: String,
    /// Whether along the relation, and not against it.
    pub outward: bool,
    /// Where it ends.
    pub to: Concept,
}

impl Graph {
    /// The shortest path between two concepts along relations in either direction; `None` where there is none, or none that a
    /// reasonable search finds. Empty from a concept to itself.
    pub fn path(&self, a: Concept, b: Concept) -> Option<Vec<Step>> {
        let nodes = self.search(*self.nodes.get(&a)?, *self.nodes.get(&b)?)?;
        nodes.windows(2).map(|pair| if let [a, b] = pair { self.step(*a, *b) } else { None }).collect()
    }

    /// Steps on the shortest path; as [`Graph::path`].
    pub fn path_length(&self, a: Concept, b: Concept) -> Option<u32> {
        let nodes = self.search(*self.nodes.get(&a)?, *self.nodes.get(&b)?)?;
        Some(nodes.len() as u32 - 1)
    }

    /// The surest relation between two neighbours.
    fn step(&self, a: NodeIndex, b: NodeIndex) -> Option<Step> {
        let edges = [Direction::Outgoing, Direction::Incoming].into_iter().flat_map(|direction| {
            let edges = self.graph.edges_directed(a, direction).filter(move |e| {
                let other = if direction == Direction::Outgoing { e.target() } else { e.source() };
                other == b
            });
            edges.map(move |e| (direction == Direction::Outgoing, *e.weight()))
        });
        let (outward, edge) = edges.max_by(|(_, x), (_, y)| x.confidence.total_cmp(&y.confidence))?;
        Some(Step { from: self.id(a), relation: self.kind(&edge).to_owned(), outward, to: self.id(b) })
    }

    fn search(&self, a: NodeIndex, b: NodeIndex) -> Option<Vec<NodeIndex>> {
        if a == b {
            return Some(vec![a]);
        }
        // From where each node was reached, from either end.
        let mut seen = [HashMap::from([(a, a)]), HashMap::from([(b, b)])];
        let mut fronts = [vec![a], vec![b]];
        while seen.iter().map(HashMap::len).sum::<usize>() < MOST {
            let [from_a, from_b] = &fronts;
            let side = usize::from(from_b.len() < from_a.len());
            let (mine, theirs) = seen.split_at_mut(1);
            let (mine, theirs) = match (mine.first_mut(), theirs.first_mut()) {
                (Some(x), Some(y)) if side == 0 => (x, y),
                (Some(x), Some(y)) => (y, x),
                _ => return None,
            };
            let front = fronts.get_mut(side)?;
            let mut next = Vec::new();
            for node in std::mem::take(front) {
                for other in self.graph.neighbors_undirected(node) {
                    if mine.contains_key(&other) {
                        continue;
                    }
                    mine.insert(other, node);
                    if theirs.contains_key(&other) {
                        let (half, rest) = (trace(mine, other), trace(theirs, other));
                        let (first, second) = if side == 0 { (half, rest) } else { (rest, half) };
                        return Some(first.into_iter().rev().chain(second.into_iter().skip(1)).collect());
                    }
                    next.push(other);
                }
            }
            if next.is_empty() {
                return None;
            }
            *front = next;
        }
        None
    }
}

/// From a node back to where the search began.
fn trace(seen: &HashMap<NodeIndex, NodeIndex>, mut node: NodeIndex) -> Vec<NodeIndex> {
    let mut line = vec![node];
    while let Some(before) = seen.get(&node).filter(|before| **before != node) {
        node = *before;
        line.push(node);
    }
    line
}
