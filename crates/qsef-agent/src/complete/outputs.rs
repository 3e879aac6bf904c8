//! What each subtask's output is to be, settled before anything runs: of what its expert can give, what those who use it can
//! take with the least loss.

use std::collections::{BTreeMap, BTreeSet};

use qsef_core::{ExpertProfile, Format, OutputType, Plan, Result, SubtaskId};

use super::check::{Fault, check};
use crate::{Assignment, Registry, registry::Scored, translate::Translator};

/// Types the outputs of a plan whose subtasks are assigned. Where an expert can take nothing of what another can give, one of
/// the two subtasks goes to an expert that is about as good. What was changed, in words.
///
/// # Errors
/// [`qsef_core::Error::Input`] where no expert helps, with the subtask and the formats.
pub(crate) fn type_outputs(
    plan: &mut Plan,
    assignments: &mut [Assignment],
    registry: &Registry,
    translator: &Translator,
) -> Result<Vec<String>> {
    let mut typing = Typing::new(plan, assignments, registry, translator);
    let mut repairs = Vec::new();
    // Each repair mends a subtask's output and breaks no other.
    while let Some((from, to)) = typing.broken() {
        let fault = typing.fault(from, to);
        let others = [to, from].into_iter().find_map(|id| Some((id, typing.other(id, assignments, registry)?)));
        let Some((id, expert)) = others else { return Err(fault.into()) };
        typing.experts.insert(id, expert);
        if let Some(old) = assignments.iter_mut().find(|a| a.id == id) {
            repairs.push(format!("gave subtask {id} to `{}`: {fault}", expert.id));
            let scored = Scored { scores: std::mem::take(&mut old.scores), vector: old.vector.take() };
            *old = registry.give(id, &expert.id, scored)?;
        }
    }
    let outputs: Vec<Option<OutputType>> = typing.plan.subtasks.iter().map(|s| typing.output(s.id)).collect();
    plan.subtasks.iter_mut().zip(outputs).for_each(|(subtask, output)| subtask.output = output);
    if !repairs.is_empty()
        && let Some(fault) = check(plan, assignments, registry.types(), &BTreeSet::new()).into_iter().next()
    {
        return Err(fault.into());
    }
    Ok(repairs)
}

/// A plan with the profiles of its subtasks' experts.
#[derive(Clone)]
struct Typing<'a> {
    plan: &'a Plan,
    experts: BTreeMap<SubtaskId, &'a ExpertProfile>,
    translator: &'a Translator,
}

impl<'a> Typing<'a> {
    fn new(plan: &'a Plan, assignments: &[Assignment], registry: &'a Registry, translator: &'a Translator) -> Self {
        let experts = assignments.iter().filter_map(|a| Some((a.id, registry.get(&a.expert)?.profile())));
        Self { plan, experts: experts.collect(), translator }
    }

