//! From any choice to one within the budgets, and from there uphill: one offer of one step changes at a time.

use super::problem::{Choice, Problem, add, at};

/// Where an assignment stands, with what is needed to judge a change of one step.
struct State {
    sums: [f64; 2],
    heads: Vec<f64>,
    tails: Vec<f64>,
    span: f64,
}

impl State {
    fn of(problem: &Problem, picks: &[usize]) -> Self {
        let seconds = problem.seconds(picks);
        let (heads, tails) = (problem.heads(&seconds), problem.tails(&seconds));
        let span = heads.iter().zip(&seconds).map(|(h, s)| h + s).fold(0.0, f64::max);
        Self { sums: problem.chosen(picks).fold([0.0; 2], |sum, c| add(sum, c.sums)), heads, tails, span }
    }

    /// Dollars and tokens after a change.
    fn sums_with(&self, old: &Choice, new: &Choice) -> [f64; 2] {
        add(self.sums, [new.sums[0] - old.sums[0], new.sums[1] - old.sums[1]])
    }

    /// The longest path through a step with this choice.
    fn through(&self, step: usize, choice: &Choice) -> f64 {
        at(&self.heads, step) + choice.seconds + at(&self.tails, step)
    }
}

/// By how much budgets are exceeded, in shares of each. What a budget of 0 limits is 0 after pruning.
fn excess(problem: &Problem, sums: [f64; 2], span: f64) -> f64 {
    let over = |used: f64, cap: f64| if used > cap { used / cap.max(f64::MIN_POSITIVE) - 1.0 } else { 0.0 };
    over(sums[0], problem.caps[0]) + over(sums[1], problem.caps[1]) + over(span, problem.deadline)
}

/// Every change of one step: its number, the offer it has, another offer with its place.
fn changes<'a>(
    problem: &'a Problem,
    picks: &'a [usize],
) -> impl Iterator<Item = (usize, &'a Choice, usize, &'a Choice)> {
    problem.steps.iter().zip(picks).enumerate().flat_map(|(i, (step, pick))| {
        let old = step.choices.get(*pick);
        let others = step.choices.iter().enumerate().filter(move |(place, _)| place != pick);
        others.filter_map(move |(place, new)| Some((i, old?, place, new)))
    })
}

fn set(picks: &mut [usize], step: usize, place: usize) {
    if let Some(pick) = picks.get_mut(step) {
        *pick = place;
    }
}

/// Changes without less excess after which a repair is given up, besides one for every two steps: so many paths may be
/// the longest together.
const PATIENCE: usize = 16;

/// Changes the step that takes away most excess for the profit it loses, until the budgets are kept. `None` where that
/// leads nowhere; there may be an assignment still.
pub(super) fn repair(problem: &Problem, mut picks: Vec<usize>) -> Option<Vec<usize>> {
    let (mut least, mut stale) = (f64::INFINITY, 0);
    while stale < PATIENCE + picks.len() / 2 {
        let state = State::of(problem, &picks);
        let now = excess(problem, state.sums, state.span);
        if now <= 0.0 {
            return Some(picks);
        }
        if now < least - 1e-9 {
            (least, stale) = (now, 0);
        } else {
            stale += 1;
        }
        let mut best = (0.0, None);
        for (i, old, place, new) in changes(problem, &picks) {
            // Of several longest paths one gets shorter: that is progress too.
            let critical = state.through(i, old) >= state.span * (1.0 - 1e-12);
            let through = state.through(i, new);
            let span = if critical { through } else { through.max(state.span) };
            let less = now - excess(problem, state.sums_with(old, new), span);
            let rate = less / (old.profit - new.profit).max(1e-12);
            if less > 1e-12 && rate > best.0 {
                best = (rate, Some((i, place)));
            }
        }
        let (i, place) = best.1?;
        set(&mut picks, i, place);
    }
    None
}

/// Takes the change of one step that gains most within the budgets, until none gains.
pub(super) fn improve(problem: &Problem, picks: &mut [usize]) {
    for _ in 0..4 * picks.len() {
        let state = State::of(problem, picks);
        let mut best = (1e-12, None);
        for (i, old, place, new) in changes(problem, picks) {
            let gain = new.profit - old.profit;
            if gain > best.0
                && state.through(i, new) <= problem.deadline
                && state.sums_with(old, new).iter().zip(&problem.caps).all(|(used, cap)| used <= cap)
            {
                best = (gain, Some((i, place)));
            }
        }
        let Some((i, place)) = best.1 else { return };
        set(picks, i, place);
    }
}
