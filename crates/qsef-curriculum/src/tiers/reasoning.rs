//! Questions that are answered in steps: a worked solution, and hints that make it easier to find.

use qsef_core::{Message, Request, Result, prompt::fenced};
use qsef_score::complexity::complexity;
use serde::Deserialize;
use serde_json::json;

use super::{Outcome, Work};
use crate::{
    item::{Language, Row, Step, Turn},
    measure::{Offer, frontier, suiting},
    output::TierPoint,
    prompts,
};

/// The names of the two tiers: without and with hints.
const NAMES: [&str; 2] = ["unaided", "hinted"];
/// Numbers that differ by less are the same.
const CLOSE: f64 = 1e-6;

#[derive(Debug, Deserialize)]
struct Solution {
    steps: Vec<SolutionStep>,
    answer: String,
}

#[derive(Debug, Deserialize)]
struct SolutionStep {
    hint: String,
    work: String,
}

impl Work<'_> {
    /// Hints and a worked solution, checked against the given answer.
    pub(super) async fn reason(&mut self) -> Result<Outcome> {
        let language = self.item.language;
        let given = given(&self.item.text).to_owned();
        let question = self.item.prompt.last().map_or(String::new(), |turn| turn.content.clone());
        let mut reason = String::new();
        for attempt in 0..=self.settings.attempts {
            let mut messages = prompts::reasoning(language);
            let before = messages.len();
            let wrong = if reason.is_empty() {
                String::new()
            } else {
                match language {
                    Language::En => format!("Before, it was wrong: {reason}.\n"),
                    Language::Zh => format!("上次不对：{reason}。\n"),
                }
            };
            messages.push(Message::user(match language {
                Language::En => format!("Question:\n{}{wrong}Answer: {given}", fenced(&question)),
                Language::Zh => format!("问题：\n{}{wrong}答案：{given}", fenced(&question)),
            }));
            let text = |most: usize| json!({"type": "string", "minLength": 3, "maxLength": most});
            let mut request = Request::new(messages).prefix_messages(before).max_tokens(700).json_schema(json!({
                "type": "object",
                "properties": {
                    "steps": {"type": "array", "minItems": 1, "maxItems": 8, "items": {
                        "type": "object", "properties": {"hint": text(160), "work": text(260)},
                        "required": ["hint", "work"], "additionalProperties": false,
                    }},
                    "answer": text(60).as_object().map(|_| json!({"type": "string", "minLength": 1, "maxLength": 60})),
                },
                "required": ["steps", "answer"], "additionalProperties": false,
            }));
            if attempt > 0 {
                request.temperature = 0.6;
                request.seed = self.settings.seed ^ u64::from(attempt);
            }
            let answer = self.ask("tiers", request).await?;
            match serde_json::from_str::<Solution>(&answer.text) {
                Err(_) => reason = "the answer does not read".into(),
                Ok(solution) => match fault(&solution, &given) {
                    Some(fault) => reason = fault,
                    None => match self.reasoned(&solution, &given) {
                        Ok(outcome) => return Ok(outcome),
                        Err(fault) => reason = fault,
                    },
                },
            }
        }
        Ok(self.fails(Step::Tier, format!("no worked solution holds: {reason}")))
    }

    /// Rows of a solution: the question, and the question with its hints.
    fn reasoned(&self, solution: &Solution, given: &str) -> std::result::Result<Outcome, String> {
        let language = self.item.language;
        let (hint_word, answer_word) = match language {
            Language::En => ("Hints:", "The answer is"),
            Language::Zh => ("提示：", "答案是"),
        };
        let hints: Vec<String> =
            (1..).zip(&solution.steps).map(|(n, step): (usize, _)| format!("{n}. {}", step.hint.trim())).collect();
        let work: Vec<&str> = solution.steps.iter().map(|step| step.work.trim()).collect();
        let end = if language == Language::Zh { "。" } else { "." };
        let worked = format!("{}\n{answer_word} {given}{end}", work.join("\n"));
        // What the student has to find by itself: the way and the work, or the work alone.
        let whole: Vec<String> =
            solution.steps.iter().map(|step| format!("{} {}", step.hint.trim(), step.work.trim())).collect();
        let measured = [complexity(&format!("{}\n{answer_word} {given}{end}", whole.join("\n"))), complexity(&worked)];
        let [unaided, hinted] = measured.map(|c| c.overall());
        if hinted >= unaided {
            return Err("the hints leave nothing less to do; tell more of the way in them".into());
        }
        let tokens = super::estimate_tokens(&worked, language);
        let marks: Vec<_> = measured.iter().map(|c| self.tools.ruler.measure(&worked, c, 0.0)).collect();
        // A hinted row costs the tokens of its hints as well.
        let more = super::estimate_tokens(&hints.join("\n"), language);
        let offers: Vec<Offer> = marks
            .iter()
            .zip([0, more])
            .map(|(m, more)| Offer { richness: 1.0, te: m.te, tokens: tokens + more })
            .collect();
        let (on, suits) = (frontier(&offers), suiting(&offers, self.settings.student.goal_te));
        let stages = self.settings.stages.len() as u32;
        let (mut rows, mut points) = (Vec::new(), Vec::new());
        for (number, ((measured, complexity), name)) in marks.iter().zip(&measured).zip(NAMES).enumerate() {
            let mut messages = self.item.prompt.clone();
            if let Some(last) = messages.last_mut().filter(|_| number == 1) {
                last.content.push_str(&format!("\n\n{hint_word}\n{}", hints.join("\n")));
            }
            messages.push(Turn::assistant(worked.clone()));
            let (is_on, is_suiting) = (on.get(number).copied().unwrap_or(false), suits == Some(number));
            rows.push(Row {
                id: format!("{}/{name}", self.item.id),
                item: self.item.id.clone(),
                tier: name.into(),
                level: 2 - number as u32,
                stage: if number == 0 { stages } else { stages.saturating_sub(1).max(1) },
                messages,
                language,
                kind: self.item.kind,
                origin: self.item.origin.clone(),
                complexity: complexity.overall(),
                resistance: measured.resistance,
                distance: 0.0,
                te: measured.te,
                richness: 1.0,
                difficulty: -measured.te.ln(),
                weight: 1.0,
                tokens,
                frontier: is_on,
                suits: is_suiting,
            });
            points.push(TierPoint {
                name: name.into(),
                complexity: complexity.overall(),
                parts: complexity.values().to_vec(),
                distance: 0.0,
                resistance: measured.resistance,
                te: measured.te,
                richness: 1.0,
                tokens,
                frontier: is_on,
                suits: is_suiting,
                kept: 0,
                sentences: work.len() as u32,
            });
        }
        let info = self.info(true, true, points);
        Ok(Outcome {
            rows,
            pairs: Vec::new(),
            rejected: Vec::new(),
            teacher: Vec::new(),
            info,
            steps: self.steps.clone(),
        })
    }
}

