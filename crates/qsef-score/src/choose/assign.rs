use serde::{Deserialize, Serialize};

use super::{
    AssignError, Limits, Resource, Slot,
    offer::check,
    problem::{Aim, Problem},
    relax::relax,
    search::search,
};

/// How many offers the exact search may try before the Lagrangian solution, or a better one met on the way, stands: a
/// few tenths of a second at most. Plans of a dozen subtasks with 20 offers each stay below it, as a rule; where all
/// offers give the same value for a dollar no search can tell early which to leave out, and the answer comes with its
/// gap.
pub const NODES: usize = 10_000_000;

/// Who does what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    /// For each slot the place of the chosen offer, from 0.
    pub chosen: Vec<usize>,
    /// `Σ value_j·TE_j − λ·Σ usd_j` of the chosen offers.
    pub objective: f64,
    /// US dollars.
    pub usd: f64,
    /// Tokens.
    pub tokens: u64,
    /// Seconds along the longest path.
    pub seconds: f64,
    /// No assignment within the limits has an objective above `objective + gap`; 0 when this one is optimal.
    pub gap: f64,
}

/// The best assignment of a plan to experts (paper, section 6.4.3, cost-benefit analysis, under budgets):
///
/// `maximise Σ_j value_j·TE(t_j, s_j) − λ·Σ_j usd(s_j)` with one offer per slot, dollars and tokens summed and seconds along
/// the longest path through `after` within `limits`. `lambda` is what a dollar is worth, in the unit of `value`.
///
/// A multiple-choice knapsack with a deadline: dominated offers are dropped, a Lagrangian relaxation gives a bound
/// and, repaired, a first assignment, and branch and bound finds the optimum (up to 10⁻¹² relative) unless it would
/// take more than [`NODES`] tries. Limits are kept up to rounding, 10⁻⁹ of a sum of dollars or seconds.
///
/// The objective does not depend on the order of slots or offers. Of offers of a slot with equal profit the cheaper,
/// then the one with fewer tokens, then the faster, then the one listed first is preferred; of assignments of equal
/// objective the one that the search meets first, the same in each run. No slots make an empty assignment.
///
/// # Errors
/// [`AssignError::Input`] for numbers outside their ranges, a slot without offers and an order with cycles;
/// [`AssignError::Infeasible`] when no assignment keeps the limits; [`AssignError::NotFound`] when none was found.
pub fn assign(slots: &[Slot], limits: Limits, lambda: f64) -> Result<Assignment, AssignError> {
    assign_within(slots, limits, lambda, NODES)
}

/// [`assign`] with another node budget: 0 leaves the Lagrangian relaxation and its repair alone.
///
/// # Errors
/// As [`assign`].
pub fn assign_within(slots: &[Slot], limits: Limits, lambda: f64, nodes: usize) -> Result<Assignment, AssignError> {
    check(slots, &limits, lambda)?;
    let limits = Limits {
        usd: limits.usd.filter(|x| x.is_finite()),
        tokens: limits.tokens,
        seconds: limits.seconds.filter(|x| x.is_finite()),
    };
    let best = solve(slots, &limits, Aim::Value { lambda }, nodes)?;
    match best {
        Some(mut assignment) => {
            let profit =
                |(slot, place): (&Slot, &usize)| slot.offers.get(*place).map(|o| slot.value * o.te - lambda * o.usd);
            assignment.objective = slots.iter().zip(&assignment.chosen).filter_map(profit).sum();
            Ok(assignment)
        }
        None => Err(why(slots, &limits, nodes)?),
    }
}

/// The best assignment that was found, with the aim's own objective.
fn solve(slots: &[Slot], limits: &Limits, aim: Aim, nodes: usize) -> Result<Option<Assignment>, AssignError> {
    let mut problem = Problem::new(slots, limits, aim)?;
    if !problem.prune() {
        return Ok(None);
    }
    let relaxed = relax(&problem);
    let (best, complete) = search(&problem, &relaxed, nodes);
    let Some(picks) = best else { return Ok(None) };
    let objective = problem.objective(&picks);
    let gap = if complete { 0.0 } else { (relaxed.bound - objective).max(0.0) };
    let mut found = Assignment { chosen: vec![0; slots.len()], objective, usd: 0.0, tokens: 0, seconds: 0.0, gap };
    let mut seconds = Vec::with_capacity(slots.len());
    for (step, choice) in problem.steps.iter().zip(problem.chosen(&picks)) {
        let slot = slots.get(step.slot);
        if let Some((place, offer)) = found.chosen.get_mut(step.slot).zip(slot.and_then(|s| s.offers.get(choice.offer)))
        {
            *place = choice.offer;
            found.usd += offer.usd;
            found.tokens = found.tokens.saturating_add(offer.tokens);
            seconds.push(offer.seconds);
        }
    }
    found.seconds = problem.span(&seconds);
    Ok(Some(found))
}

/// Which budget is too small, and what would be enough: first each alone, then each within those before it. The error
/// of this function is that of reading the plan; what it returns is the reason.
fn why(slots: &[Slot], limits: &Limits, nodes: usize) -> Result<AssignError, AssignError> {
    let budgets = [
        (Resource::Usd, limits.usd),
        (Resource::Tokens, limits.tokens.map(|t| t as f64)),
        (Resource::Seconds, limits.seconds),
    ];
    let exceeds = |least: f64, limit: f64| least > limit * (1.0 + 1e-9);
    for (resource, limit) in budgets {
        let least = least_alone(slots, resource)?;
        if let Some(limit) = limit.filter(|limit| exceeds(least, *limit)) {
            return Ok(AssignError::Infeasible { resource, limit, least, alone: true });
        }
    }
    let mut within = Limits { usd: limits.usd, ..Limits::default() };
    for (resource, limit) in budgets.into_iter().skip(1) {
        let aim = if resource == Resource::Tokens { Aim::LeastTokens } else { Aim::Fastest };
        if let Some(limit) = limit {
            let least = match solve(slots, &within, aim, nodes)? {
                Some(found) if found.gap > 0.0 => break,
                Some(found) if resource == Resource::Tokens => found.tokens as f64,
                Some(found) => found.seconds,
                None => break,
            };
            if exceeds(least, limit) {
                return Ok(AssignError::Infeasible { resource, limit, least, alone: false });
            }
        }
        within.tokens = limits.tokens;
    }
    Ok(AssignError::NotFound)
}

/// The least that a plan takes of one resource when nothing limits the others.
fn least_alone(slots: &[Slot], resource: Resource) -> Result<f64, AssignError> {
    // Everything is kept of offers when nothing is pruned; a deadline, however late, keeps their seconds.
    let limits = Limits { usd: Some(1e300), tokens: Some(u64::MAX), seconds: Some(1e300) };
    let problem = Problem::new(slots, &limits, Aim::Fastest)?;
    let [usd, tokens] = problem.least_sums();
    Ok(match resource {
        Resource::Usd => usd.iter().sum(),
        Resource::Tokens => tokens.iter().sum(),
        Resource::Seconds => problem.span(&problem.fastest()),
    })
}
