mod document;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use qsef_core::{Cost, OutputType, Payload, Status, SubtaskId, Usage};
use qsef_score::Score;

use crate::{
    Analysis,
    run::{Claim, HandedOff, Work},
};

/// A subtask with what became of it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SubtaskReport {
    /// Its number.
    pub id: SubtaskId,
    /// What was to be done.
    pub task: String,
    /// What the request puts before it.
    pub after: BTreeSet<SubtaskId>,
    /// Whose outputs it used.
    pub uses: BTreeSet<SubtaskId>,
    /// Who did it.
    pub expert: String,
    /// That expert's efficiency, in (0, 1].
    pub te: f64,
    /// Why that expert, in a line.
    pub why: String,
    /// All experts' scores, best first.
    pub scores: Vec<Score>,
    /// Where it stands.
    pub status: Status,
    /// What it cost.
    pub cost: Cost,
    /// How long it took.
    pub elapsed: Duration,
    /// The model that was called, where one was.
    pub model: Option<String>,
    /// What its output was to be, where its expert or those who use it say.
    pub output_type: Option<OutputType>,
    /// What it made.
    pub output: Option<Payload>,
    /// Why it failed.
    pub error: Option<String>,
    /// How what it was handed was made into what its expert takes.
    pub hand_offs: Vec<HandedOff>,
    /// Experts that did it together with their outputs, best first; empty where one did it alone.
    pub committee: Vec<(String, Option<Payload>)>,
    /// The share of the committee's weight that agrees with the output, in [0, 1].
    pub agreement: Option<f64>,
}

impl SubtaskReport {
    /// What became of a subtask, as far as its run has come.
    pub(crate) fn of(work: &Work) -> Self {
        let expert = work.expert();
        Self {
            id: work.subtask.id,
            task: work.subtask.task.clone(),
            after: work.subtask.after.clone(),
            uses: work.subtask.uses.clone(),
            expert: expert.map(|e| e.expert.clone()).unwrap_or_default(),
            te: expert.map_or(0.0, |e| e.te),
            why: work.why.clone(),
            scores: work.scores.clone(),
            status: work.status,
            cost: work.cost,
            elapsed: Duration::from_millis(work.elapsed_ms),
            model: work.model.clone(),
            output_type: work.subtask.output.clone(),
            output: work.output.clone(),
            error: work.error.clone(),
            hand_offs: work.hand_offs.clone(),
            committee: work.members.iter().map(|m| (m.candidate.expert.clone(), m.output.clone())).collect(),
            agreement: work.agreement,
        }
    }
}

/// A run from request to answer.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RunReport {
    /// A unique name that sorts by time.
    pub trace_id: String,
    /// The request.
    pub request: String,
    /// The answer, in Markdown; what there is of it where the run ended early.
    pub answer: String,
    /// What was read in the request.
    pub analysis: Analysis,
    /// What the answer says in words of its own, with the subtasks that each sentence comes from; empty where the outputs are
    /// joined as they are.
    pub claims: Vec<Claim>,
    /// The subtasks in order.
    pub subtasks: Vec<SubtaskReport>,
    /// What was repaired in the plan, in words.
    pub repairs: Vec<String>,
    /// Tokens of planner and experts.
    pub usage: Usage,
    /// The same by model.
    pub by_model: BTreeMap<String, Usage>,
    /// Money, in US dollars.
    pub cost_usd: f64,
    /// From request to answer.
    pub elapsed: Duration,
    /// From request to plan.
    pub planning: Duration,
    /// The limit that ended the run early.
    pub exhausted: Option<String>,
    /// Whether it waits for a person's word on subtasks whose status is [`Status::Paused`].
    pub paused: bool,
}

impl RunReport {
    /// Whether every subtask is done, or only a plan was asked for.
    pub fn succeeded(&self) -> bool {
        self.exhausted.is_none() && self.subtasks.iter().all(|s| matches!(s.status, Status::Done | Status::Pending))
    }
}
