use std::sync::{Arc, Mutex, PoisonError};

use qsef_core::{AnyExpert, Event, EventSink, Expert, ExpertCall, ExpertProfile, Outcome, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{failure::Failure, file::Subject, request, tape::Tape};

/// An expert that is recorded, or played back.
pub struct Taped {
    pub tape: Arc<Tape>,
    pub expert: AnyExpert,
}

/// What came of a call, as it stands in a cassette.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    outcome: Option<Outcome>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<Failure>,
    /// What was reported on the way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    events: Vec<Event>,
}

/// Adds an event, and text to the text before it.
fn keep(events: &Mutex<Vec<Event>>, event: &Event) {
    let mut events = events.lock().unwrap_or_else(PoisonError::into_inner);
    match (events.last_mut(), event) {
        (Some(Event::Text { id: before, text }), Event::Text { id, text: more }) if before == id => text.push_str(more),
        _ => events.push(event.clone()),
    }
}

impl Expert for Taped {
    fn profile(&self) -> &ExpertProfile {
        self.expert.profile()
    }

    fn covers(&self, task: &str) -> Option<f64> {
        self.expert.covers(task)
    }

    fn prompt_tokens(&self, call: &ExpertCall) -> Option<u64> {
        self.expert.prompt_tokens(call)
    }

    async fn run(&self, mut call: ExpertCall) -> Result<Outcome> {
        let subject = Subject::Expert(self.profile().id.clone());
        let told = request::of_expert(&call);
        if !self.tape.records {
            let answer: Answer = self.tape.play(&subject, told)?;
            answer.events.into_iter().for_each(|event| call.events.send(event));
            return match (answer.outcome, answer.error) {
                (Some(outcome), _) => Ok(outcome),
                (None, Some(failure)) => Err(failure.into()),
                (None, None) => Err(self.tape.unreadable(&subject, "it has neither an outcome nor an error")),
            };
        }
        let number = self.tape.begin(subject, told);
        let events = Arc::new(Mutex::new(Vec::new()));
        let (heard, on) = (events.clone(), std::mem::take(&mut call.events));
        call.events = EventSink::new(move |event| {
            keep(&heard, &event);
            on.send(event);
        });
        let made = self.expert.run(call).await;
        let events = std::mem::take(&mut *events.lock().unwrap_or_else(PoisonError::into_inner));
        let (outcome, error) = (made.as_ref().ok().cloned(), made.as_ref().err().map(Failure::from));
        self.tape.end(number, json!(Answer { outcome, error, events }));
        made
    }
}
