use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_openai::error::OpenAIError;
use futures::{StreamExt, stream};
use qsef_core::{
    Delta, DeltaStream, Error, FinishReason, Generation, LanguageModel, Message, Modality, ModelInfo, OutputFormat,
    Part, Request, Result, ToolChoice, Usage, check_real_model, schema,
};
use serde_json::Value;

use crate::{
    by_schema,
    client::Client,
    dialect::{self, Dialect, SchemaMode},
    http::{Chunks, Refusal},
    limits::Ticket,
    reader::{Reading, deltas},
    tokens,
    wire::{self, Chunk},
};

/// The context of a model of which nothing is known, in tokens.
const CONTEXT_TOKENS: usize = 32_768;

/// How often a request is put otherwise because the server refuses a part of it.
const MOST_REFUSALS: usize = 8;

/// A language model behind an OpenAI-compatible endpoint.
///
/// What the server refuses with the name of a parameter (`max_tokens`, `temperature`, `seed`, `stream_options`, `logprobs`) is left
/// out or said otherwise from then on. A JSON Schema is enforced by the server where it can do that; where it refuses or ignores it,
/// the schema is put in the prompt. In any case the answer is checked, and asked for once more with the fault in words. So answers
/// with a schema come in one piece.
///
/// Tools are asked for in the API's own way. Where the server refuses them, or lets the model answer though a tool is required,
/// they are put in the prompt from then on, and a call is a document under a schema.
#[derive(Debug, Clone)]
pub struct OpenAiModel {
    client: Client,
    name: String,
    info: ModelInfo,
    /// One per endpoint.
    dialects: Arc<[Dialect]>,
    /// Whether a server turned out to know no tools, or not to call one that is required.
    is_without_tools: Arc<AtomicBool>,
}

impl OpenAiModel {
    /// The model that the server calls `name`. In messages and reports it is `openai:NAME`.
    pub fn new(client: Client, name: &str) -> Self {
        let facts = client.settings().models.facts(name);
        let mut info = ModelInfo::new(format!("openai:{name}"), facts.context_tokens.unwrap_or(CONTEXT_TOKENS));
        info.price = facts.price();
        info.accepts = facts.accepts.unwrap_or(info.accepts);
        let dialects = (0..client.count()).map(|_| Dialect::default()).collect();
        Self { client, name: name.to_owned(), info, dialects, is_without_tools: Arc::default() }
    }

    fn dialect(&self, at: usize) -> Result<&Dialect> {
        self.dialects.get(at).ok_or_else(|| Error::Internal(format!("there is no endpoint {at}")))
    }

    /// Sends a request until the server takes it as it is put; the chunks, and how the schema was asked for.
    async fn send(&self, at: usize, request: &Request) -> Result<(Chunks<Chunk>, SchemaMode)> {
        let (server, dialect, who) = (self.client.server(at)?, self.dialect(at)?, self.client.who(at, &self.info.name));
        let idle = self.client.settings().idle_timeout;
        for _ in 0..MOST_REFUSALS {
            let (body, mode) = (wire::body(&self.name, request, dialect), dialect.mode());
            let chat = server.api.chat();
            let sent = tokio::time::timeout(idle, chat.create_stream_byot::<_, Chunk>(body)).await;
            match sent.map_err(|_| Error::TimedOut { what: self.info.name.clone(), after: idle })? {
                Ok(chunks) => return Ok((chunks, mode)),
                Err(error) => {
                    let refuses_tools = |message: &str| !request.tools.is_empty() && dialect::refuses_tools(message);
                    if refusal(&error).is_some_and(refuses_tools) {
                        self.is_without_tools.store(true, Ordering::Relaxed);
                        return Err(who.error(error));
                    }
                    let mode = matches!(request.format, OutputFormat::JsonSchema(_)).then_some(mode);
                    if !refusal(&error).is_some_and(|message| dialect.learn(message, mode)) {
                        return Err(who.error(error));
                    }
                    tracing::debug!(%error, endpoint = server.name, "the request is put otherwise");
                }
            }
        }
        Err(who.model("it refuses one part of the request after the other"))
    }

