//! Has the model reword sentences for a tier, and takes what holds.

use qsef_core::{Message, Request, Result, prompt::fenced};
use qsef_score::text::words;
use serde_json::{Map, Value, json};

use super::{
    Sentence, Work,
    check::{Compared, hardness, longest, plain, tidy},
};
use crate::{item::Language, prompts, settings::Tier};

/// Sentences that one request asks for at most.
const AT_ONCE: usize = 12;
/// The temperature at which what failed is written again: at none the model would write the same again.
const AGAIN: f32 = 0.6;
/// A sentence whose longest part is within the tier's length is easy enough if its share of long words, as `C_data` counts
/// them, is below this.
const FEW_LONG_WORDS: f64 = 0.45;

/// What came of one tier's sentences.
#[derive(Debug, Default)]
pub(super) struct Draft {
    /// The first writing as a whole where some of it could not stay, and why: the worse of two answers.
    pub discarded: Option<(String, String)>,
    /// Sentences that no attempt made easier, with the last reason.
    pub failed: Vec<(usize, String)>,
}

/// The first reasons, in a line.
pub(super) fn reasons(failed: &[(usize, String)]) -> String {
    failed.iter().map(|(_, reason)| reason.as_str()).take(3).collect::<Vec<_>>().join("; ")
}

/// Whether a wording needs no rewording for this tier's reader.
fn is_easy(text: &str, tier: &Tier, language: Language) -> bool {
    longest(text) <= sentence_words(tier, language)
        && qsef_score::complexity::complexity(text).long_words < FEW_LONG_WORDS
}

/// The tier's length in words as they are counted: in Chinese each character counts as one.
pub(super) fn sentence_words(tier: &Tier, language: Language) -> usize {
    match language {
        Language::En => tier.sentence_words as usize,
        Language::Zh => tier.sentence_words as usize * 3 / 2,
    }
}

