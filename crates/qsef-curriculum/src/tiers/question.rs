//! The question that stands before a passage's tiers.

use qsef_core::{Message, Request, Result, prompt::fenced};
use qsef_score::text::terms;
use serde_json::json;

use super::{Work, check::is_refusal, field};
use crate::{item::Language, prompts};

impl Work<'_> {
    /// The question that the passage answers; one made of what it is about where the model writes none.
    pub(super) async fn question(&mut self) -> Result<String> {
        let language = self.item.language;
        let mut messages = prompts::question(language);
        let before = messages.len();
        messages.push(Message::user(fenced(&self.item.text)));
        let request = Request::new(messages).prefix_messages(before).max_tokens(80).json_schema(json!({
            "type": "object",
            "properties": {"question": {"type": "string", "minLength": 5, "maxLength": 160}},
            "required": ["question"], "additionalProperties": false,
        }));
        let answer = self.ask("questions", request).await?;
        let question = field(&answer.text, "question");
        // Of the text, and a question.
        let of_text = terms(&self.item.text);
        let fits = |question: &String| {
            question.ends_with(['?', '？'])
                && !is_refusal(question)
                && terms(question).intersection(&of_text).next().is_some()
        };
        Ok(question.filter(fits).unwrap_or_else(|| {
            let about = self.item.about.clone();
            let about =
                about.unwrap_or_else(|| self.item.text.split_whitespace().take(8).collect::<Vec<_>>().join(" "));
            match language {
                Language::En => format!("What does the text about “{about}” say?"),
                Language::Zh => format!("关于“{about}”的文字说了什么？"),
            }
        }))
    }
}
