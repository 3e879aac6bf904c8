//! The text of a topic, which the model writes before its tiers.

use qsef_core::{Message, Request, Result};
use serde_json::json;

use super::{Work, check::is_refusal, field};
use crate::{
    facts::Facts,
    item::{Language, Turn},
    prompts,
    sentences::units,
};

impl Work<'_> {
    /// The text of a topic; a fault where none came.
    pub(super) async fn write_topic(&mut self) -> Result<Option<String>> {
        let language = self.item.language;
        let about = self.item.about.clone().unwrap_or_default();
        let mut messages = prompts::topic(language);
        let before = messages.len();
        messages.push(Message::user(match language {
            Language::En => format!("Topic: {about}"),
            Language::Zh => format!("主题：{about}"),
        }));
        let request = Request::new(messages).prefix_messages(before).max_tokens(600).json_schema(json!({
            "type": "object",
            "properties": {"text": {"type": "string", "minLength": 100, "maxLength": 1800}},
            "required": ["text"], "additionalProperties": false,
        }));
        let answer = self.ask("topics", request).await?;
        let text = field(&answer.text, "text").unwrap_or_default();
        if is_refusal(&text) || units(&text).len() < 2 {
            return Ok(Some("the model wrote no text about it".into()));
        }
        self.context = Facts::of(&text, language);
        self.item.text = text;
        self.item.prompt = vec![Turn::user(match language {
            Language::En => format!("What is important to know about {about}?"),
            Language::Zh => format!("关于{about}，要知道哪些重要内容？"),
        })];
        Ok(None)
    }
}
