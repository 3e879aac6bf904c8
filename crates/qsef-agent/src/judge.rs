use qsef_core::{Cost, Error, Result, Status, SubtaskId};
use serde::Serialize;

use crate::{
    Hub,
    ledger::{Outcome, OutcomeKind},
    run::{Run, Work},
};

/// What the judge said of a run's subtasks.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Judgement {
    /// One for each subtask that was judged, in order of their numbers.
    pub verdicts: Vec<Verdict>,
    /// What judging cost.
    pub cost: Cost,
}

/// What the judge said of a subtask.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Verdict {
    /// The subtask.
    pub id: SubtaskId,
    /// Who did it.
    pub expert: String,
    /// 0 where the output is wrong, 0.5 where it is right in part, 1 where it is right.
    pub score: f64,
    /// Why, in a sentence.
    pub reason: String,
}

impl Hub {
    /// Has the planner's model judge what a run's experts made, and adds its scores to the ledger, where they count as much as
    /// a person's while there is none. Only what a language model made is judged: what code computes, a model can hardly
    /// check. A small model judges roughly; judge with one that is better than the experts.
    ///
    /// # Errors
    /// [`Error::Input`] where there is no ledger or no such run; otherwise the model's own, or the ledger's.
    pub async fn judge(&self, trace_id: &str) -> Result<Judgement> {
        let run = self.stored(trace_id).await?;
        let mut judgement = Judgement::default();
        for work in run.work.values() {
            let Some((expert, output)) = self.to_judge(work) else { continue };
            let (judged, usage) = self.planner().judge(work.task(), &material(&run, work), &output).await?;
            judgement.cost += self.bill(usage).0;
            if let Some(judged) = judged {
                let (id, expert) = (work.subtask.id, expert.to_owned());
                judgement.verdicts.push(Verdict { id, expert, score: judged.score, reason: judged.reason });
            }
        }
        let outcomes: Vec<Outcome> = judgement.verdicts.iter().map(|v| outcome(trace_id, v)).collect();
        let ledger = self.ledger()?.clone();
        let added = tokio::task::spawn_blocking(move || ledger.add_outcomes(&outcomes)).await;
        added.map_err(|e| Error::Internal(e.to_string()))??;
        Ok(judgement)
    }

    /// The expert and the output of a subtask that is worth judging.
    fn to_judge<'a>(&self, work: &'a Work) -> Option<(&'a str, String)> {
        let expert = work.expert().filter(|_| work.status == Status::Done && work.members.is_empty())?;
        let is_model = self.registry().get(&expert.expert).is_some_and(|e| e.profile().params_b.is_some());
        let output = work.output.as_ref().filter(|_| is_model)?;
        Some((&expert.expert, output.to_text()))
    }
}

/// What the expert was given besides its task.
fn material(run: &Run, work: &Work) -> Vec<String> {
    let told = (!run.background.is_empty()).then(|| run.background.clone());
    told.into_iter().chain(run.inputs(&work.subtask.uses).iter().map(|input| input.payload.to_text())).collect()
}

fn outcome(trace_id: &str, verdict: &Verdict) -> Outcome {
    Outcome {
        trace_id: trace_id.to_owned(),
        subtask: verdict.id,
        expert: verdict.expert.clone(),
        kind: OutcomeKind::Judge,
        score: verdict.score,
        latency_ms: None,
        usd: None,
        tokens: None,
        note: Some(verdict.reason.clone()),
        at_ms: crate::ledger::now_ms(),
    }
}
