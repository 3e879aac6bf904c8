//! How fast a model is: reading, writing, and making plans. What a backend needs besides (loading, a prefix that is not saved yet)
//! is told apart from both.

use std::time::{Duration, Instant};

use futures::{StreamExt, future::try_join_all};
use qsef_agent::{Planner, analyse};
use qsef_core::{AnyEmbedder, AnyModel, Delta, Error, Message, OutputFormat, Request, Result, Role, Usage};
use serde::Serialize;

use crate::embed::{median, percentile};

/// The figures of `qsef bench generate`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct GenerateReport {
    /// Seconds until the model was ready: how much longer its first call took than the same call again.
    pub load_s: f64,
    /// Seconds from the call to the first token.
    pub first_token_s: f64,
    /// Prompt tokens per second, until the first token.
    pub prefill_tok_s: f64,
    /// Tokens per second, from the first token on.
    pub decode_tok_s: f64,
    /// Tokens of the prompt that were read.
    pub prompt_tokens: u64,
    /// Tokens that were written.
    pub new_tokens: u64,
    /// Answers that were asked for at the same time.
    pub at_once: usize,
}

/// Measures a prompt of about `prompt_tokens` tokens and an answer of at most `new_tokens`; with `at_once`, so many of them at
/// the same time: tokens are then those of all, and so are their rates.
///
/// # Errors
/// [`Error::Input`] where there is nothing to measure; the model's own.
pub async fn generate(
    model: &AnyModel,
    prompt_tokens: usize,
    new_tokens: usize,
    at_once: usize,
) -> Result<GenerateReport> {
    const SENTENCE: &str = "The quick brown fox jumps over the lazy dog. ";
    const SENTENCE_TOKENS: usize = 10;
    if prompt_tokens == 0 || new_tokens < 2 || at_once == 0 {
        return Err(Error::Input("a measurement needs at least one prompt token and two new tokens".into()));
    }
    // Each begins differently, so that none reuses what another computed.
    let ask = |beginning: &str, sentences: usize, tokens| {
        let text = format!(
            "{beginning}. {}\nCount from 1 to 1000, with spaces between the numbers.",
            SENTENCE.repeat(sentences)
        );
        Request::new(vec![Message::user(text)]).max_tokens(tokens)
    };
    let loading = timed(model, ask("Wait", 0, 1)).await?;
    let again = timed(model, ask("Then", 0, 1)).await?;
    let room = prompt_tokens.saturating_sub(again.usage.prompt_tokens as usize);
    let request = |index| ask(&format!("Now {index}"), room / SENTENCE_TOKENS, new_tokens);
    let made = try_join_all((0..at_once).map(|index| timed(model, request(index)))).await?;
    let first = made.iter().map(|m| m.first).max().unwrap_or_default();
    let all = made.iter().map(|m| m.all).max().unwrap_or_default();
    let read = made.iter().map(|m| m.usage.prompt_tokens.saturating_sub(m.usage.cached_tokens)).sum();
    let new_tokens = made.iter().map(|m| m.usage.completion_tokens).sum::<u64>();
    let rate = |tokens: u64, time: Duration| tokens as f64 / time.as_secs_f64().max(1e-9);
    Ok(GenerateReport {
        load_s: loading.all.saturating_sub(again.all).as_secs_f64(),
        first_token_s: first.as_secs_f64(),
        prefill_tok_s: rate(read, first),
        decode_tok_s: rate(new_tokens.saturating_sub(at_once as u64), all - first),
        prompt_tokens: read,
        new_tokens,
        at_once,
    })
}

/// The figures of `qsef bench embed`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct EmbedReport {
    /// Texts.
    pub n: usize,
    /// Median milliseconds of a text by itself.
    pub ms_per_text: f64,
    /// Texts per second, all in one call.
    pub texts_per_s: f64,
}

