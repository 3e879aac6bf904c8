//! Reading the graph from the file.

use std::collections::{HashMap, VecDeque, hash_map::Entry};

use petgraph::{
    Direction,
    graph::{DiGraph, EdgeIndex, NodeIndex},
};
use rusqlite::Connection;

use super::{Concept, ConceptInfo, Edge, Graph};
use crate::{
    embeddings,
    extract::{IS_A, PART_OF, SAME_AS},
};

/// How sure it has to be that two names are of one concept, for them to be joined.
const SURE: f64 = 0.75;

impl Graph {
    /// The graph of a base.
    pub(crate) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let mut graph = DiGraph::<ConceptInfo, Edge, u32>::default();
        let mut nodes: HashMap<Concept, NodeIndex> = HashMap::new();
        let same = same(connection)?;
        let mut statement = connection.prepare("SELECT id, name, kind FROM concepts ORDER BY id")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let info = ConceptInfo { id: row.get(0)?, name: row.get(1)?, kind: row.get(2)? };
            // The first of those that are one is before the others.
            let joined = same.get(&info.id).and_then(|first| nodes.get(first)).copied();
            nodes.insert(info.id, joined.unwrap_or_else(|| graph.add_node(info)));
        }
        let (mut kinds, mut known): (Vec<String>, HashMap<String, u16>) = Default::default();
        // Of concepts that were joined there may be several of one kind between two.
        let mut edges: HashMap<(NodeIndex, u16, NodeIndex), EdgeIndex> = HashMap::new();
        let mut statement = connection.prepare(
            "SELECT r.subject, r.kind, r.object, e.confidence
             FROM relations r LEFT JOIN evidence e ON e.relation = r.id ORDER BY r.id",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (Some(from), Some(to)) = (nodes.get(&row.get(0)?), nodes.get(&row.get(2)?)) else { continue };
            if from == to {
                continue;
            }
            let confidence: f32 = row.get::<_, Option<f64>>(3)?.unwrap_or(0.0) as f32;
            let name = row.get_ref(1)?.as_str()?;
            let kind = match known.get(name) {
                Some(kind) => *kind,
                None => {
                    let kind = u16::try_from(kinds.len()).unwrap_or(u16::MAX);
                    kinds.push(name.to_owned());
                    known.insert(name.to_owned(), kind);
                    kind
                }
            };
            match edges.entry((*from, kind, *to)) {
                Entry::Vacant(place) => drop(place.insert(graph.add_edge(*from, *to, Edge { kind, confidence }))),
                // Independent witnesses: it does not hold only if all of them are wrong.
                Entry::Occupied(place) => {
                    if let Some(edge) = graph.edge_weight_mut(*place.get()) {
                        edge.confidence = 1.0 - (1.0 - edge.confidence) * (1.0 - confidence);
                    }
                }
            }
        }
        let mut names = HashMap::new();
        let mut statement = connection.prepare("SELECT key, concept FROM names")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            if let Some(node) = nodes.get(&row.get(1)?) {
                names.insert(row.get::<_, String>(0)?, *node);
            }
        }
        let longest = names.keys().map(|key| key.split(' ').count()).max().unwrap_or(0).min(6);
        let hierarchy: Vec<bool> = kinds.iter().map(|kind| is_hierarchy(kind)).collect();
        let above = above(&graph, &hierarchy);
        let depths = depths(&above);
        let (geometry, positions) = embeddings::read(connection)?;
        let mut loaded = Self { graph, nodes, names, longest, kinds, above, depths, positions, geometry, far: 1.0 };
        loaded.far = loaded.typical_distance();
        Ok(loaded)
    }
}