    /// The deltas of an answer whose first one is here, so that a call that fails before it can be repeated.
    async fn open(&self, at: usize, request: &Request, ticket: Ticket) -> Result<(DeltaStream, SchemaMode)> {
        let (chunks, mode) = self.send(at, request).await?;
        let reading = Reading {
            who: self.client.who(at, &self.info.name),
            idle: self.client.settings().idle_timeout,
            max_tokens: request.max_tokens,
            prompt_tokens: request.approximate_tokens(),
            earlier_calls: by_schema::earlier_calls(request),
            ticket,
        };
        let mut deltas = deltas(chunks, reading);
        let first = deltas.next().await.transpose()?;
        Ok((stream::iter(first.map(Ok)).chain(deltas).boxed(), mode))
    }

    /// An answer that may, or has to, ask for tools.
    async fn with_tools(&self, request: Request) -> Result<DeltaStream> {
        if !self.is_without_tools.load(Ordering::Relaxed) {
            match self.by_api(&request).await {
                // It may have turned out just now that this server cannot do it so.
                Err(_) if self.is_without_tools.load(Ordering::Relaxed) => {}
                done => return done,
            }
        }
        let put = by_schema::put(&request);
        let OutputFormat::JsonSchema(schema) = &put.format else {
            return Err(Error::Internal("a call of a tool has no schema".into()));
        };
        let schema = schema.clone();
        let made = self.document(put, &schema).await?;
        let bad = |message, output| Error::BadOutput { model: self.info.name.clone(), message, output };
        let text = made.text.clone();
        let made = by_schema::read(&request, made).map_err(|why| bad(why, text))?;
        request.check_answer(&self.info.name, &made)?;
        Ok(pieces(made))
    }

    /// The same in the API's own way.
    async fn by_api(&self, request: &Request) -> Result<DeltaStream> {
        if request.tool_choice == ToolChoice::Auto && request.format == OutputFormat::Text {
            let call = |at, ticket| self.open(at, request, ticket);
            let (deltas, _) = self.client.attempt(expected(request), call).await?;
            let (request, model) = (request.clone(), self.info.name.clone());
            let checked = move |delta: Result<Delta>| match delta {
                Ok(Delta::ToolCall(call)) => match request.check_call(&call) {
                    Ok(()) => Ok(Delta::ToolCall(call)),
                    Err(message) => {
                        let output = call.arguments.to_string();
                        Err(Error::BadOutput { model: model.clone(), message, output })
                    }
                },
                delta => delta,
            };
            return Ok(deltas.map(checked).boxed());
        }
        let call = |at, ticket| self.whole(at, request, ticket);
        let (made, ..) = self.client.attempt(expected(request), call).await?;
        if let (OutputFormat::JsonSchema(schema), true) = (&request.format, made.calls.is_empty()) {
            document_in(&made.text, schema).map_err(|message| Error::BadOutput {
                model: self.info.name.clone(),
                message,
                output: made.text.clone(),
            })?;
        }
        request.check_answer(&self.info.name, &made).inspect_err(|_| {
            if made.calls.is_empty() {
                self.is_without_tools.store(true, Ordering::Relaxed);
            }
        })?;
        // Also where it was cut: a server that heeds what is required has a model write nothing before a call.
        if request.tool_choice != ToolChoice::Auto && made.calls.is_empty() && !made.text.trim().is_empty() {
            self.is_without_tools.store(true, Ordering::Relaxed);
            let message = "it writes text where a tool is required".into();
            return Err(Error::BadOutput { model: self.info.name.clone(), message, output: made.text });
        }
        Ok(pieces(made))
    }

    /// An answer that conforms to the schema.
    async fn document(&self, mut request: Request, schema: &Value) -> Result<Generation> {
        let (mut spent, mut bad) = (Usage::default(), None);
        for _ in 0..2 {
            let call = |at, ticket| self.whole(at, &request, ticket);
            let (mut made, at, mode) = self.client.attempt(expected(&request), call).await?;
            spent += made.usage;
            made.usage = spent;
            if made.finish != FinishReason::Stop {
                return Ok(made);
            }
            let why = match document_in(&made.text, schema) {
                Ok(text) if text.len() == made.text.len() => return Ok(made),
                Ok(text) => {
                    made.text = text.to_owned();
                    made.logprobs.clear();
                    return Ok(made);
                }
                Err(why) => why,
            };
            if mode == SchemaMode::Strict {
                self.dialect(at)?.weaken(mode);
            }
            request.messages.push(Message::assistant(made.text.as_str()));
            request
                .messages
                .push(Message::user(format!("That is not what the JSON Schema asks for: {why}. Write it again.")));
            bad = Some(Error::BadOutput { model: self.info.name.clone(), message: why, output: made.text });
        }
        Err(bad.unwrap_or_else(|| Error::Internal("no answer was asked for".into())))
    }

