//! A call of an expert: what it gets to see, and what comes of it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use qsef_core::{AnyExpert, Error, Event, EventSink, ExpertCall, Input, Outcome, Payload, Result, Status, SubtaskId};

use super::{Driver, Happened, UnderWay};
use crate::{
    planner::points_back,
    run::{
        retry::Failed,
        step::{Ended, Fault, HandedOff, Step, milliseconds},
        work::Work,
    },
};

/// A call that ended.
pub(super) struct Returned {
    id: SubtaskId,
    expert: String,
    result: Result<Outcome>,
    elapsed: Duration,
    hand_offs: Vec<HandedOff>,
}

/// What the translator reports while a call is under way.
type HandOffs = Arc<Mutex<Vec<HandedOff>>>;

impl<'a> Driver<'a> {
    /// Has experts count what their models will read in the calls that are ready, where a budget is to be kept.
    pub(super) async fn count(&mut self) -> Result<()> {
        for (id, expert) in self.run.uncounted() {
            let Some(handle) = self.hub.registry().get(&expert) else { continue };
            let Some(task) = self.run.work.get(&id).map(|work| work.task().to_owned()) else { continue };
            let call = self.call_of(id, task, handle, false, HandOffs::default());
            if let Some(prompt_tokens) = handle.prompt_tokens(&call) {
                self.step(Step::Counted { id, expert, prompt_tokens }).await?;
            }
        }
        Ok(())
    }

    /// Calls an expert for a subtask.
    pub(super) async fn call(&mut self, id: SubtaskId, expert: String, under_way: &mut UnderWay<'a>) -> Result<()> {
        let Some(work) = self.run.work.get(&id) else { return Ok(()) };
        let member = work.member(&expert);
        let wait = Duration::from_millis(member.map_or(work.wait_ms, |m| m.wait_ms));
        let (task, alone) = (work.task().to_owned(), member.is_none());
        let handle = self.hub.registry().get(&expert).cloned();
        let hand_offs = HandOffs::default();
        let call = handle.as_ref().map(|handle| self.call_of(id, task.clone(), handle, alone, hand_offs.clone()));
        self.step(Step::Started { id, expert: expert.clone(), task }).await?;
        self.hub.caller().retries.deposit();
        self.setting.events.send(Event::Started { id });
        let hub = self.hub;
        under_way.push(Box::pin(async move {
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            let (result, elapsed) = match handle.zip(call) {
                Some((handle, call)) => hub.caller().call(handle, call).await,
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

    pub(super) async fn returned(&mut self, returned: Returned) -> Result<()> {
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
                let wait = self.hub.caller().retries.wait(&Failed { kind, attempt, asked, left, has_others, salt });
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
}
