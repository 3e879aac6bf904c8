use std::{future::Future, pin::Pin, sync::Arc};

use futures::{StreamExt, stream::BoxStream};
use serde::{Deserialize, Serialize};

use crate::{Error, Message, Modality, Part, Price, Result, Tool, ToolCall, ToolChoice};

/// What a model is and can do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ModelInfo {
    /// The name it was asked for by.
    pub name: String,
    /// The most tokens that prompt and answer may have together.
    pub context_tokens: usize,
    /// Parameters in units of 10⁹, where known.
    pub params_b: Option<f64>,
    /// What messages may contain.
    pub accepts: Vec<Modality>,
    /// What its tokens cost; nothing for a local model.
    pub price: Price,
}

impl ModelInfo {
    /// A free model that takes text, of unknown size.
    pub fn new(name: impl Into<String>, context_tokens: usize) -> Self {
        let (accepts, price) = (vec![Modality::Text], Price::default());
        Self { name: name.into(), context_tokens, params_b: None, accepts, price }
    }

    /// Says how many parameters it has, in units of 10⁹.
    pub fn params_b(mut self, params_b: f64) -> Self {
        self.params_b = Some(params_b);
        self
    }
}

/// What the output must look like.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub enum OutputFormat {
    /// Free text.
    #[default]
    Text,
    /// A JSON document that conforms to this JSON Schema.
    JsonSchema(serde_json::Value),
}

/// One call of a model.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Request {
    /// The conversation so far; the model writes the next message.
    pub messages: Vec<Message>,
    /// What the output must look like; with tools, where it calls none.
    pub format: OutputFormat,
    /// What the model may ask to be called, before it answers or in place of an answer.
    pub tools: Vec<Tool>,
    /// Whether it may or must ask for one of them.
    pub tool_choice: ToolChoice,
    /// The most tokens to generate.
    pub max_tokens: usize,
    /// Sampling temperature; 0 picks the likeliest token each time (greedy).
    pub temperature: f32,
    /// Seed of the sampler, for temperatures above 0.
    pub seed: u64,
    /// Report this many alternatives with log-probabilities per token; 0 for none.
    pub top_logprobs: usize,
    /// The first `prefix_messages` messages recur between calls, so a backend may keep their computed state.
    pub prefix_messages: usize,
    /// What the answer will probably be. It changes no answer: a backend may check several of its tokens in the time of one, and
    /// takes those that it would have chosen anyway.
    pub prediction: Option<String>,
}

impl Request {
    /// A greedy request for free text of at most 1,024 tokens.
    pub fn new(messages: Vec<Message>) -> Self {
        Self {
            messages,
            format: OutputFormat::Text,
            tools: Vec::new(),
            tool_choice: ToolChoice::Auto,
            max_tokens: 1024,
            temperature: 0.0,
            seed: 0,
            top_logprobs: 0,
            prefix_messages: 0,
            prediction: None,
        }
    }

    /// Constrains the output to a JSON Schema.
    pub fn json_schema(mut self, schema: serde_json::Value) -> Self {
        self.format = OutputFormat::JsonSchema(schema);
        self
    }

    /// Offers tools.
    pub fn tools(mut self, tools: impl IntoIterator<Item = Tool>) -> Self {
        self.tools = tools.into_iter().collect();
        self
    }

    /// Says whether the model may or must ask for a tool.
    pub fn tool_choice(mut self, choice: ToolChoice) -> Self {
        self.tool_choice = choice;
        self
    }

    /// Sets the most tokens to generate.
    pub fn max_tokens(mut self, max_tokens: usize) -> Self {
        self.max_tokens = max_tokens;
        self
    }

    /// Says how many of the first messages recur between calls.
    pub fn prefix_messages(mut self, count: usize) -> Self {
        self.prefix_messages = count;
        self
    }

    /// Says what the answer will probably be ([`Request::prediction`]).
    pub fn prediction(mut self, text: impl Into<String>) -> Self {
        self.prediction = Some(text.into());
        self
    }

    /// About how many tokens the messages are, at four bytes each and 1,000 for an image or a sound: within a tenth of the truth for
    /// prose, too few for code (by a quarter) and digits (by three quarters), and without what a chat template adds.
    pub fn approximate_tokens(&self) -> u64 {
        let parts = self.messages.iter().flat_map(|message| &message.parts);
        let bytes = |part: &Part| match part {
            Part::Text(text) | Part::ToolResult { text, .. } => text.len(),
            Part::ToolCall(call) => call.name.len() + call.arguments.to_string().len(),
            Part::Image(_) | Part::Audio(_) => 4000,
        };
        let tools = self.tools.iter().map(|tool| tool.to_json().to_string().len());
        (parts.map(bytes).sum::<usize>() + tools.sum::<usize>()).div_ceil(4) as u64
    }
}

/// Tokens that a call used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the prompt, those reused from a saved prefix included.
    pub prompt_tokens: u64,
    /// Tokens of the prompt whose state was reused.
    pub cached_tokens: u64,
    /// Tokens generated.
    pub completion_tokens: u64,
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.prompt_tokens += other.prompt_tokens;
        self.cached_tokens += other.cached_tokens;
        self.completion_tokens += other.completion_tokens;
    }
}

/// Why generation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum FinishReason {
    /// The model, or the grammar, ended the output.
    #[default]
    Stop,
    /// The model asks for tools and waits for what they return.
    #[serde(rename = "tool_calls")]
    ToolCalls,
    /// The token limit or the context's end was reached: the output is cut.
    Length,
    /// The model went on to repeat the same words over and over: the output is cut.
    Repetition,
}

