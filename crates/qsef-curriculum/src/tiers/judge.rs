//! A model's marks for what was written.

use qsef_core::{Message, Request, Result, prompt::fenced};
use serde::Deserialize;
use serde_json::{Map, json};

use super::{Work, Written};
use crate::{
    item::{Language, Step},
    prompts,
};

/// The marks of one version.
#[derive(Debug, Deserialize)]
struct Marks {
    meaning: u8,
    clear: u8,
    #[serde(default)]
    fault: String,
}

impl Work<'_> {
    /// Has the written tiers that hold so far marked against the source, by a rubric and under a schema; the ones below the least marks
    /// are faulty.
    pub(super) async fn judge(&mut self, found: &mut [Written]) -> Result<()> {
        let language = self.item.language;
        let is_source = |of: &Written| self.settings.tiers.get(of.tier).is_some_and(crate::settings::Tier::is_source);
        let places: Vec<usize> = (0..)
            .zip(found.iter())
            .filter(|(_, of)| of.fault.is_none() && !is_source(of))
            .map(|(place, _)| place)
            .collect();
        if places.is_empty() {
            return Ok(());
        }
        let (text, version) = match language {
            Language::En => ("Text", "Version"),
            Language::Zh => ("原文", "版本"),
        };
        let mut user = format!("{text}:\n{}", fenced(&self.item.text));
        let mut properties = Map::new();
        let mark = json!({"enum": [1, 2, 3, 4, 5]});
        for (number, of) in (1..).zip(places.iter().filter_map(|place| found.get(*place))) {
            user.push_str(&format!("{version} {number}:\n{}", fenced(&of.text)));
            properties.insert(
                number.to_string(),
                json!({
                    "type": "object",
                    "properties": {"meaning": mark, "clear": mark, "fault": {"type": "string", "maxLength": 120}},
                    "required": ["meaning", "clear", "fault"], "additionalProperties": false,
                }),
            );
        }
        let required: Vec<String> = properties.keys().cloned().collect();
        let mut messages = prompts::judge(language);
        let before = messages.len();
        messages.push(Message::user(user.trim_end()));
        let request = Request::new(messages).prefix_messages(before).max_tokens(80 * places.len()).json_schema(json!({
            "type": "object", "properties": properties, "required": required, "additionalProperties": false,
        }));
        let answer = self.ask("judge", request).await?;
        let marks: Map<String, serde_json::Value> = serde_json::from_str(&answer.text).unwrap_or_default();
        for (number, place) in (1..).zip(places) {
            let Some(of) = found.get_mut(place) else { continue };
            let of_version = marks.get(&number.to_string()).and_then(|m| Marks::deserialize(m).ok());
            let Some(Marks { meaning, clear, fault }) = of_version else {
                of.fault = Some((Step::Judge, "the judge gave no marks that can be read".into()));
                continue;
            };
            let what = if meaning < self.settings.least_meaning {
                format!("meaning {meaning} of 5, at least {} is needed", self.settings.least_meaning)
            } else if clear < self.settings.least_clear {
                format!("clarity {clear} of 5, at least {} is needed", self.settings.least_clear)
            } else {
                continue;
            };
            let fault = if fault.trim().is_empty() { String::new() } else { format!(": {}", fault.trim()) };
            of.fault = Some((Step::Judge, format!("{what}{fault}")));
        }
        Ok(())
    }
}
