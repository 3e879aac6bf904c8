//! From a request to a plan: analyse, segment in the user's own words, check and repair.
//!
//! The planner does not know the experts. It only splits; the router chooses.

mod align;
mod analysis;
mod check;
mod clauses;
mod compose;
mod judge;
mod refs;
mod replan;
mod synthesis;

pub use analysis::{Analysis, analyse};
use qsef_core::{AnyModel, Error, Message, Plan, Request, Result, Role, Subtask, Usage};
pub(crate) use refs::points_back;
use serde::{Deserialize, Serialize};

use crate::{chat::generate, prompts};

/// The longest request that is planned, in bytes. Longer ones are material, not a request: they go to one expert whole.
const MAX_PLANNED_BYTES: usize = 6_000;

/// The most subtasks in a plan.
const MAX_STEPS: usize = 16;

/// A plan, what was read in the request, and what planning used.
#[derive(Debug, Clone)]
pub struct Planned {
    /// The subtasks.
    pub plan: Plan,
    /// Entities, concepts and intents of the request.
    pub analysis: Analysis,
    /// Tokens used; zero where no model was called.
    pub usage: Usage,
    /// What was repaired, in words.
    pub repairs: Vec<String>,
}

impl Planned {
    /// What the request tells besides its subtasks, as one text; empty where there is none.
    pub fn background(&self) -> String {
        let told = |remark: &&String| !self.plan.subtasks.iter().any(|s| s.task.contains(remark.as_str()));
        self.analysis.remarks.iter().filter(told).cloned().collect::<Vec<_>>().join(". ")
    }
}

#[derive(Debug, Deserialize, Serialize)]
struct Steps {
    steps: Vec<Step>,
}

/// A step as the model writes it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Step {
    task: String,
    #[serde(default)]
    uses: Vec<usize>,
}

/// Splits requests into plans with a language model.
#[derive(Debug, Clone)]
pub struct Planner {
    model: AnyModel,
}

impl Planner {
    /// A planner on a model.
    pub fn new(model: AnyModel) -> Self {
        Self { model }
    }

    /// Plans a request. One that is plainly a single step costs no model call.
    ///
    /// # Errors
    /// [`Error::Input`] for a request without words; otherwise the model's own. Unusable model output is no error: it
    /// is repaired from the request itself, and [`Planned::repairs`] says so.
    pub async fn plan(&self, request: &str) -> Result<Planned> {
        let request = clean(request);
        if !request.chars().any(char::is_alphanumeric) {
            return Err(Error::Input("the request is empty: say what is to be done".into()));
        }
        let analysis = analyse(&request);
        if is_one_step(&request, &analysis) {
            let plan = Plan::single(request.trim());
            return Ok(Planned { plan, analysis, usage: Usage::default(), repairs: Vec::new() });
        }
        let generation = generate(&self.model, Self::question(&request, &analysis)).await?;
        tracing::debug!(plan = generation.text, "the model's plan");
        Ok(Self::reading(&request, analysis, &generation.text, generation.usage))
    }

    /// What the model is asked where it has to split a request.
    pub fn question(request: &str, analysis: &Analysis) -> Request {
        let prefix = prompts::plan();
        let mut messages = prefix.to_vec();
        messages.push(Message::user(request));
        // A plan repeats the request's words, so its length follows the request's.
        let max_tokens = (160 + request.len()).min(2048);
        // A small model that begins to repeat itself goes on to the limit: there are hardly more steps than clauses.
        let schema = schema((analysis.clauses.len() + 2).min(MAX_STEPS));
        let call = Request::new(messages).json_schema(schema).max_tokens(max_tokens).prefix_messages(prefix.len());
        call.prediction(prediction(request, analysis))
    }

    /// How many tokens the model will read to plan a request; 0 where it is not called.
    pub fn prompt_tokens(&self, request: &str) -> u64 {
        let request = clean(request);
        let analysis = analyse(&request);
        match is_one_step(&request, &analysis) {
            true => 0,
            false => self.model.count_tokens(&Self::question(&request, &analysis)),
        }
    }

