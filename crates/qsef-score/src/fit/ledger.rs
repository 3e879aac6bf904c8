//! A ledger as history: outcomes of experts that were chosen, mostly good, and of no others.

use std::collections::HashMap;

use super::{Example, Observed, past};
use crate::{
    Outcome, Scorer, Term, Values, Weights,
    adapt::{Bandit, KEPT, Rule, Settings},
    history::{History, Past, Promises},
    score::efficiency,
    terms::MOST_SURPRISAL,
};

/// Newer outcomes that halve what an older one counts: experts change.
const HALF_LIFE: f64 = 1000.0;

/// Outcomes that a promise is worth against an expert's failures elsewhere: it may fail at one kind of task only.
const DOUBT: f64 = 10.0;

/// What a ledger says of the experts as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Remembered {
    /// What promises by the profiles alone are worth: what they say without outcomes.
    pub promises: Promises,
    /// Every expert of the scorer, with its outcomes against what its profile promised. It takes the mean, without
    /// exploration, unless it is given another rule.
    pub bandit: Bandit,
}

impl Scorer {
    /// Takes the outcomes of a ledger as history, newest first, in place of what was learned before. What a single term is
    /// worth cannot be told from them, as nobody knows what those who were not chosen would have done. But this can:
    ///
    /// - what all promises are worth: TE is multiplied by a common factor ([`Promises`]), which keeps the experts' order and makes it a
    ///   probability;
    /// - how an expert does at tasks like the one at hand, to which its TE moves from what its profile promises;
    /// - which experts fall short of their promises: their promise sinks everywhere, by the bandit's odds
    ///   ([`Bandit`]). It never rises that way, because success at what an expert was chosen for says nothing of the rest;
    /// - which have changed: when the bandit raises its alarm, what an expert did before counts a tenth.
    ///
    /// Of two outcomes, one that is 1,000 outcomes older counts half. Outcomes whose success or weight is no number in
    /// range are left out.
    pub fn remember(&mut self, examples: &[Example]) -> Remembered {
        let mut weights = Weights::default();
        self.set_history(None);
        self.set_weights(weights);
        let mut outcomes: Vec<Vec<Outcome>> = examples.iter().map(|e| e.outcomes.clone()).collect();
        for (age, outcome) in outcomes.iter_mut().flatten().enumerate() {
            let valid = (0.0..=1.0).contains(&outcome.success) && (0.0..=1.0).contains(&outcome.weight);
            outcome.weight = if valid { outcome.weight * 0.5f64.powf(age as f64 / HALF_LIFE) } else { 0.0 };
        }
        let mut observed = self.observe(examples);
        for o in &mut observed {
            o.row.weight = outcomes.get(o.task).and_then(|of| of.get(o.nth)).map_or(0.0, |outcome| outcome.weight);
        }
        observed.retain(|o| o.row.weight > 0.0);
        let exponent = |o: &Observed| weights.profile.dot(&o.row.terms);
        let promised: Vec<_> = observed.iter().map(|o| (exponent(o), o.row.success, o.row.weight)).collect();
        let promises = Promises::fit(&promised);
        // There is no trend to be told.
        weights.history = Values::from_iter([(Term::Neighbours, MOST_SURPRISAL)]);
        self.set_weights(weights);
        let bandit = self.replay(&observed, promises, &mut outcomes);
        let past: Vec<Past<'_>> =
            examples.iter().zip(&outcomes).map(|(example, outcomes)| Past { outcomes, ..past(example) }).collect();
        self.set_history((!past.is_empty()).then(|| History::of_ledger(&past, promises, &bandit, DOUBT)));
        Remembered { promises, bandit }
    }

    /// Goes through the outcomes from the oldest to the newest. Those from before a change lose weight.
    fn replay(&self, observed: &[Observed], promises: Promises, outcomes: &mut [Vec<Outcome>]) -> Bandit {
        // Old outcomes weigh less already.
        let settings =
            Settings { gamma: 1.0, prior: DOUBT, rule: Rule::Ucb { width: 0.0 }, trial_te: 0.0, ..Settings::default() };
        let mut bandit = Bandit::of_valid(settings);
        (0..self.len()).filter_map(|place| self.id(place)).for_each(|id| bandit.add(id, 0));
        let mut before: HashMap<&str, Vec<(usize, usize)>> = HashMap::new();
        for Observed { task, nth, expert, row, .. } in observed.iter().rev() {
            let earlier = before.entry(expert).or_default();
            let promise = promises.worth(efficiency(self.weights().profile.dot(&row.terms)));
            if bandit.observe_weighted(expert, promise, row.success, row.weight).unwrap_or(false) {
                for (task, nth) in earlier.iter() {
                    if let Some(outcome) = outcomes.get_mut(*task).and_then(|of| of.get_mut(*nth)) {
                        outcome.weight *= KEPT;
                    }
                }
            }
            earlier.push((*task, *nth));
        }
        bandit
    }
}
