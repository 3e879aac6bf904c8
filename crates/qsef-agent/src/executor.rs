//! Runs a plan: every subtask as soon as what it waits for has ended, independent ones at the same time.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{StreamExt, stream::FuturesUnordered};
use qsef_core::{
    AnyExpert, Effects, Error, Event, EventSink, ExpertCall, Input, Message, Outcome, Payload, Plan, Result, Status,
    Subtask, SubtaskId,
};

use crate::{
    Assignment, Registry, answer::Answer, ledger::Recorder, planner::points_back, registry::expected_usd,
    report::SubtaskReport,
};

/// What a plan's subtasks came to.
pub(crate) struct Execution {
    pub subtasks: Vec<SubtaskReport>,
    pub answer: String,
    /// Why it ended before its end.
    pub exhausted: Option<String>,
}

/// What a run is given besides the plan.
pub(crate) struct Setting {
    /// When to stop.
    pub deadline: Option<Instant>,
    /// The most money to spend, in US dollars.
    pub usd: Option<f64>,
    /// The conversation before the request.
    pub history: Vec<Message>,
    /// The result before the request, for a subtask that refers to it.
    pub previous: Option<Input>,
    /// What the request tells besides its subtasks.
    pub background: String,
    pub events: EventSink,
    /// What writes the run to the ledger.
    pub recorder: Recorder,
}

struct Run<'a> {
    plan: &'a Plan,
    /// Who does each subtask.
    experts: BTreeMap<SubtaskId, AnyExpert>,
    /// Who takes over a subtask that its expert cannot do.
    fallback: Option<AnyExpert>,
    setting: &'a Setting,
    answer: Arc<Answer>,
    reports: BTreeMap<SubtaskId, SubtaskReport>,
    inputs: BTreeMap<SubtaskId, Input>,
    waiting: BTreeSet<SubtaskId>,
}

pub(crate) async fn execute(
    plan: &Plan,
    registry: &Registry,
    assignments: &[Assignment],
    setting: &Setting,
) -> Execution {
    let answer = Arc::new(Answer::new(plan, setting.events.clone()));
    let mut reports = BTreeMap::new();
    for (subtask, assignment) in plan.subtasks.iter().zip(assignments) {
        let report = SubtaskReport::new(subtask, assignment);
        setting.recorder.decided(&report, assignment.expected_usd);
        reports.insert(subtask.id, report);
    }
    let waiting = plan.subtasks.iter().map(|s| s.id).collect();
    let experts = assignments.iter().filter_map(|a| Some((a.id, registry.get(&a.expert)?.clone()))).collect();
    let fallback = registry.fallback().cloned();
    let mut run =
        Run { plan, experts, fallback, setting, answer: answer.clone(), reports, inputs: BTreeMap::new(), waiting };
    let exhausted = run.drive().await;
    for report in run.reports.values_mut().filter(|r| matches!(r.status, Status::Pending | Status::Running)) {
        report.status = Status::Skipped;
    }
    Execution { subtasks: run.reports.into_values().collect(), answer: answer.so_far(), exhausted }
}

