use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::OutputType;

/// A subtask's number in its plan, from 1.
pub type SubtaskId = usize;

/// Where a subtask stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Status {
    /// Not started.
    Pending,
    /// Under way.
    Running,
    /// Waits for a person's word.
    Paused,
    /// Finished with an output.
    Done,
    /// Its expert failed.
    Failed,
    /// Not started because something before it failed or the budget ran out.
    Skipped,
}

/// One step of a plan, in the user's own words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subtask {
    /// Its number, from 1.
    pub id: SubtaskId,
    /// What is to be done.
    pub task: String,
    /// The subtasks that the request puts before this one: the order it asks for, and those in `uses`.
    pub after: BTreeSet<SubtaskId>,
    /// The subtasks whose outputs this one needs; always a part of `after`.
    pub uses: BTreeSet<SubtaskId>,
    /// What its output is to be, from what its expert can give and what those who use it take. `None` before it has an
    /// expert, and where neither says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<OutputType>,
}

impl Subtask {
    /// A subtask that no expert has yet.
    pub fn new(
        id: SubtaskId,
        task: impl Into<String>,
        after: impl IntoIterator<Item = SubtaskId>,
        uses: impl IntoIterator<Item = SubtaskId>,
    ) -> Self {
        let (after, uses) = (after.into_iter().collect(), uses.into_iter().collect());
        Self { id, task: task.into(), after, uses, output: None }
    }
}

/// A request, split into subtasks. The edges form no cycle: a subtask comes after lower numbers only.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Plan {
    /// The subtasks in order of their numbers.
    pub subtasks: Vec<Subtask>,
}

impl Plan {
    /// A plan of one step.
    pub fn single(task: impl Into<String>) -> Self {
        Self { subtasks: vec![Subtask::new(1, task, [], [])] }
    }

    /// The subtask with this number.
    pub fn get(&self, id: SubtaskId) -> Option<&Subtask> {
        self.subtasks.iter().find(|s| s.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_stored_without_output_types_is_read() {
        let stored = r#"{"id":2,"task":"count them","after":[1],"uses":[1]}"#;
        let subtask: Subtask = serde_json::from_str(stored).unwrap();
        assert_eq!(subtask, Subtask::new(2, "count them", [1], [1]));
        assert_eq!(serde_json::to_string(&subtask).unwrap(), stored);
    }
}
