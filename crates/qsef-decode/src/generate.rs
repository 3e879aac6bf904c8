use qsef_core::{Delta, Error, FinishReason, OutputFormat, Request, Result, TokenLogprob, Usage};

use crate::{
    Kernels, Sequence, Tail, Vocabulary,
    draft::Draft,
    grammar::{Constraint, Grammars},
    sampler::{Sampler, logprobs},
    utf8::Utf8Joiner,
};

/// What one answer needs besides the model's state.
pub struct Job {
    prompt: Vec<u32>,
    /// Of the prompt's state in the sequence, how many tokens were computed for this call.
    pub fresh: usize,
    constraint: Option<Constraint>,
    max_tokens: usize,
    context: usize,
    sampler: Sampler,
    top_logprobs: usize,
    /// Guesses what comes next.
    draft: Option<Draft>,
}

impl Job {
    /// What a request asks for of a model of this name, whose prompt and answer may have `context` tokens together.
    ///
    /// # Errors
    /// [`Error::Input`] for a prompt that leaves no room for an answer and for a schema that cannot be used.
    pub fn new<'a>(
        request: &Request,
        prompt: Vec<u32>,
        model: &str,
        context: usize,
        grammars: impl FnOnce() -> Result<&'a Grammars>,
        vocabulary: &impl Vocabulary,
    ) -> Result<Self> {
        if prompt.is_empty() || prompt.len() >= context {
            return Err(Error::Input(format!(
                "the prompt has {} tokens; model `{model}` has room for {context}, prompt and answer together",
                prompt.len(),
            )));
        }
        let constraint = match &request.format {
            OutputFormat::Text => None,
            OutputFormat::JsonSchema(schema) => Some(grammars()?.json(schema)?),
            other => return Err(Error::Input(format!("output format {other:?} is not supported here"))),
        };
        let sampler = Sampler::new(request.temperature, request.seed);
        // In free text guesses are seldom right.
        let draft = if constraint.is_some() && sampler.is_greedy() {
            let predicted = request.prediction.as_deref().map(|text| vocabulary.encode_plain(text)).transpose()?;
            Some(Draft::new(predicted.unwrap_or_default()))
        } else {
            None
        };
        Ok(Self {
            prompt,
            fresh: 0,
            max_tokens: request.max_tokens,
            context,
            top_logprobs: request.top_logprobs,
            draft,
            constraint,
            sampler,
        })
    }

    /// The prompt's tokens.
    pub fn prompt(&self) -> &[u32] {
        &self.prompt
    }

    /// Feeds no guesses of what comes next.
    pub fn without_guesses(mut self) -> Self {
        self.draft = None;
        self
    }

    /// The tokens that the grammar forces next, put out; no more than the limit allows.
    fn forced(&mut self, out: &mut Writer<'_, impl Vocabulary>, limit: usize) -> Vec<u32> {
        let forced = self.constraint.as_mut().map(Constraint::forced).unwrap_or_default();
        let mut kept = Vec::new();
        for token in forced {
            if out.tokens < limit && !out.vocabulary.stops().contains(&token) {
                out.add(token, (self.top_logprobs > 0).then(|| (0.0, vec![(token, 0.0)])));
                kept.push(token);
            }
        }
        kept
    }
}

/// Where pieces go; false says that nobody listens any more.
pub type Sink<'a> = &'a mut dyn FnMut(Delta) -> bool;

/// Text and log-probabilities that wait for a whole character.
struct Writer<'a, V> {
    vocabulary: &'a V,
    joiner: Utf8Joiner,
    waiting: Vec<TokenLogprob>,
    text: String,
    tokens: usize,
}

impl<V: Vocabulary> Writer<'_, V> {
    /// Adds a token; log-probabilities are those of the distribution it was drawn from, if they are wanted.
    fn add(&mut self, token: u32, ranks: Option<(f32, Vec<(u32, f32)>)>) {
        let bytes = self.vocabulary.bytes(token);
        self.tokens += 1;
        self.text.push_str(&self.joiner.push(&bytes));
        if let Some((logprob, top)) = ranks {
            let name = |token: u32| String::from_utf8_lossy(&self.vocabulary.bytes(token)).into_owned();
            let top = top.into_iter().map(|(token, logprob)| (name(token), logprob)).collect();
            self.waiting.push(TokenLogprob { token: name(token), logprob, top });
        }
    }

    /// Sends what is whole.
    fn flush(&mut self, sink: Sink<'_>, end: bool) -> bool {
        if self.text.is_empty() && (self.waiting.is_empty() || !end) {
            return true;
        }
        let text = std::mem::take(&mut self.text);
        sink(Delta::Text { text, logprobs: std::mem::take(&mut self.waiting) })
    }
}

/// Whether the last tokens are the same block again and again: at least 6 times, at least 192 tokens. Greedy decoding does
/// not leave such a loop by itself.
fn repeats(tokens: &[u32]) -> bool {
    const TIMES: usize = 6;
    const SPAN: usize = 192;
    (1..=128).any(|period| {
        let span = (period * TIMES).max(SPAN).next_multiple_of(period);
        let Some(tail) = tokens.len().checked_sub(span).and_then(|start| tokens.get(start..)) else { return false };
        tail.iter().zip(tail.iter().skip(period)).all(|(a, b)| a == b)
    })
}