/// Embeds texts one by one, then all together; the best of three rounds counts.
///
/// # Errors
/// [`Error::Input`] where there is no text; the embedder's own.
pub async fn embed(embedder: &AnyEmbedder, texts: &[String]) -> Result<EmbedReport> {
    let first = texts.first().ok_or_else(|| Error::Input("there is no text to embed".into()))?;
    embedder.embed(vec![first.clone()]).await?;
    let mut report = EmbedReport { n: texts.len(), ms_per_text: f64::INFINITY, texts_per_s: 0.0 };
    for _ in 0..3 {
        let mut each = Vec::with_capacity(texts.len());
        for text in texts {
            let start = Instant::now();
            embedder.embed(vec![text.clone()]).await?;
            each.push(start.elapsed().as_secs_f64() * 1e3);
        }
        report.ms_per_text = report.ms_per_text.min(median(each));
        let start = Instant::now();
        embedder.embed(texts.to_vec()).await?;
        report.texts_per_s = report.texts_per_s.max(texts.len() as f64 / start.elapsed().as_secs_f64());
    }
    Ok(report)
}

/// What a planner's model is asked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Question {
    /// The conversation.
    pub messages: Vec<Chat>,
    /// JSON Schema of the answer.
    pub schema: serde_json::Value,
    /// The most tokens of the answer.
    pub max_tokens: usize,
    /// What the planner expects the answer to be.
    pub prediction: Option<String>,
}

/// A message as endpoints take it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Chat {
    /// Who says it.
    pub role: Role,
    /// What is said.
    pub content: String,
}

/// How one request was planned.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlanTime {
    /// What the model was asked.
    pub question: Question,
    /// What the model wrote.
    pub answer: String,
    /// Seconds until there was a valid plan.
    pub seconds: f64,
    /// Of these, until the model had read the prompt and wrote its first token.
    pub read_s: f64,
    /// Of these, from then on until it had written the plan.
    pub write_s: f64,
    /// Of these, before and after the model: reading the request, checking and repairing.
    pub rest_s: f64,
    /// Tokens of the prompt that were read for this request.
    pub read_tokens: u64,
    /// Tokens that were written.
    pub new_tokens: u64,
    /// Subtasks of the plan.
    pub subtasks: usize,
}

/// The figures of `qsef bench plan`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlanReport {
    /// Plans.
    pub n: usize,
    /// Median seconds until a valid plan.
    pub p50_s: f64,
    /// 95th percentile of them.
    pub p95_s: f64,
    /// Means of a plan.
    pub mean: PlanParts,
    /// Each plan.
    pub plans: Vec<PlanTime>,
}

/// Means of what [`PlanTime`] has of each plan, by the same names.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct PlanParts {
    pub seconds: f64,
    pub read_s: f64,
    pub write_s: f64,
    pub rest_s: f64,
    pub read_tokens: f64,
    pub new_tokens: f64,
}

impl PlanReport {
    fn of(plans: Vec<PlanTime>) -> Self {
        let mean = |of: fn(&PlanTime) -> f64| plans.iter().map(of).sum::<f64>() / plans.len().max(1) as f64;
        let percentile = |share| percentile(plans.iter().map(|p| p.seconds).collect(), share);
        Self {
            n: plans.len(),
            p50_s: percentile(0.5),
            p95_s: percentile(0.95),
            mean: PlanParts {
                seconds: mean(|p| p.seconds),
                read_s: mean(|p| p.read_s),
                write_s: mean(|p| p.write_s),
                rest_s: mean(|p| p.rest_s),
                read_tokens: mean(|p| p.read_tokens as f64),
                new_tokens: mean(|p| p.new_tokens as f64),
            },
            plans,
        }
    }
}

/// Makes a plan with the model for each request, those too that the planner would not ask it for. Before the first, one is made
/// that does not count: it loads the model and leaves the beginning of the prompt in the caches. `progress` hears how many are done.
///
/// # Errors
/// The model's own.
pub async fn plan(model: &AnyModel, queries: &[String], mut progress: impl FnMut(usize)) -> Result<PlanReport> {
    one_plan(model, "Water the plants and feed the cat.").await?;
    let mut times = Vec::with_capacity(queries.len());
    for query in queries {
        times.push(one_plan(model, query).await?);
        progress(times.len());
    }
    Ok(PlanReport::of(times))
}

