use std::collections::BTreeMap;

use qsef_core::{AnyExpert, Budget, Error, Plan, Result, SubtaskId};
use qsef_score::{
    Score,
    choose::{self, Limits, Offer, Size, Slot},
};

use super::{AS_GOOD, Assignment, Registry, learned::Learned, text_need};
use crate::run::{Candidate, Choice, Integration};

/// What the difference between a free expert and the dearest one for a subtask is worth in probability of success: an expert
/// that is better by less is not worth its price.
const PRICE_IN_TE: f64 = 0.05;

/// Experts of a subtask that are weighed against each other within a budget.
const OFFERS: usize = 20;

/// The most experts that may take over, besides the fallback.
const UNDERSTUDIES: usize = 2;

impl Registry {
    /// Gives each subtask to an expert: those that together have the highest efficiency for their price, within the budget for
    /// the whole plan (a multiple-choice knapsack, see [`choose::assign`]). Where no expert fits a subtask, the fallback gets
    /// it. Of the deadline, what experts are known to take counts.
    ///
    /// # Errors
    /// [`Error::Budget`] when no choice of experts is within the budget; [`Error::Input`] when no expert accepts text;
    /// otherwise the embedder's own.
    pub async fn assign(&self, plan: &Plan, budget: &Budget) -> Result<Vec<Assignment>> {
        let need = text_need();
        if !self.experts.iter().any(|e| need.met_by(e.profile())) {
            return Err(Error::Input("no expert accepts text".into()));
        }
        let texts: Vec<&str> = plan.subtasks.iter().map(|s| s.task.as_str()).collect();
        let scored = self.scored(&texts).await?;
        let (scores, vectors): (Vec<Vec<Score>>, Vec<_>) = scored.into_iter().map(|s| (s.scores, s.vector)).unzip();
        let limits = Limits { usd: budget.usd, tokens: budget.tokens, seconds: budget.time.map(|t| t.as_secs_f64()) };
        // An expert that does not fit is better than none within the budget, and a part within the deadline better than
        // nothing: what an expert takes is only an estimate.
        let tries = [(false, limits), (true, limits), (true, Limits { seconds: None, ..limits })];
        let learned = self.learned();
        let trials: Vec<Option<String>> = scores.iter().map(|scores| self.on_trial(&learned, scores)).collect();
        let mut chosen = Err(Error::Internal("no assignment was tried".into()));
        for (all, limits) in tries {
            chosen = self.choose(&learned, (plan, &scores, &trials), all, limits);
            if !matches!(chosen, Err(Error::Budget(_))) {
                break;
            }
        }
        let chosen = chosen?;
        let rows = plan.subtasks.iter().zip(chosen).zip(&trials).zip(&scores).zip(vectors);
        let assignments = rows.map(|((((subtask, chosen), trial), scores), vector)| Assignment {
            id: subtask.id,
            expert: chosen.expert.clone(),
            te: chosen.te,
            why: learned.why(chosen, scores, trial.as_ref() == Some(&chosen.expert)),
            expected_usd: self.offer(&learned, chosen).usd,
            scores: scores.clone(),
            vector,
        });
        Ok(assignments.collect())
    }

    /// The new expert that gets a subtask before others that are better known. None that changes something or needs a person.
    fn on_trial(&self, learned: &Learned, scores: &[Score]) -> Option<String> {
        let best = scores.first().filter(|best| best.te >= learned.least_te)?;
        let fits = scores.iter().filter(|s| s.te >= AS_GOOD * best.te);
        let may_try = |s: &&Score| self.get(&s.expert).is_some_and(|e| !e.profile().is_consequential());
        learned.on_trial(fits.filter(may_try))
    }

