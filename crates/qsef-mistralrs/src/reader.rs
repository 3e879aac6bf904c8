//! What mistral.rs answers, as pieces of an answer.

use std::{collections::VecDeque, sync::Arc};

use futures::{StreamExt, stream};
use mistralrs::{ChatCompletionResponse, Response, TopLogprob};
use qsef_core::{Delta, DeltaStream, Error, FinishReason, OutputFormat, Result, TokenLogprob, Usage};
use serde::de::IgnoredAny;
use tokio::sync::mpsc::{Receiver, Sender};

use crate::model::Core;

/// One answer, read as it comes. Dropping it tells mistral.rs to stop.
struct Answer {
    core: Arc<Core>,
    responses: Receiver<Response>,
    engine: Sender<mistralrs::Request>,
    ready: VecDeque<Result<Delta>>,
    /// Tokens that have come: one with each response of a stream.
    tokens: u64,
    /// Tokens of the prompt where mistral.rs does not get to say.
    expected: u64,
    /// What an answer under a schema is so far.
    document: Option<String>,
    done: bool,
}

/// The pieces of an answer that `engine` makes to a prompt of about `expected` tokens.
pub(crate) fn read(
    core: Arc<Core>,
    responses: Receiver<Response>,
    engine: Sender<mistralrs::Request>,
    expected: u64,
    format: &OutputFormat,
) -> DeltaStream {
    let document = matches!(format, OutputFormat::JsonSchema(_)).then(String::new);
    let answer = Answer { core, responses, engine, ready: VecDeque::new(), tokens: 0, expected, document, done: false };
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
                let Some(choice) = chunk.choices.pop() else { return };
                if choice.finish_reason.is_none() && self.document.as_deref().is_some_and(is_whole) {
                    return self.end("stop", None);
                }
                self.tokens += 1;
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
            None if !self.engine.is_closed() => self.end("length", None),
            None => self.fail(self.core.failed("its engine ended before the answer did; load the model again")),
        }
    }

    /// An answer that comes in one piece, with its log-probabilities.
    fn whole(&mut self, mut whole: ChatCompletionResponse) {
        let Some(choice) = whole.choices.pop() else { return self.fail(self.core.failed("an answer without content")) };
        let logprobs = choice.logprobs.and_then(|logprobs| logprobs.content).unwrap_or_default();
        let logprobs = logprobs.into_iter().map(|one| natural(one.token, one.logprob, one.top_logprobs)).collect();
        self.text(choice.message.content, logprobs);
        self.end(&choice.finish_reason, Some(&whole.usage));
    }

    fn text(&mut self, text: Option<String>, logprobs: Vec<TokenLogprob>) {
        let text = text.unwrap_or_default();
        if let Some(document) = &mut self.document {
            document.push_str(&text);
        }
        if !text.is_empty() || !logprobs.is_empty() {
            self.ready.push_back(Ok(Delta::Text { text, logprobs }));
        }
    }

    fn end(&mut self, reason: &str, usage: Option<&mistralrs::Usage>) {
        let finish = match reason {
            "length" => FinishReason::Length,
            "canceled" => return self.fail(Error::Cancelled),
            _ => FinishReason::Stop,
        };
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

/// Whether nothing can follow. A grammar ends at a token that llguidance knows by its name; with other names, an answer goes on.
fn is_whole(document: &str) -> bool {
    let ends = [('{', '}'), ('[', ']'), ('"', '"')];
    ends.iter().any(|(first, last)| document.starts_with(*first) && document.ends_with(*last))
        && serde_json::from_str::<IgnoredAny>(document).is_ok()
}

/// mistral.rs gives logarithms to base 10.
fn ln(log10: f32) -> f32 {
    log10 * std::f32::consts::LN_10
}

/// Of a token and the likeliest ones in its place. (What mistral.rs calls a token with these has no public name.)
fn natural(token: String, logprob: f32, top: Vec<TopLogprob>) -> TokenLogprob {
    let text = |one: TopLogprob| (one.bytes.unwrap_or_else(|| one.token.to_string()), ln(one.logprob));
    let mut top = top;
    top.sort_by(|a, b| b.logprob.total_cmp(&a.logprob));
    let top_ids = top.iter().map(|one| one.token).collect();
    TokenLogprob { token, logprob: ln(logprob), top: top.into_iter().map(text).collect(), top_ids }
}

/// The first line of an error: mistral.rs appends where in its code it was made.
fn line(error: &dyn std::fmt::Display) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}
