//! A plan as the solver sees it: steps in topological order, offers worth comparing, and the arithmetic of its budgets.

use std::cmp::Ordering;

use super::{AssignError, Limits, Offer, Slot};

/// Room for rounding in sums of dollars and seconds: three times 0.1 does not exceed a budget of 0.3.
const SLACK: f64 = 1e-9;

/// One offer that is worth comparing. What no budget limits is 0 here.
#[derive(Debug, Clone, Copy)]
pub(super) struct Choice {
    /// Its place among the slot's offers.
    pub offer: usize,
    /// What it adds to the objective.
    pub profit: f64,
    /// Dollars and tokens.
    pub sums: [f64; 2],
    /// Seconds.
    pub seconds: f64,
}

/// A slot; those before it have lower numbers.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub slot: usize,
    pub choices: Vec<Choice>,
    pub before: Vec<usize>,
}

/// What to find the best of.
#[derive(Debug, Clone, Copy)]
pub(super) enum Aim {
    /// The most `Σ value·TE − λ·usd`.
    Value { lambda: f64 },
    /// The fewest tokens.
    LeastTokens,
    /// The shortest longest path.
    Fastest,
}

#[derive(Debug, Clone)]
pub(super) struct Problem {
    pub steps: Vec<Step>,
    /// Dollars and tokens; infinite without a limit.
    pub caps: [f64; 2],
    /// Seconds; infinite without a limit.
    pub deadline: f64,
    /// What a second of the longest path takes from the objective.
    pub haste: f64,
}

/// `x[i]`, or 0 where there is none: the solver's lists are as long as its steps, so there always is one.
pub(super) fn at(x: &[f64], i: usize) -> f64 {
    x.get(i).copied().unwrap_or(0.0)
}

pub(super) fn add(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
    let ([a0, a1], [b0, b1]) = (a, b);
    [a0 + b0, a1 + b1]
}

/// An objective up to this is no better than `low`, but for rounding. Without an assignment, `low` is −∞, and so is
/// this.
pub(super) fn barely_above(low: f64) -> f64 {
    if low.is_finite() { low + 1e-12 * (1.0 + low.abs()) } else { low }
}

impl Problem {
    /// Brings slots into the solver's form.
    ///
    /// # Errors
    /// [`AssignError::Input`] when the order has a cycle.
    pub fn new(slots: &[Slot], limits: &Limits, aim: Aim) -> Result<Self, AssignError> {
        let caps = [
            limits.usd.map_or(f64::INFINITY, |x| x * (1.0 + SLACK)),
            limits.tokens.map_or(f64::INFINITY, |x| x as f64),
        ];
        let deadline = limits.seconds.map_or(f64::INFINITY, |x| x * (1.0 + SLACK));
        let haste = f64::from(matches!(aim, Aim::Fastest));
        let mut problem = Self { steps: Vec::new(), caps, deadline, haste };
        let order = topological(slots)?;
        let mut step_of = vec![0; slots.len()];
        for (step, slot) in order.iter().enumerate() {
            if let Some(place) = step_of.get_mut(*slot) {
                *place = step;
            }
        }
        for slot in order {
            let Some(Slot { value, offers, after }) = slots.get(slot) else { continue };
            let before = after.iter().filter_map(|b| step_of.get(*b).copied()).collect();
            let choices = problem.choices(*value, offers, aim);
            problem.steps.push(Step { slot, choices, before });
        }
        Ok(problem)
    }

    /// The offers in the order in which they are preferred: more profit, then cheaper, fewer tokens, faster, listed
    /// first.
    fn choices(&self, value: f64, offers: &[Offer], aim: Aim) -> Vec<Choice> {
        let profit = |o: &Offer| match aim {
            Aim::Value { lambda } => value * o.te - lambda * o.usd,
            Aim::LeastTokens => -(o.tokens as f64),
            Aim::Fastest => 0.0,
        };
        let haste = self.haste > 0.0;
        let mut ranked: Vec<(usize, &Offer)> = offers.iter().enumerate().collect();
        ranked.sort_by(|(i, a), (j, b)| {
            let by_cost = a.usd.total_cmp(&b.usd).then(a.tokens.cmp(&b.tokens)).then(a.seconds.total_cmp(&b.seconds));
            let by_time = if haste { a.seconds.total_cmp(&b.seconds) } else { Ordering::Equal };
            profit(b).total_cmp(&profit(a)).then(by_time).then(by_cost).then(i.cmp(j))
        });
        let [usd_cap, token_cap] = self.caps;
        let limited = |x: f64, cap: f64| if cap.is_finite() { x } else { 0.0 };
        let timed = self.deadline.is_finite() || haste;
        let choices = ranked.into_iter().map(|(offer, o)| Choice {
            offer,
            profit: profit(o),
            sums: [limited(o.usd, usd_cap), limited(o.tokens as f64, token_cap)],
            seconds: if timed { o.seconds } else { 0.0 },
        });
        choices.collect()
    }