impl Work<'_> {
    /// Rewords the sentences for a tier: what holds becomes each sentence's current wording, what fails is written again with the
    /// reason, a bounded number of times, and stays as it was after that.
    pub(super) async fn reword(&mut self, number: usize, tier: &Tier, sentences: &mut [Sentence]) -> Result<Draft> {
        let language = self.item.language;
        let mut todo: Vec<(usize, Option<String>)> = (0..)
            .zip(sentences.iter())
            .filter(|(_, s)| s.unit.is_prose && !is_easy(&s.current, tier, language))
            .map(|(place, _)| (place, None))
            .collect();
        let mut draft = Draft::default();
        for attempt in 0..=self.settings.attempts {
            let mut failed = Vec::new();
            let mut first: Vec<String> = sentences.iter().map(|s| s.current.clone()).collect();
            for group in todo.chunks(AT_ONCE) {
                let request = self.request(number, tier, attempt, group, sentences);
                let answer = self.ask("tiers", request).await?;
                let texts = read(&answer.text);
                let mut offered: Vec<(usize, String)> = Vec::new();
                for (key, (place, _)) in (1..).zip(group) {
                    let Some(sentence) = sentences.get(*place) else { continue };
                    let Some(text) = texts.as_ref().and_then(|texts| texts.get(&key.to_string())?.as_str()) else {
                        failed.push((*place, "the answer does not have it".to_owned()));
                        continue;
                    };
                    let text = tidy(text, &sentence.unit.text);
                    if let Some(slot) = first.get_mut(*place) {
                        slot.clone_from(&text);
                    }
                    offered.push((*place, text));
                }
                let vectors = self.vectors(offered.iter().map(|(_, text)| text.clone()).collect()).await?;
                for (nth, (place, text)) in offered.into_iter().enumerate() {
                    let Some(sentence) = sentences.get_mut(place) else { continue };
                    let distance =
                        vectors.as_ref().and_then(|all| Some(self.distance(sentence.vector.as_ref()?, all.get(nth)?)));
                    match self.fault(sentence, &text, distance) {
                        None => sentence.take(text),
                        Some(reason) => failed.push((place, reason)),
                    }
                }
            }
            if attempt == 0 && !failed.is_empty() {
                draft.discarded = Some((self.joined(sentences, &first), reasons(&failed)));
            }
            if failed.is_empty() {
                return Ok(draft);
            }
            draft.failed.clone_from(&failed);
            todo = failed.into_iter().map(|(place, reason)| (place, Some(reason))).collect();
        }
        Ok(draft)
    }

    /// Why a wording is not taken in place of the current one.
    fn fault(&self, sentence: &Sentence, text: &str, distance: Option<f64>) -> Option<String> {
        if plain(text) == plain(&sentence.current) {
            return Some("it is unchanged; say it in easier words and shorter sentences".into());
        }
        let compared = Compared {
            sentence: &sentence.unit.text,
            facts: &sentence.facts,
            context: &self.context,
            language: self.item.language,
        };
        let faults = compared.faults(text);
        if !faults.is_empty() {
            return Some(faults.join(", "));
        }
        if distance.is_some_and(|distance| distance > self.settings.most_sentence_distance) {
            return Some("its meaning is another; say what the sentence says".into());
        }
        if hardness(text) >= hardness(&sentence.current) {
            return Some("it is not easier; use shorter sentences and common words".into());
        }
        None
    }

    fn request(
        &self,
        number: usize,
        tier: &Tier,
        attempt: u32,
        group: &[(usize, Option<String>)],
        sentences: &[Sentence],
    ) -> Request {
        let language = self.item.language;
        let (mut lines, mut keep, mut reasons) = (String::new(), Vec::new(), String::new());
        let mut properties = Map::new();
        let mut most = 0;
        for (key, (place, reason)) in (1..).zip(group) {
            let Some(sentence) = sentences.get(*place) else { continue };
            lines.push_str(&format!("{key}. {}\n", sentence.current));
            for fact in sentence.facts.words() {
                if !keep.contains(&fact) {
                    keep.push(fact);
                }
            }
            if let Some(reason) = reason {
                reasons.push_str(&match language {
                    Language::En => format!("Before, {key} was wrong: {reason}.\n"),
                    Language::Zh => format!("上次第{key}句不对：{reason}。\n"),
                });
            }
            let room = sentence.current.chars().count() * 2 + 80;
            most += sentence.current.len() / 2 + 50;
            properties.insert(key.to_string(), json!({"type": "string", "minLength": 2, "maxLength": room}));
        }
        let mut user = fenced(&lines);
        let (audience, most_words) = (tier.audience(language), sentence_words(tier, language));
        let note = tier.note.as_deref().unwrap_or_default();
        match language {
            Language::En => {
                if !keep.is_empty() {
                    user.push_str(&format!("Keep as they are: {}.\n", keep.join("; ")));
                }
                user.push_str(&reasons);
                user.push_str(&format!("Reader: {audience}. At most {most_words} words in a sentence. {note}"));
            }
            Language::Zh => {
                if !keep.is_empty() {
                    user.push_str(&format!("保持原样：{}。\n", keep.join("；")));
                }
                user.push_str(&reasons);
                user.push_str(&format!("读者：{audience}。每句最多{most_words}个字。{note}"));
            }
        }
        let required: Vec<String> = properties.keys().cloned().collect();
        let mut messages = prompts::tier(language);
        let before = messages.len();
        messages.push(Message::user(user.trim_end()));
        let mut request = Request::new(messages).prefix_messages(before).max_tokens(most.max(200)).json_schema(json!({
            "type": "object", "properties": properties, "required": required, "additionalProperties": false,
        }));
        if attempt > 0 {
            request.temperature = AGAIN;
            request.seed = self.settings.seed ^ (u64::from(attempt) << 32) ^ number as u64;
        }
        request
    }
}

/// The wordings by their numbers. An answer that was cut off has those before the cut.
fn read(text: &str) -> Option<Map<String, Value>> {
    if let Ok(Value::Object(texts)) = serde_json::from_str(text.trim()) {
        return Some(texts);
    }
    let end = text.rfind("\",\"")?;
    serde_json::from_str(&format!("{}\"}}", text.get(..end)?)).ok()
}

/// About how many tokens a tier's request and answer are, for an estimate before the work.
pub(crate) fn estimate(text: &str, language: Language) -> (u64, u64) {
    let tokens = |text: &str| (text.len() as u64).div_ceil(if language == Language::Zh { 3 } else { 4 });
    let prompt: u64 =
        prompts::tier(language).iter().map(|m| tokens(&m.as_text().unwrap_or_default())).sum::<u64>() + 60;
    let keys = words(text).len() as u64 / 15 * 5 + 5;
    (prompt + tokens(text), tokens(text) + keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_was_cut_off_has_what_came_before() {
        assert_eq!(read(r#"{"1":"a","2":"b"}"#).unwrap().len(), 2);
        let cut = read(r#"{"1":"a","2":"b","3":"c is"#).unwrap();
        assert_eq!((cut.len(), cut["2"].as_str()), (2, Some("b")));
        assert!(read("I'm sorry").is_none());
    }
}
