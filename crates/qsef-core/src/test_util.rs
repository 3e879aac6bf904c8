//! A scripted model and an embedder without one, for tests that need determinism, faults or speed; the suite that every backend
//! passes.

pub mod conformance;

use std::sync::{Arc, Mutex, PoisonError};

use futures::{StreamExt, stream};

use crate::{
    Delta, DeltaStream, Embedder, Error, FinishReason, LanguageModel, ModelInfo, Request, Result, ToolCall, Usage,
};

type Script = dyn Fn(&Request) -> Result<(String, Vec<ToolCall>)> + Send + Sync;

/// A model whose answers a function gives; it keeps the requests it saw. Usage counts white-space-separated words.
#[derive(Clone)]
pub struct ScriptedModel {
    info: ModelInfo,
    script: Arc<Script>,
    /// None where requests are not kept.
    seen: Option<Arc<Mutex<Vec<Request>>>>,
}

impl ScriptedModel {
    /// A model that answers with what `script` returns.
    pub fn new(script: impl Fn(&Request) -> Result<String> + Send + Sync + 'static) -> Self {
        Self::with_calls(move |request| Ok((script(request)?, Vec::new())))
    }

    /// A model that answers, and asks for tools, as `script` says.
    pub fn with_calls(script: impl Fn(&Request) -> Result<(String, Vec<ToolCall>)> + Send + Sync + 'static) -> Self {
        Self { info: ModelInfo::new("scripted", 4096), script: Arc::new(script), seen: Some(Arc::default()) }
    }

    /// A model that gives these answers in turn, and fails when they are used up.
    pub fn answers<S: Into<String>>(answers: impl IntoIterator<Item = S>) -> Self {
        let left = Mutex::new(answers.into_iter().map(Into::into).collect::<std::collections::VecDeque<String>>());
        Self::new(move |_| {
            left.lock().unwrap_or_else(PoisonError::into_inner).pop_front().ok_or_else(|| Error::Model {
                model: "scripted".into(),
                message: "the script has no more answers".into(),
            })
        })
    }

    /// Does not keep the requests, for tests that make very many.
    pub fn forgetful(mut self) -> Self {
        self.seen = None;
        self
    }

    /// The requests seen so far; none for a forgetful model.
    pub fn requests(&self) -> Vec<Request> {
        let seen = self.seen.as_ref().map(|seen| seen.lock().unwrap_or_else(PoisonError::into_inner).clone());
        seen.unwrap_or_default()
    }
}

fn words(text: &str) -> u64 {
    text.split_whitespace().count() as u64
}

impl LanguageModel for ScriptedModel {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn count_tokens(&self, request: &Request) -> u64 {
        request.messages.iter().map(|m| words(&m.as_text().unwrap_or_default())).sum()
    }

    async fn stream(&self, request: Request) -> Result<DeltaStream> {
        let answer = (self.script)(&request);
        let prompt_tokens = self.count_tokens(&request);
        if let Some(seen) = &self.seen {
            seen.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        }
        let (answer, calls) = answer?;
        let usage = Usage { prompt_tokens, cached_tokens: 0, completion_tokens: words(&answer) };
        let text = Delta::Text { text: answer, logprobs: Vec::new() };
        let finish = if calls.is_empty() { FinishReason::Stop } else { FinishReason::ToolCalls };
        let calls = calls.into_iter().map(Delta::ToolCall);
        let deltas: Vec<_> = [text].into_iter().chain(calls).chain([Delta::End { usage, finish }]).map(Ok).collect();
        Ok(stream::iter(deltas).boxed())
    }
}

/// An embedder without a model: vectors of letter frequencies, so that texts of the same words are near each other.
#[derive(Debug, Clone, Copy)]
pub struct LetterEmbedder;

impl Embedder for LetterEmbedder {
    fn name(&self) -> &str {
        "letters"
    }

    fn dimensions(&self) -> usize {
        26
    }

    async fn embed(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>> {
        let vector = |text: &str| {
            // The small constant gives an empty text a direction too.
            let counts = ('a'..='z').map(|c| text.to_lowercase().matches(c).count() as f32 + 0.01);
            let counts: Vec<f32> = counts.collect();
            let length = counts.iter().map(|c| c * c).sum::<f32>().sqrt();
            counts.iter().map(|c| c / length).collect()
        };
        Ok(texts.iter().map(|text| vector(text)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AnyModel, GenerateTyped, Message};

    #[derive(Debug, PartialEq, serde::Deserialize, schemars::JsonSchema)]
    struct City {
        name: String,
    }

    #[tokio::test]
    async fn typed_generation_asks_for_the_schema_and_reads_the_answer() {
        let script = ScriptedModel::answers([r#"{"name":"Taipei"}"#, "not json"]);
        let model = AnyModel::new(script.clone());
        let request = Request::new(vec![Message::user("Where?")]);
        let (city, usage) = model.generate_typed::<City>(request.clone()).await.unwrap();
        assert_eq!(city, City { name: "Taipei".into() });
        assert_eq!(usage.prompt_tokens, 1);
        let crate::OutputFormat::JsonSchema(schema) = &script.requests()[0].format else { panic!("no schema") };
        assert_eq!(schema["properties"]["name"]["type"], "string");
        let error = model.generate_typed::<City>(request).await.unwrap_err();
        assert!(matches!(error, Error::BadOutput { output, .. } if output == "not json"));
    }
}
