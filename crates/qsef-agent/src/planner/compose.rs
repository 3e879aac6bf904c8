use qsef_core::{Message, Request, Result, SubtaskId, Usage};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Planner;
use crate::{
    chat::generate,
    prompts,
    run::{Claim, Source},
};

/// The fewest tokens that a text is given, and the most.
const MAX_TOKENS: std::ops::RangeInclusive<usize> = 128..=1024;

#[derive(Deserialize)]
struct Answer {
    claims: Vec<Written>,
}

#[derive(Deserialize)]
struct Written {
    text: String,
    from: Vec<Value>,
}

impl Planner {
    /// Writes one text of several outputs, sentence by sentence, each with the numbers of the subtasks that it comes from. What
    /// it says is not checked yet.
    ///
    /// # Errors
    /// The model's own. Unusable output is no error: there are no claims then.
    pub(crate) async fn compose(&self, request: &str, sources: &[Source]) -> Result<(Vec<Claim>, Usage)> {
        let results: Vec<Value> =
            sources.iter().map(|s| json!({"subtask": s.id, "task": s.task, "result": s.payload.to_text()})).collect();
        let prefix = prompts::compose();
        let mut messages = prefix.to_vec();
        // As JSON, no result can end its place and begin an instruction.
        messages.push(Message::user(json!({"request": request, "results": results}).to_string()));
        let ids: Vec<SubtaskId> = sources.iter().map(|s| s.id).collect();
        let said: usize = sources.iter().map(|s| s.payload.to_text().len() + s.task.len()).sum();
        let max_tokens = (said + 40 * sources.len()).clamp(*MAX_TOKENS.start(), *MAX_TOKENS.end());
        let call =
            Request::new(messages).json_schema(schema(&ids)).max_tokens(max_tokens).prefix_messages(prefix.len());
        let generation = generate(&self.model, call).await?;
        tracing::debug!(answer = generation.text, "the model's answer");
        let written = serde_json::from_str::<Answer>(&generation.text).map(|a| a.claims).unwrap_or_default();
        let number = |id: Value| id.as_u64().or_else(|| id.as_str()?.parse().ok()).and_then(|id| id.try_into().ok());
        let claims = written.into_iter().filter(|w| !w.text.trim().is_empty()).map(|w| Claim {
            text: w.text.trim().to_owned(),
            subtasks: w.from.into_iter().filter_map(number).collect(),
        });
        Ok((claims.collect(), generation.usage))
    }
}

fn schema(ids: &[SubtaskId]) -> Value {
    json!({
        "type": "object",
        "properties": {"claims": {
            "type": "array", "minItems": 1, "maxItems": 3 * ids.len(),
            "items": {
                "type": "object",
                "properties": {
                    "text": {"type": "string", "minLength": 1},
                    "from": {"type": "array", "minItems": 1, "maxItems": ids.len(), "items": {"enum": ids}}
                },
                "required": ["text", "from"], "additionalProperties": false
            }
        }},
        "required": ["claims"], "additionalProperties": false
    })
}
