//! Has the model reword sentences for a tier, and takes what holds.

use qsef_core::{Message, Request, Result, prompt::fenced};
use serde_json::{Map, Value, json};

use super::{
    Work,
    check::{Compared, hardness, longest, plain, tidy},
    explain::{Sentence, Target},
};
use crate::{
    item::{Language, Step},
    prompts,
    settings::Tier,
};

/// The temperature at which what failed is written again: at none the model would write the same again.
const AGAIN: f32 = 0.6;
/// What a wording is made of: a model that ends a string with a typographic quotation mark goes on in it with what should follow.
const PATTERN: &str = r"^[^{}\n]*$";
/// A sentence whose longest part is within the tier's length is easy enough if its share of long words, as `C_data` counts
/// them, is below this.
const FEW_LONG_WORDS: f64 = 0.45;

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
    /// Rewords for a tier the sentences that are too hard for its reader and have no wording that holds. What was offered for each.
    pub(super) async fn reword(
        &mut self,
        attempt: u32,
        place: usize,
        target: &Target,
        sentences: &mut [Sentence],
    ) -> Result<Vec<Option<String>>> {
        let language = self.item.language;
        let is_open = |s: &Sentence| {
            let wording = s.wordings.get(place);
            s.unit.is_prose
                && wording.is_some_and(|wording| wording.text.is_none())
                && !is_easy(s.before(place), &target.tier, language)
        };
        let open: Vec<usize> = (0..).zip(sentences.iter()).filter(|(_, s)| is_open(s)).map(|(nth, _)| nth).collect();
        let mut offered: Vec<Option<String>> = vec![None; sentences.len()];
        let groups: Vec<&[usize]> = open.chunks(self.settings.sentences_at_once.max(1)).collect();
        let requests = groups.iter().map(|group| self.request(attempt, place, target, group, sentences)).collect();
        let mut keyed: Vec<(usize, String)> = Vec::new();
        for (group, answer) in groups.iter().zip(self.ask_all("tiers", requests).await?) {
            let texts = read(&answer.text).unwrap_or_default();
            for (key, nth) in (1..).zip(*group) {
                let Some(sentence) = sentences.get_mut(*nth) else { continue };
                let text = texts.get(&key.to_string()).and_then(Value::as_str);
                match (text, sentence.wordings.get_mut(place)) {
                    (Some(text), _) => keyed.push((*nth, tidy(text, &sentence.unit.text))),
                    (None, Some(wording)) => wording.fault = Some((Step::Tier, "the answer does not have it".into())),
                    (None, None) => {}
                }
            }
        }
        let vectors = self.vectors(keyed.iter().map(|(_, text)| text.clone()).collect()).await?;
        for (n, (nth, text)) in keyed.into_iter().enumerate() {
            let Some(sentence) = sentences.get_mut(nth) else { continue };
            let distance = vectors.as_ref().and_then(|all| Some(self.distance(sentence.vector.as_ref()?, all.get(n)?)));
            let fault = self.fault(sentence, place, &text, distance);
            if let Some(slot) = offered.get_mut(nth) {
                *slot = Some(text.clone());
            }
            if let Some(wording) = sentence.wordings.get_mut(place) {
                wording.text = fault.is_none().then_some(text);
                wording.fault = fault.map(|reason| (Step::Tier, reason));
            }
        }
        Ok(offered)
    }

    /// Why a wording is not taken in place of the current one.
    fn fault(&self, sentence: &Sentence, place: usize, text: &str, distance: Option<f64>) -> Option<String> {
        let before = sentence.before(place);
        if plain(text) == plain(before) {
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
        if hardness(text) >= hardness(&sentence.unit.text) {
            return Some("it is not easier; use shorter sentences and common words".into());
        }
        None
    }

    fn request(&self, attempt: u32, place: usize, target: &Target, group: &[usize], sentences: &[Sentence]) -> Request {
        let Target { number, tier } = target;
        let language = self.item.language;
        let (mut lines, mut keep, mut reasons) = (String::new(), Vec::new(), String::new());
        let mut properties = Map::new();
        let mut most = 0;
        for (key, sentence) in (1..).zip(group.iter().filter_map(|nth| sentences.get(*nth))) {
            // Again from the source: what the tiers before made of it may be the reason that it failed.
            let before = if attempt == 0 { sentence.before(place) } else { &sentence.unit.text };
            lines.push_str(&format!("{key}. {}\n", unquoted(before)));
            for fact in sentence.facts.words() {
                if !keep.contains(&fact) {
                    keep.push(fact);
                }
            }
            if let Some((_, reason)) = sentence.wordings.get(place).and_then(|wording| wording.fault.as_ref()) {
                reasons.push_str(&match language {
                    Language::En => format!("Before, {key} was wrong: {reason}.\n"),
                    Language::Zh => format!("上次第{key}句不对：{reason}。\n"),
                });
            }
            let room = before.chars().count() * 2 + 80;
            most += before.len() / 2 + 50;
            properties.insert(
                key.to_string(),
                json!({"type": "string", "minLength": 2, "maxLength": room, "pattern": PATTERN}),
            );
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
            request.seed = self.settings.seed ^ (u64::from(attempt) << 32) ^ *number as u64;
        }
        request
    }
}

/// A text whose quotation marks do not end a JSON string: models that copy double ones into it lose the rest.
fn unquoted(text: &str) -> String {
    let mut is_open = false;
    let mark = |c: char| match c {
        '“' => '‘',
        '”' => '’',
        '"' => {
            is_open = !is_open;
            if is_open { '‘' } else { '’' }
        }
        other => other,
    };
    text.chars().map(mark).collect()
}

/// The wordings by their numbers. An answer that was cut off has those before the cut.
fn read(text: &str) -> Option<Map<String, Value>> {
    if let Ok(Value::Object(texts)) = serde_json::from_str(text.trim()) {
        return Some(texts);
    }
    let end = text.rfind("\",\"")?;
    serde_json::from_str(&format!("{}\"}}", text.get(..end)?)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotation_marks_end_no_string() {
        assert_eq!(unquoted(r#"“A” is "b", it's said."#), "‘A’ is ‘b’, it's said.");
    }

    #[test]
    fn an_answer_that_was_cut_off_has_what_came_before() {
        assert_eq!(read(r#"{"1":"a","2":"b"}"#).unwrap().len(), 2);
        let cut = read(r#"{"1":"a","2":"b","3":"c is"#).unwrap();
        assert_eq!((cut.len(), cut["2"].as_str()), (2, Some("b")));
        assert!(read("I'm sorry").is_none());
    }
}
