use std::collections::BTreeSet;

use qsef_core::{Message, Request, Result, Subtask, SubtaskId, Usage};
use serde_json::json;

use super::{Planner, clean, read_steps, schema};
use crate::{chat::generate, prompts};

/// The most subtasks that replace one.
const MAX_PARTS: usize = 4;

impl Planner {
    /// Splits a subtask that nobody could do, for the reason `problem`. The new subtasks are numbered from `first`; those that
    /// use none of each other use what the old one used. Empty where the model cannot split it.
    ///
    /// # Errors
    /// The model's own.
    pub async fn replan(&self, subtask: &Subtask, problem: &str, first: SubtaskId) -> Result<(Vec<Subtask>, Usage)> {
        let prefix = prompts::replan();
        let mut messages = prefix.to_vec();
        messages.push(Message::user(json!({"step": subtask.task, "problem": problem}).to_string()));
        let call = Request::new(messages).json_schema(schema(MAX_PARTS)).prefix_messages(prefix.len());
        let generation = generate(&self.model, call.max_tokens((160 + 2 * subtask.task.len()).min(1024))).await?;
        let steps: Vec<_> = read_steps(&generation.text)
            .into_iter()
            .map(|step| (clean(&step.task).trim().to_owned(), step.uses))
            .filter(|(task, _)| task.chars().any(char::is_alphanumeric))
            .take(MAX_PARTS)
            .collect();
        let repeated = steps.iter().any(|(task, _)| task.eq_ignore_ascii_case(subtask.task.trim()));
        if steps.len() < 2 || repeated {
            return Ok((Vec::new(), generation.usage));
        }
        let parts = steps.into_iter().enumerate().map(|(at, (task, uses))| {
            let id = first + at;
            let own: BTreeSet<SubtaskId> =
                uses.iter().filter(|u| (1..=at).contains(*u)).map(|u| first + u - 1).collect();
            let uses = if own.is_empty() { subtask.uses.clone() } else { own };
            let mut after = uses.clone();
            after.extend(if at == 0 { subtask.after.clone() } else { [id - 1].into() });
            Subtask::new(id, task, after, uses)
        });
        Ok((parts.collect(), generation.usage))
    }
}

#[cfg(test)]
mod tests {
    use qsef_core::{AnyModel, test_util::ScriptedModel};

    use super::*;

    async fn split(answer: &str) -> Vec<Subtask> {
        let planner = Planner::new(AnyModel::new(ScriptedModel::answers([answer])));
        let subtask = Subtask::new(2, "sing it in Welsh", [1], [1]);
        planner.replan(&subtask, "no Welsh", 4).await.unwrap().0
    }

    #[tokio::test]
    async fn parts_take_up_what_the_whole_used() {
        let parts = split(r#"{"steps":[{"task":"translate it","uses":[]},{"task":"sing it","uses":[1, 2, 9]}]}"#).await;
        let expected = [(4, "translate it", [1], [1]), (5, "sing it", [4], [4])];
        let expected = expected.map(|(id, task, after, uses)| Subtask::new(id, task, after, uses));
        assert_eq!(parts, expected);
    }

    #[tokio::test]
    async fn what_is_no_split_is_none() {
        for answer in [
            "",
            r#"{"steps":[{"task":"sing it","uses":[]}]}"#,
            r#"{"steps":[{"task":"Sing it in Welsh","uses":[]},{"task":"bow","uses":[]}]}"#,
            r#"{"steps":[{"task":"sing","uses":[]},{"task":"?","uses":[]}]}"#,
        ] {
            assert!(split(answer).await.is_empty(), "{answer}");
        }
    }
}