async fn one_plan(model: &AnyModel, query: &str) -> Result<PlanTime> {
    let start = Instant::now();
    let analysis = analyse(query);
    let question = Planner::question(query, &analysis);
    let asked = Question {
        messages: question.messages.iter().map(chat).collect::<Result<_>>()?,
        schema: match &question.format {
            OutputFormat::JsonSchema(schema) => schema.clone(),
            _ => serde_json::Value::Null,
        },
        max_tokens: question.max_tokens,
        prediction: question.prediction.clone(),
    };
    let timed = timed(model, question).await?;
    let planned = Planner::reading(query, analysis, &timed.text, timed.usage);
    let (all, model) = (start.elapsed().as_secs_f64(), timed.all.as_secs_f64());
    Ok(PlanTime {
        question: asked,
        seconds: all,
        read_s: timed.first.as_secs_f64(),
        write_s: model - timed.first.as_secs_f64(),
        rest_s: all - model,
        read_tokens: timed.usage.prompt_tokens.saturating_sub(timed.usage.cached_tokens),
        new_tokens: timed.usage.completion_tokens,
        subtasks: planned.plan.subtasks.len(),
        answer: timed.text,
    })
}

fn chat(message: &Message) -> Result<Chat> {
    Ok(Chat { role: message.role, content: message.as_text().map_err(|e| Error::Internal(e.into()))? })
}

struct Timed {
    text: String,
    /// Until the first text.
    first: Duration,
    all: Duration,
    usage: Usage,
}

async fn timed(model: &AnyModel, request: Request) -> Result<Timed> {
    let start = Instant::now();
    let (mut text, mut first) = (String::new(), None);
    let mut deltas = model.stream(request).await?;
    while let Some(delta) = deltas.next().await {
        match delta? {
            Delta::Text { text: more, .. } => {
                first.get_or_insert_with(|| start.elapsed());
                text.push_str(&more);
            }
            Delta::End { usage, .. } => {
                let all = start.elapsed();
                return Ok(Timed { text, first: first.unwrap_or(all), all, usage });
            }
            _ => {}
        }
    }
    Err(Error::Model { model: model.info().name.clone(), message: "the answer broke off before its end".into() })
}

#[cfg(test)]
mod tests {
    use qsef_core::test_util::{LetterEmbedder, ScriptedModel};

    use super::*;

    #[tokio::test]
    async fn plans_are_timed_in_parts() {
        let steps = r#"{"steps":[{"task":"add 2 and 3","uses":[]},{"task":"double the result","uses":[1]}]}"#;
        let model = AnyModel::new(ScriptedModel::answers([steps, steps]));
        let mut done = 0;
        let report = plan(&model, &["Add 2 and 3, then double the result.".into()], |n| done = n).await.unwrap();
        let [time] = &report.plans[..] else { panic!("{report:?}") };
        assert_eq!((done, time.subtasks, time.answer.as_str()), (1, 2, steps));
        assert!((time.read_s + time.write_s + time.rest_s - time.seconds).abs() < 1e-9, "{time:?}");
    }

    #[tokio::test]
    async fn texts_are_embedded_alone_and_together() {
        let embedder = AnyEmbedder::new(LetterEmbedder);
        let report = embed(&embedder, &["one text".into(), "another".into()]).await.unwrap();
        assert!(report.n == 2 && report.ms_per_text > 0.0 && report.texts_per_s.is_finite(), "{report:?}");
        assert!(matches!(embed(&embedder, &[]).await, Err(Error::Input(_))));
    }

    #[tokio::test]
    async fn nothing_cannot_be_measured() {
        let model = AnyModel::new(ScriptedModel::answers(["1 2 3"; 3]));
        assert!(matches!(generate(&model, 0, 8, 1).await, Err(Error::Input(_))));
        let report = generate(&model, 64, 8, 1).await.unwrap();
        assert!(report.first_token_s >= 0.0 && report.new_tokens > 0, "{report:?}");
    }
}
