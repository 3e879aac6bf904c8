//! A model's verdict on what was written.

use qsef_core::{Message, Request, Result, prompt::fenced};
use serde_json::json;

use super::{Work, explain::Sentence, field};
use crate::{
    item::{Language, Step},
    prompts,
    requests::Asked,
};

/// Likeliest tokens in which "yes" and "no" are looked for.
const TOP: usize = 5;

impl Work<'_> {
    /// Has wordings compared with their sentences, by a rubric and under a schema; those that do not tell the same do not hold any
    /// more. Each is given by its sentence's place and its tier's.
    ///
    /// Each is asked about by itself, the wording before the sentence, without examples: of ten ways that is the one in which a small
    /// model tells best (docs/benchmarks.md). Marks for several at once were all the same.
    pub(super) async fn judge(&mut self, wordings: &[(usize, usize)], sentences: &mut [Sentence]) -> Result<()> {
        let request = |(nth, place): &(usize, usize)| {
            let sentence = sentences.get(*nth)?;
            Some(self.verdict(&sentence.unit.text, sentence.at(*place)))
        };
        let requests = wordings.iter().filter_map(request).collect();
        let answers = self.ask_all("judge", requests).await?;
        for ((nth, place), answer) in wordings.iter().zip(answers) {
            let fault = match agreement(&answer) {
                Some(agreement) if agreement >= self.settings.least_agreement => continue,
                Some(_) => "the judge finds that it changes, adds or leaves out something",
                None => "the judge gave no verdict that can be read",
            };
            if let Some(wording) = sentences.get_mut(*nth).and_then(|s| s.wordings.get_mut(*place)) {
                wording.text = None;
                wording.fault = Some((Step::Judge, fault.into()));
            }
        }
        Ok(())
    }

    fn verdict(&self, sentence: &str, wording: &str) -> Request {
        let (sentence, wording) = (fenced(sentence), fenced(wording));
        let user = match self.item.language {
            Language::En => {
                format!("Wording:\n{wording}Sentence:\n{sentence}Does the wording say the same as the sentence?")
            }
            Language::Zh => format!("简单说法：\n{wording}句子：\n{sentence}简单说法和句子的意思相同吗？"),
        };
        let mut messages = prompts::judge(self.item.language);
        let before = messages.len();
        messages.push(Message::user(user));
        let mut request = Request::new(messages).prefix_messages(before).max_tokens(16).json_schema(json!({
            "type": "object", "properties": {"same": {"type": "string", "enum": ["yes", "no"]}},
            "required": ["same"], "additionalProperties": false,
        }));
        request.top_logprobs = TOP;
        request
    }
}

/// The probability of "yes" beside "no", from the tokens' where the backend gives them, else 1 or 0 by the answer. `None` where it is
/// neither.
fn agreement(answer: &Asked) -> Option<f64> {
    let said = |token: &str| match token.trim_matches(|c: char| !c.is_alphabetic()) {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    };
    let same = said(&field(&answer.text, "same")?)?;
    let token = answer.logprobs.iter().find(|token| said(&token.token) == Some(same));
    let best = |wanted: bool| {
        let of = token?.top.iter().filter(|(text, _)| said(text) == Some(wanted));
        of.map(|(_, logprob)| f64::from(*logprob)).max_by(f64::total_cmp)
    };
    Some(match (best(true), best(false)) {
        (Some(yes), Some(no)) => 1.0 / (1.0 + (no - yes).exp()),
        _ => f64::from(u8::from(same)),
    })
}

#[cfg(test)]
mod tests {
    use qsef_core::{FinishReason, TokenLogprob, Usage};

    use super::*;

    #[test]
    fn agreement_is_a_probability_where_there_is_one() {
        let token = |token: &str, top: &[(&str, f32)]| {
            let top = top.iter().map(|(text, logprob)| ((*text).to_owned(), *logprob)).collect();
            TokenLogprob { token: token.into(), logprob: 0.0, top, top_ids: Vec::new() }
        };
        let asked = |text: &str, logprobs| Asked {
            text: text.into(),
            usage: Usage::default(),
            finish: FinishReason::Stop,
            logprobs,
        };
        assert_eq!(agreement(&asked(r#"{"same":"yes"}"#, Vec::new())), Some(1.0));
        assert_eq!(agreement(&asked(r#"{"same":"no"}"#, Vec::new())), Some(0.0));
        assert_eq!(agreement(&asked("perhaps", Vec::new())), None);
        let tokens = vec![token("same", &[]), token("no", &[("no", 0.4f32.ln()), (" yes", 0.1f32.ln()), ("x", -9.0)])];
        assert!((agreement(&asked(r#"{"same":"no"}"#, tokens)).unwrap() - 0.2).abs() < 1e-6);
    }
}