/// For each concept that is the same as an earlier one, the first of them: by what documents say, and by their names'
/// vectors.
fn same(connection: &Connection) -> rusqlite::Result<HashMap<Concept, Concept>> {
    let mut statement = connection.prepare(
        "SELECT subject, object FROM relations r WHERE kind = ?1
         AND EXISTS (SELECT 1 FROM evidence e WHERE e.relation = r.id AND e.confidence >= ?2)
         UNION ALL SELECT concept, same FROM alike",
    )?;
    let pairs = statement.query_map((SAME_AS, SURE), |row| Ok((row.get(0)?, row.get(1)?)))?;
    let pairs: Vec<(Concept, Concept)> = pairs.collect::<rusqlite::Result<_>>()?;
    let mut ids: Vec<Concept> = pairs.iter().flat_map(|(a, b)| [*a, *b]).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut sets = petgraph::unionfind::UnionFind::new(ids.len());
    let place = |id: &Concept| ids.binary_search(id).unwrap_or(0);
    for (a, b) in &pairs {
        sets.union(place(a), place(b));
    }
    let mut first: HashMap<usize, Concept> = HashMap::new();
    let mut same = HashMap::new();
    for (id, set) in ids.iter().zip(sets.into_labeling()) {
        let first = *first.entry(set).or_insert(*id);
        if first != *id {
            same.insert(*id, first);
        }
    }
    Ok(same)
}

/// Whether a relation leads up in the hierarchy of concepts.
fn is_hierarchy(kind: &str) -> bool {
    let kind = kind.to_lowercase();
    [IS_A, PART_OF, "isa", "subclassof", "instance_of", "type", "hypernym"].iter().any(|k| kind == *k)
}

fn above(graph: &DiGraph<ConceptInfo, Edge, u32>, hierarchy: &[bool]) -> Vec<Vec<NodeIndex>> {
    let mut above = vec![Vec::new(); graph.node_count()];
    for node in graph.node_indices() {
        let Some(list) = above.get_mut(node.index()) else { continue };
        let mut edges = graph.neighbors_directed(node, Direction::Outgoing).detach();
        while let Some((edge, to)) = edges.next(graph) {
            let leads_up = graph.edge_weight(edge).and_then(|e| hierarchy.get(usize::from(e.kind)));
            if leads_up == Some(&true) && to != node && !list.contains(&to) {
                list.push(to);
            }
        }
    }
    above
}

/// The depths of the nodes: 1 for a root. Where concepts are above each other in a circle that nothing is above, the circle
/// is the root.
fn depths(above: &[Vec<NodeIndex>]) -> Vec<u32> {
    let mut below: Vec<Vec<usize>> = vec![Vec::new(); above.len()];
    for (node, parents) in above.iter().enumerate() {
        for parent in parents {
            if let Some(list) = below.get_mut(parent.index()) {
                list.push(node);
            }
        }
    }
    let mut depths = vec![0u32; above.len()];
    let in_hierarchy =
        |node: usize| above.get(node).is_some_and(|a| !a.is_empty()) || below.get(node).is_some_and(|b| !b.is_empty());
    let roots = (0..above.len()).filter(|node| in_hierarchy(*node) && above.get(*node).is_some_and(Vec::is_empty));
    let mut queue: VecDeque<usize> = roots.collect();
    for root in &queue {
        if let Some(depth) = depths.get_mut(*root) {
            *depth = 1;
        }
    }
    spread(&mut queue, &below, &mut depths);
    // What is left hangs below circles. The least number of a circle stands for it.
    for node in 0..above.len() {
        if depths.get(node) == Some(&0) && in_hierarchy(node) {
            let Some(root) = top(node, above) else { continue };
            if let Some(depth) = depths.get_mut(root) {
                *depth = 1;
            }
            queue.push_back(root);
            spread(&mut queue, &below, &mut depths);
        }
    }
    depths
}

/// Gives depths to all below what is in the queue, nearest first.
fn spread(queue: &mut VecDeque<usize>, below: &[Vec<usize>], depths: &mut [u32]) {
    while let Some(node) = queue.pop_front() {
        let depth = depths.get(node).copied().unwrap_or(0) + 1;
        for child in below.get(node).into_iter().flatten() {
            if let Some(known) = depths.get_mut(*child).filter(|known| **known == 0) {
                *known = depth;
                queue.push_back(*child);
            }
        }
    }
}

/// Going up until a node comes again: a node of a circle above.
fn top(node: usize, above: &[Vec<NodeIndex>]) -> Option<usize> {
    let mut seen = std::collections::HashSet::new();
    let mut at = node;
    while seen.insert(at) {
        at = above.get(at)?.first()?.index();
    }
    Some(at)
}
