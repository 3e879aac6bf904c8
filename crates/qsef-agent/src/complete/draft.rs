//! A plan while steps are put into it.

use std::collections::{BTreeMap, BTreeSet};

use qsef_core::{Error, Plan, Result, Subtask, SubtaskId};

use crate::{Assignment, Registry, registry::Scored};

/// A subtask to be, in a chain; `uses` counts from the chain's beginning.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub task: String,
    pub expert: String,
    pub scored: Scored,
    pub uses: BTreeSet<usize>,
}

/// A plan's subtasks with their experts, some of them replaced by chains.
pub(super) struct Draft {
    subtasks: Vec<(Subtask, Option<Assignment>)>,
    /// The chain that stands for a subtask, which is the last of its group.
    chains: BTreeMap<SubtaskId, Vec<Node>>,
    /// The last subtask of each member's group.
    ends: BTreeMap<SubtaskId, SubtaskId>,
}

impl Draft {
    pub fn new(plan: &Plan, assignments: Vec<Assignment>) -> Self {
        let mut of: BTreeMap<SubtaskId, Assignment> = assignments.into_iter().map(|a| (a.id, a)).collect();
        let subtasks = plan.subtasks.iter().map(|s| (s.clone(), of.remove(&s.id))).collect();
        Self { subtasks, chains: BTreeMap::new(), ends: BTreeMap::new() }
    }

    /// Puts a chain in the place of some subtasks.
    pub fn replace(&mut self, group: &BTreeSet<SubtaskId>, chain: Vec<Node>) {
        if let Some(&last) = group.last().filter(|_| !chain.is_empty()) {
            self.ends.extend(group.iter().map(|id| (*id, last)));
            self.chains.insert(last, chain);
        }
    }

    /// The plan, numbered anew, with its assignments and the numbers of what was added.
    pub fn finish(self, registry: &Registry) -> Result<(Plan, Vec<Assignment>, BTreeSet<SubtaskId>)> {
        let Self { subtasks, mut chains, ends } = self;
        let mut plan = Plan::default();
        let (mut assignments, mut added) = (Vec::new(), BTreeSet::new());
        // The new number of each old subtask.
        let mut numbers: BTreeMap<SubtaskId, SubtaskId> = BTreeMap::new();
        // What a group's members wait for outside of it.
        let mut waits: BTreeMap<SubtaskId, (BTreeSet<SubtaskId>, BTreeSet<SubtaskId>)> = BTreeMap::new();
        for (old, assignment) in subtasks {
            let end = ends.get(&old.id).copied();
            let outside = |ids: &BTreeSet<SubtaskId>| -> BTreeSet<SubtaskId> {
                ids.iter().filter(|id| end.is_none() || ends.get(id) != end.as_ref()).copied().collect()
            };
            let (after, uses) = waits.entry(end.unwrap_or(old.id)).or_default();
            after.extend(outside(&old.after));
            uses.extend(outside(&old.uses));
            let Some(chain) = chains.remove(&old.id) else {
                if end.is_none() {
                    let assignment = assignment.ok_or_else(|| Error::Internal("a subtask has no expert".into()))?;
                    let id = plan.subtasks.len() + 1;
                    let new = |ids: &BTreeSet<SubtaskId>| ids.iter().filter_map(|i| numbers.get(i).copied()).collect();
                    let (after, uses): (BTreeSet<_>, BTreeSet<_>) = (new(after), new(uses));
                    plan.subtasks.push(Subtask::new(id, old.task, after, uses));
                    assignments.push(Assignment { id, ..assignment });
                    numbers.insert(old.id, id);
                }
                continue;
            };
            let first = plan.subtasks.len() + 1;
            let last = first + chain.len() - 1;
            for (i, node) in chain.into_iter().enumerate() {
                let id = first + i;
                let mut uses_now: BTreeSet<SubtaskId> = node.uses.iter().map(|u| first + u).collect();
                let mut after_now = uses_now.clone();
                if node.uses.is_empty() {
                    let new = |ids: &BTreeSet<SubtaskId>| ids.iter().filter_map(|i| numbers.get(i).copied()).collect();
                    let (after_old, uses_old): (BTreeSet<_>, BTreeSet<_>) = (new(after), new(uses));
                    after_now.extend(&after_old);
                    after_now.extend(&uses_old);
                    uses_now.extend(uses_old);
                }
                assignments.push(registry.give(id, &node.expert, node.scored)?);
                plan.subtasks.push(Subtask::new(id, node.task, after_now, uses_now));
                if id < last {
                    added.insert(id);
                }
            }
            numbers.extend(ends.iter().filter(|(_, end)| **end == old.id).map(|(member, _)| (*member, last)));
        }
        Ok((plan, assignments, added))
    }
}
