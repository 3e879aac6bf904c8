//! The Lagrangian relaxation: budgets become prices, and each step chooses alone.
//!
//! `L(μ, ν) = Σ_j max_o (profit − Σ_r μ_r·use_r/cap_r − f_j·seconds/deadline) + Σ_r μ_r + Σ_k ν_k` bounds the optimum from
//! above for all μ, ν ≥ 0, where `f_j` sums the prices ν of the paths through step j: a deadline is one budget per
//! path, and a path gets its price when it is first found too long. Prices move along the subgradient with Polyak's
//! step.

use super::{
    problem::{Problem, Step, add, at, barely_above},
    repair::{improve, repair},
};

/// Rounds of price changes; the bound hardly moves after that.
const ROUNDS: usize = 160;
/// Every so many rounds, and until it first succeeds, the steps' own choices are made into an assignment: on large
/// plans that takes most of the time.
const REPAIR_EVERY: usize = 16;
/// After so many rounds without a better bound, the step is halved.
const PATIENCE: usize = 6;

/// What the relaxation found.
#[derive(Debug)]
pub(super) struct Relaxed {
    /// No assignment has a higher objective.
    pub bound: f64,
    /// What the prices come to if all budgets are used up: the constant part of the bound.
    pub constant: f64,
    /// Each offer's profit less the prices of what it uses.
    pub reduced: Vec<Vec<f64>>,
    /// The best assignment within the budgets that was met.
    pub best: Option<Vec<usize>>,
}

#[derive(Debug, Clone)]
struct Prices {
    sums: [f64; 2],
    paths: Vec<(Vec<usize>, f64)>,
}

impl Prices {
    fn constant(&self) -> f64 {
        self.sums.iter().sum::<f64>() + self.paths.iter().map(|p| p.1).sum::<f64>()
    }

    fn reduced(&self, problem: &Problem, scale: &Scale) -> Vec<Vec<f64>> {
        let mut through = vec![0.0; problem.steps.len()];
        for (path, price) in &self.paths {
            for step in path {
                if let Some(f) = through.get_mut(*step) {
                    *f += price;
                }
            }
        }
        let [usd, tokens] = [self.sums[0] * scale.sums[0], self.sums[1] * scale.sums[1]];
        let of = |(step, f): (&Step, &f64)| {
            let second = f * scale.second;
            step.choices.iter().map(|c| c.profit - usd * c.sums[0] - tokens * c.sums[1] - second * c.seconds).collect()
        };
        problem.steps.iter().zip(&through).map(of).collect()
    }
}

/// One over each budget; 0 where there is none, or where it is 0 and only free offers are left.
struct Scale {
    sums: [f64; 2],
    second: f64,
}

fn inverse(cap: f64) -> f64 {
    if cap > 0.0 && cap.is_finite() { 1.0 / cap } else { 0.0 }
}

/// Bounds a problem that [`Problem::prune`] found possible. Without a deadline `haste` is left out of the bound, which
/// stays valid.
pub(super) fn relax(problem: &Problem) -> Relaxed {
    let scale = Scale { sums: problem.caps.map(inverse), second: inverse(problem.deadline) };
    let mut prices = Prices { sums: [0.0; 2], paths: Vec::new() };
    let mut relaxed = Relaxed { bound: f64::INFINITY, constant: 0.0, reduced: Vec::new(), best: None };
    let mut low = f64::NEG_INFINITY;
    let (mut stride, mut stale) = (1.0, 0);
    for round in 0..ROUNDS {
        let reduced = prices.reduced(problem, &scale);
        let picks: Vec<usize> = reduced.iter().map(|r| argmax(r)).collect();
        let most = reduced.iter().zip(&picks).map(|(r, p)| at(r, *p)).sum::<f64>();
        let constant = prices.constant();
        let value = most + constant;
        if value < relaxed.bound {
            (relaxed.bound, relaxed.constant, relaxed.reduced) = (value, constant, reduced);
            stale = 0;
        } else {
            stale += 1;
            if stale % PATIENCE == 0 {
                stride *= 0.5;
            }
        }
        if (round % REPAIR_EVERY == 0 || relaxed.best.is_none())
            && let Some(mut found) = repair(problem, picks.clone())
        {
            improve(problem, &mut found);
            let objective = problem.objective(&found);
            if objective > low {
                (low, relaxed.best) = (objective, Some(found));
            }
        }
        if relaxed.bound <= barely_above(low) || stride < 1e-4 {
            break;
        }
        // Without an assignment to aim at, a tenth of the bound is as good a guess as any.
        let target = if low.is_finite() { low } else { value - 0.1 * (1.0 + value.abs()) };
        if !step(problem, &scale, &mut prices, &picks, stride * (value - target)) {
            break;
        }
    }
    relaxed
}

/// Moves the prices; false where no budget pulls at them, so that they are optimal.
fn step(problem: &Problem, scale: &Scale, prices: &mut Prices, picks: &[usize], length: f64) -> bool {
    let seconds = problem.seconds(picks);
    if scale.second > 0.0 {
        let longest = longest_path(problem, &seconds);
        let over = longest.iter().map(|i| at(&seconds, *i)).sum::<f64>() * scale.second > 1.0;
        if over && !prices.paths.iter().any(|(path, _)| *path == longest) {
            prices.paths.push((longest, 0.0));
        }
    }
    let used = problem.chosen(picks).fold([0.0; 2], |sum, c| add(sum, c.sums));
    let sum_pulls = used.iter().zip(&scale.sums).map(|(u, s)| u * s - f64::from(*s > 0.0));
    let path_pulls =
        prices.paths.iter().map(|(path, _)| path.iter().map(|i| at(&seconds, *i)).sum::<f64>() * scale.second - 1.0);
    let pulls: Vec<f64> = sum_pulls.chain(path_pulls).collect();
    let all = prices.sums.iter_mut().chain(prices.paths.iter_mut().map(|p| &mut p.1));
    // A price of 0 is not pulled below.
    let norm: f64 =
        pulls.iter().zip(all).filter(|(pull, price)| **pull > 0.0 || **price > 0.0).map(|(p, _)| p * p).sum();
    if norm <= 1e-18 {
        return false;
    }
    let all = prices.sums.iter_mut().chain(prices.paths.iter_mut().map(|p| &mut p.1));
    for (price, pull) in all.zip(&pulls) {
        *price = (*price + length * pull / norm).max(0.0);
    }
    true
}

fn argmax(values: &[f64]) -> usize {
    let mut best = (0, f64::NEG_INFINITY);
    for (i, value) in values.iter().enumerate() {
        if *value > best.1 {
            best = (i, *value);
        }
    }
    best.0
}

/// The steps on the longest path, in order.
fn longest_path(problem: &Problem, seconds: &[f64]) -> Vec<usize> {
    let heads = problem.heads(seconds);
    let end = |i: usize| at(&heads, i) + at(seconds, i);
    let latest =
        |steps: &mut dyn Iterator<Item = usize>| steps.max_by(|a, b| end(*a).total_cmp(&end(*b)).then(b.cmp(a)));
    let mut path = Vec::new();
    let mut last = latest(&mut (0..problem.steps.len()));
    while let Some(i) = last {
        path.push(i);
        last = problem.steps.get(i).and_then(|step| latest(&mut step.before.iter().copied()));
    }
    path.reverse();
    path
}
