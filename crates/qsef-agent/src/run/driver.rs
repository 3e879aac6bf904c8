use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use qsef_core::{
    AnyExpert, Error, Event, EventSink, ExpertCall, Input, Outcome, Payload, Plan, Result, Status, Subtask, SubtaskId,
    Usage,
};

use super::approve::Approver;
use super::{
    committee::{self, Integration, Method},
    next::Action,
    retry::Failed,
    state::{Run, Work},
    step::{Approval, Choice, Ended, Fault, HandedOff, Step, milliseconds},
};
use crate::{Assignment, Hub, Planned, analyse, answer::Answer, ledger::Recorder, planner::points_back};

/// The share of the weight that has to be behind a committee's output for it not to be worth a warning.
const AGREED: f64 = 0.75;

/// What a driver is given besides the run.
pub(crate) struct Setting {
    /// When to stop.
    pub deadline: Option<Instant>,
    /// Who is asked about subtasks that need a person's word; without one the run pauses there.
    pub approver: Option<Approver>,
    pub events: EventSink,
}

/// Does what a run needs done, and stores each step before it goes on.
pub(crate) struct Driver<'a> {
    hub: &'a Hub,
    pub run: Run,
    setting: Setting,
    recorder: Recorder,
    answer: Arc<Answer>,
    /// Subtasks whose end was announced.
    ended: BTreeSet<SubtaskId>,
    /// For the ledger.
    vectors: Vectors,
}

/// Something that was waited for.
enum Happened {
    Ended(Box<Returned>),
    Integrated { id: SubtaskId, outcome: Outcome, agreement: f64 },
    Answered { id: SubtaskId, approval: Option<Approval> },
    Replanned { id: SubtaskId, parts: Result<Parts> },
}

/// A call that ended.
struct Returned {
    id: SubtaskId,
    expert: String,
    result: Result<Outcome>,
    elapsed: Duration,
    hand_offs: Vec<HandedOff>,
}

/// The subtasks that replace one, who does them, and what planning took.
#[derive(Default)]
struct Parts {
    subtasks: Vec<Subtask>,
    choices: Vec<Choice>,
    usage: Usage,
    vectors: Vectors,
}

/// The tasks' embeddings.
type Vectors = BTreeMap<SubtaskId, Vec<f32>>;

/// What the translator reports while a call is under way.
type HandOffs = Arc<Mutex<Vec<HandedOff>>>;

type UnderWay<'a> = FuturesUnordered<BoxFuture<'a, Happened>>;

/// Who does what of an assigned plan, and its tasks' embeddings.
fn choices(hub: &Hub, assignments: &[Assignment], committee: Option<Integration>) -> (Vec<Choice>, Vectors) {
    let choices = assignments.iter().map(|a| hub.registry().choice(a, committee)).collect();
    (choices, assignments.iter().filter_map(|a| Some((a.id, a.vector.clone()?))).collect())
}

impl<'a> Driver<'a> {
    pub fn new(hub: &'a Hub, run: Run, setting: Setting, recorder: Recorder) -> Self {
        let answer = Arc::new(Answer::new(&Plan::default(), EventSink::default()));
        Self { hub, run, setting, recorder, answer, ended: BTreeSet::new(), vectors: BTreeMap::new() }
    }

    /// When it has to end.
    pub fn deadline(&self) -> Option<Instant> {
        self.setting.deadline
    }

    /// Applies a step, and stores it with what it decided: what follows from it is done after that.
    pub async fn step(&mut self, step: Step) -> Result<()> {
        let mut rows = self.recorder.rows(&self.run, &step)?;
        let (decided, before): (Vec<SubtaskId>, _) = match &step {
            Step::Assigned { choices, .. } | Step::Replanned { choices, .. } => {
                (choices.iter().map(|c| c.id).collect(), None)
            }
            Step::Ended { id, expert, .. } => (vec![*id], Some(expert.clone())),
            _ => (Vec::new(), None),
        };
        self.run.apply(step)?;
        for id in decided {
            let Some(work) = self.run.work.get(&id) else { continue };
            let is_same = before.as_ref().is_some_and(|before| work.has(before));
            if !is_same {
                rows.extend(self.recorder.decided(work, self.vectors.get(&id)));
            }
        }
        self.recorder.write(rows).await
    }

