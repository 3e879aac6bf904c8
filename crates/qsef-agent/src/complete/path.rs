//! Who does which look-up: the likeliest chain of experts, each fed by the one before it.

use super::{
    graph::{Link, TypeGraph},
    history::Recalled,
    types::Kind,
    unfold::LookUp,
};

/// Experts that are weighed for each look-up.
const CANDIDATES: usize = 64;

/// Prices of what a chain lacks, in units of −ln TE: as much as an expert that is less likely by that factor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prices {
    /// An expert after one that gives nothing which it needs.
    pub unlinked: f64,
    /// One that is fed by a part, by anything, by a detail.
    pub part: f64,
    /// See `part`.
    pub any: f64,
    /// See `part`.
    pub detail: f64,
    /// One that is fed only by the word of the look-up before it.
    pub told: f64,
    /// One that needs another kind than the look-up before it is to find.
    pub other_kind: f64,
    /// A dependent expert that nothing feeds yet.
    pub unmet: f64,
    /// A look-up between others that nobody does.
    pub skip: f64,
    /// The first one that nobody does.
    pub skip_first: f64,
    /// The last one that nobody does.
    pub skip_last: f64,
    /// A finder where nothing is named, or a list where something is.
    pub named: f64,
    /// An expert that gives another kind than the look-up is to find.
    pub gives_other: f64,
    /// How much the whole request counts for who begins.
    pub request: f64,
    /// How much the past counts.
    pub past: f64,
}

impl Default for Prices {
    fn default() -> Self {
        Self {
            unlinked: 3.0,
            part: 0.3,
            any: 0.2,
            detail: 0.5,
            told: 0.7,
            other_kind: 1.0,
            unmet: 3.0,
            skip: 1.8,
            skip_first: 2.0,
            skip_last: 3.0,
            named: 2.0,
            gives_other: 1.0,
            request: 0.3,
            past: 0.5,
        }
    }
}

/// What is weighed: the look-ups, with ln TE of each expert for each of them and for the whole request.
pub(super) struct Weighing<'a> {
    pub graph: &'a TypeGraph,
    pub look_ups: &'a [LookUp],
    pub scores: &'a [Vec<f64>],
    pub request: &'a [f64],
    pub recalled: Option<&'a Recalled>,
    pub prices: Prices,
}

/// An expert on a look-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub look_up: usize,
    pub expert: usize,
}

/// The value of the best chain that ends at a place, and the place before: its look-up and the number among the candidates.
type Ending = (f64, Option<(usize, usize)>);

