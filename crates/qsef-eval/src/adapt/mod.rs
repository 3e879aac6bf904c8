//! How well routing adapts: policies compared in a seeded synthetic world where an expert degrades, a new one arrives
//! and one is removed.
//!
//! Utility of a choice is `p − λ·usd` with its true chance p. Regret is the oracle's utility less the policy's, summed
//! over tasks; true chances, not outcomes, so that it has no noise of its own.

mod policy;
mod world;

use policy::{Kind, Policy};
use qsef_core::{Error, Result};
use qsef_score::choose::{Limits, Offer, Slot, assign};
use serde::Serialize;
use world::{ARRIVES_AT, Chance, DEGRADED_AT, LAMBDA, REMOVED_AT, TASKS, World, oracle};

/// Tasks over which quality is averaged when recovery is judged.
const ROLLING: usize = 50;
/// Tasks that are assigned together when there is a money budget.
const WINDOW: usize = 20;
/// A window's budget, as a share of what the oracle without a budget spends on one in the mean.
const BUDGET_SHARE: f64 = 0.5;

/// A mean over seeds with its standard error; 0 for one seed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// Its standard error.
    pub se: f64,
}

impl Estimate {
    fn of(values: &[f64]) -> Self {
        let n = values.len().max(1) as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
        Self { mean, se: (variance / n).sqrt() }
    }
}

/// The figures of one policy.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PolicyReport {
    /// Its name.
    pub name: &'static str,
    /// Regret over the whole run.
    pub regret: Estimate,
    /// Regret from the degradation to the next change, 750 tasks.
    pub regret_after_change: Estimate,
    /// Regret from the arrival of the new expert to the next change, 650 tasks.
    pub regret_after_arrival: Estimate,
    /// Tasks from the degradation until the mean utility of 50 tasks is at least 95 % of the oracle's, 50 at least;
    /// 750 where that does not happen before the next change.
    pub recovery_tasks: Estimate,
    /// Share of the seeds where it does.
    pub recovered: f64,
    /// Utility that choices other than the greedy one cost, against the greedy one of the policy itself.
    pub exploration_cost: Estimate,
    /// Mean utility per task when windows of 20 tasks are assigned together within a money budget.
    pub budgeted_utility: Estimate,
    /// Windows in which the assignment cost more than the budget, of all seeds.
    pub budget_violations: usize,
}

/// The figures of `qsef eval adapt`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AdaptReport {
    /// Worlds.
    pub seeds: u64,
    /// Tasks of each.
    pub tasks: usize,
    /// Windows with a budget, of all seeds.
    pub windows: usize,
    /// The policies; `bandit-ucb` is the bandit as it comes.
    pub policies: Vec<PolicyReport>,
}

/// Runs each policy in worlds of seeds 0 to `seeds − 1`.
///
/// # Errors
/// [`Error::Input`] for no seeds; otherwise a defect.
pub fn evaluate(seeds: u64) -> Result<AdaptReport> {
    if seeds == 0 {
        return Err(Error::Input("there are no seeds: ask for at least one".into()));
    }
    let worlds: Vec<World> = (0..seeds).map(World::new).collect();
    let policies = Kind::ALL.into_iter().map(|kind| report(kind, &worlds)).collect::<Result<_>>()?;
    Ok(AdaptReport { seeds, tasks: TASKS, windows: worlds.len() * TASKS.div_ceil(WINDOW), policies })
}

fn report(kind: Kind, worlds: &[World]) -> Result<PolicyReport> {
    let mut runs = Vec::new();
    let mut budgeted = Vec::new();
    for (seed, world) in (0..).zip(worlds) {
        runs.push(run(Policy::new(kind, world, seed)?, world)?);
        budgeted.push(run_budgeted(Policy::new(kind, world, seed)?, world)?);
    }
    let estimate = |of: &dyn Fn(&Run) -> f64| Estimate::of(&runs.iter().map(of).collect::<Vec<_>>());
    Ok(PolicyReport {
        name: kind.name(),
        regret: estimate(&|r| r.regret(0, TASKS)),
        regret_after_change: estimate(&|r| r.regret(DEGRADED_AT, ARRIVES_AT)),
        regret_after_arrival: estimate(&|r| r.regret(ARRIVES_AT, REMOVED_AT)),
        recovery_tasks: estimate(&|r| r.recovery().unwrap_or(ARRIVES_AT - DEGRADED_AT) as f64),
        recovered: estimate(&|r| f64::from(r.recovery().is_some())).mean,
        exploration_cost: estimate(&|r| r.exploration),
        budgeted_utility: Estimate::of(&budgeted.iter().map(|b| b.0).collect::<Vec<_>>()),
        budget_violations: budgeted.iter().map(|b| b.1).sum(),
    })
}

/// Utilities of one run, task by task.
#[derive(Default)]
struct Run {
    got: Vec<f64>,
    best: Vec<f64>,
    exploration: f64,
}

