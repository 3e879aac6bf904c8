//! What mistral.rs answers, as pieces of an answer.

use std::{collections::VecDeque, sync::Arc};

use futures::{StreamExt, stream};
use mistralrs::{ChatCompletionResponse, ChunkChoice, Response, ResponseLogprob, TopLogprob};
use qsef_core::{Delta, DeltaStream, Error, FinishReason, Request, Result, TokenLogprob, Usage};
use qsef_decode::tools;
use tokio::sync::mpsc::Receiver;

use crate::model::Core;

/// One answer, read as it comes. Dropping it tells mistral.rs to stop.
struct Answer {
    core: Arc<Core>,
    responses: Receiver<Response>,
    ready: VecDeque<Result<Delta>>,
    /// Of the calls of an answer with tools.
    calls: Option<tools::Reader>,
    /// Tokens that have come: one with each response of a stream.
    tokens: u64,
    /// Tokens of the prompt where mistral.rs does not get to say.
    expected: u64,
    max_tokens: u64,
    done: bool,
}

/// The pieces of an answer to a request whose prompt has about `expected` tokens.
pub(crate) fn read(core: Arc<Core>, responses: Receiver<Response>, expected: u64, request: &Request) -> DeltaStream {
    let answer = Answer {
        core,
        responses,
        ready: VecDeque::new(),
        calls: tools::Reader::new(request),
        tokens: 0,
        expected,
        max_tokens: request.max_tokens.max(1) as u64,
        done: false,
    };
    stream::unfold(answer, async |mut answer| {
        while answer.ready.is_empty() && !answer.done {
            let response = answer.responses.recv().await;
            answer.take(response);
        }
        answer.ready.pop_front().map(|delta| (delta, answer))
    })
    .boxed()
}

impl Answer {
    fn take(&mut self, response: Option<Response>) {
        match response {
            Some(Response::Chunk(mut chunk)) => {
                self.tokens += 1;
                let Some(choice) = chunk.choices.pop() else { return };
                self.text(choice.delta.content.clone(), Vec::new());
                if let Some(reason) = &choice.finish_reason {
                    self.end(reason, chunk.usage.as_ref());
                }
            }
            Some(Response::Done(whole)) => self.whole(whole),
            Some(Response::ValidationError(error)) => {
                self.fail(Error::Input(format!("model `{}`: {}", self.core.info.name, line(error.as_ref()))));
            }
            Some(Response::InternalError(error)) => self.fail(self.core.failed(line(error.as_ref()))),
            Some(Response::ModelError(message, _)) => self.fail(self.core.failed(message)),
            Some(_) => self.fail(self.core.failed("an answer of another kind than was asked for")),
            // A stream whose last token ends inside of a character has no last response.
            None if self.tokens + 1 >= self.max_tokens => {
                self.tokens = self.max_tokens;
                self.end("length", None);
            }
            None => self.fail(self.core.failed("its engine ended before the answer did; load the model again")),
        }
    }

    /// An answer that comes in one piece, with its log-probabilities.
    fn whole(&mut self, mut whole: ChatCompletionResponse) {
        let Some(choice) = whole.choices.pop() else { return self.fail(self.core.failed("an answer without content")) };
        let logprobs = choice.logprobs.and_then(|logprobs| logprobs.content).unwrap_or_default();
        self.text(choice.message.content, logprobs.iter().map(natural).collect());
        self.end(&choice.finish_reason, Some(&whole.usage));
    }

    fn text(&mut self, text: Option<String>, logprobs: Vec<TokenLogprob>) {
        let mut text = text.unwrap_or_default();
        let mut calls = Vec::new();
        if let Some(reader) = &mut self.calls {
            (text, calls) = reader.push(&text);
        }
        if !text.is_empty() || !logprobs.is_empty() {
            self.ready.push_back(Ok(Delta::Text { text, logprobs }));
        }
        self.ready.extend(calls.into_iter().map(|call| Ok(Delta::ToolCall(call))));
    }

    fn end(&mut self, reason: &str, usage: Option<&mistralrs::Usage>) {
        let finish = match reason {
            "length" => FinishReason::Length,
            "canceled" => return self.fail(Error::Cancelled),
            _ if self.calls.as_ref().is_some_and(tools::Reader::has_read) => FinishReason::ToolCalls,
            _ => FinishReason::Stop,
        };
        let held = self.calls.as_mut().map(tools::Reader::finish).unwrap_or_default();
        if !held.is_empty() {
            self.ready.push_back(Ok(Delta::Text { text: held, logprobs: Vec::new() }));
        }
        let usage = match usage {
            Some(usage) => Usage {
                prompt_tokens: usage.prompt_tokens as u64,
                cached_tokens: 0,
                completion_tokens: usage.completion_tokens as u64,
            },
            None => Usage { prompt_tokens: self.expected, cached_tokens: 0, completion_tokens: self.tokens },
        };
        self.ready.push_back(Ok(Delta::End { usage, finish }));
        self.done = true;
    }

    fn fail(&mut self, error: Error) {
        self.ready.push_back(Err(error));
        self.done = true;
    }
}

/// mistral.rs gives logarithms to base 10.
fn ln(log10: f32) -> f32 {
    log10 * std::f32::consts::LN_10
}

fn natural(token: &ResponseLogprob) -> TokenLogprob {
    let mut top: Vec<(String, f32)> = token
        .top_logprobs
        .iter()
        .map(|TopLogprob { token, logprob, bytes }| (bytes.clone().unwrap_or_else(|| token.to_string()), ln(*logprob)))
        .collect();
    top.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    TokenLogprob { token: token.token.clone(), logprob: ln(token.logprob), top }
}

/// The first line of an error: mistral.rs appends where in its code it was made.
fn line(error: &dyn std::fmt::Display) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}