    /// Splits the request, unless that is done.
    pub async fn plan(&mut self) -> Result<()> {
        if self.run.plan.is_none() {
            let began = Instant::now();
            let planned = self.hub.planner().plan(&self.run.request).await?;
            let (cost, model) = self.hub.bill(planned.usage);
            self.step(Step::Planned {
                background: planned.background(),
                plan: planned.plan,
                repairs: planned.repairs,
                cost,
                model,
                elapsed_ms: milliseconds(began.elapsed()),
            })
            .await?;
        }
        Ok(())
    }

    /// Gives every subtask to an expert, unless that is done, and tells who does what.
    pub async fn assign(&mut self) -> Result<()> {
        if self.run.work.is_empty() {
            let plan = self.run.plan.clone().unwrap_or_default();
            let analysis = analyse(&self.run.request);
            let planned = Planned { plan, analysis, usage: Usage::default(), repairs: Vec::new() };
            let (planned, assignments) = self.hub.assign(&self.run.request, planned, &self.run.budget).await?;
            let (choices, vectors) = choices(self.hub, &assignments, self.run.committee);
            self.vectors.extend(vectors);
            let Planned { plan, usage, repairs, .. } = planned;
            let (cost, model) = self.hub.bill(usage);
            self.step(Step::Assigned { plan, choices, repairs, cost, model }).await?;
        }
        let plan = self.run.plan.clone().unwrap_or_default();
        self.answer = Arc::new(Answer::new(&plan, self.setting.events.clone()));
        self.setting.events.send(Event::Planned { plan, repairs: self.run.repairs.clone() });
        self.run.work.keys().for_each(|id| self.announce(*id));
        Ok(())
    }

    /// Goes on until there is nothing left to do, a limit is reached, or all that is left waits for a person.
    pub async fn drive(&mut self) -> Result<()> {
        let mut under_way: UnderWay<'a> = FuturesUnordered::new();
        // One at a time: the new subtasks take the next numbers.
        let mut replanning = false;
        let mut integrating = BTreeSet::new();
        // Those that were stored while they waited for a person.
        for work in self.run.paused() {
            self.setting.events.send(Event::Paused { id: work.subtask.id });
            self.question(work.subtask.id, &under_way);
        }
        loop {
            let actions = self.run.next();
            self.announce_ends(&actions);
            for action in actions {
                match action {
                    Action::Call { id, expert } => self.call(id, expert, &mut under_way).await?,
                    Action::Integrate(id) if integrating.insert(id) => self.integrate(id, &under_way),
                    Action::Ask(id) => self.ask(id, &mut under_way).await?,
                    Action::Replan(id) if !std::mem::replace(&mut replanning, true) => self.replan(id, &under_way),
                    Action::Stop(reason) => self.step(Step::Stopped { reason }).await?,
                    Action::Integrate(_) | Action::Replan(_) | Action::Plan | Action::Assign => {}
                }
            }
            let happened = match self.setting.deadline {
                None => under_way.next().await,
                Some(deadline) => match tokio::time::timeout_at(deadline.into(), under_way.next()).await {
                    Ok(happened) => happened,
                    Err(_) => {
                        return self.step(Step::Stopped { reason: "the deadline has passed".into() }).await;
                    }
                },
            };
            match happened {
                Some(Happened::Ended(returned)) => self.returned(*returned).await?,
                Some(Happened::Integrated { id, outcome, agreement }) => {
                    self.integrated(id, outcome, agreement).await?;
                }
                Some(Happened::Answered { id, approval: Some(approval) }) => {
                    self.step(Step::Answered { id, approval }).await?;
                }
                Some(Happened::Answered { .. }) => {}
                Some(Happened::Replanned { id, parts }) => {
                    replanning = false;
                    self.replanned(id, parts).await?;
                }
                None => return Ok(()),
            }
        }
    }

    /// The run as it is when nothing more happens, and its answer.
    pub async fn end(self) -> (Run, String) {
        // Those after a part that is missing are not missing.
        self.run.work.values().filter(|w| w.status != Status::Done).for_each(|w| self.answer.end(w.subtask.id, None));
        self.recorder.end().await;
        (self.run, self.answer.so_far())
    }

