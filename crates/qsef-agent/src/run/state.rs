use std::collections::{BTreeMap, BTreeSet};

use qsef_core::{Budget, Cost, Error, Input, Message, Outcome, Plan, Result, Status, Subtask, SubtaskId, Usage};
use serde::Serialize;

use super::{
    committee::{Integration, Member},
    compose::Composition,
    step::{Approval, Choice, Ended, Step},
    work::Work,
};

/// How often a subtask that nobody could do is split, in one run.
pub(super) const MAX_REPLANS: usize = 2;

/// A run as its steps make it: a state machine without input or output. [`Run::apply`] is the only thing that changes it,
/// and [`Run::next`] says what there is to do.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Run {
    /// The request.
    pub request: String,
    /// The most it may spend.
    pub budget: Budget,
    /// The conversation before the request.
    pub history: Vec<Message>,
    /// The result before the request.
    pub previous: Option<Input>,
    /// Who does a subtask together, and how their outputs become one.
    pub committee: Option<Integration>,
    /// What 10⁶ tokens cost, in US dollars, of the model that is to write the outputs as one text; none where they are joined.
    pub compose: Option<f64>,
    /// That text; none before it is written.
    pub composition: Option<Composition>,
    /// The subtasks; none before there is a plan. What replaces one that nobody could do is in `work` only.
    pub plan: Option<Plan>,
    /// What the request tells besides its subtasks.
    pub background: String,
    /// What was repaired in the plan, in words.
    pub repairs: Vec<String>,
    /// What the planner's model took: for planning, and to make one text of several.
    pub planning: Cost,
    /// The planner's model, where it was called.
    pub planner: Option<String>,
    /// How long planning took, in milliseconds.
    pub planning_ms: u64,
    /// What became of each subtask; empty before they have experts.
    pub work: BTreeMap<SubtaskId, Work>,
    /// Calls of experts and models so far.
    pub calls: u64,
    /// How often a subtask was split because nobody could do it.
    pub replans: usize,
    /// The limit that ended the run before its end.
    pub stopped: Option<String>,
    /// Steps so far.
    pub steps: u64,
}

impl Run {
    /// Applies a step.
    ///
    /// # Errors
    /// [`Error::Internal`] for a step that cannot follow on those before it: the trace is damaged, or of another version.
    pub fn apply(&mut self, step: Step) -> Result<()> {
        self.steps += 1;
        match step {
            Step::Begun { request, budget, history, previous, committee, compose } => {
                (self.request, self.budget, self.history, self.previous) = (request, budget, history, previous);
                (self.committee, self.compose) = (committee, compose);
            }
            Step::Planned { plan, background, repairs, cost, model, elapsed_ms } => {
                self.calls += u64::from(model.is_some());
                self.planning += cost;
                (self.plan, self.background, self.repairs) = (Some(plan), background, repairs);
                (self.planner, self.planning_ms) = (model, elapsed_ms);
            }
            Step::Assigned { plan, choices, repairs, cost, model } => {
                self.calls += u64::from(model.is_some());
                self.planning += cost;
                self.planner = self.planner.take().or(model);
                self.repairs.extend(repairs);
                let subtasks = plan.subtasks.iter().cloned();
                self.work = subtasks.zip(choices).map(|(s, c)| (s.id, Work::new(s, c))).collect();
                self.plan = Some(plan);
            }
            Step::Counted { id, expert, prompt_tokens } => {
                let who = self.work_mut(id)?.waiting_mut().find(|c| c.expert == expert);
                who.ok_or_else(|| Error::Internal(format!("{expert} does not wait for {id}")))?.prompt_tokens =
                    Some(prompt_tokens);
            }
            Step::Started { id, expert, .. } => {
                self.calls += 1;
                let work = self.work_mut(id)?;
                work.status = Status::Running;
                match work.member_mut(&expert) {
                    Some(member) => member.start(),
                    None => work.attempts += 1,
                }
            }
            Step::Ended { id, expert, elapsed_ms, result, hand_offs } => {
                let work = self.work_mut(id)?;
                work.hand_offs.extend(hand_offs);
                match work.member(&expert) {
                    Some(_) => work.member_ended(&expert, elapsed_ms, result),
                    None => work.end(elapsed_ms, result),
                }
                self.settle();
            }
            Step::Integrated { id, outcome: Outcome { payload, cost, model }, agreement } => {
                self.calls += u64::from(model.is_some());
                self.planning += cost;
                self.planner = self.planner.take().or(model);
                let work = self.work_mut(id)?;
                work.agreement = Some(agreement);
                work.end(0, Ended::Done(payload.into()));
                self.settle();
            }
            Step::Replanned { id, subtasks, choices, cost, model } => {
                self.planning += cost;
                self.calls += u64::from(model.is_some());
                self.replans += 1;
                self.replace(id, subtasks, choices)?;
            }
            Step::Composed { composition, cost, model } => {
                self.calls += u64::from(model.is_some());
                self.planning += cost;
                self.planner = self.planner.take().or(model);
                self.composition = Some(composition);
            }
            Step::Asked { id } => self.work_mut(id)?.status = Status::Paused,
            Step::Answered { id, approval } => {
                let work = self.work_mut(id)?;
                match &approval {
                    Approval::Deny(reason) if reason.is_empty() => work.fail("a person did not allow it".into()),
                    Approval::Deny(reason) => work.fail(format!("a person did not allow it: {reason}")),
                    _ => work.status = Status::Pending,
                }
                // What is edited is counted anew.
                work.waiting_mut().for_each(|c| c.prompt_tokens = None);
                work.approval = Some(approval);
                self.settle();
            }
            Step::Stopped { reason } => {
                self.stopped = Some(reason);
                for work in self.work.values_mut().filter(|w| !w.has_ended()) {
                    if work.may_have_happened() { work.doubt() } else { work.status = Status::Skipped }
                }
            }
            Step::Resumed { budget } => {
                self.budget = budget;
                self.take_up();
            }
        }
        Ok(())
    }

