//! From the chunks of a server to qsef's deltas.

use std::time::Duration;

use futures::{StreamExt, stream};
use qsef_core::{Delta, DeltaStream, Error, FinishReason, Result, Usage};

use crate::{fault::Who, http::Chunks, limits::Ticket, wire::Chunk};

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
    /// What the call took of the limits.
    pub ticket: Ticket,
}

struct State {
    chunks: Chunks<Chunk>,
    reading: Reading,
    usage: Option<Usage>,
    finish: Option<FinishReason>,
    bytes: usize,
    pieces: u64,
}

/// The deltas of an answer. The last is [`Delta::End`], or an error.
pub(crate) fn deltas(chunks: Chunks<Chunk>, reading: Reading) -> DeltaStream {
    let state = State { chunks, reading, usage: None, finish: None, bytes: 0, pieces: 0 };
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
        loop {
            let idle = self.reading.idle;
            let what = || self.reading.who.model.clone();
            let next = tokio::time::timeout(idle, self.chunks.next()).await;
            let chunk = match next.map_err(|_| Error::TimedOut { what: what(), after: idle })? {
                Some(Ok(chunk)) => chunk,
                // Some servers hang up without a good-bye when all is said.
                Some(Err(_)) | None if self.finish.is_some() => return Ok(self.end()),
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
            if text.is_empty() {
                continue;
            }
            self.pieces += 1;
            self.bytes += text.len();
            let max_tokens = self.reading.max_tokens;
            if self.bytes > max_tokens.saturating_mul(MOST_BYTES_PER_TOKEN).saturating_add(4096) {
                let message = format!("it wrote {} bytes and was stopped: it does not keep to max_tokens", self.bytes);
                return Err(self.reading.who.model(format!("{message} ({max_tokens})")));
            }
            return Ok(Delta::Text { text, logprobs: chunk.logprobs() });
        }
    }

    fn end(&self) -> Delta {
        // Where the server counts nothing, a piece is taken to be a token.
        let counted =
            Usage { prompt_tokens: self.reading.prompt_tokens, cached_tokens: 0, completion_tokens: self.pieces };
        let usage = self.usage.unwrap_or(counted);
        self.reading.ticket.settle(usage.prompt_tokens + usage.completion_tokens);
        Delta::End { usage, finish: self.finish.unwrap_or(FinishReason::Stop) }
    }
}
