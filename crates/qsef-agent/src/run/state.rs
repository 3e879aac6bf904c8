use std::collections::{BTreeMap, BTreeSet};

use qsef_core::{
    Budget, Cost, Error, Input, Message, Outcome, Payload, Plan, Result, Status, Subtask, SubtaskId, Usage,
};
use qsef_score::Score;
use serde::Serialize;

use super::{
    committee::{Integration, Member},
    step::{Approval, Candidate, Choice, Ended, Fault, FaultKind, HandedOff, Step},
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
    /// The subtasks; none before there is a plan. What replaces one that nobody could do is in `work` only.
    pub plan: Option<Plan>,
    /// What the request tells besides its subtasks.
    pub background: String,
    /// What was repaired in the plan, in words.
    pub repairs: Vec<String>,
    /// What the planner's model took: for planning, and to make one output of several.
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

/// A subtask with what became of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Work {
    /// The subtask.
    pub subtask: Subtask,
    /// Who may do it: the first of those that are left has it.
    pub candidates: Vec<Candidate>,
    /// Why the expert has it, in a line.
    pub why: String,
    /// The best scores, best first.
    pub scores: Vec<Score>,
    /// Where it stands.
    pub status: Status,
    /// Calls of its present expert.
    pub attempts: u32,
    /// Milliseconds to wait before the next call.
    pub wait_ms: u64,
    /// What its calls cost, those that failed included.
    pub cost: Cost,
    /// How long its calls took, in milliseconds.
    pub elapsed_ms: u64,
    /// The model that was called, where one was.
    pub model: Option<String>,
    /// What it made.
    pub output: Option<Payload>,
    /// Why it failed.
    pub error: Option<String>,
    /// How what it was handed was made into what its experts take.
    pub hand_offs: Vec<HandedOff>,
    /// What a person said of its present expert's doing it.
    pub approval: Option<Approval>,
    /// Who does it together, where it is more than one: then none of the candidates has it.
    pub members: Vec<Member>,
    /// The share of the members' weight that agrees with the output, in [0, 1], where they did it together.
    pub agreement: Option<f64>,
    /// Whether its last call, which failed, did nothing in the world.
    pub untouched: bool,
    /// Whether it is in need of other subtasks instead of an expert.
    pub stuck: bool,
    /// The subtask that makes its output, where it was split.
    pub replaced_by: Option<SubtaskId>,
}

impl Work {
    fn new(subtask: Subtask, choice: Choice) -> Self {
        Self {
            subtask,
            candidates: choice.candidates,
            why: choice.why,
            scores: choice.scores,
            status: Status::Pending,
            attempts: 0,
            wait_ms: 0,
            cost: Cost::default(),
            elapsed_ms: 0,
            model: None,
            output: None,
            error: None,
            hand_offs: Vec::new(),
            approval: None,
            members: choice.committee.into_iter().map(Member::new).collect(),
            agreement: None,
            untouched: false,
            stuck: false,
            replaced_by: None,
        }
    }

    /// Who has it; the last one who had it where nobody is left.
    pub fn expert(&self) -> Option<&Candidate> {
        self.candidates.first()
    }

    /// What the expert is to do: the subtask in the user's words, or what a person put in their place.
    pub fn task(&self) -> &str {
        match &self.approval {
            Some(Approval::Edit(task)) => task,
            _ => &self.subtask.task,
        }
    }

    /// Whether nothing more comes of it.
    pub fn has_ended(&self) -> bool {
        matches!(self.status, Status::Done | Status::Failed | Status::Skipped)
    }

    /// Whether an expert is at work on it.
    pub fn is_under_way(&self) -> bool {
        self.at_work().next().is_some()
    }

    /// The experts that are at work on it.
    pub fn at_work(&self) -> impl Iterator<Item = &Candidate> {
        let alone = self.expert().filter(|_| self.members.is_empty() && self.replaced_by.is_none());
        let alone = alone.filter(|_| self.status == Status::Running);
        alone.into_iter().chain(self.members.iter().filter(|m| m.status == Status::Running).map(|m| &m.candidate))
    }

    /// Whether an expert has it, alone or with others.
    pub fn has(&self, expert: &str) -> bool {
        match self.members.is_empty() {
            true => self.expert().is_some_and(|e| e.expert == expert),
            false => self.member(expert).is_some(),
        }
    }