    /// The plan that the model's answer stands for, repaired from the request where the answer is cut or wrong.
    pub fn reading(request: &str, analysis: Analysis, answer: &str, usage: Usage) -> Planned {
        let (plan, repairs) = check::repair(request, &analysis, read_steps(answer), &examples());
        Planned { plan, analysis, usage, repairs }
    }
}

/// Whether a request is plainly a single step.
fn is_one_step(request: &str, analysis: &Analysis) -> bool {
    analysis.clauses.len() - analysis.remarks.len() < 2 || request.len() > MAX_PLANNED_BYTES
}

/// What the model writes where every clause that asks for something is a step, as the prompt's examples are written.
fn prediction(request: &str, analysis: &Analysis) -> String {
    let (plan, _) = check::repair(request, analysis, Vec::new(), &[]);
    let steps = plan.subtasks.iter().filter(|s| !analysis.remarks.contains(&s.task));
    let step =
        |subtask: &Subtask| Step { task: uncapitalised(&subtask.task), uses: subtask.uses.iter().copied().collect() };
    serde_json::to_string(&Steps { steps: steps.map(step).collect() }).unwrap_or_default()
}

/// A sentence as it goes on after others: "SQL" and "I" stay as they are.
fn uncapitalised(text: &str) -> String {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(first), Some(second)) if second.is_lowercase() => {
            first.to_lowercase().chain([second]).chain(chars).collect()
        }
        _ => text.to_owned(),
    }
}

/// The example requests of the prompt, whose words must not leak into a plan.
fn examples() -> Vec<String> {
    prompts::plan().iter().filter(|m| m.role == Role::User).filter_map(|m| m.as_text().ok()).collect()
}

/// Reads a plan as the model writes it, or the whole steps of one that is cut.
fn read_steps(text: &str) -> Vec<Step> {
    let cut = || text.rfind("},").and_then(|end| text.get(..=end)).map(|whole| format!("{whole}]}}"));
    let parsed = serde_json::from_str::<Steps>(text).ok();
    parsed.or_else(|| serde_json::from_str(&cut()?).ok()).map(|s| s.steps).unwrap_or_default()
}

/// Drops what steers terminals and control characters that no request means, and keeps line breaks and tabs.
fn clean(request: &str) -> String {
    let request = regex!(r"\x1b\[[0-9;?]*[ -/]*[@-~]").replace_all(request, "");
    request.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
}