    /// Drops offers that cannot be a part of any assignment within the budgets, and offers that another one of the slot
    /// matches in profit and undercuts in all that is limited. False when a step is left without offers.
    pub fn prune(&mut self) -> bool {
        let [usd, tokens] = self.least_sums();
        let fastest = self.fastest();
        let (heads, tails) = (self.heads(&fastest), self.tails(&fastest));
        let [usd_cap, token_cap] = self.caps;
        let (usd_total, token_total) = (usd.iter().sum::<f64>(), tokens.iter().sum::<f64>());
        let deadline = self.deadline;
        for (i, step) in self.steps.iter_mut().enumerate() {
            step.choices.retain(|c| {
                let [u, t] = c.sums;
                u + usd_total - at(&usd, i) <= usd_cap
                    && t + token_total - at(&tokens, i) <= token_cap
                    && at(&heads, i) + c.seconds + at(&tails, i) <= deadline
            });
            let mut kept: Vec<Choice> = Vec::new();
            for c in step.choices.drain(..) {
                // Those kept before have at least its profit.
                let beaten = |k: &Choice| k.sums.iter().zip(&c.sums).all(|(a, b)| a <= b) && k.seconds <= c.seconds;
                if !kept.iter().any(beaten) {
                    kept.push(c);
                }
            }
            step.choices = kept;
        }
        self.steps.iter().all(|s| !s.choices.is_empty())
    }

    /// The fewest dollars and tokens of each step.
    pub fn least_sums(&self) -> [Vec<f64>; 2] {
        let least = |of: fn(&Choice) -> f64| {
            self.steps.iter().map(|s| s.choices.iter().map(of).fold(f64::INFINITY, f64::min)).collect()
        };
        [least(|c| c.sums[0]), least(|c| c.sums[1])]
    }

    /// The fewest seconds of each step.
    pub fn fastest(&self) -> Vec<f64> {
        self.steps.iter().map(|s| s.choices.iter().map(|c| c.seconds).fold(f64::INFINITY, f64::min)).collect()
    }

    /// When each step starts, given what each takes.
    pub fn heads(&self, seconds: &[f64]) -> Vec<f64> {
        let mut heads: Vec<f64> = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            heads.push(step.before.iter().map(|b| at(&heads, *b) + at(seconds, *b)).fold(0.0, f64::max));
        }
        heads
    }

    /// The longest path from each step's end to the end of the plan, given what each takes.
    pub fn tails(&self, seconds: &[f64]) -> Vec<f64> {
        let mut tails = vec![0.0; self.steps.len()];
        for (i, step) in self.steps.iter().enumerate().rev() {
            let through = at(seconds, i) + at(&tails, i);
            for before in &step.before {
                if let Some(tail) = tails.get_mut(*before) {
                    *tail = through.max(*tail);
                }
            }
        }
        tails
    }

    /// The chosen offers of an assignment, one of each step.
    pub fn chosen<'a>(&'a self, picks: &'a [usize]) -> impl Iterator<Item = &'a Choice> {
        self.steps.iter().zip(picks).filter_map(|(step, pick)| step.choices.get(*pick))
    }

    /// Seconds of each step.
    pub fn seconds(&self, picks: &[usize]) -> Vec<f64> {
        self.chosen(picks).map(|c| c.seconds).collect()
    }

    /// The length of the longest path.
    pub fn span(&self, seconds: &[f64]) -> f64 {
        self.heads(seconds).iter().zip(seconds).map(|(head, s)| head + s).fold(0.0, f64::max)
    }

    /// The objective of an assignment.
    pub fn objective(&self, picks: &[usize]) -> f64 {
        let late = if self.haste > 0.0 { self.haste * self.span(&self.seconds(picks)) } else { 0.0 };
        self.chosen(picks).map(|c| c.profit).sum::<f64>() - late
    }
}

/// The slots in an order in which each comes after those that it waits for; of those that may come next, the first
/// listed.
fn topological(slots: &[Slot]) -> Result<Vec<usize>, AssignError> {
    let mut waiting: Vec<usize> = slots.iter().map(|s| s.after.len()).collect();
    let mut next = vec![Vec::new(); slots.len()];
    for (i, slot) in slots.iter().enumerate() {
        for before in &slot.after {
            if let Some(list) = next.get_mut(*before) {
                list.push(i);
            }
        }
    }
    let mut ready: std::collections::BTreeSet<usize> =
        waiting.iter().enumerate().filter(|(_, w)| **w == 0).map(|(i, _)| i).collect();
    let mut order = Vec::with_capacity(slots.len());
    while let Some(i) = ready.pop_first() {
        order.push(i);
        for after in next.get(i).into_iter().flatten() {
            if let Some(w) = waiting.get_mut(*after) {
                *w -= 1;
                if *w == 0 {
                    ready.insert(*after);
                }
            }
        }
    }
    match waiting.iter().position(|w| *w > 0) {
        Some(stuck) => Err(AssignError::Input(format!("the order has a cycle that subtask {} waits for", stuck + 1))),
        None => Ok(order),
    }
}