/// The answer itself: what stands after `####`, else the last line.
fn given(text: &str) -> &str {
    let last = text.rsplit("####").next().filter(|_| text.contains("####"));
    last.unwrap_or_else(|| text.lines().last().unwrap_or(text)).trim()
}

/// The numbers of a text, thousands' separators taken out.
fn numbers(text: &str) -> Vec<f64> {
    let pattern = regex!(r"-?\d[\d,]*(?:\.\d+)?");
    pattern.find_iter(text).filter_map(|found| found.as_str().replace(',', "").parse().ok()).collect()
}

/// What is wrong with a solution.
fn fault(solution: &Solution, given: &str) -> Option<String> {
    let wanted = numbers(given).last().copied();
    let close = |a: f64, b: f64| (a - b).abs() <= CLOSE * b.abs().max(1.0);
    match wanted {
        Some(wanted) => {
            let said = numbers(&solution.answer).last().copied();
            if !said.is_some_and(|said| close(said, wanted)) {
                return Some(format!("its answer is `{}`, and it is {given}", solution.answer.trim()));
            }
            let work = solution.steps.last().map_or("", |step| step.work.as_str());
            if !numbers(work).iter().any(|number| close(*number, wanted)) {
                return Some(format!("its last step does not come to {given}"));
            }
            let telling = solution.steps.iter().find(|step| numbers(&step.hint).iter().any(|n| close(*n, wanted)));
            if let Some(step) = telling {
                return Some(format!("the hint “{}” tells the answer", step.hint.trim()));
            }
        }
        None if !solution.answer.to_lowercase().contains(&given.to_lowercase()) => {
            return Some(format!("its answer is `{}`, and it is {given}", solution.answer.trim()));
        }
        None => {}
    }
    solution.steps.iter().find_map(|step| wrong_sum(&step.work))
}

/// A calculation of two numbers that is wrong.
fn wrong_sum(text: &str) -> Option<String> {
    let pattern =
        regex!(r"(-?\d[\d,]*(?:\.\d+)?)\s*([-+*/×÷−x])\s*(-?\d[\d,]*(?:\.\d+)?)\s*=\s*\$?(-?\d[\d,]*(?:\.\d+)?)");
    pattern.captures_iter(text).find_map(|found| {
        // A longer calculation, of which this is the end, is not read.
        let before = text.get(..found.get(0)?.start())?.trim_end();
        if before.ends_with(['+', '-', '*', '/', '×', '÷', '−', '(', '%']) {
            return None;
        }
        let number = |at: usize| found.get(at)?.as_str().replace(',', "").parse::<f64>().ok();
        let (a, b, said) = (number(1)?, number(3)?, number(4)?);
        let is = match found.get(2)?.as_str() {
            "+" => a + b,
            "-" | "−" => a - b,
            "*" | "×" | "x" => a * b,
            _ if b != 0.0 => a / b,
            _ => return None,
        };
        // Rounded results are right.
        let is_wrong = (is - said).abs() > 0.006 * is.abs().max(1.0);
        is_wrong.then(|| format!("`{}` is wrong", found.get(0).map_or("", |m| m.as_str())))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn solution(steps: &[(&str, &str)], answer: &str) -> Solution {
        let steps = steps.iter().map(|(hint, work)| SolutionStep { hint: (*hint).into(), work: (*work).into() });
        Solution { steps: steps.collect(), answer: answer.into() }
    }

    #[test]
    fn solutions_are_checked() {
        let good = [("Find the apples in the box.", "3 * 4 = 12."), ("Take away the eaten ones.", "12 - 5 = 7.")];
        assert_eq!(fault(&solution(&good, "7 apples"), "7"), None);
        assert!(fault(&solution(&good, "8"), "7").unwrap().contains("answer"));
        assert!(fault(&solution(&good[..1], "7"), "7").unwrap().contains("last step"));
        let tells = [("Find 7.", "12 - 5 = 7")];
        assert!(fault(&solution(&tells, "7"), "7").unwrap().contains("hint"));
        let wrong = [("Count.", "3 * 4 = 13, so 12 - 5 = 7")];
        assert!(fault(&solution(&wrong, "7"), "7").unwrap().contains("3 * 4 = 13"));
        assert_eq!(wrong_sum("2 + 3 * 4 = 14, 10 / 3 = 3.33, 1,000 + 1 = $1,001"), None);
        assert_eq!((given("so\n#### 7"), given("x\n9")), ("7", "9"));
    }
}
