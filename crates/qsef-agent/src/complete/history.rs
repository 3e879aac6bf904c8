//! What earlier requests tell of the next one: which experts they needed, and who came after whom.

use std::collections::BTreeMap;

/// How fast a past request's weight falls with its distance: `exp(−STEEPNESS·(1 − cosine))`.
const STEEPNESS: f64 = 12.0;

/// What the past is held against: the weight of a request as far as this from all others.
const DOUBT: f64 = 0.05;

/// A past request with the experts that it needed.
#[derive(Debug, Clone, PartialEq)]
pub struct Past {
    /// The request.
    pub request: String,
    /// The experts, in the order of their subtasks.
    pub experts: Vec<String>,
    /// Who fed whom.
    pub edges: Vec<(String, String)>,
}

/// Past requests with their vectors: what transitions are learned from.
#[derive(Debug, Clone, Default)]
pub struct Transitions {
    rows: Vec<(Vec<f32>, Past)>,
}

impl Transitions {
    /// Adds a past request with the vector of its words.
    pub fn add(&mut self, vector: Vec<f32>, past: Past) {
        self.rows.push((vector, past));
    }

    /// Number of past requests.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// What the past tells for a request with this vector; `place` gives an expert's number. Requests that are alike count
    /// most; all of them count a little, as smoothing.
    pub(super) fn recall(&self, vector: &[f32], place: impl Fn(&str) -> Option<usize>) -> Recalled {
        let mut recalled = Recalled::default();
        for (other, past) in &self.rows {
            let near = qsef_score::cosine(vector, other);
            let weight = (-STEEPNESS * (1.0 - near)).exp();
            recalled.all += weight;
            let experts: Vec<usize> = past.experts.iter().filter_map(|id| place(id)).collect();
            let fed: Vec<usize> = past.edges.iter().filter_map(|(_, to)| place(to)).collect();
            let feeding: Vec<usize> = past.edges.iter().filter_map(|(from, _)| place(from)).collect();
            let mut once = experts.clone();
            once.sort_unstable();
            once.dedup();
            for expert in &once {
                if !fed.contains(expert) {
                    *recalled.firsts.entry(*expert).or_default() += weight;
                }
                if !feeding.contains(expert) {
                    *recalled.lasts.entry(*expert).or_default() += weight;
                }
            }
            for (from, to) in &past.edges {
                if let (Some(from), Some(to)) = (place(from), place(to)) {
                    *recalled.steps.entry((from, to)).or_default() += weight;
                }
            }
        }
        recalled
    }
}

/// Sums of the past's weights for one request.
#[derive(Debug, Clone, Default)]
pub(super) struct Recalled {
    all: f64,
    firsts: BTreeMap<usize, f64>,
    lasts: BTreeMap<usize, f64>,
    steps: BTreeMap<(usize, usize), f64>,
}

impl Recalled {
    fn share(&self, weight: Option<&f64>) -> f64 {
        weight.copied().unwrap_or_default() / (self.all + DOUBT)
    }

    /// The share of the past, by its weight, that began with an expert: in [0, 1).
    pub fn first(&self, expert: usize) -> f64 {
        self.share(self.firsts.get(&expert))
    }

    /// The share that ended with it.
    pub fn last(&self, expert: usize) -> f64 {
        self.share(self.lasts.get(&expert))
    }

    /// The share in which one fed the other.
    pub fn step(&self, from: usize, to: usize) -> f64 {
        self.share(self.steps.get(&(from, to)))
    }

    /// What a share of the past is worth, in the units of ln TE: 0 for none, 3 for all.
    pub fn gain(share: f64) -> f64 {
        const FLOOR: f64 = 0.05;
        ((share + FLOOR) / FLOOR).ln()
    }
}