    /// Calls an expert for a subtask.
    async fn call(&mut self, id: SubtaskId, expert: String, under_way: &mut UnderWay<'a>) -> Result<()> {
        let Some(work) = self.run.work.get(&id) else { return Ok(()) };
        let member = work.member(&expert);
        let wait = Duration::from_millis(member.map_or(work.wait_ms, |m| m.wait_ms));
        let (task, alone) = (work.task().to_owned(), member.is_none());
        let handle = self.hub.registry().get(&expert).cloned();
        let hand_offs = HandOffs::default();
        let call = handle.as_ref().map(|handle| self.call_of(id, task.clone(), handle, alone, hand_offs.clone()));
        self.step(Step::Started { id, expert: expert.clone(), task }).await?;
        self.hub.retries().deposit();
        self.setting.events.send(Event::Started { id });
        let hub = self.hub;
        under_way.push(Box::pin(async move {
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            let (result, elapsed) = match handle.zip(call) {
                Some((handle, call)) => hub.call(handle, call).await,
                // It was there when the run was stored.
                None => {
                    let message = "it is not registered any more".into();
                    (Err(Error::Expert { expert: expert.clone(), message }), Duration::ZERO)
                }
            };
            let hand_offs = std::mem::take(&mut *hand_offs.lock().unwrap_or_else(PoisonError::into_inner));
            Happened::Ended(Box::new(Returned { id, expert, result, elapsed, hand_offs }))
        }));
        Ok(())
    }

    /// What an expert gets to see: its subtask, the outputs that this uses, and what the request tells. The conversation is
    /// for models; a function or a service has no use for it.
    /// What is written by one of several is not the answer's text.
    fn call_of(&self, id: SubtaskId, task: String, expert: &AnyExpert, alone: bool, hand_offs: HandOffs) -> ExpertCall {
        let mut call = ExpertCall::new(task);
        call.id = id;
        if let Some(Work { subtask, .. }) = self.run.work.get(&id) {
            call.inputs = self.run.inputs(&subtask.uses);
            call.output.clone_from(&subtask.output);
        }
        call.background.clone_from(&self.run.background);
        if expert.profile().params_b.is_some() {
            call.history.clone_from(&self.run.history);
        }
        call.deadline = self.setting.deadline;
        if call.inputs.is_empty() && points_back(&call.task) {
            let told = || {
                let payload = Payload::text(self.run.background.clone());
                (!self.run.background.is_empty()).then(|| Input { from: 0, task: "the request".into(), payload })
            };
            call.inputs.extend(told().or_else(|| self.run.previous.clone()));
        }
        let (answer, events) = (self.answer.clone(), self.setting.events.clone());
        call.events = EventSink::new(move |event| {
            match &event {
                Event::Text { .. } if !alone => return,
                Event::Text { id, text } => answer.text(*id, text),
                Event::HandedOff { of, hand_off, .. } => {
                    let done = HandedOff { of: *of, hand_off: hand_off.clone() };
                    hand_offs.lock().unwrap_or_else(PoisonError::into_inner).push(done);
                }
                _ => {}
            }
            events.send(event);
        });
        call
    }

