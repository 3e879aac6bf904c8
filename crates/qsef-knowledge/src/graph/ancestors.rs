//! The hierarchy of concepts: what is above a concept, and what is above two.

use std::collections::{HashMap, VecDeque};

use petgraph::graph::NodeIndex;
use serde::Serialize;

use super::{Concept, Graph};

/// The lowest concept that is above two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Ancestor {
    /// It; one of the two where that is above the other.
    pub concept: Concept,
    /// Its depth; a root has 1.
    pub depth: u32,
    /// Steps up to it from the first.
    pub from_a: u32,
    /// Steps up to it from the second.
    pub from_b: u32,
}

impl Graph {
    /// A concept's depth in the hierarchy: 1 for a root; `None` for what is in none.
    pub fn depth(&self, id: Concept) -> Option<u32> {
        self.depths.get(self.nodes.get(&id)?.index()).copied().filter(|depth| *depth > 0)
    }

    /// The lowest common ancestor of two concepts: of those above both, a deepest one, and of these the nearest. `None` where
    /// nothing is above both.
    pub fn common_ancestor(&self, a: Concept, b: Concept) -> Option<Ancestor> {
        let (a, b) = (*self.nodes.get(&a)?, *self.nodes.get(&b)?);
        let of_a = self.all_above(a);
        let depth = |node: NodeIndex| self.depths.get(node.index()).copied().unwrap_or(0);
        let common = self.all_above(b).into_iter().filter_map(|(node, from_b)| Some((node, *of_a.get(&node)?, from_b)));
        let (node, from_a, from_b) = common
            .filter(|(node, ..)| depth(*node) > 0)
            .max_by_key(|(node, x, y)| (depth(*node), std::cmp::Reverse((x + y, *node))))?;
        Some(Ancestor { concept: self.id(node), depth: depth(node), from_a, from_b })
    }

    /// What is above a node, itself included, with the steps up to it. Circles are walked once.
    fn all_above(&self, node: NodeIndex) -> HashMap<NodeIndex, u32> {
        let mut steps = HashMap::from([(node, 0)]);
        let mut queue = VecDeque::from([(node, 0)]);
        while let Some((node, step)) = queue.pop_front() {
            for parent in self.above.get(node.index()).into_iter().flatten() {
                if !steps.contains_key(parent) {
                    steps.insert(*parent, step + 1);
                    queue.push_back((*parent, step + 1));
                }
            }
        }
        steps
    }
}
