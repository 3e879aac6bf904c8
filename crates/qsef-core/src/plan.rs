use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

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
        let subtask = Subtask { id: 1, task: task.into(), after: BTreeSet::new(), uses: BTreeSet::new() };
        Self { subtasks: vec![subtask] }
    }

    /// The subtask with this number.
    pub fn get(&self, id: SubtaskId) -> Option<&Subtask> {
        self.subtasks.iter().find(|s| s.id == id)
    }
}