    /// The committee's member of this name.
    pub fn member(&self, expert: &str) -> Option<&Member> {
        self.members.iter().find(|m| m.candidate.expert == expert)
    }

    fn member_mut(&mut self, expert: &str) -> Option<&mut Member> {
        self.members.iter_mut().find(|m| m.candidate.expert == expert)
    }

    /// A member's call ended. Where all have failed, whoever is not of the committee takes over.
    fn member_ended(&mut self, expert: &str, elapsed_ms: u64, result: Ended) {
        // They work at the same time.
        self.elapsed_ms = self.elapsed_ms.max(elapsed_ms);
        let Some(member) = self.member_mut(expert) else { return };
        let message = member.end(result);
        self.cost = self.members.iter().map(|m| m.cost).sum();
        if self.members.iter().all(|m| m.status == Status::Failed) {
            let message = message.unwrap_or_else(|| "the committee failed".into());
            let members = std::mem::take(&mut self.members);
            self.candidates.retain(|c| !members.iter().any(|m| m.candidate.expert == c.expert));
            (self.attempts, self.wait_ms, self.status) = (0, 0, Status::Pending);
            self.why = format!("all of the committee failed: {message}");
            if self.candidates.is_empty() {
                self.candidates.extend(members.into_iter().next().map(|m| m.candidate));
                self.fail(message);
                self.stuck = true;
            }
        }
    }

    /// Whether it may have changed something in the world although there is no output: its expert was called, and neither
    /// finished nor said that it did nothing.
    fn may_have_happened(&self) -> bool {
        let is_open = self.status == Status::Running || (self.status == Status::Failed && !self.untouched);
        self.attempts > 0 && is_open && self.expert().is_some_and(|e| e.external)
    }

    /// Leaves it to a person whether it is done again.
    fn doubt(&mut self) {
        self.why = "it was interrupted and may have happened: say whether to do it again".into();
        self.approval = None;
        self.status = Status::Paused;
    }

    fn fail(&mut self, message: String) {
        self.status = Status::Failed;
        self.error = Some(message);
    }

    /// Gives it to the next candidate; false where there is none.
    fn hand_over(&mut self, message: &str) -> bool {
        if self.candidates.len() < 2 {
            return false;
        }
        let before = self.candidates.remove(0);
        self.why = format!("{}: {message}", before.expert);
        self.attempts = 0;
        self.wait_ms = 0;
        self.approval = None;
        self.status = Status::Pending;
        true
    }

    fn end(&mut self, elapsed_ms: u64, result: Ended) {
        self.elapsed_ms = self.elapsed_ms.saturating_add(elapsed_ms);
        match result {
            Ended::Done(outcome) => {
                self.cost += outcome.cost;
                self.model = outcome.model.or(self.model.take());
                self.output = Some(outcome.payload);
                self.status = Status::Done;
                self.error = None;
            }
            Ended::Failed(fault) => self.failed(fault),
        }
    }

    fn failed(&mut self, Fault { kind, message, retry_ms }: Fault) {
        // Whether what changes the world happened is not known: it is not done twice.
        self.untouched = matches!(kind, FaultKind::Declined | FaultKind::Vetoed);
        let once = self.expert().is_some_and(|e| e.external) && !self.untouched;
        match retry_ms {
            Some(wait_ms) if !once => {
                self.status = Status::Pending;
                self.wait_ms = wait_ms;
            }
            _ if once || kind == FaultKind::Vetoed => self.fail(message),
            _ if self.hand_over(&message) => {}
            _ => {
                self.fail(message);
                self.stuck = true;
            }
        }
    }
}

impl Run {
    /// Applies a step.
    ///
    /// # Errors
    /// [`Error::Internal`] for a step that cannot follow on those before it: the trace is damaged, or of another version.
    pub fn apply(&mut self, step: Step) -> Result<()> {
        self.steps += 1;
        match step {
            Step::Begun { request, budget, history, previous, committee } => {
                (self.request, self.budget, self.history, self.previous) = (request, budget, history, previous);
                self.committee = committee;
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
            Step::Asked { id } => self.work_mut(id)?.status = Status::Paused,
            Step::Answered { id, approval } => {
                let work = self.work_mut(id)?;
                match &approval {
                    Approval::Deny(reason) if reason.is_empty() => work.fail("a person did not allow it".into()),
                    Approval::Deny(reason) => work.fail(format!("a person did not allow it: {reason}")),
                    _ => work.status = Status::Pending,
                }
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