/// A generated token with its natural-log probability and the likeliest alternatives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TokenLogprob {
    /// The token's text.
    pub token: String,
    /// ln p of this token.
    pub logprob: f32,
    /// The likeliest tokens at this place with their ln p, best first.
    pub top: Vec<(String, f32)>,
    /// Their numbers in the model's vocabulary, in the same order; empty where the backend does not tell them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub top_ids: Vec<u32>,
}

/// A piece of a streamed answer.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Delta {
    /// How far the prompt is read, in tokens; sent while a long prompt is read, before any text.
    Reading {
        /// Tokens read.
        done: u64,
        /// Tokens in all.
        total: u64,
    },
    /// More text, with the log-probabilities of its tokens where they were asked for.
    Text {
        /// The text: whole characters.
        text: String,
        /// One entry per token.
        logprobs: Vec<TokenLogprob>,
    },
    /// A tool that the model asks for, once it is whole. Its arguments conform to the tool's schema.
    ToolCall(ToolCall),
    /// The end; nothing follows.
    End {
        /// Tokens used.
        usage: Usage,
        /// Why it ended.
        finish: FinishReason,
    },
}

/// The pieces of an answer as they are made. Dropping it stops the work.
pub type DeltaStream = BoxStream<'static, Result<Delta>>;

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Generation {
    /// The text.
    pub text: String,
    /// The tools that it asks for; empty unless [`Request::tools`] offers some.
    pub calls: Vec<ToolCall>,
    /// Tokens used.
    pub usage: Usage,
    /// Why it ended.
    pub finish: FinishReason,
    /// One entry per token where they were asked for.
    pub logprobs: Vec<TokenLogprob>,
}

impl Generation {
    /// Reads the answer of a model to its end.
    ///
    /// # Errors
    /// Those in the stream, and [`Error::Model`] for one that ends without [`Delta::End`].
    pub async fn collect(model: &str, mut deltas: DeltaStream) -> Result<Self> {
        let (mut text, mut calls, mut logprobs) = (String::new(), Vec::new(), Vec::new());
        while let Some(delta) = deltas.next().await {
            match delta? {
                Delta::Text { text: more, logprobs: of_more } => {
                    text.push_str(&more);
                    logprobs.extend(of_more);
                }
                Delta::ToolCall(call) => calls.push(call),
                Delta::Reading { .. } => {}
                Delta::End { usage, finish } => return Ok(Self { text, calls, usage, finish, logprobs }),
            }
        }
        Err(Error::Model { model: model.to_owned(), message: "the answer broke off before its end".into() })
    }
}

/// A language model. Implement this in a backend; hold an [`AnyModel`] in an application.
pub trait LanguageModel: Send + Sync + 'static {
    /// What the model is.
    fn info(&self) -> &ModelInfo;

    /// How many tokens the prompt of a request has, before the call; see [`Usage::prompt_tokens`] for after it. A model that has
    /// a tokenizer at hand counts with that; otherwise it is an estimate.
    fn count_tokens(&self, request: &Request) -> u64 {
        request.approximate_tokens()
    }

    /// Starts generation and returns the pieces as they come. Dropping the stream stops the work.
    ///
    /// # Errors
    /// [`Error::Input`] for a prompt longer than the context or a part the model does not accept;
    /// [`Error::Model`] when the model or its server fails.
    fn stream(&self, request: Request) -> impl Future<Output = Result<DeltaStream>> + Send;
}

trait ErasedModel: Send + Sync {
    fn info(&self) -> &ModelInfo;
    fn count_tokens(&self, request: &Request) -> u64;
    fn stream(&self, request: Request) -> Pin<Box<dyn Future<Output = Result<DeltaStream>> + Send + '_>>;
}

impl<M: LanguageModel> ErasedModel for M {
    fn info(&self) -> &ModelInfo {
        LanguageModel::info(self)
    }
    fn count_tokens(&self, request: &Request) -> u64 {
        LanguageModel::count_tokens(self, request)
    }
    fn stream(&self, request: Request) -> Pin<Box<dyn Future<Output = Result<DeltaStream>> + Send + '_>> {
        Box::pin(LanguageModel::stream(self, request))
    }
}

/// Any language model, behind a handle that is cheap to clone.
#[derive(Clone)]
pub struct AnyModel(Arc<dyn ErasedModel>);

impl AnyModel {
    /// Wraps a model.
    pub fn new(model: impl LanguageModel) -> Self {
        Self(Arc::new(model))
    }

    /// What the model is.
    pub fn info(&self) -> &ModelInfo {
        self.0.info()
    }

    /// See [`LanguageModel::count_tokens`].
    pub fn count_tokens(&self, request: &Request) -> u64 {
        self.0.count_tokens(request)
    }

    /// See [`LanguageModel::stream`].
    ///
    /// # Errors
    /// As the model's own.
    pub async fn stream(&self, request: Request) -> Result<DeltaStream> {
        self.0.stream(request).await
    }

    /// Generates and returns the whole answer.
    ///
    /// # Errors
    /// As [`LanguageModel::stream`], and [`Error::Model`] for a stream that ends without [`Delta::End`].
    pub async fn generate(&self, request: Request) -> Result<Generation> {
        let deltas = self.stream(request).await?;
        Generation::collect(&self.info().name, deltas).await
    }
}

impl std::fmt::Debug for AnyModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AnyModel({})", self.info().name)
    }
}