/// The JSON Schema of a plan as the model writes it.
fn schema(max_steps: usize) -> serde_json::Value {
    serde_json::json!({
        "type": "object",
        "properties": {"steps": {
            "type": "array", "minItems": 1, "maxItems": max_steps,
            "items": {
                "type": "object",
                "properties": {
                    "task": {"type": "string", "minLength": 1},
                    "uses": {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": max_steps}}
                },
                "required": ["task", "uses"], "additionalProperties": false
            }
        }},
        "required": ["steps"], "additionalProperties": false
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use qsef_core::test_util::ScriptedModel;

    async fn plan(request: &str, answer: &str) -> Planned {
        Planner::new(AnyModel::new(ScriptedModel::answers([answer]))).plan(request).await.unwrap()
    }

    fn tasks(planned: &Planned) -> Vec<&str> {
        planned.plan.subtasks.iter().map(|s| s.task.as_str()).collect()
    }

    #[tokio::test]
    async fn a_single_step_calls_no_model() {
        for request in ["Explain gravity", "Write a haiku about 'rain, and wind'.", "什么是光合作用？"] {
            let planned = plan(request, "never asked for").await;
            assert_eq!(tasks(&planned), [request]);
            assert_eq!(planned.usage, Usage::default());
        }
    }

    #[tokio::test]
    async fn steps_become_subtasks_in_order() {
        let answer = r#"{"steps":[{"task":"add 2 and 3","uses":[]},{"task":"double the result","uses":[1]}]}"#;
        let planned = plan("Add 2 and 3, then double the result.", answer).await;
        assert_eq!(tasks(&planned), ["add 2 and 3", "double the result"]);
        assert_eq!(planned.plan.subtasks[1].uses, [1].into());
        assert!(planned.repairs.is_empty(), "{:?}", planned.repairs);
    }

    #[tokio::test]
    async fn repetition_invention_and_leaked_examples_are_repaired() {
        let answer = r#"{"steps":[{"task":"add 2 and 3","uses":[7]},{"task":"Add 2 and 3.","uses":[1]},
            {"task":"water the ferns","uses":[]},{"task":"email the accountant in Berlin","uses":[]},
            {"task":"double the result","uses":[4]}]}"#;
        let planned = plan("Add 2 and 3, then double the result.", answer).await;
        assert_eq!(tasks(&planned), ["add 2 and 3", "double the result"]);
        assert!(planned.repairs.len() >= 3, "{:?}", planned.repairs);
        assert_eq!(planned.plan.subtasks[1].after, [1].into());
    }

    #[tokio::test]
    async fn unusable_output_falls_back_to_the_requests_clauses() {
        for answer in ["", "{\"steps\":[{\"ta", "{\"steps\":[]}", r#"{"steps":[{"task":"","uses":[]}]}"#] {
            let planned = plan("Add 2 and 3, then write a poem about it.", answer).await;
            assert_eq!(tasks(&planned), ["Add 2 and 3", "write a poem about it"], "for {answer}");
            assert_eq!(planned.plan.subtasks[1].uses, [1].into());
            assert!(!planned.repairs.is_empty());
        }
    }

    #[tokio::test]
    async fn a_paraphrase_becomes_the_users_words_and_a_fragment_is_dropped() {
        let answer = r#"{"steps":[{"task":"calculate 15% of 240 km","uses":[]},{"task":"convert km to miles","uses":[1]},
            {"task":"write a Rust function that converts km to miles","uses":[]}]}"#;
        let planned =
            plan("What is 15% of 240 km in miles? Then write a Rust function that converts km to miles.", answer).await;
        let expected = ["What is 15% of 240 km in miles", "write a Rust function that converts km to miles"];
        assert_eq!(tasks(&planned), expected);
    }

    #[tokio::test]
    async fn the_whole_steps_of_a_cut_plan_are_kept() {
        let cut = r#"{"steps":[{"task":"add 2 and 3","uses":[]},{"task":"double the result","uses":[1]},{"task":"add"#;
        let planned = plan("Add 2 and 3, then double the result.", cut).await;
        assert_eq!(tasks(&planned), ["add 2 and 3", "double the result"]);
    }

    #[tokio::test]
    async fn what_the_request_only_tells_is_no_step_and_stays_known() {
        let answer = r#"{"steps":[{"task":"write a bio about Ann living in Lyon","uses":[]},{"task":"live in Lyon","uses":[]},
            {"task":"translate the bio into French","uses":[1]}]}"#;
        let planned =
            plan("My name is Ann and I live in Lyon. Write a bio, then translate it into French.", answer).await;
        assert_eq!(tasks(&planned), ["Write a bio", "translate it into French"]);
        assert_eq!(planned.plan.subtasks[1].uses, [1].into());
        assert_eq!(planned.background(), "My name is Ann. I live in Lyon");
    }

    #[tokio::test]
    async fn before_and_after_turn_the_order_round() {
        let answer = r#"{"steps":[{"task":"book a table","uses":[]},{"task":"check the weather","uses":[]}]}"#;
        for request in ["Before you book a table, check the weather.", "Book a table after you check the weather."] {
            assert_eq!(tasks(&plan(request, answer).await), ["check the weather", "book a table"], "{request}");
        }
    }

    #[tokio::test]
    async fn a_forgotten_part_of_the_request_is_added() {
        let answer = r#"{"steps":[{"task":"convert 3 km to miles","uses":[]}]}"#;
        let planned = plan("Convert 3 km to miles; list five alpine flowers.", answer).await;
        assert_eq!(tasks(&planned), ["convert 3 km to miles", "list five alpine flowers"]);
    }

    #[tokio::test]
    async fn empty_and_binary_requests_are_refused() {
        let planner = Planner::new(AnyModel::new(ScriptedModel::answers([""])));
        for request in ["", "  \n", "\0\u{1}\u{2}", "?!", "\u{1b}[31m"] {
            assert!(matches!(planner.plan(request).await, Err(Error::Input(_))));
        }
        assert_eq!(tasks(&planner.plan("\u{1b}[31mred\u{7}").await.unwrap()), ["red"]);
    }
}