/// Generates an answer into `sink`. The sequence keeps what it computed, so the next call can reuse a common prefix.
///
/// Tokens that the grammar forces are not chosen, so no logits are computed for them: they go through the layers in one
/// batch with the token before them. So do tokens that are guessed from what came before ([`Draft`]); those that turn out
/// wrong are forgotten, so that the answer is the same as without guesses.
///
/// # Errors
/// As [`Sequence::feed`], and [`Error::Internal`] where no token can follow.
pub fn generate<S: Sequence>(
    mut job: Job,
    sequence: &mut S,
    vocabulary: &impl Vocabulary,
    stop: &dyn Fn() -> bool,
    sink: Sink<'_>,
) -> Result<()> {
    // The logits after the last token are needed, so that one is computed again if need be.
    sequence.truncate(sequence.common(&job.prompt).min(job.prompt.len().saturating_sub(1)))?;
    let cached = sequence.tokens().len();
    let mut pending: Vec<u32> = job.prompt.get(cached..).unwrap_or_default().to_vec();
    // A prompt that takes more than a moment is read with a word on how far it is.
    while pending.len() > S::CHUNK {
        let (done, total) = (sequence.tokens().len() as u64, job.prompt.len() as u64);
        let chunk: Vec<u32> = pending.drain(..S::CHUNK).collect();
        if !sink(Delta::Reading { done, total }) || sequence.feed(&chunk, Kernels::Several, 1, stop)?.is_none() {
            return Ok(());
        }
    }
    let limit = job.max_tokens.min(job.context.saturating_sub(job.prompt.len()));
    let joiner = Utf8Joiner::default();
    let mut out = Writer { vocabulary, joiner, waiting: Vec::new(), text: String::new(), tokens: 0 };
    // The prompt and what was made: what comes next may have come before.
    let mut all = job.prompt.clone();
    let kernels = if job.constraint.is_some() { Kernels::Several } else { Kernels::One };
    let mut passes = 0usize;
    let finish = 'answer: {
        let forced = job.forced(&mut out, limit);
        all.extend(&forced);
        if let Some(draft) = &mut job.draft {
            draft.follow(&forced);
        }
        pending.extend(forced);
        loop {
            // Nothing is put out before the prompt is read, so that the first piece tells how long that took.
            if passes > 0 && !out.flush(sink, false) {
                return Ok(());
            }
            if job.constraint.as_ref().is_some_and(Constraint::complete) {
                break 'answer FinishReason::Stop;
            }
            if out.tokens >= limit {
                break 'answer FinishReason::Length;
            }
            let room = (limit - out.tokens - 1).min(S::CHUNK.saturating_sub(pending.len()));
            let guess =
                job.draft.as_ref().map(|draft| draft.guess(&all, pending.len(), room).to_vec()).unwrap_or_default();
            let known = sequence.tokens().len() + pending.len();
            pending.extend(&guess);
            let fed = std::mem::take(&mut pending);
            let start = std::time::Instant::now();
            let kernels = if passes == 0 { Kernels::Several } else { kernels };
            let tail = sequence.feed(&fed, kernels, guess.len() + 1, stop)?;
            let Some(mut tail) = tail else { return Ok(()) };
            passes += 1;
            let mut right = 0;
            // The token after those that were guessed right is chosen as if they had been fed one by one.
            while pending.is_empty() {
                let mut logits = tail.logits(right)?;
                if let Some(constraint) = &mut job.constraint {
                    constraint.mask(&mut logits)?;
                }
                let token = job.sampler.choose(&logits).ok_or_else(|| {
                    Error::Internal("the model's output is not a number, or the grammar allows nothing".into())
                })?;
                if vocabulary.stops().contains(&token) {
                    break 'answer FinishReason::Stop;
                }
                out.add(token, (job.top_logprobs > 0).then(|| logprobs(&logits, token, job.top_logprobs)));
                let mut next = vec![token];
                if let Some(constraint) = &mut job.constraint {
                    constraint.consume(token)?;
                    next.extend(job.forced(&mut out, limit));
                }
                all.extend(&next);
                if let Some(draft) = &mut job.draft {
                    draft.follow(&next);
                }
                let made = all.get(job.prompt.len()..).unwrap_or_default();
                if job.constraint.is_none() && job.sampler.is_greedy() && made.len().is_multiple_of(16) && repeats(made)
                {
                    break 'answer FinishReason::Repetition;
                }
                let guessed = guess.get(right..).unwrap_or_default();
                let same = next.iter().zip(guessed).take_while(|(a, b)| a == b).count();
                right += same;
                pending.extend(next.get(same..).unwrap_or_default());
                if out.tokens >= limit || job.constraint.as_ref().is_some_and(Constraint::complete) {
                    break;
                }
            }
            tracing::trace!(
                rows = fed.len(),
                guessed = guess.len(),
                right,
                ms = start.elapsed().as_millis() as u64,
                "pass"
            );
            sequence.truncate(known + right)?;
            if let Some(draft) = &mut job.draft {
                draft.learn(guess.len(), right);
            }
            if stop() {
                return Ok(());
            }
        }
    };
    tracing::debug!(tokens = out.tokens, passes, "generated");
    let usage = Usage {
        prompt_tokens: job.prompt.len() as u64,
        cached_tokens: cached.saturating_sub(job.fresh) as u64,
        completion_tokens: out.tokens as u64,
    };
    if out.flush(sink, true) {
        sink(Delta::End { usage, finish });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loops_are_seen_and_lists_are_not() {
        let block: Vec<u32> = (0..50).collect();
        assert!(repeats(&[vec![7, 8, 9], block.repeat(6)].concat()));
        assert!(!repeats(&block.repeat(5)));
        assert!(repeats(&[1, 2].repeat(96)) && !repeats(&[1, 2].repeat(90)));
        // "line 1", "line 2", …: alike, and never the same.
        assert!(!repeats(&(0..400).flat_map(|n| [5, 6, n]).collect::<Vec<_>>()));
    }
}
