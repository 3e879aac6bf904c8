//! Branch and bound over the steps in topological order, each step's offers by falling reduced profit.

use super::{
    problem::{Problem, add, at, barely_above},
    relax::Relaxed,
};

/// What is decided up to a step.
#[derive(Debug, Clone, Copy, Default)]
struct Frame {
    /// The next offer to try, in the step's order.
    cursor: usize,
    profit: f64,
    reduced: f64,
    sums: [f64; 2],
    span: f64,
}

/// What cannot be avoided from a step on.
struct Rest {
    profit: Vec<f64>,
    reduced: Vec<f64>,
    sums: [Vec<f64>; 2],
    tails: Vec<f64>,
}

/// The best assignment, and whether the search got to its end within `nodes` offers tried.
pub(super) fn search(problem: &Problem, relaxed: &Relaxed, nodes: usize) -> (Option<Vec<usize>>, bool) {
    let n = problem.steps.len();
    let orders: Vec<Vec<usize>> = relaxed.reduced.iter().map(|r| by_falling(r)).collect();
    let rest = Rest::of(problem, relaxed);
    let mut best = relaxed.best.clone();
    let mut low = best.as_ref().map_or(f64::NEG_INFINITY, |picks| problem.objective(picks));
    let mut finish = vec![0.0; n];
    let mut picks = vec![0; n];
    let mut frames = vec![Frame::default()];
    let mut tried = 0;
    while let Some(depth) = frames.len().checked_sub(1) {
        let Some(frame) = frames.last_mut() else { break };
        let Some((step, order)) = problem.steps.get(depth).zip(orders.get(depth)) else {
            low = frame.profit - problem.haste * frame.span;
            best = Some(picks.clone());
            frames.pop();
            continue;
        };
        // What gains only by rounding is not better; the first found stays.
        let enough = barely_above(low);
        let Some((pick, choice)) = order.get(frame.cursor).and_then(|p| Some((*p, step.choices.get(*p)?))) else {
            frames.pop();
            continue;
        };
        if tried == nodes {
            return (best, false);
        }
        tried += 1;
        frame.cursor += 1;
        let reduced = frame.reduced + relaxed.reduced.get(depth).map_or(0.0, |r| at(r, pick));
        let bound = reduced + at(&rest.reduced, depth + 1) + relaxed.constant;
        if bound <= enough {
            // So are the offers after it.
            frames.pop();
            continue;
        }
        let profit = frame.profit + choice.profit;
        let sums = add(frame.sums, choice.sums);
        let start = step.before.iter().map(|b| at(&finish, *b)).fold(0.0, f64::max);
        let end = start + choice.seconds;
        let span = frame.span.max(end + at(&rest.tails, depth));
        let late = problem.haste * span;
        let fits = |r: usize, sums: f64, cap: f64| sums + rest.sums.get(r).map_or(0.0, |s| at(s, depth + 1)) <= cap;
        if bound - late > enough
            && profit + at(&rest.profit, depth + 1) - late > enough
            && span <= problem.deadline
            && fits(0, sums[0], problem.caps[0])
            && fits(1, sums[1], problem.caps[1])
        {
            if let (Some(f), Some(p)) = (finish.get_mut(depth), picks.get_mut(depth)) {
                (*f, *p) = (end, pick);
            }
            frames.push(Frame { cursor: 0, profit, reduced, sums, span });
        }
    }
    (best, true)
}

fn by_falling(values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| at(values, *b).total_cmp(&at(values, *a)).then(a.cmp(b)));
    order
}

impl Rest {
    fn of(problem: &Problem, relaxed: &Relaxed) -> Self {
        let most = |values: &mut dyn Iterator<Item = f64>| values.fold(f64::NEG_INFINITY, f64::max);
        let profit = problem.steps.iter().map(|s| most(&mut s.choices.iter().map(|c| c.profit)));
        let reduced = relaxed.reduced.iter().map(|r| most(&mut r.iter().copied()));
        Self {
            profit: from_end(profit.collect()),
            reduced: from_end(reduced.collect()),
            sums: problem.least_sums().map(from_end),
            tails: problem.tails(&problem.fastest()),
        }
    }
}

/// Sums from each place to the end, and 0 after it.
fn from_end(mut values: Vec<f64>) -> Vec<f64> {
    let mut sum = 0.0;
    for value in values.iter_mut().rev() {
        sum += *value;
        *value = sum;
    }
    values.push(0.0);
    values
}
