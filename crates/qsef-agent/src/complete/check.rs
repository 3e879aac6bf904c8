//! What a typed plan has to hold before anything runs.

use std::collections::BTreeSet;

use qsef_core::{Error, Plan, SubtaskId};

use super::graph::TypeGraph;
use crate::Assignment;

/// What is wrong with a typed plan.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// A subtask's expert needs something of a kind that nothing before it gives.
    Unmet {
        /// The subtask.
        id: SubtaskId,
        /// What it is.
        task: String,
        /// Its expert.
        expert: String,
        /// The kind.
        needs: String,
    },
    /// A subtask's expert can take nothing of what the expert of another, whose output it uses, can give.
    Unreadable {
        /// The subtask.
        id: SubtaskId,
        /// Its expert.
        expert: String,
        /// What that takes, in words.
        takes: String,
        /// The subtask whose output it uses.
        from: SubtaskId,
        /// The expert of that.
        giver: String,
        /// What that gives, in words.
        gives: String,
    },
    /// Subtasks that wait for each other, or for one that does not exist.
    Cycle {
        /// The subtasks, in the order of their numbers.
        ids: Vec<SubtaskId>,
    },
    /// A subtask that was added for others, and that none of them uses.
    Unused {
        /// The subtask.
        id: SubtaskId,
    },
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unmet { id, task, expert, needs } => write!(
                f,
                "subtask {id} (\"{task}\") goes to `{expert}`, which needs a {needs}, and nothing before it gives one"
            ),
            Self::Unreadable { id, expert, takes, from, giver, gives } => write!(
                f,
                "subtask {id} goes to `{expert}`, which takes {takes}, and uses subtask {from} of `{giver}`, which gives \
                 {gives}: nothing makes one of the other"
            ),
            Self::Cycle { ids } => {
                let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
                write!(f, "subtasks {} wait for each other or for one that is not there", ids.join(", "))
            }
            Self::Unused { id } => write!(f, "nothing uses the output of subtask {id}, which was added for others"),
        }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::Input(format!("the plan cannot run: {fault}"))
    }
}

/// The faults of a plan whose subtasks are assigned, in the order of the subtasks. `added` are those that nobody asked for.
pub fn check(plan: &Plan, assignments: &[Assignment], graph: &TypeGraph, added: &BTreeSet<SubtaskId>) -> Vec<Fault> {
    let mut faults = Vec::new();
    // What only waits for what can run can run.
    let mut runs: BTreeSet<SubtaskId> = BTreeSet::new();
    loop {
        let ready = |s: &&qsef_core::Subtask| !runs.contains(&s.id) && s.after.union(&s.uses).all(|a| runs.contains(a));
        let more: Vec<SubtaskId> = plan.subtasks.iter().filter(ready).map(|s| s.id).collect();
        if more.is_empty() {
            break;
        }
        runs.extend(more);
    }
    let stuck: Vec<SubtaskId> = plan.subtasks.iter().map(|s| s.id).filter(|id| !runs.contains(id)).collect();
    if !stuck.is_empty() {
        faults.push(Fault::Cycle { ids: stuck });
    }
    let expert = |id: SubtaskId| assignments.iter().find(|a| a.id == id).and_then(|a| graph.place(&a.expert));
    for subtask in &plan.subtasks {
        if let Some(own) = expert(subtask.id).filter(|own| graph.is_dependent(*own))
            && subtask.uses.is_empty()
        {
            faults.push(Fault::Unmet {
                id: subtask.id,
                task: subtask.task.clone(),
                expert: graph.id(own).to_owned(),
                needs: graph.needs(own),
            });
        }
        if added.contains(&subtask.id) && !plan.subtasks.iter().any(|s| s.uses.contains(&subtask.id)) {
            faults.push(Fault::Unused { id: subtask.id });
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use qsef_core::Subtask;

    use super::*;
    use crate::complete::graph::tests::library;

    fn faults(experts: &[(&str, &[usize])], added: &[usize]) -> Vec<String> {
        let graph = TypeGraph::new(&library());
        let subtask = |(id, (_, uses)): (usize, &(&str, &[usize]))| {
            Subtask::new(id, format!("task {id}"), uses.iter().copied(), uses.iter().copied())
        };
        let plan = Plan { subtasks: (1..).zip(experts).map(subtask).collect() };
        let assignment = |(id, (expert, _)): (usize, &(&str, &[usize]))| Assignment {
            id,
            expert: (*expert).to_owned(),
            te: 0.5,
            why: String::new(),
            scores: Vec::new(),
            expected_usd: 0.0,
            vector: None,
        };
        let assignments: Vec<Assignment> = (1..).zip(experts).map(assignment).collect();
        let added = added.iter().copied().collect();
        check(&plan, &assignments, &graph, &added).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_sound_plan_has_no_faults() {
        assert!(faults(&[("SearchBook", &[]), ("GetBookReviews", &[1])], &[1]).is_empty());
        assert!(faults(&[("Weather", &[])], &[]).is_empty());
    }

    #[test]
    fn what_is_unmet_is_named_with_its_kind() {
        let found = faults(&[("SearchBook", &[]), ("GetBookReviews", &[])], &[]);
        assert_eq!(found.len(), 1);
        let wanted = ["subtask 2", "task 2", "`GetBookReviews`", "needs a book"];
        assert!(wanted.iter().all(|w| found[0].contains(w)), "{}", found[0]);
    }

    #[test]
    fn cycles_and_unknown_subtasks_are_found() {
        let found = faults(&[("SearchBook", &[]), ("GetBook", &[3]), ("GetBookReviews", &[2]), ("Weather", &[9])], &[]);
        assert_eq!(found, ["subtasks 2, 3, 4 wait for each other or for one that is not there"]);
    }

    #[test]
    fn what_was_added_has_to_be_used() {
        let found = faults(&[("SearchBook", &[]), ("Weather", &[])], &[1]);
        assert_eq!(found, ["nothing uses the output of subtask 1, which was added for others"]);
        assert!(faults(&[("SearchBook", &[]), ("Weather", &[])], &[]).is_empty());
    }
}
