//! What the planner's model does in a run: one output of several, smaller subtasks for one, the final answer.

use qsef_core::{Budget, Error, Event, Outcome, Plan, Result, Subtask, SubtaskId, Usage};

use super::{Driver, Happened, UnderWay, Vectors, choices};
use crate::{
    run::{
        committee::{self, Method},
        compose::{self, Composition},
        step::{Candidate, Choice, Step},
    },
    translate::same_meaning,
};

/// The share of the weight that has to be behind a committee's output for it not to be worth a warning.
const AGREED: f64 = 0.75;

/// The subtasks that replace one, who does them, and what planning took.
#[derive(Default)]
pub(super) struct Parts {
    subtasks: Vec<Subtask>,
    choices: Vec<Choice>,
    usage: Usage,
    vectors: Vectors,
}

impl<'a> Driver<'a> {
    /// Refuses what would cost more to plan than may be spent, before anything is spent.
    pub(super) fn can_plan(&self) -> Result<()> {
        let Budget { usd, tokens, .. } = self.run.budget;
        if usd.is_none() && tokens.is_none() {
            return Ok(());
        }
        let prompt_tokens = self.hub.planner().prompt_tokens(&self.run.request);
        let cost = self.hub.bill(Usage { prompt_tokens, ..Usage::default() }).0.usd;
        if tokens.is_some_and(|limit| prompt_tokens > limit) || usd.is_some_and(|limit| cost > limit) {
            return Err(Error::Budget(format!(
                "to plan the request takes at least {prompt_tokens} tokens, ${cost:.6}"
            )));
        }
        Ok(())
    }

    /// Makes one output of those of a committee. Where no model can write one of several, most of the weight decides.
    pub(super) fn integrate(&self, id: SubtaskId, under_way: &UnderWay<'a>) {
        let (Some(work), Some(committee)) = (self.run.work.get(&id), self.run.committee) else { return };
        let outputs = committee::outputs(&work.members);
        let voted = match committee.method {
            Method::Mean => committee::mean(&outputs).or_else(|| committee::vote(&outputs)),
            Method::Vote | Method::Synthesis => committee::vote(&outputs),
        };
        let Some((payload, agreement)) = voted else { return };
        let (hub, task, members) = (self.hub, work.task().to_owned(), work.members.clone());
        let events = self.setting.events.clone();
        // What all agree on needs no model.
        let writes = committee.method == Method::Synthesis && agreement < 1.0;
        under_way.push(Box::pin(async move {
            let mut outcome = Outcome::from(payload);
            if writes {
                match hub.planner().synthesise(&task, &committee::outputs(&members)).await {
                    Ok((text, usage)) => {
                        outcome.payload.value = text.into();
                        outcome.cost = hub.bill(usage).0;
                        outcome.model = Some(hub.planner_model().to_owned());
                    }
                    Err(error) => {
                        let why = format!("no model could make one output of several ({error})");
                        events.send(Event::Warning { message: format!("{id}: {why}; they are put to the vote") });
                    }
                }
            }
            Happened::Integrated { id, outcome, agreement }
        }));
    }

    pub(super) async fn integrated(&mut self, id: SubtaskId, outcome: Outcome, agreement: f64) -> Result<()> {
        if agreement < AGREED {
            let share = 100.0 * agreement;
            let message = format!("{id}: the experts disagree: {share:.0} % of the weight is behind this output");
            self.setting.events.send(Event::Warning { message });
        }
        self.step(Step::Integrated { id, outcome, agreement }).await
    }

    pub(super) fn replan(&self, id: SubtaskId, under_way: &UnderWay<'a>) {
        let Some(work) = self.run.work.get(&id) else { return };
        let (subtask, problem) = (work.subtask.clone(), work.error.clone().unwrap_or_default());
        let first = self.run.work.keys().max().map_or(1, |last| last + 1);
        let (hub, budget, committee) = (self.hub, self.run.budget, self.run.committee);
        let may_act = work.candidates.iter().any(Candidate::is_consequential);
        under_way.push(Box::pin(async move {
            let parts = async {
                let (subtasks, usage) = hub.planner().replan(&subtask, &problem, first).await?;
                if subtasks.is_empty() {
                    return Ok(Parts { usage, ..Parts::default() });
                }
                let mut plan = Plan { subtasks };
                let mut assignments = hub.registry().assign(&plan, &budget).await?;
                hub.type_outputs(&mut plan, &mut assignments)?;
                if let Some(last) = plan.subtasks.last_mut() {
                    last.output.clone_from(&subtask.output);
                }
                let (choices, vectors) = choices(hub, &assignments, committee);
                // The problem may be told in an expert's words: what they lead to must not change the world.
                let acts = choices.iter().flat_map(|c| &c.candidates).any(Candidate::is_consequential);
                if acts && !may_act {
                    return Ok(Parts { usage, ..Parts::default() });
                }
                Ok(Parts { subtasks: plan.subtasks, choices, usage, vectors })
            };
            Happened::Replanned { id, parts: parts.await }
        }));
    }

    pub(super) async fn replanned(&mut self, id: SubtaskId, parts: Result<Parts>) -> Result<()> {
        // Where it cannot be split, it stays a failure.
        let Parts { subtasks, choices, usage, vectors } = parts.unwrap_or_default();
        self.vectors.extend(vectors);
        let (cost, model) = self.hub.bill(usage);
        let ids: Vec<SubtaskId> = subtasks.iter().map(|s| s.id).collect();
        self.step(Step::Replanned { id, subtasks, choices, cost, model }).await?;
        if !ids.is_empty() {
            let message = format!("{id}: nobody can do it as it stands; it is split into {} steps", ids.len());
            self.setting.events.send(Event::Warning { message });
        }
        for id in ids {
            self.announce(id);
        }
        Ok(())
    }

    /// Writes one text of the outputs, and keeps of it what they bear out.
    pub(super) fn compose(&self, under_way: &UnderWay<'a>) {
        let (hub, request, sources) = (self.hub, self.run.request.clone(), self.run.sources());
        under_way.push(Box::pin(async move {
            let (claims, usage) = match hub.planner().compose(&request, &sources).await {
                Ok(written) => written,
                Err(error) => {
                    let composition = Composition::failed(error.to_string());
                    return Happened::Composed { composition, usage: Usage::default() };
                }
            };
            let mut composition = compose::borne_out(claims, &sources);
            let mut kept = Vec::new();
            for claim in composition.claims {
                let cited = compose::cited(&claim, &sources);
                match same_meaning(hub.registry().embedder(), cited, claim.text.clone()).await {
                    Ok(_) => kept.push(claim),
                    Err(problem) => composition.problems.push(format!("\"{}\": {problem}", claim.text)),
                }
            }
            composition.claims = kept;
            Happened::Composed { composition: compose::in_full(composition, &sources), usage }
        }));
    }

    pub(super) async fn composed(&mut self, composition: Composition, usage: Usage) -> Result<()> {
        if !composition.problems.is_empty() {
            let what = if composition.claims.is_empty() { "no text" } else { "not all of the text" };
            let message = format!("{what} could be made of the results: {}", composition.problems.join("; "));
            self.setting.events.send(Event::Warning { message });
        }
        let (cost, model) = self.hub.bill(usage);
        self.step(Step::Composed { composition, cost, model }).await
    }
}
