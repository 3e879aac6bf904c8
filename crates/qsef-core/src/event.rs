use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{HandOff, Plan, SubtaskId};

/// What happens in a run, as it happens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// A run began, or goes on.
    Begun {
        /// Its unique name.
        trace_id: String,
    },
    /// The request is split.
    Planned {
        /// The subtasks.
        plan: Plan,
        /// What was repaired in the model's plan, in words.
        repairs: Vec<String>,
    },
    /// A subtask has its expert.
    Assigned {
        /// Which subtask.
        id: SubtaskId,
        /// The expert's id.
        expert: String,
        /// Transmission efficiency, in (0, 1].
        te: f64,
        /// Why, in a line.
        why: String,
    },
    /// A subtask began.
    Started {
        /// Which subtask.
        id: SubtaskId,
    },
    /// A subtask waits for a person's word.
    Paused {
        /// Which subtask.
        id: SubtaskId,
    },
    /// An output of another subtask was made into what this one's expert takes.
    HandedOff {
        /// Which subtask.
        id: SubtaskId,
        /// Whose output it is.
        of: SubtaskId,
        /// What was done.
        hand_off: HandOff,
    },
    /// A subtask's expert reads a long input.
    Reading {
        /// Which subtask.
        id: SubtaskId,
        /// Tokens read.
        done: u64,
        /// Tokens in all.
        total: u64,
    },
    /// A subtask's expert wrote some text.
    Text {
        /// Which subtask.
        id: SubtaskId,
        /// The text.
        text: String,
    },
    /// A subtask ended well.
    Finished {
        /// Which subtask.
        id: SubtaskId,
        /// The output as text.
        output: String,
        /// How long it took.
        elapsed_ms: u64,
    },
    /// A subtask failed.
    Failed {
        /// Which subtask.
        id: SubtaskId,
        /// What went wrong.
        message: String,
    },
    /// More of the final answer.
    Answer {
        /// The text.
        text: String,
    },
    /// Something worth knowing that stops nothing.
    Warning {
        /// What.
        message: String,
    },
}

/// Where events go; the default drops them.
#[derive(Clone, Default)]
pub struct EventSink(Option<Arc<dyn Fn(Event) + Send + Sync>>);

impl EventSink {
    /// A sink that calls `f` for each event, on the task that makes it: keep `f` short.
    pub fn new(f: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(f)))
    }

    /// Reports an event.
    pub fn send(&self, event: Event) {
        if let Some(f) = &self.0 {
            f(event);
        }
    }
}

impl std::fmt::Debug for EventSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "EventSink(on)" } else { "EventSink(off)" })
    }
}
