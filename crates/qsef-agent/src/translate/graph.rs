use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
};

use qsef_core::{AnyExpert, Format, Payload};

use super::{adapters, kind::Kind};

/// What an adapter made of a payload, and what a reader of it should know.
pub(crate) struct Made {
    pub(crate) payload: Payload,
    pub(crate) notes: Vec<String>,
}

impl From<Payload> for Made {
    fn from(payload: Payload) -> Self {
        Self { payload, notes: Vec::new() }
    }
}

impl Made {
    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }
}

/// Makes another format of a payload. The second argument is the format wanted. An error says why it cannot, as a sentence.
pub(crate) type Convert = fn(&Payload, &Format) -> Result<Made, String>;

/// How much of a payload an adapter takes along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    /// All of it.
    Whole,
    /// A block that stands in prose, such as a table; the prose stays behind.
    Block,
    /// One value that stands in prose; the prose stays behind. Only ever the last step: a number that was picked from a text
    /// does not stand for the text.
    Value,
}

#[derive(Clone)]
pub(crate) enum Step {
    Function(Convert),
    Expert(AnyExpert),
}

/// An edge of the graph.
#[derive(Clone)]
pub(crate) struct Adapter {
    pub(crate) from: Kind,
    pub(crate) to: Kind,
    pub(crate) loss: f64,
    pub(crate) takes: Takes,
    pub(crate) step: Step,
}

/// What a converting expert is expected to lose: more than any adapter, so that it is asked only where none will do.
const EXPERT_LOSS: f64 = 0.6;

/// The formats and the adapters between them.
#[derive(Clone)]
pub(crate) struct Graph {
    adapters: Vec<Adapter>,
}

impl Graph {
    pub(crate) fn standard() -> Self {
        Self { adapters: adapters::all() }
    }

    /// Adds an expert that turns each kind of signal that it accepts, text apart, into what it gives first (text, where it does
    /// not say).
    pub(crate) fn add_expert(&mut self, expert: &AnyExpert) {
        let to = expert.profile().gives.first().map_or(Some(Kind::Text), Kind::of_format);
        for from in expert.profile().accepts.iter().filter_map(|m| Kind::of_modality(*m)) {
            let step = Step::Expert(expert.clone());
            self.adapters.extend(to.map(|to| Adapter { from, to, loss: EXPERT_LOSS, takes: Takes::Whole, step }));
        }
    }

    pub(crate) fn get(&self, index: usize) -> Option<&Adapter> {
        self.adapters.get(index)
    }

    /// The adapters of the way with the least expected loss from one kind to any of the others (Dijkstra); the adapters that
    /// are barred take no part.
    pub(crate) fn cheapest(&self, from: Kind, goals: &[Kind], barred: &BTreeSet<usize>) -> Option<Vec<usize>> {
        let mut best: BTreeMap<Kind, f64> = BTreeMap::from([(from, 0.0)]);
        let mut heap = BinaryHeap::from([Way { loss: 0.0, at: from, path: Vec::new() }]);
        while let Some(way) = heap.pop() {
            if goals.contains(&way.at) && !way.path.is_empty() {
                return Some(way.path);
            }
            if best.get(&way.at).is_some_and(|least| *least < way.loss) {
                continue;
            }
            for (index, adapter) in self.adapters.iter().enumerate() {
                let usable = adapter.from == way.at && !barred.contains(&index);
                if !usable || (adapter.takes == Takes::Value && !goals.contains(&adapter.to)) {
                    continue;
                }
                let loss = way.loss + adapter.loss;
                if best.get(&adapter.to).is_none_or(|least| loss < *least) {
                    best.insert(adapter.to, loss);
                    let mut path = way.path.clone();
                    path.push(index);
                    heap.push(Way { loss, at: adapter.to, path });
                }
            }
        }
        None
    }
}

struct Way {
    loss: f64,
    at: Kind,
    path: Vec<usize>,
}

impl Ord for Way {
    /// The least loss is the greatest, as the heap's top; equal losses by the path, so that the result does not vary.
    fn cmp(&self, other: &Self) -> Ordering {
        other.loss.total_cmp(&self.loss).then_with(|| other.path.cmp(&self.path))
    }
}

impl PartialOrd for Way {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Way {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Way {}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(graph: &Graph, path: &[usize]) -> Vec<&'static str> {
        path.iter().map(|i| graph.get(*i).unwrap().to.name()).collect()
    }

    #[test]
    fn the_way_with_the_least_loss_is_taken_and_a_barred_adapter_avoided() {
        let graph = Graph::standard();
        let path = graph.cheapest(Kind::Csv, &[Kind::MarkdownTable], &BTreeSet::new()).unwrap();
        assert_eq!(names(&graph, &path), ["table", "markdown_table"]);
        let barred = BTreeSet::from([path[0]]);
        let other = graph.cheapest(Kind::Csv, &[Kind::MarkdownTable], &barred).unwrap();
        assert!(other.len() > 1 && !other.contains(&path[0]), "{:?}", names(&graph, &other));
        assert_eq!(graph.cheapest(Kind::Image, &[Kind::Text], &BTreeSet::new()), None);
        // A number that is picked from prose is the end of a way, never a part of one.
        let every: BTreeSet<usize> = (0..graph.adapters.len())
            .filter(|i| {
                let a = graph.get(*i).unwrap();
                a.from == Kind::Text && a.takes != Takes::Value
            })
            .collect();
        assert_eq!(graph.cheapest(Kind::Text, &[Kind::Json], &every), None);
        assert!(graph.cheapest(Kind::Text, &[Kind::Number], &every).is_some());
    }
}
