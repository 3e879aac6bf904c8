use qsef_core::{Message, Request, Result, Usage};
use serde::Deserialize;
use serde_json::json;

use super::Planner;
use crate::{chat::generate, prompts};

/// The most characters of a text that the judge sees, from its beginning and its end.
const SHOWN: usize = 4000;

/// What a judge says of an output.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Judged {
    /// 0, wrong; 0.5, partly right; or 1, right.
    pub score: f64,
    pub reason: String,
}

#[derive(Deserialize)]
struct Answer {
    reason: String,
    verdict: String,
}

impl Planner {
    /// Judges what an expert made of a task with its material. None where the model's answer is no judgement.
    ///
    /// # Errors
    /// The model's own.
    pub(crate) async fn judge(&self, task: &str, material: &[String], output: &str) -> Result<(Option<Judged>, Usage)> {
        let prefix = prompts::judge();
        let mut messages = prefix.to_vec();
        let material: Vec<String> = material.iter().map(|text| shown(text)).collect();
        // As JSON, no text can end its place and begin an instruction.
        let question = json!({"task": shown(task), "material": material, "output": shown(output)});
        messages.push(Message::user(question.to_string()));
        let schema = json!({
            "type": "object",
            "properties": {
                "reason": {"type": "string", "minLength": 1, "maxLength": 160},
                "verdict": {"enum": ["wrong", "partly", "right"]}
            },
            "required": ["reason", "verdict"], "additionalProperties": false
        });
        let call = Request::new(messages).json_schema(schema).max_tokens(120).prefix_messages(prefix.len());
        let generation = generate(&self.model, call).await?;
        let judged = serde_json::from_str(&generation.text).ok().and_then(|Answer { reason, verdict }| {
            let score = match verdict.as_str() {
                "wrong" => 0.0,
                "partly" => 0.5,
                "right" => 1.0,
                _ => return None,
            };
            Some(Judged { score, reason })
        });
        Ok((judged, generation.usage))
    }
}

fn shown(text: &str) -> String {
    let length = text.chars().count();
    if length <= SHOWN {
        return text.to_owned();
    }
    let head: String = text.chars().take(SHOWN / 2).collect();
    let tail: String = text.chars().skip(length - SHOWN / 2).collect();
    format!("{head}\n[…]\n{tail}")
}

#[cfg(test)]
mod tests {
    use qsef_core::{AnyModel, test_util::ScriptedModel};

    use super::*;

    #[tokio::test]
    async fn a_judgement_is_a_score_with_its_reason_and_anything_else_is_none() {
        for (answer, score) in [
            (r#"{"reason":"It is.","verdict":"right"}"#, Some(1.0)),
            (r#"{"reason":"Half.","verdict":"partly"}"#, Some(0.5)),
            (r#"{"reason":"No.","verdict":"wrong"}"#, Some(0.0)),
            (r#"{"reason":"?","verdict":"perfect"}"#, None),
            (r#"{"reason":"cut of"#, None),
        ] {
            let planner = Planner::new(AnyModel::new(ScriptedModel::answers([answer])));
            let (judged, _) = planner.judge("task", &["material".into()], &"long ".repeat(5000)).await.unwrap();
            assert_eq!(judged.map(|j| j.score), score, "{answer}");
        }
    }

    #[test]
    fn long_texts_are_cut_in_the_middle() {
        let cut = shown(&format!("a{}z", "é".repeat(9000)));
        assert!(cut.starts_with('a') && cut.ends_with('z') && cut.chars().count() < SHOWN + 10);
        assert_eq!(shown("short"), "short");
    }
}
