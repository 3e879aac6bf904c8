//! From the chunks of a server to qsef's deltas.

use std::{collections::VecDeque, time::Duration};

use futures::{StreamExt, stream};
use qsef_core::{Delta, DeltaStream, Error, FinishReason, Result, ToolCall, Usage};
use serde_json::Value;

use crate::{
    fault::Who,
    http::Chunks,
    limits::Ticket,
    wire::{CallPiece, Chunk},
};

/// Bytes per token that no text reaches for long: a server that writes more does not keep to the limit of tokens.
const MOST_BYTES_PER_TOKEN: usize = 64;

/// What reading an answer needs to know.
pub(crate) struct Reading {
    pub who: Who,
    /// The longest silence.
    pub idle: Duration,
    pub max_tokens: usize,
    /// Tokens of the prompt as estimated, for servers that count none.
    pub prompt_tokens: u64,
    /// Calls of tools in the conversation, for servers that give calls no ids.
    pub earlier_calls: usize,
    /// What the call took of the limits.
    pub ticket: Ticket,
}

/// A call of a tool as far as it came.
#[derive(Default)]
struct Begun {
    index: usize,
    id: String,
    name: String,
    arguments: String,
}

struct State {
    chunks: Chunks<Chunk>,
    reading: Reading,
    usage: Option<Usage>,
    finish: Option<FinishReason>,
    calls: VecDeque<Begun>,
    called: bool,
    is_read: bool,
    bytes: usize,
    pieces: u64,
}

/// The deltas of an answer. The last is [`Delta::End`], or an error.
pub(crate) fn deltas(chunks: Chunks<Chunk>, reading: Reading) -> DeltaStream {
    let state = State {
        chunks,
        reading,
        usage: None,
        finish: None,
        calls: VecDeque::new(),
        called: false,
        is_read: false,
        bytes: 0,
        pieces: 0,
    };
    let steps = stream::try_unfold(Some(state), |state| async move {
        let Some(mut state) = state else { return Ok(None) };
        let delta = state.next().await?;
        let ended = matches!(delta, Delta::End { .. });
        Ok(Some((delta, (!ended).then_some(state))))
    });
    steps.boxed()
}

impl State {
    async fn next(&mut self) -> Result<Delta> {
        while !self.is_read {
            let idle = self.reading.idle;
            let what = || self.reading.who.model.clone();
            let next = tokio::time::timeout(idle, self.chunks.next()).await;
            let mut chunk = match next.map_err(|_| Error::TimedOut { what: what(), after: idle })? {
                Some(Ok(chunk)) => chunk,
                // Some servers hang up without a good-bye when all is said.
                Some(Err(_)) | None if self.finish.is_some() => {
                    self.is_read = true;
                    break;
                }
                Some(Err(error)) => return Err(self.reading.who.error(error)),
                None => {
                    let message = format!("the answer broke off after {} bytes", self.bytes);
                    return Err(self.reading.who.unavailable(message));
                }
            };
            if let Some(error) = &chunk.error {
                return Err(self.reading.who.in_stream(error));
            }
            self.usage = chunk.usage().or(self.usage);
            if let Some(finish) = chunk.finish() {
                self.finish = Some(finish.map_err(|why| self.reading.who.model(why))?);
            }
            let text = chunk.text();
            let calls: usize = chunk.calls().into_iter().map(|piece| self.add(piece)).sum();
            if text.is_empty() && calls == 0 {
                continue;
            }
            self.pieces += 1;
            self.bytes += text.len() + calls;
            let max_tokens = self.reading.max_tokens;
            if self.bytes > max_tokens.saturating_mul(MOST_BYTES_PER_TOKEN).saturating_add(4096) {
                let message = format!("it wrote {} bytes and was stopped: it does not keep to max_tokens", self.bytes);
                return Err(self.reading.who.model(format!("{message} ({max_tokens})")));
            }
            if !text.is_empty() {
                return Ok(Delta::Text { text, logprobs: chunk.logprobs() });
            }
        }
        self.end()
    }

    /// Takes in a part of a call; its bytes.
    fn add(&mut self, piece: CallPiece) -> usize {
        let function = piece.function.unwrap_or_default();
        let arguments = match function.arguments {
            Some(Value::String(text)) => text,
            Some(Value::Null) | None => String::new(),
            Some(whole) => whole.to_string(),
        };
        let (id, name) = (piece.id.unwrap_or_default(), function.name.unwrap_or_default());
        let bytes = id.len() + name.len() + arguments.len();
        // Servers that count none send a call in one piece, or one after the other.
        let next = self.calls.back().map_or(0, |last| last.index + usize::from(!name.is_empty()));
        let index = piece.index.unwrap_or(next);
        let begun = match self.calls.iter_mut().find(|begun| begun.index == index) {
            Some(begun) => begun,
            None => {
                self.calls.push_back(Begun { index, ..Begun::default() });
                match self.calls.back_mut() {
                    Some(begun) => begun,
                    None => return bytes,
                }
            }
        };
        begun.arguments += &arguments;
        // Some servers repeat them with every piece.
        if begun.id.is_empty() {
            begun.id = id;
        }
        if begun.name.is_empty() {
            begun.name = name;
        }
        bytes
    }

    /// What comes when all has been read: call by call, then the end.
    fn end(&mut self) -> Result<Delta> {
        if self.finish == Some(FinishReason::Length) {
            // The last one is cut, and which of the others are whole is not said.
            self.calls.clear();
        }
        if let Some(begun) = self.calls.pop_front() {
            self.called = true;
            return self.call(begun).map(Delta::ToolCall);
        }
        if self.called {
            // Not all servers say so.
            self.finish = Some(FinishReason::ToolCalls);
        }
        // Where the server counts nothing, a piece is taken to be a token.
        let counted =
            Usage { prompt_tokens: self.reading.prompt_tokens, cached_tokens: 0, completion_tokens: self.pieces };
        let usage = self.usage.unwrap_or(counted);
        self.reading.ticket.settle(usage.prompt_tokens + usage.completion_tokens);
        Ok(Delta::End { usage, finish: self.finish.unwrap_or(FinishReason::Stop) })
    }

    fn call(&mut self, begun: Begun) -> Result<ToolCall> {
        let Begun { id, name, arguments, .. } = begun;
        self.reading.earlier_calls += 1;
        let id = if id.is_empty() { format!("call-{}", self.reading.earlier_calls) } else { id };
        let written = if arguments.trim().is_empty() { "{}" } else { &arguments };
        match serde_json::from_str(written) {
            Ok(arguments) => Ok(ToolCall { id, name, arguments }),
            Err(error) => Err(Error::BadOutput {
                model: self.reading.who.model.clone(),
                message: format!("the arguments of the tool `{name}` are no JSON: {error}"),
                output: arguments,
            }),
        }
    }
}
