mod call;
mod model;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

use call::Returned;
use model::Parts;

use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use qsef_core::{Event, EventSink, Outcome, Plan, Result, Status, SubtaskId, Usage};

use super::{
    approve::Approver,
    committee::Integration,
    compose::Composition,
    next::Action,
    state::Run,
    step::{Approval, Choice, Step, milliseconds},
};
use crate::{Assignment, Hub, Planned, analyse, answer::Answer, ledger::Recorder};

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
    Composed { composition: Composition, usage: Usage },
}

/// The tasks' embeddings.
type Vectors = BTreeMap<SubtaskId, Vec<f32>>;

type UnderWay<'a> = FuturesUnordered<BoxFuture<'a, Happened>>;

/// Who does what of an assigned plan, and its tasks' embeddings.
fn choices(hub: &Hub, assignments: &[Assignment], committee: Option<Integration>) -> (Vec<Choice>, Vectors) {
    let choices = assignments.iter().map(|a| hub.registry().choice(a, committee)).collect();
    (choices, assignments.iter().filter_map(|a| Some((a.id, a.vector.clone()?))).collect())
}

impl<'a> Driver<'a> {
    pub fn new(hub: &'a Hub, run: Run, setting: Setting, recorder: Recorder) -> Self {
        let answer = Arc::new(Answer::new(&Plan::default(), false, EventSink::default()));
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
            self.can_plan()?;
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
        self.answer = Arc::new(Answer::new(&plan, self.run.compose.is_some(), self.setting.events.clone()));
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
        let mut composing = false;
        // Those that were stored while they waited for a person.
        for work in self.run.paused() {
            self.setting.events.send(Event::Paused { id: work.subtask.id });
            self.question(work.subtask.id, &under_way);
        }
        loop {
            self.count().await?;
            let actions = self.run.next();
            self.announce_ends(&actions);
            for action in actions {
                match action {
                    Action::Call { id, expert } => self.call(id, expert, &mut under_way).await?,
                    Action::Integrate(id) if integrating.insert(id) => self.integrate(id, &under_way),
                    Action::Ask(id) => self.ask(id, &mut under_way).await?,
                    Action::Replan(id) if !std::mem::replace(&mut replanning, true) => self.replan(id, &under_way),
                    Action::Compose if !std::mem::replace(&mut composing, true) => self.compose(&under_way),
                    Action::Stop(reason) => self.step(Step::Stopped { reason }).await?,
                    Action::Integrate(_) | Action::Replan(_) | Action::Compose | Action::Plan | Action::Assign => {}
                }
            }
            let happened = match self.setting.deadline {
                None => under_way.next().await,
                Some(deadline) => match tokio::time::timeout_at(deadline.into(), under_way.next()).await {
                    Ok(happened) => happened,
                    // Nothing is missing but other words for it.
                    Err(_) if composing => {
                        let composition = Composition::failed("the deadline has passed".into());
                        return self.composed(composition, Usage::default()).await;
                    }
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
                Some(Happened::Composed { composition, usage }) => self.composed(composition, usage).await?,
                None => return Ok(()),
            }
        }
    }

    /// The run as it is when nothing more happens, and its answer.
    pub async fn end(self) -> (Run, String) {
        // Those after a part that is missing are not missing.
        self.run.work.values().filter(|w| w.status != Status::Done).for_each(|w| self.answer.end(w.subtask.id, None));
        let composition = self.run.composition.clone().unwrap_or_default();
        self.answer.release(&composition.text(), &composition.told());
        if self.run.is_to_compose() && self.run.stopped.is_none() {
            let message = "the results are joined as they are: the budget does not pay for one text of them".into();
            self.setting.events.send(Event::Warning { message });
        }
        self.recorder.end().await;
        (self.run, self.answer.so_far())
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
