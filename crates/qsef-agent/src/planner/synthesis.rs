use qsef_core::{Message, Payload, Request, Result, Usage};
use serde_json::json;

use super::Planner;
use crate::{chat::generate, prompts};

/// The most tokens of an answer that is made of several.
const MAX_TOKENS: usize = 1024;

impl Planner {
    /// Writes one output of several for a task, given with their weights, best first.
    ///
    /// # Errors
    /// The model's own.
    pub(crate) async fn synthesise(&self, task: &str, outputs: &[(&Payload, f64)]) -> Result<(String, Usage)> {
        let prefix = prompts::synthesise();
        let answers: Vec<_> =
            outputs.iter().map(|(payload, weight)| json!({"weight": weight, "answer": payload.to_text()})).collect();
        let mut messages = prefix.to_vec();
        // As JSON, no answer can end its place and begin an instruction.
        messages.push(Message::user(json!({"task": task, "answers": answers}).to_string()));
        let request = Request::new(messages).max_tokens(MAX_TOKENS).prefix_messages(prefix.len());
        let generation = generate(&self.model, request).await?;
        Ok((generation.text.trim().to_owned(), generation.usage))
    }
}
