//! The comparison that ends a layperson's tier.

use qsef_core::{Message, Request, Result, prompt::fenced};
use qsef_score::{complexity::complexity, text::words};
use serde_json::{Value, json};

use super::{
    Work,
    check::{is_refusal, tidy},
};
use crate::{
    facts::{Facts, added},
    item::Language,
    prompts,
    sentences::split,
};

/// Times that the model is asked.
const TRIES: u64 = 3;
/// The most words of a comparison.
const MOST_WORDS: usize = 18;
/// The most characters of a Chinese one.
const MOST_CHARACTERS: usize = 32;

impl Work<'_> {
    /// A comparison of what a text says with something of daily life: of those that hold the one that leaves it easiest.
    pub(super) async fn analogy(&mut self, text: &str) -> Result<Option<String>> {
        let language = self.item.language;
        for number in 0..TRIES {
            let mut messages = prompts::analogy(language);
            let before = messages.len();
            messages.push(Message::user(fenced(text)));
            let mut request = Request::new(messages).prefix_messages(before).max_tokens(160).json_schema(json!({
                "type": "object",
                "properties": {"analogies": {
                    "type": "array", "minItems": 3, "maxItems": 3,
                    "items": {"type": "string", "minLength": 6, "maxLength": 110},
                }},
                "required": ["analogies"], "additionalProperties": false,
            }));
            if number > 0 {
                request.temperature = 0.8;
                request.seed = self.settings.seed ^ number;
            }
            let answer = self.ask("analogies", request).await?;
            let value: Value = serde_json::from_str(&answer.text).unwrap_or_default();
            let offered = value.get("analogies").and_then(Value::as_array).into_iter().flatten();
            let holding = offered.filter_map(Value::as_str).map(|a| tidy(a, text)).filter(|a| self.holds(a));
            let ease = |analogy: &String| complexity(&format!("{text} {analogy}")).overall();
            if let Some(analogy) = holding.min_by(|a, b| ease(a).total_cmp(&ease(b))) {
                return Ok(Some(analogy));
            }
        }
        Ok(None)
    }

    /// Whether a comparison is one, is short, and says nothing that would be taken for a fact.
    fn holds(&self, analogy: &str) -> bool {
        let language = self.item.language;
        let compares = match language {
            Language::En => words(analogy).iter().any(|word| matches!(word.to_lowercase().as_str(), "like" | "as")),
            Language::Zh => ["像", "好比", "如同", "相当于"].iter().any(|word| analogy.contains(word)),
        };
        let is_short = match language {
            Language::En => words(analogy).len() <= MOST_WORDS,
            Language::Zh => analogy.chars().count() <= MOST_CHARACTERS,
        };
        compares
            && is_short
            && split(analogy).len() == 1
            && !is_refusal(analogy)
            && !analogy.chars().any(|c| c.is_ascii_digit())
            && added(&self.context, &Facts::of(analogy, language)).is_empty()
    }
}