    fn gives(&self, id: SubtaskId) -> &'a [Format] {
        self.experts.get(&id).map_or(&[], |expert| &expert.gives)
    }

    fn users(&self, id: SubtaskId) -> impl Iterator<Item = (SubtaskId, &'a ExpertProfile)> {
        let users = self.plan.subtasks.iter().filter(move |s| s.uses.contains(&id));
        users.filter_map(|s| Some((s.id, *self.experts.get(&s.id)?)))
    }

    /// Those of some formats that all users of a subtask can take, each with the loss that is expected; otherwise the user that
    /// leaves none of them.
    fn common<'f>(&self, id: SubtaskId, formats: &'f [Format]) -> Result<Vec<(f64, &'f Format)>, SubtaskId> {
        let mut left: Vec<(f64, &Format)> = formats.iter().map(|format| (0.0, format)).collect();
        for (user, profile) in self.users(id) {
            left.retain_mut(|(sum, format)| {
                let loss = self.translator.expected_loss(format, profile);
                *sum += loss.unwrap_or_default();
                loss.is_some()
            });
            if left.is_empty() {
                return Err(user);
            }
        }
        Ok(left)
    }

    /// The user that can take nothing of what a subtask's expert gives. Where the expert does not say, nobody knows.
    fn broken_of(&self, id: SubtaskId) -> Option<SubtaskId> {
        let gives = self.gives(id);
        if gives.is_empty() { None } else { self.common(id, gives).err() }
    }

    fn broken(&self) -> Option<(SubtaskId, SubtaskId)> {
        self.plan.subtasks.iter().find_map(|s| Some((s.id, self.broken_of(s.id)?)))
    }

    /// An expert that may do a subtask in place of the one that has it, and gets on with those before and after it.
    fn other(&self, id: SubtaskId, assignments: &[Assignment], registry: &'a Registry) -> Option<&'a ExpertProfile> {
        let subtask = self.plan.get(id)?;
        let choice = registry.choice(assignments.iter().find(|a| a.id == id)?, None);
        let others = choice.candidates.iter().skip(1).filter_map(|c| Some(registry.get(&c.expert)?.profile()));
        let mut others = others.filter(|expert| {
            let mut with = self.clone();
            with.experts.insert(id, expert);
            subtask.uses.iter().chain([&id]).all(|s| with.broken_of(*s).is_none())
        });
        others.next()
    }

    fn output(&self, id: SubtaskId) -> Option<OutputType> {
        let wished: Vec<Format>;
        let formats = match self.gives(id) {
            [] => {
                wished = self.users(id).flat_map(|(_, user)| user.takes.iter().cloned()).collect();
                &wished
            }
            gives => gives,
        };
        let common = self.common(id, formats).ok()?;
        let (_, format) = common.into_iter().min_by(|a, b| a.0.total_cmp(&b.0))?;
        let mut schemas = self.users(id).filter(|(_, user)| *format == Format::Json && user.takes.contains(format));
        let schema = schemas.find_map(|(_, user)| user.parameters.clone());
        Some(OutputType { format: format.clone(), schema })
    }

    fn fault(&self, from: SubtaskId, to: SubtaskId) -> Fault {
        let names = |formats: &[Format]| formats.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
        let id_of = |id| self.experts.get(&id).map(|e| e.id.clone()).unwrap_or_default();
        let takes = match self.experts.get(&to) {
            Some(taker) if !taker.takes.is_empty() => names(&taker.takes),
            taker => {
                let signals = taker.into_iter().flat_map(|t| &t.accepts);
                signals.map(|m| format!("{m:?}").to_lowercase()).collect::<Vec<_>>().join(" or ")
            }
        };
        Fault::Unreadable { id: to, expert: id_of(to), takes, from, giver: id_of(from), gives: names(self.gives(from)) }
    }
}

#[cfg(test)]
mod tests {
    use qsef_core::{Modality, Subtask};
    use qsef_score::Score;
    use serde_json::json;

    use super::*;
    use crate::complete::tests::registry;

    fn expert(id: &str, gives: &[Format], takes: &[Format]) -> ExpertProfile {
        let profile = ExpertProfile::new(id, format!("Does the work of {id}."));
        profile.gives(gives.iter().cloned()).takes(takes.iter().cloned())
    }

