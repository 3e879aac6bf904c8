//! How well embeddings tell what is true: filtered ranking (Bordes and others, 2013).

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::{Embeddings, Triple};

/// Ranks of true triples among all that differ from them in one end, other true ones left out. Both ends are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RankReport {
    /// Ranks that were taken: two a triple.
    pub ranks: usize,
    /// Mean rank, from 1.
    pub mean_rank: f64,
    /// Mean reciprocal rank, in (0, 1].
    pub mrr: f64,
    /// Share of ranks that are 1.
    pub hits_1: f64,
    /// Share of ranks that are at most 3.
    pub hits_3: f64,
    /// Share of ranks that are at most 10.
    pub hits_10: f64,
}

impl Embeddings {
    /// Ranks the triples of `test`; those of `known`, and of `test` itself, are not held against them. Among equals a triple's
    /// rank is the mean.
    pub fn rank(&self, test: &[Triple], known: &[Triple]) -> RankReport {
        let mut tails: HashMap<(u32, u32), HashSet<u32>> = HashMap::new();
        let mut heads: HashMap<(u32, u32), HashSet<u32>> = HashMap::new();
        for [head, relation, tail] in known.iter().chain(test) {
            tails.entry((*head, *relation)).or_default().insert(*tail);
            heads.entry((*relation, *tail)).or_default().insert(*head);
        }
        let mut ranks = Vec::with_capacity(2 * test.len());
        for &[head, relation, tail] in test {
            ranks.extend(self.rank_of(head, relation, true, tail, tails.get(&(head, relation))));
            ranks.extend(self.rank_of(tail, relation, false, head, heads.get(&(relation, tail))));
        }
        let count = ranks.len().max(1) as f64;
        let share = |most: f64| ranks.iter().filter(|rank| **rank <= most).count() as f64 / count;
        RankReport {
            ranks: ranks.len(),
            mean_rank: ranks.iter().sum::<f64>() / count,
            mrr: ranks.iter().map(|rank| 1.0 / rank).sum::<f64>() / count,
            hits_1: share(1.0),
            hits_3: share(3.0),
            hits_10: share(10.0),
        }
    }

    /// The rank of the right answer to (given, relation, ?), or (?, relation, given) where not `forth`.
    fn rank_of(&self, given: u32, relation: u32, forth: bool, right: u32, known: Option<&HashSet<u32>>) -> Option<f64> {
        let distances = self.distances(given, relation, forth)?;
        let mine = *distances.get(right as usize)?;
        let (mut nearer, mut equal) = (0usize, 0usize);
        for (other, distance) in (0u32..).zip(&distances) {
            if other == right || known.is_some_and(|known| known.contains(&other)) {
                continue;
            }
            nearer += usize::from(*distance < mine);
            equal += usize::from(*distance == mine);
        }
        Some(1.0 + nearer as f64 + equal as f64 / 2.0)
    }
}