    fn work_mut(&mut self, id: SubtaskId) -> Result<&mut Work> {
        self.work.get_mut(&id).ok_or_else(|| Error::Internal(format!("the run has no subtask {id}")))
    }

    /// Puts subtasks in the place of one that nobody could do. They take up what it used, and what used it waits for the
    /// last of them.
    fn replace(&mut self, id: SubtaskId, subtasks: Vec<Subtask>, choices: Vec<Choice>) -> Result<()> {
        let last = subtasks.last().map(|s| s.id);
        let work = self.work_mut(id)?;
        work.stuck = false;
        let Some(last) = last else { return Ok(()) };
        work.status = Status::Running;
        work.replaced_by = Some(last);
        self.work.extend(subtasks.into_iter().zip(choices).map(|(s, c)| (s.id, Work::new(s, c))));
        Ok(())
    }

    /// Passes on what follows from an end: the output of what was split, and that what needed a result will never have it.
    fn settle(&mut self) {
        let replaced: Vec<(SubtaskId, SubtaskId)> = self
            .work
            .iter()
            .filter(|(_, w)| w.status == Status::Running)
            .filter_map(|(id, w)| Some((*id, w.replaced_by?)))
            .collect();
        for (id, by) in replaced {
            let Some(part) = self.work.get(&by).filter(|w| w.has_ended()) else { continue };
            let (status, output, error) = (part.status, part.output.clone(), part.error.clone());
            if let Some(work) = self.work.get_mut(&id) {
                (work.status, work.output) = (status, output);
                if status == Status::Done {
                    work.error = None;
                } else if error.is_some() {
                    work.error = error;
                }
            }
        }
    }

    /// After the process that ran it is gone: what was under way begins again, unless it changes something in the world,
    /// which may have happened: that is for a person to say.
    fn take_up(&mut self) {
        self.stopped = None;
        for work in self.work.values_mut() {
            work.members.iter_mut().for_each(Member::take_up);
            match work.status {
                Status::Running if work.replaced_by.is_some() => {}
                Status::Failed if matches!(work.approval, Some(Approval::Deny(_))) => {}
                Status::Running | Status::Failed if work.may_have_happened() => work.doubt(),
                // What failed may succeed now.
                Status::Running | Status::Skipped | Status::Failed => {
                    (work.status, work.attempts, work.wait_ms, work.stuck) = (Status::Pending, 0, 0, false);
                }
                _ => {}
            }
        }
        // Whoever does more has more to tell.
        if !self.work.values().all(Work::has_ended) {
            self.composition = None;
        }
    }

    /// US dollars and tokens so far.
    pub fn spent(&self) -> Cost {
        [self.planning].into_iter().chain(self.work.values().map(|w| w.cost)).sum()
    }

    /// Tokens by model.
    pub fn by_model(&self) -> BTreeMap<String, Usage> {
        let mut by_model: BTreeMap<String, Usage> = BTreeMap::new();
        let planned = self.planner.iter().map(|model| (model.clone(), self.planning.usage));
        let alone = |w: &'_ Work| w.members.is_empty().then(|| Some((w.model.clone()?, w.cost.usage))).flatten();
        let worked = self.work.values().filter_map(alone);
        let members = self.work.values().flat_map(|w| &w.members);
        let members = members.filter_map(|m| Some((m.model.clone()?, m.cost.usage)));
        for (model, usage) in planned.chain(worked).chain(members) {
            *by_model.entry(model).or_default() += usage;
        }
        by_model
    }

    /// The outputs that a subtask uses, in order.
    pub fn inputs(&self, uses: &BTreeSet<SubtaskId>) -> Vec<Input> {
        let input = |id: &SubtaskId| {
            let work = self.work.get(id)?;
            Some(Input { from: *id, task: work.subtask.task.clone(), payload: work.output.clone()? })
        };
        uses.iter().filter_map(input).collect()
    }

    /// Subtasks that wait for a person's word.
    pub fn paused(&self) -> impl Iterator<Item = &Work> {
        self.work.values().filter(|w| w.status == Status::Paused)
    }
}