impl Run<'_> {
    /// Runs until all subtasks have ended or a limit is reached; the limit in words.
    async fn drive(&mut self) -> Option<String> {
        let mut running = FuturesUnordered::new();
        loop {
            if let Some(limit) = self.overspent() {
                return Some(limit);
            }
            for id in self.ready() {
                self.waiting.remove(&id);
                if let Some((call, expert)) = self.start(id) {
                    running.push(async move {
                        let began = Instant::now();
                        let outcome = expert.run(call).await;
                        (id, outcome, began.elapsed())
                    });
                }
            }
            let next = match self.setting.deadline {
                None => running.next().await,
                Some(deadline) => match tokio::time::timeout_at(deadline.into(), running.next()).await {
                    Ok(next) => next,
                    Err(_) => {
                        self.setting.recorder.timed_out(self.reports.values());
                        return Some("the deadline has passed".into());
                    }
                },
            };
            match next {
                Some((id, outcome, elapsed)) => self.finish(id, outcome, elapsed),
                // Nothing runs: what still waits, waits for something that failed.
                None => return None,
            }
        }
    }

    fn status(&self, id: SubtaskId) -> Option<Status> {
        self.reports.get(&id).map(|r| r.status)
    }

    /// Subtasks whose inputs are there, and whose turn it is where they change something.
    fn ready(&self) -> Vec<SubtaskId> {
        let waiting = self.plan.subtasks.iter().filter(|s| self.waiting.contains(&s.id));
        waiting.filter(|s| self.is_ready(s)).map(|s| s.id).collect()
    }

    fn is_ready(&self, subtask: &Subtask) -> bool {
        let acts = |id: SubtaskId| self.experts.get(&id).is_some_and(|e| e.profile().effects == Effects::External);
        subtask.after.iter().all(|before| {
            let done = self.status(*before) == Some(Status::Done);
            // Order matters only to what changes something; a failure before it does not stop what needs no output.
            let ended = matches!(self.status(*before), Some(Status::Done | Status::Failed));
            if subtask.uses.contains(before) { done } else { ended || !(acts(*before) || acts(subtask.id)) }
        })
    }

    fn start(&mut self, id: SubtaskId) -> Option<(ExpertCall, AnyExpert)> {
        let subtask = self.plan.get(id)?;
        let report = self.reports.get_mut(&id)?;
        report.status = Status::Running;
        let mut call = ExpertCall::new(subtask.task.clone());
        call.id = id;
        call.inputs = subtask.uses.iter().filter_map(|u| self.inputs.get(u).cloned()).collect();
        call.background.clone_from(&self.setting.background);
        call.history.clone_from(&self.setting.history);
        if call.inputs.is_empty() && points_back(&subtask.task) {
            let told = || {
                let payload = Payload::text(self.setting.background.clone());
                (!self.setting.background.is_empty()).then(|| Input { from: 0, task: "the request".into(), payload })
            };
            call.inputs.extend(told().or_else(|| self.setting.previous.clone()));
        }
        let (answer, events) = (self.answer.clone(), self.setting.events.clone());
        events.send(Event::Started { id });
        call.events = EventSink::new(move |event| {
            if let Event::Text { id, text } = &event {
                answer.text(*id, text);
            }
            events.send(event);
        });
        Some((call, self.experts.get(&id)?.clone()))
    }

    /// Gives a subtask that its expert declines to the fallback; false where that is the expert itself, where there is none,
    /// or where the money left does not pay it.
    fn hand_over(&mut self, id: SubtaskId, declined: &str) -> bool {
        let left = self.setting.usd.map_or(f64::INFINITY, |limit| limit - self.spent());
        let (Some(fallback), Some(report)) = (&self.fallback, self.reports.get_mut(&id)) else { return false };
        let to = fallback.profile().id.clone();
        if report.expert == to || expected_usd(fallback.profile()) > left {
            return false;
        }
        self.experts.insert(id, fallback.clone());
        report.why = format!("{} declined: {declined}", report.expert);
        let message = format!("{id}: {}; {to} takes over", report.why);
        report.te = report.scores.iter().find(|s| s.expert == to).map_or(report.te, |s| s.te);
        report.expert = to;
        report.status = Status::Pending;
        self.waiting.insert(id);
        self.setting.recorder.decided(report, expected_usd(fallback.profile()));
        self.setting.events.send(Event::Warning { message });
        true
    }

    fn finish(&mut self, id: SubtaskId, outcome: Result<Outcome>, elapsed: Duration) {
        if let Some(report) = self.reports.get(&id) {
            self.setting.recorder.ended(report, &outcome, elapsed);
        }
        if let Err(Error::Declined { message, .. }) = &outcome
            && self.hand_over(id, message)
        {
            return;
        }
        let Some(report) = self.reports.get_mut(&id) else { return };
        report.elapsed = elapsed;
        match outcome {
            Ok(outcome) => {
                let (output, shown) = (outcome.payload.to_text(), outcome.payload.to_markdown());
                let input = Input { from: id, task: report.task.clone(), payload: outcome.payload.clone() };
                self.inputs.insert(id, input);
                report.status = Status::Done;
                report.cost = outcome.cost;
                report.model = outcome.model;
                report.output = Some(outcome.payload);
                let elapsed_ms = elapsed.as_millis() as u64;
                self.setting.events.send(Event::Finished { id, output, elapsed_ms });
                self.answer.end(id, Some(&shown));
            }
            Err(error) => {
                report.status = Status::Failed;
                report.error = Some(error.to_string());
                self.answer.end(id, Some(&format!("(This part failed: {error})")));
                self.setting.events.send(Event::Failed { id, message: error.to_string() });
            }
        }
    }

    fn overspent(&self) -> Option<String> {
        let (limit, spent) = (self.setting.usd?, self.spent());
        (spent > limit).then(|| Error::Budget(format!("spent {spent:.6} of {limit:.6} US dollars")).to_string())
    }

    /// US dollars so far.
    fn spent(&self) -> f64 {
        self.reports.values().map(|report| report.cost.usd).sum()
    }
}