    async fn whole(&self, at: usize, request: &Request, ticket: Ticket) -> Result<(Generation, usize, SchemaMode)> {
        let (deltas, mode) = self.open(at, request, ticket).await?;
        Ok((Generation::collect(&self.info.name, deltas).await?, at, mode))
    }
}

impl LanguageModel for OpenAiModel {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// With OpenAI's vocabulary for its own models, of which the first use takes a moment; an estimate for all others.
    fn count_tokens(&self, request: &Request) -> u64 {
        tokens::count(&self.name, request)
    }

    async fn stream(&self, request: Request) -> Result<DeltaStream> {
        check_real_model(&self.info.name)?;
        let strange = request.messages.iter().flat_map(|m| &m.parts).find_map(|part| match part {
            Part::Image(_) if !self.info.accepts.contains(&Modality::Image) => Some("images"),
            Part::Audio(_) if !self.info.accepts.contains(&Modality::Audio) => Some("sounds"),
            _ => None,
        });
        if let Some(what) = strange {
            return Err(Error::Input(format!("the model `{}` is not known to take {what}", self.info.name)));
        }
        if !request.tools.is_empty() || request.tool_choice != ToolChoice::Auto {
            request.check_tools()?;
            return self.with_tools(request).await;
        }
        if let OutputFormat::JsonSchema(schema) = &request.format {
            let schema = schema.clone();
            return self.document(request, &schema).await.map(pieces);
        }
        let call = |at, ticket| self.open(at, &request, ticket);
        Ok(self.client.attempt(expected(&request), call).await?.0)
    }
}

/// What a server says that will not take a request as it is put.
fn refusal(error: &OpenAIError) -> Option<&str> {
    let OpenAIError::Boxed(error) = error else { return None };
    let refusal = error.downcast_ref::<Refusal>()?;
    matches!(refusal.status, 400 | 422 | 501).then_some(refusal.message.as_str())
}

/// The most tokens that a call is expected to take.
fn expected(request: &Request) -> u64 {
    request.approximate_tokens() + request.max_tokens as u64
}

fn pieces(made: Generation) -> DeltaStream {
    let text = Delta::Text { text: made.text, logprobs: made.logprobs };
    let end = Delta::End { usage: made.usage, finish: made.finish };
    let deltas: Vec<_> = [text].into_iter().chain(made.calls.into_iter().map(Delta::ToolCall)).chain([end]).collect();
    stream::iter(deltas.into_iter().map(Ok)).boxed()
}

/// The JSON document that a text is, or holds beside other words; why there is none that conforms.
fn document_in<'a>(text: &'a str, of: &Value) -> Result<&'a str, String> {
    let trimmed = text.trim();
    let inner = |open, close| text.get(text.find(open)?..=text.rfind(close)?);
    let all = [Some(text), Some(trimmed), inner('{', '}'), inner('[', ']')];
    let parsed = all.into_iter().flatten().find_map(|t| Some((t, serde_json::from_str::<Value>(t).ok()?)));
    let (text, value) = parsed.ok_or("it is not JSON")?;
    schema::conforms(&value, of).map(|()| text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn documents_are_found_in_what_models_write_around_them() {
        let schema = json!({"type": "object", "required": ["a"]});
        for text in ["{\"a\":1}", "Sure:\n```json\n{\"a\":1}\n```\nDone.", " {\"a\":1}\n"] {
            assert_eq!(document_in(text, &schema).map(str::trim), Ok("{\"a\":1}"), "{text}");
        }
        assert_eq!(document_in("no", &schema), Err("it is not JSON".into()));
        assert!(document_in("{\"b\":1}", &schema).unwrap_err().contains("lacks the field `a`"));
        assert_eq!(document_in("It is [1, 2].", &json!({"type": "array"})), Ok("[1, 2]"));
    }
}