impl Run {
    fn regret(&self, from: usize, to: usize) -> f64 {
        let lost = self.best.iter().zip(&self.got).map(|(best, got)| best - got);
        lost.take(to).skip(from).sum()
    }

    fn recovery(&self) -> Option<usize> {
        let phase = |x: &[f64]| x.get(DEGRADED_AT..ARRIVES_AT).unwrap_or_default().to_vec();
        let (got, best) = (phase(&self.got), phase(&self.best));
        let mut windows = got.windows(ROLLING).zip(best.windows(ROLLING));
        let back = windows.position(|(g, b)| g.iter().sum::<f64>() >= 0.95 * b.iter().sum::<f64>());
        back.map(|start| start + ROLLING)
    }
}

/// Tells a policy what happens before a task.
fn events(policy: &mut Policy, world: &World, task: usize) {
    if task == ARRIVES_AT {
        policy.arrive();
    }
    if task == REMOVED_AT {
        policy.remove(world.removed());
    }
}

fn run(mut policy: Policy, world: &World) -> Result<Run> {
    let mut run = Run::default();
    for task in 0..TASKS {
        events(&mut policy, world, task);
        let chances = world.chances(task);
        let utility = |i: usize| chances.get(i).map_or(0.0, Chance::utility);
        let greedy = policy.greedy(&chances);
        let chosen = policy.choose(&chances);
        run.got.push(utility(chosen));
        run.best.push(oracle(&chances).map_or(0.0, utility));
        run.exploration += utility(greedy) - utility(chosen);
        if let Some(chance) = chances.get(chosen) {
            policy.observe(&chance.candidate, world.outcome(task, chance.p))?;
        }
    }
    Ok(run)
}

/// Mean utility per task, and the windows over the budget.
fn run_budgeted(mut policy: Policy, world: &World) -> Result<(f64, usize)> {
    let budget = budget(world);
    let (mut utility, mut violations) = (0.0, 0);
    for start in (0..TASKS).step_by(WINDOW) {
        let tasks = start..(start + WINDOW).min(TASKS);
        tasks.clone().for_each(|task| events(&mut policy, world, task));
        // Who is there when a window starts is there to its end.
        let chances: Vec<_> = tasks.clone().map(|task| world.chances(task)).collect();
        let slot = |chances: &Vec<Chance<'_>>| {
            let offers = policy.indices(chances).into_iter().zip(chances);
            let offer = |(te, c): (f64, &Chance<'_>)| Offer { te, usd: c.candidate.usd, tokens: 0, seconds: 0.0 };
            Slot { value: 1.0, offers: offers.map(offer).collect(), after: Vec::new() }
        };
        let slots: Vec<Slot> = chances.iter().map(slot).collect();
        let assignment = assign(&slots, Limits { usd: Some(budget), ..Limits::default() }, LAMBDA)?;
        let mut spent = 0.0;
        for ((task, chances), chosen) in tasks.zip(&chances).zip(assignment.chosen) {
            let Some(chance) = chances.get(chosen) else { continue };
            spent += chance.candidate.usd;
            utility += chance.utility();
            policy.observe(&chance.candidate, world.outcome(task, chance.p))?;
        }
        violations += usize::from(spent > budget * (1.0 + 1e-9));
    }
    Ok((utility / TASKS as f64, violations))
}

/// US dollars for a window; never below what the cheapest experts need.
fn budget(world: &World) -> f64 {
    let (mut spent, mut dearest_cheap) = (0.0, 0.0f64);
    for task in 0..TASKS {
        let chances = world.chances(task);
        spent += oracle(&chances).and_then(|i| chances.get(i)).map_or(0.0, |c| c.candidate.usd);
        let cheap = chances.iter().map(|c| c.candidate.usd).fold(f64::INFINITY, f64::min);
        dearest_cheap = dearest_cheap.max(cheap);
    }
    (BUDGET_SHARE * spent / TASKS as f64).max(dearest_cheap) * WINDOW as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bandit_beats_what_does_not_adapt_and_keeps_budgets() {
        assert!(evaluate(0).is_err());
        let report = evaluate(4).unwrap();
        assert_eq!(report, evaluate(4).unwrap());
        let of = |name: &str| report.policies.iter().find(|p| p.name == name).unwrap();
        assert!(report.policies.iter().all(|p| p.budget_violations == 0));
        assert_eq!(of("oracle").regret.mean, 0.0);
        for worse in ["static-te", "greedy-no-forgetting", "epsilon-greedy"] {
            assert!(of("bandit-ucb").regret.mean < of(worse).regret.mean, "{worse}");
            assert!(of("bandit-ucb").budgeted_utility.mean > of(worse).budgeted_utility.mean, "{worse}");
        }
        assert!(of("bandit-ucb").regret_after_change.mean < of("bandit-ucb-no-alarm").regret_after_change.mean);
    }
}