    async fn returned(&mut self, returned: Returned) -> Result<()> {
        let Returned { id, expert, result, elapsed, hand_offs } = returned;
        let Some(work) = self.run.work.get(&id) else { return Ok(()) };
        let attempt = work.member(&expert).map_or(work.attempts, |m| m.attempts);
        let has_others = work.candidates.len() > 1 || work.members.len() > 1;
        let result = match result {
            Ok(outcome) => Ended::Done(outcome),
            Err(error) => {
                let left = self.setting.deadline.map(|d| d.saturating_duration_since(Instant::now()));
                let asked = match &error {
                    Error::Unavailable { retry_after, .. } => *retry_after,
                    _ => None,
                };
                let kind = Fault::kind(&error);
                let salt = (&self.run.request, id, &expert);
                let wait = self.hub.retries().wait(&Failed { kind, attempt, asked, left, has_others, salt });
                Ended::Failed(Fault { kind, message: error.to_string(), retry_ms: wait.map(milliseconds) })
            }
        };
        let failed = matches!(result, Ended::Failed(_));
        let elapsed_ms = milliseconds(elapsed);
        self.step(Step::Ended { id, expert: expert.clone(), elapsed_ms, result, hand_offs }).await?;
        let Some(work) = self.run.work.get(&id) else { return Ok(()) };
        if failed && work.status == Status::Pending {
            self.answer.restart(id);
            let next = work.expert().map(|e| e.expert.as_str()).unwrap_or_default();
            let message = if next == expert {
                format!("{id}: {expert} failed and is called again in {} ms", work.wait_ms)
            } else {
                format!("{id}: {}; {next} takes over", work.why)
            };
            self.setting.events.send(Event::Warning { message });
        }
        Ok(())
    }

    /// Makes one output of those of a committee. Where no model can write one of several, most of the weight decides.
    fn integrate(&self, id: SubtaskId, under_way: &UnderWay<'a>) {
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

    async fn integrated(&mut self, id: SubtaskId, outcome: Outcome, agreement: f64) -> Result<()> {
        if agreement < AGREED {
            let share = 100.0 * agreement;
            let message = format!("{id}: the experts disagree: {share:.0} % of the weight is behind this output");
            self.setting.events.send(Event::Warning { message });
        }
        self.step(Step::Integrated { id, outcome, agreement }).await
    }

    async fn ask(&mut self, id: SubtaskId, under_way: &mut UnderWay<'a>) -> Result<()> {
        self.step(Step::Asked { id }).await?;
        self.setting.events.send(Event::Paused { id });
        self.question(id, under_way);
        Ok(())
    }

    /// Puts a question to the person who is there, where one is.
    fn question(&self, id: SubtaskId, under_way: &UnderWay<'a>) {
        let (Some(approver), Some(work)) = (&self.setting.approver, self.run.work.get(&id)) else { return };
        let asking = approver.ask(work, self.run.inputs(&work.subtask.uses));
        under_way.push(Box::pin(async move { Happened::Answered { id, approval: asking.await } }));
    }

    fn replan(&self, id: SubtaskId, under_way: &UnderWay<'a>) {
        let Some(work) = self.run.work.get(&id) else { return };
        let (subtask, problem) = (work.subtask.clone(), work.error.clone().unwrap_or_default());
        let first = self.run.work.keys().max().map_or(1, |last| last + 1);
        let (hub, budget, committee) = (self.hub, self.run.budget, self.run.committee);
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
                Ok(Parts { subtasks: plan.subtasks, choices, usage, vectors })
            };
            Happened::Replanned { id, parts: parts.await }
        }));
    }

    async fn replanned(&mut self, id: SubtaskId, parts: Result<Parts>) -> Result<()> {
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

    fn announce(&self, id: SubtaskId) {
        let Some(work) = self.run.work.get(&id) else { return };
        let Some(expert) = work.expert() else { return };
        let (expert, te) = (expert.expert.clone(), expert.te);
        self.setting.events.send(Event::Assigned { id, expert, te, why: work.why.clone() });
    }

    /// Tells of subtasks that have ended since the last time. One that may still be split has not.
    fn announce_ends(&mut self, actions: &[Action]) {
        for (&id, work) in &self.run.work {
            if !matches!(work.status, Status::Done | Status::Failed)
                || actions.contains(&Action::Replan(id))
                || !self.ended.insert(id)
            {
                continue;
            }
            match (&work.output, &work.error) {
                (Some(output), _) if work.status == Status::Done => {
                    let (text, elapsed_ms) = (output.to_text(), work.elapsed_ms);
                    self.setting.events.send(Event::Finished { id, output: text, elapsed_ms });
                    self.answer.end(id, Some(&output.to_markdown()));
                }
                (_, error) => {
                    let message = error.clone().unwrap_or_else(|| "it failed".into());
                    self.setting.events.send(Event::Failed { id, message: message.clone() });
                    self.answer.end(id, Some(&format!("(This part failed: {message})")));
                }
            }
        }
    }
}