    /// The score of the expert that each subtask goes to.
    fn choose<'a>(
        &self,
        learned: &Learned,
        (plan, scores, trials): (&Plan, &'a [Vec<Score>], &[Option<String>]),
        all: bool,
        limits: Limits,
    ) -> Result<Vec<&'a Score>> {
        let places: BTreeMap<SubtaskId, usize> = plan.subtasks.iter().map(|s| s.id).zip(0..).collect();
        let candidates: Vec<Vec<&Score>> = scores.iter().map(|s| self.candidates(learned, s, all)).collect();
        let slots = plan.subtasks.iter().zip(&candidates).zip(trials).map(|((subtask, candidates), trial)| Slot {
            value: 1.0,
            offers: candidates.iter().map(|score| self.weighed(learned, score, trial.as_deref())).collect(),
            after: subtask.after.iter().filter_map(|id| places.get(id).copied()).collect(),
        });
        let slots: Vec<Slot> = slots.collect();
        let dearest = slots.iter().flat_map(|s| &s.offers).map(|o| o.usd).fold(0.0, f64::max);
        let lambda = if dearest > 0.0 { PRICE_IN_TE / dearest } else { 0.0 };
        let assignment = choose::assign(&slots, limits, lambda)?;
        let chosen = candidates.iter().zip(&assignment.chosen).map(|(scores, &at)| scores.get(at).copied());
        chosen.collect::<Option<_>>().ok_or_else(|| Error::Internal("an assignment names no offer".into()))
    }

    /// The experts that a subtask may go to: the best with the fallback, or the fallback alone where none fits. `all` takes
    /// those that do not fit, too, and the cheapest.
    fn candidates<'a>(&self, learned: &Learned, scores: &'a [Score], all: bool) -> Vec<&'a Score> {
        let fallback = self.fallback.as_ref().and_then(|f| scores.iter().find(|s| s.expert == *f));
        let fits = scores.first().is_some_and(|best| best.te >= learned.least_te);
        let usd = |score: &Score| self.offer(learned, score).usd;
        let cheapest = scores.iter().min_by(|a, b| usd(a).total_cmp(&usd(b))).filter(|_| all);
        match fallback {
            Some(fallback) if !fits && !all => vec![fallback],
            _ => scores.iter().take(OFFERS).chain(fallback).chain(cheapest).collect(),
        }
    }

    /// What an expert offers where it is weighed against others: its efficiency counts in full where it is on trial, and for
    /// more where less is known of it, unless to try it would change something.
    fn weighed(&self, learned: &Learned, score: &Score, trial: Option<&str>) -> Offer {
        let may_try = self.get(&score.expert).is_some_and(|e| !e.profile().is_consequential());
        let te = match trial {
            Some(id) if id == score.expert => 1.0,
            _ if may_try => learned.prospect(score),
            _ => score.te,
        };
        Offer { te, ..self.offer(learned, score) }
    }

    /// What an expert offers for a subtask.
    pub(super) fn offer(&self, learned: &Learned, score: &Score) -> Offer {
        let profile = self.get(&score.expert).map(AnyExpert::profile);
        let (usd, tokens) = profile.map(|p| learned.expected(p)).unwrap_or_default();
        Offer { te: score.te, usd, tokens, seconds: score.seconds.unwrap_or(0.0) }
    }

    /// An expert that may do a subtask, with what it may need.
    fn candidate(&self, learned: &Learned, expert: &str, te: f64) -> Option<Candidate> {
        let profile = self.get(expert)?.profile();
        let (usd, tokens) = learned.expected(profile);
        Some(Candidate::new(profile, te, usd, tokens))
    }

    /// Who does a subtask, and who takes over where that expert cannot: those that are about as good, and the fallback. One that
    /// changes something takes over only from its like.
    pub(crate) fn choice(&self, assignment: &Assignment, committee: Option<Integration>) -> Choice {
        let others = || assignment.scores.iter().filter(|s| s.expert != assignment.expert);
        let as_good = others().filter(|s| s.te >= AS_GOOD * assignment.te).take(UNDERSTUDIES);
        let fallback = others().filter(|s| self.fallback.as_ref() == Some(&s.expert));
        let learned = self.learned();
        let candidate = |expert: &str, te: f64| self.candidate(&learned, expert, te);
        let mut candidates: Vec<Candidate> = candidate(&assignment.expert, assignment.te).into_iter().collect();
        let may_act = candidates.iter().any(Candidate::is_consequential);
        for score in as_good.chain(fallback) {
            let is_new = !candidates.iter().any(|c| c.expert == score.expert);
            let next = candidate(&score.expert, score.te).filter(|c| may_act || !c.is_consequential());
            candidates.extend(next.filter(|_| is_new));
        }
        let committee = committee.map_or(Vec::new(), |c| self.committee(&learned, assignment, c.size));
        let is_candidate = |s: &Score| candidates.iter().any(|c| c.expert == s.expert);
        let ranked = assignment.scores.iter().enumerate();
        let scores = ranked.filter(|(rank, s)| *rank < OFFERS || is_candidate(s)).map(|(_, s)| s.clone()).collect();
        Choice { id: assignment.id, candidates, committee, why: assignment.why.clone(), scores }
    }

    /// The best experts that fit a subtask and may do it at the same time: not those that change something, of which one is
    /// enough, nor those that need a person. Empty where there are not two.
    fn committee(&self, learned: &Learned, assignment: &Assignment, size: usize) -> Vec<Candidate> {
        if self.get(&assignment.expert).is_none_or(|e| e.profile().is_consequential()) {
            return Vec::new();
        }
        let fits = assignment.scores.iter().filter(|s| s.te >= learned.least_te);
        let fits = fits.filter(|s| self.get(&s.expert).is_some_and(|e| !e.profile().is_consequential()));
        let seated = choose::committee(fits.map(|s| (s.expert.as_str(), s.te)), Size::Fixed(size));
        let seated: Vec<Candidate> = seated.iter().filter_map(|m| self.candidate(learned, &m.expert, m.te)).collect();
        if seated.len() < 2 { Vec::new() } else { seated }
    }
}

impl Learned {
    /// Why an expert was chosen, in a line.
    fn why(&self, chosen: &Score, scores: &[Score], on_trial: bool) -> String {
        let explained = chosen.explain();
        let Some(best) = scores.first().filter(|best| best.expert != chosen.expert) else {
            return if on_trial { format!("{explained}, on trial") } else { explained };
        };
        let (better, te) = (&best.expert, best.te);
        if on_trial {
            format!("{explained}, on trial; {better} has TE {te:.2}")
        } else if te < self.least_te {
            format!("no expert fits: the best, {better}, has only TE {te:.2}")
        } else if self.prospect(best) < self.prospect(chosen) {
            format!("{explained}, to know it better; {better} has TE {te:.2}")
        } else {
            format!("{explained}, for its price; {better} has TE {te:.2}")
        }
    }
}