    /// The plan in which each expert uses the output of the one before, with its types; `good` may take over from any.
    async fn typed(experts: Vec<ExpertProfile>, plan: &[&str], good: &str) -> (Plan, Vec<String>, Result<Vec<String>>) {
        let registry = registry(experts).await;
        let mut subtasks = Plan::default();
        for (id, expert) in (1..).zip(plan) {
            let before: Vec<usize> = (id > 1).then_some(id - 1).into_iter().collect();
            subtasks.subtasks.push(Subtask::new(id, format!("do the work of {expert}"), before.clone(), before));
        }
        let texts: Vec<&str> = subtasks.subtasks.iter().map(|s| s.task.as_str()).collect();
        let scored = registry.scored(&texts).await.unwrap();
        let give = |((id, expert), scored): ((usize, &&str), Scored)| {
            let te = |s: &Score| if s.expert == *expert || s.expert == good { 0.5 } else { 0.1 };
            let scores = scored.scores.iter().map(|s| Score { te: te(s), ..s.clone() }).collect();
            registry.give(id, expert, Scored { scores, ..scored }).unwrap()
        };
        let mut given: Vec<Assignment> = (1..).zip(plan).zip(scored).map(give).collect();
        let result = type_outputs(&mut subtasks, &mut given, &registry, &Translator::new());
        (subtasks, given.into_iter().map(|a| a.expert).collect(), result)
    }

    fn formats(plan: &Plan) -> Vec<Option<Format>> {
        plan.subtasks.iter().map(|s| s.output.as_ref().map(|o| o.format.clone())).collect()
    }

    #[tokio::test]
    async fn an_expert_that_can_give_several_formats_is_told_what_its_user_takes() {
        let schema = json!({"type": "object", "properties": {"km": {"type": "number"}}});
        let reader = expert("c", &[], &[Format::Json]).parameters(schema.clone());
        let all = vec![expert("a", &[Format::Text, Format::Json], &[]), expert("b", &[Format::Number], &[]), reader];
        let (plan, _, result) = typed(all.clone(), &["a", "c"], "").await;
        assert!(result.unwrap().is_empty());
        assert_eq!(plan.subtasks[0].output, Some(OutputType { format: Format::Json, schema: Some(schema) }));
        // Nobody uses the last one, and its expert does not say.
        assert_eq!(plan.subtasks[1].output, None);
        let (plan, ..) = typed(all.clone(), &["a", "b"], "").await;
        assert_eq!(formats(&plan), [Some(Format::Text), Some(Format::Number)]);
        // What says nothing is asked for what its user takes.
        let (plan, ..) = typed(all, &["c", "c"], "").await;
        assert_eq!(formats(&plan), [Some(Format::Json), None]);
    }

    #[tokio::test]
    async fn what_nobody_can_take_is_refused_before_anything_runs() {
        let draws = expert("draws", &[Format::Image], &[]);
        let (_, _, result) =
            typed(vec![draws.clone(), expert("counts", &[], &[Format::List])], &["draws", "counts"], "").await;
        let error = result.unwrap_err().to_string();
        let wanted = ["subtask 2", "`counts`", "takes list", "subtask 1", "`draws`", "gives image"];
        assert!(wanted.iter().all(|w| error.contains(w)), "{error}");
        let sees = expert("sees", &[], &[]).accepts(Modality::Image);
        let (plan, _, result) = typed(vec![draws.clone(), sees.clone()], &["draws", "sees"], "").await;
        assert!(result.unwrap().is_empty());
        assert_eq!(formats(&plan), [Some(Format::Image), None]);
        let code = |language: &str| Format::Code(language.into());
        let two = vec![expert("writes", &[code("python")], &[]), expert("compiles", &[], &[code("rust")])];
        assert!(typed(two, &["writes", "compiles"], "").await.2.is_err());
    }

    #[tokio::test]
    async fn an_expert_that_can_take_it_takes_over() {
        let draws = expert("draws", &[Format::Image], &[]);
        let sees = expert("sees", &[], &[]).accepts(Modality::Image);
        let all = vec![draws, expert("counts", &[], &[Format::List]), sees];
        let (plan, experts, result) = typed(all, &["draws", "counts"], "sees").await;
        assert_eq!(experts, ["draws", "sees"]);
        let repairs = result.unwrap();
        assert!(repairs.len() == 1 && repairs[0].contains("subtask 2 to `sees`"), "{repairs:?}");
        assert_eq!(formats(&plan), [Some(Format::Image), None]);
    }
}
