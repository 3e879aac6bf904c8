//! One constrained choice of the model among experts that are close.

use qsef_core::{AnyModel, ExpertProfile, Message, Request, Result, Usage};

use crate::{chat::generate, prompts};

/// The most characters of a description that are shown.
const SHOWN: usize = 200;

/// Lets the model choose among experts for a step of a request, the likeliest given first. `None` where its answer is none of
/// them; it cannot name anything else.
///
/// # Errors
/// The model's own.
pub(super) async fn choose(
    model: &AnyModel,
    request: &str,
    step: &str,
    experts: &[&ExpertProfile],
) -> Result<(Option<usize>, Usage)> {
    let letters: Vec<String> = ('A'..='Z').map(String::from).take(experts.len()).collect();
    let mut text = format!("Request: {request}\nStep: {step}");
    for (letter, profile) in letters.iter().zip(experts) {
        let description: String = profile.description.chars().take(SHOWN).collect();
        text.push_str(&format!("\n{letter}) {}", description.replace('\n', " ")));
    }
    let prefix = prompts::choose();
    let mut messages = prefix.to_vec();
    messages.push(Message::user(text));
    let schema = serde_json::json!({
        "type": "object", "properties": {"service": {"enum": letters}},
        "required": ["service"], "additionalProperties": false
    });
    let call = Request::new(messages).json_schema(schema).max_tokens(16).prefix_messages(prefix.len());
    let generation = generate(model, call).await?;
    let answer = serde_json::from_str::<serde_json::Value>(&generation.text).ok();
    let letter = answer.as_ref().and_then(|a| a.get("service")?.as_str());
    Ok((letter.and_then(|l| letters.iter().position(|o| o == l)), generation.usage))
}