impl Weighing<'_> {
    /// The likeliest chain: never empty where there are look-ups and experts.
    pub fn best(&self) -> Vec<Place> {
        let candidates: Vec<Vec<usize>> = (0..self.look_ups.len()).map(|at| self.candidates(at)).collect();
        // For each look-up and candidate: the best value of a chain that ends there, and its place before.
        let mut best: Vec<Vec<Ending>> = Vec::new();
        for (at, experts) in candidates.iter().enumerate() {
            let mut row = Vec::new();
            for &expert in experts {
                let here = Place { look_up: at, expert };
                let mut chosen = (self.begin(here), None);
                for (before, rows) in best.iter().enumerate() {
                    let skipped = self.prices.skip * (at - before - 1) as f64;
                    for (i, ((value, _), &from)) in
                        rows.iter().zip(candidates.get(before).into_iter().flatten()).enumerate()
                    {
                        let value = value - skipped + self.step(Place { look_up: before, expert: from }, here);
                        if from != expert && value > chosen.0 {
                            chosen = (value, Some((before, i)));
                        }
                    }
                }
                row.push((chosen.0 + self.fit(here), chosen.1));
            }
            best.push(row);
        }
        let value = |at: usize, i: usize| best.get(at).and_then(|row| row.get(i)).copied();
        let place = |(at, i): (usize, usize)| {
            candidates.get(at).and_then(|c| c.get(i)).map(|&expert| Place { look_up: at, expert })
        };
        let ends = best.iter().enumerate().flat_map(|(at, row)| (0..row.len()).map(move |i| (at, i)));
        let end = ends.max_by(|a, b| {
            let total = |&(at, i): &(usize, usize)| {
                let last = place((at, i)).map_or(f64::NEG_INFINITY, |p| self.end(p));
                value(at, i).map_or(f64::NEG_INFINITY, |(v, _)| v + last)
            };
            total(a).total_cmp(&total(b))
        });
        let before = |&(at, i): &(usize, usize)| value(at, i).and_then(|(_, before)| before);
        let mut chain: Vec<Place> = std::iter::successors(end, before).filter_map(place).collect();
        chain.reverse();
        chain
    }

    /// The experts that are likeliest for a look-up.
    fn candidates(&self, at: usize) -> Vec<usize> {
        let mut experts: Vec<usize> = (0..self.graph.len()).collect();
        experts.sort_by(|&a, &b| {
            let fit = |expert| self.fit(Place { look_up: at, expert });
            fit(b).total_cmp(&fit(a))
        });
        experts.truncate(CANDIDATES);
        experts
    }

    fn ln_te(&self, at: usize, expert: usize) -> f64 {
        self.scores.get(at).and_then(|row| row.get(expert)).copied().unwrap_or(-10.0)
    }

    /// How well an expert fits a look-up, whoever comes before and after.
    pub fn fit(&self, at: Place) -> f64 {
        let Some(look_up) = self.look_ups.get(at.look_up) else { return f64::NEG_INFINITY };
        let mut value = self.ln_te(at.look_up, at.expert);
        let begins = !self.graph.has_needs(at.expert);
        if begins {
            value += self.prices.request * self.request.get(at.expert).copied().unwrap_or(-10.0);
        }
        if let Some(kind) = &look_up.kind {
            let gives = self.graph.gives(at.expert, kind);
            value -= match (begins, self.graph.gives_anything(at.expert)) {
                (true, true) => 0.2 * self.prices.gives_other,
                (true, false) => self.prices.gives_other * (1.0 - gives),
                (false, _) if gives < 0.6 => 0.3 * self.prices.gives_other,
                (false, _) => 0.0,
            };
        }
        value
    }

    fn past(&self, share: impl Fn(&Recalled) -> f64) -> f64 {
        self.recalled.map_or(0.0, |r| self.prices.past * Recalled::gain(share(r)))
    }

    /// What it costs to begin with an expert.
    fn begin(&self, at: Place) -> f64 {
        let mut value = match at.look_up {
            0 => 0.0,
            n => -self.prices.skip_first - self.prices.skip * (n - 1) as f64,
        };
        // What the request names is not passed over.
        let passed = self.look_ups.iter().take(at.look_up).filter(|l| l.named).count();
        value -= self.prices.named * passed as f64;
        let named = self.look_ups.get(at.look_up).is_some_and(|l| l.named);
        // A request that is not unfolded may need what it does not say: that is searched afterwards.
        let folded = self.look_ups.len() == 1 && self.look_ups.iter().all(|l| l.kind.is_none());
        if self.graph.is_dependent(at.expert) {
            value -= if folded { self.prices.told } else { self.prices.unmet };
        } else if self.graph.finds(at.expert) != named {
            value -= self.prices.named;
        }
        value + self.past(|r| r.first(at.expert))
    }

    fn end(&self, at: Place) -> f64 {
        let value = match self.look_ups.len().saturating_sub(at.look_up + 1) {
            0 => 0.0,
            left => -self.prices.skip_last - self.prices.skip * (left - 1) as f64,
        };
        value + self.past(|r| r.last(at.expert))
    }

    /// What it costs to go from one expert to the next.
    pub fn step(&self, from: Place, to: Place) -> f64 {
        let kind = self.look_ups.get(from.look_up).and_then(|l| l.kind.as_ref());
        self.feeding(from.expert, to.expert, kind) + self.past(|r| r.step(from.expert, to.expert))
    }

    fn feeding(&self, from: usize, to: usize, kind: Option<&Kind>) -> f64 {
        let prices = &self.prices;
        if !self.graph.has_needs(to) {
            return -0.7 * prices.unlinked;
        }
        let taken = kind.map(|kind| self.graph.takes(to, kind));
        let other = match taken {
            None => 0.5 * prices.other_kind,
            Some(share) if share < 0.3 => prices.other_kind,
            Some(_) => 0.0,
        };
        let told = taken.is_some_and(|share| share > 0.6);
        -match self.graph.link(from, to) {
            Some(Link::Full) => other,
            Some(Link::Part) => prices.part + other,
            Some(Link::Any) => prices.any + other,
            Some(Link::Detail) => prices.detail + other,
            None if told => prices.told,
            None => prices.unlinked,
        }
    }

    /// Whether one expert's output is what another needs, by their types, by what the look-up is to find or by the past.
    pub fn feeds(&self, from: Place, to: Place) -> bool {
        let kind = self.look_ups.get(from.look_up).and_then(|l| l.kind.as_ref());
        let told = kind.is_some_and(|kind| self.graph.takes(to.expert, kind) > 0.6);
        told || self.graph.link(from.expert, to.expert).is_some()
            || self.recalled.is_some_and(|r| r.step(from.expert, to.expert) > 0.2)
    }

    /// Other experts that would be nearly as good at one place of a chain, best first, the chosen one included: at most `most`,
    /// and within `margin` of the best.
    pub fn rivals(&self, chain: &[Place], at: usize, margin: f64, most: usize) -> Vec<usize> {
        let Some(&here) = chain.get(at) else { return Vec::new() };
        let before = at.checked_sub(1).and_then(|b| chain.get(b));
        let after = chain.get(at + 1);
        let value = |expert: usize| {
            let place = Place { expert, ..here };
            let from = before.map_or_else(|| self.begin(place), |b| self.step(*b, place));
            let to = after.map_or_else(|| self.end(place), |a| self.step(place, *a));
            from + self.fit(place) + to
        };
        let elsewhere = |expert: &usize| chain.iter().enumerate().any(|(i, p)| i != at && p.expert == *expert);
        let mut rivals: Vec<(f64, usize)> =
            (0..self.graph.len()).filter(|e| !elsewhere(e)).map(|e| (value(e), e)).collect();
        rivals.sort_by(|a, b| b.0.total_cmp(&a.0));
        let least = value(here.expert) - margin;
        rivals.into_iter().take(most).filter(|(v, _)| *v >= least).map(|(_, e)| e).collect()
    }
}
