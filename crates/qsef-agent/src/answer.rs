//! Joins what the experts write into one answer, in the plan's order, while they write it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

use qsef_core::{Event, EventSink, Plan, SubtaskId};

#[derive(Debug, Default)]
struct Part {
    heading: String,
    text: String,
    ended: bool,
}

#[derive(Debug, Default)]
struct State {
    parts: BTreeMap<SubtaskId, Part>,
    /// What was sent of the answer so far.
    sent: String,
    /// Bytes sent of the first part that has not ended.
    current: usize,
    heading_sent: bool,
    /// Whether nothing is sent until it is known what becomes of the parts.
    held: bool,
}

/// The growing answer. Text of a subtask is passed on at once when all before it have ended, and held until then.
#[derive(Debug)]
pub(crate) struct Answer {
    state: Mutex<State>,
    sink: EventSink,
}

impl Answer {
    /// An answer for a plan. Each part gets its task as a heading when there are several. One that is held sends nothing before
    /// [`Answer::release`].
    pub fn new(plan: &Plan, held: bool, sink: EventSink) -> Self {
        let several = plan.subtasks.len() > 1;
        let part = |task: &str| Part {
            heading: if several { format!("**{task}**\n\n") } else { String::new() },
            ..Part::default()
        };
        let parts = plan.subtasks.iter().map(|s| (s.id, part(&s.task))).collect();
        Self { state: Mutex::new(State { parts, held, ..State::default() }), sink }
    }

    /// More text of a subtask.
    pub fn text(&self, id: SubtaskId, text: &str) {
        self.change(id, |part| part.text.push_str(text));
    }

    /// A subtask ended. `output` is its text where it has not written it all before.
    pub fn end(&self, id: SubtaskId, output: Option<&str>) {
        self.change(id, |part| {
            if let Some(output) = output
                && part.text.trim().is_empty()
            {
                output.clone_into(&mut part.text);
            }
            part.ended = true;
        });
    }

    /// A subtask begins again: what it wrote does not count. What of it was sent before stays, followed by a line's end.
    pub fn restart(&self, id: SubtaskId) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = state.parts.first_key_value().is_some_and(|(first, _)| *first == id);
        if let Some(part) = state.parts.get_mut(&id) {
            part.text = String::new();
        }
        if is_first && state.current > 0 {
            state.current = 0;
            state.sent.push_str("\n\n");
            self.sink.send(Event::Answer { text: "\n\n".into() });
        }
    }

    /// Sends what was held: a text, and after it the parts that it does not tell.
    pub fn release(&self, text: &str, told: &BTreeSet<SubtaskId>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !std::mem::take(&mut state.held) {
            return;
        }
        state.parts.retain(|id, _| !told.contains(id));
        state.sent.push_str(text);
        let fresh = state.advance();
        state.sent.push_str(&fresh);
        let text = state.sent.clone();
        if !text.is_empty() {
            self.sink.send(Event::Answer { text });
        }
    }

    /// The answer so far.
    pub fn so_far(&self) -> String {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).sent.trim().to_owned()
    }

    fn change(&self, id: SubtaskId, change: impl FnOnce(&mut Part)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(part) = state.parts.get_mut(&id) else { return };
        change(part);
        if state.held {
            return;
        }
        let fresh = state.advance();
        if !fresh.is_empty() {
            state.sent.push_str(&fresh);
            self.sink.send(Event::Answer { text: fresh });
        }
    }
}

impl State {
    /// What can be sent now: the rest of every leading part that has ended, and what there is of the next.
    fn advance(&mut self) -> String {
        let mut fresh = String::new();
        while let Some(mut entry) = self.parts.first_entry() {
            let part = entry.get_mut();
            let more = part.text.get(self.current..).unwrap_or_default();
            if !self.heading_sent && !part.text.is_empty() {
                if !self.sent.is_empty() || !fresh.is_empty() {
                    fresh.push_str("\n\n");
                }
                fresh.push_str(&part.heading);
                self.heading_sent = true;
            }
            fresh.push_str(more);
            self.current = part.text.len();
            if !part.ended {
                break;
            }
            entry.remove();
            self.current = 0;
            self.heading_sent = false;
        }
        fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use qsef_core::Subtask;
    use std::sync::Arc;

    #[test]
    fn parts_come_in_the_plans_order_however_they_are_written() {
        let mut plan = Plan::single("one");
        plan.subtasks.push(Subtask::new(2, "two", [], []));
        let seen = Arc::new(Mutex::new(String::new()));
        let sink = EventSink::new({
            let seen = seen.clone();
            move |event| {
                if let Event::Answer { text } = event {
                    seen.lock().unwrap().push_str(&text);
                }
            }
        });
        let answer = Answer::new(&plan, false, sink);
        answer.text(2, "B");
        answer.text(1, "A");
        assert_eq!(*seen.lock().unwrap(), "**one**\n\nA");
        answer.text(1, "a");
        answer.end(1, Some("ignored, for it wrote its text"));
        answer.end(2, None);
        assert_eq!(answer.so_far(), "**one**\n\nAa\n\n**two**\n\nB");
        assert_eq!(seen.lock().unwrap().trim(), answer.so_far());
    }

    #[test]
    fn what_a_failed_call_wrote_is_not_in_the_way_of_the_next() {
        let mut plan = Plan::single("one");
        plan.subtasks.push(Subtask::new(2, "two", [], []));
        let answer = Answer::new(&plan, false, EventSink::default());
        answer.text(1, "half of");
        answer.text(2, "unsent");
        answer.restart(1);
        answer.restart(2);
        answer.text(1, "all of it");
        answer.end(1, None);
        answer.end(2, Some("whole"));
        assert_eq!(answer.so_far(), "**one**\n\nhalf of\n\nall of it\n\n**two**\n\nwhole");
    }

    #[test]
    fn what_is_held_comes_after_the_text_without_what_that_tells() {
        let mut plan = Plan::single("one");
        plan.subtasks.extend([2, 3].map(|id| Subtask::new(id, format!("task {id}"), [], [])));
        let answer = Answer::new(&plan, true, EventSink::default());
        answer.end(1, Some("A"));
        answer.text(2, "B");
        answer.end(2, None);
        answer.end(3, Some("C"));
        assert_eq!(answer.so_far(), "");
        answer.release("A and C.", &[1, 3].into());
        assert_eq!(answer.so_far(), "A and C.\n\n**task 2**\n\nB");
        answer.release("again", &[].into());
        assert_eq!(answer.so_far(), "A and C.\n\n**task 2**\n\nB");
    }
}
