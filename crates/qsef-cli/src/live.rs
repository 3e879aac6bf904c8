//! A run as it happens: the plan and who does what on stderr, the answer on stdout.

use std::sync::{Arc, Mutex, PoisonError};

use qsef::{Event, EventSink, Plan};

use crate::screen::{BOLD, CYAN, DIM, GREEN, RED, note, print, styled, warning};

/// An event sink that shows a run. With `answer`, the answer is streamed to stdout.
pub fn sink(answer: bool) -> EventSink {
    let plan: Arc<Mutex<Plan>> = Arc::default();
    EventSink::new(move |event| {
        let mut plan = plan.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Planned { plan: new } => *plan = new,
            Event::Assigned { id, expert, te, why } => {
                let Some(subtask) = plan.get(id) else { return };
                let after: Vec<String> = subtask.uses.iter().map(ToString::to_string).collect();
                let uses = if after.is_empty() { String::new() } else { format!(" (uses {})", after.join(", ")) };
                let who = styled(CYAN, format!("{expert}  TE {te:.2}"));
                note(format!("{} {}{uses}\n   → {who}", styled(BOLD, format!("{id}.")), subtask.task));
                if why.starts_with("no expert fits") {
                    note(format!("     {}", styled(DIM, why)));
                }
                if plan.subtasks.last().is_some_and(|last| last.id == id) {
                    note("");
                }
            }
            Event::Finished { id, elapsed_ms, .. } if !answer => {
                note(format!("{} {id} in {:.1} s", styled(GREEN, "✓"), elapsed_ms as f64 / 1000.0));
            }
            Event::Failed { id, message } => note(format!("{} {id}: {message}", styled(RED, "✗"))),
            Event::Warning { message } => warning(message),
            Event::Answer { text } if answer => print(&text),
            _ => {}
        }
    })
}
