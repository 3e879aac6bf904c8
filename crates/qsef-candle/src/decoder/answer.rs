use std::sync::Arc;

use futures::channel::mpsc;
use qsef_core::{Delta, Error, FinishReason, Result, TokenLogprob, Usage};

use super::{
    draft::Draft,
    grammar::Constraint,
    linear::Kernels,
    sampler::{Sampler, logprobs},
    session::{CHUNK, Session, Tail},
    text::Utf8Joiner,
    tokens::Vocabulary,
};

/// What one answer needs besides the model's state.
pub(super) struct Job {
    pub prompt: Vec<u32>,
    /// Of the prompt's state in the session, how many tokens were computed for this call.
    pub fresh: usize,
    pub constraint: Option<Constraint>,
    pub max_tokens: usize,
    pub context: usize,
    pub sampler: Sampler,
    pub top_logprobs: usize,
    /// Guesses what comes next.
    pub draft: Option<Draft>,
}

/// Where pieces go.
pub(super) type Sink = mpsc::UnboundedSender<Result<Delta>>;

/// Text and log-probabilities that wait for a whole character.
struct Writer {
    vocabulary: Arc<Vocabulary>,
    sink: Sink,
    joiner: Utf8Joiner,
    waiting: Vec<TokenLogprob>,
    text: String,
    tokens: usize,
}

impl Writer {
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
    fn flush(&mut self, end: bool) {
        if !self.text.is_empty() || (end && !self.waiting.is_empty()) {
            let (text, logprobs) = (std::mem::take(&mut self.text), std::mem::take(&mut self.waiting));
            self.send(Delta::Text { text, logprobs });
        }
    }

    /// Where nobody listens, the answer is left at the next step.
    fn send(&self, delta: Delta) {
        let _ = self.sink.unbounded_send(Ok(delta));
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

/// What an answer needs next.
pub(super) enum Step {
    /// Its [`Answer::fed`] tokens have to go through the layers.
    Feed,
    /// Nothing: it is at its end, or nobody listens any more.
    Done,
}

/// An answer in the making. Its session keeps what it computed, so that a later call can reuse a common prefix.
///
/// Tokens that the grammar forces are not chosen, so no logits are computed for them: they go through the layers in one
/// pass with the token before them. So do tokens that are guessed ([`Draft`]); those that turn out wrong are forgotten, so that the
/// answer is the same as without guesses.
pub(super) struct Answer {
    job: Job,
    pub session: Session,
    out: Writer,
    /// Tokens of the prompt whose state was there.
    cached: usize,
    /// The most tokens that it may have.
    limit: usize,
    /// The prompt and what was made: what comes next may have come before.
    all: Vec<u32>,
    /// Tokens that have to go through the layers.
    pending: Vec<u32>,
    /// What goes through them in this step, guesses at its end included.
    fed: Vec<u32>,
    guess: Vec<u32>,
    passes: usize,
    finish: Option<FinishReason>,
}

impl Answer {
    pub fn new(job: Job, mut session: Session, vocabulary: Arc<Vocabulary>, sink: Sink) -> Self {
        // The logits after the last token are needed, so that one is computed again if need be.
        let cached = session.common(&job.prompt).min(job.prompt.len().saturating_sub(1));
        session.truncate(cached);
        let joiner = Utf8Joiner::default();
        Self {
            out: Writer { vocabulary, sink, joiner, waiting: Vec::new(), text: String::new(), tokens: 0 },
            cached,
            limit: job.max_tokens.min(job.context.saturating_sub(job.prompt.len())),
            all: job.prompt.clone(),
            pending: job.prompt.get(cached..).unwrap_or_default().to_vec(),
            fed: Vec::new(),
            guess: Vec::new(),
            passes: 0,
            finish: None,
            job,
            session,
        }
    }

    /// By what kernels the answer's next tokens are multiplied.
    pub fn kernels(&self) -> Kernels {
        if self.passes == 0 || self.job.constraint.is_some() { Kernels::Several } else { Kernels::One }
    }

    /// How many tokens, guesses aside, go through the layers next.
    pub fn waiting(&self) -> usize {
        self.pending.len().min(CHUNK)
    }

    /// Where the answer goes; closed when nobody listens any more.
    pub fn listener(&self) -> Sink {
        self.out.sink.clone()
    }

    /// The session, the tokens that go through the layers in this step, and of how many it has to be known what comes after.
    pub fn fed(&mut self) -> (&mut Session, &[u32], usize) {
        (&mut self.session, &self.fed, self.guess.len() + 1)
    }

    /// Sends what there is to send and says what is next.
    pub fn step(&mut self) -> Step {
        if self.out.sink.is_closed() {
            return Step::Done;
        }
        // A prompt that takes more than a moment is read with a word on how far it is.
        if self.pending.len() > CHUNK {
            let (done, total) = (self.session.tokens().len() as u64, self.job.prompt.len() as u64);
            self.out.send(Delta::Reading { done, total });
            self.fed = self.pending.drain(..CHUNK).collect();
            return Step::Feed;
        }
        if self.passes == 0 {
            let forced = self.forced();
            self.append(&forced);
            self.pending.extend(forced);
        } else {
            // Nothing is put out before the prompt is read, so that the first piece tells how long that took.
            self.out.flush(false);
        }
        if self.finish.is_none() && self.job.constraint.as_ref().is_some_and(Constraint::complete) {
            self.finish = Some(FinishReason::Stop);
        }
        if self.finish.is_none() && self.out.tokens >= self.limit {
            self.finish = Some(FinishReason::Length);
        }
        if let Some(finish) = self.finish {
            self.end(finish);
            return Step::Done;
        }
        let room = (self.limit - self.out.tokens - 1).min(CHUNK.saturating_sub(self.pending.len()));
        let draft = self.job.draft.as_ref();
        self.guess = draft.map(|d| d.guess(&self.all, self.pending.len(), room).to_vec()).unwrap_or_default();
        self.fed = std::mem::take(&mut self.pending);
        self.fed.extend(&self.guess);
        Step::Feed
    }

    /// Takes in what comes after the tokens that were fed.
    pub fn take(&mut self, tail: &Tail) -> Result<()> {
        // Part of a long prompt: more of it follows.
        if !self.pending.is_empty() {
            return Ok(());
        }
        self.passes += 1;
        let known = self.session.tokens().len() - self.guess.len();
        let guess = std::mem::take(&mut self.guess);
        let mut right = 0;
        // The token after those that were guessed right is chosen as if they had been fed one by one.
        while self.pending.is_empty() && self.finish.is_none() {
            let next = self.choose(tail.logits(right)?)?;
            let guessed = guess.get(right..).unwrap_or_default();
            let same = next.iter().zip(guessed).take_while(|(a, b)| a == b).count();
            right += same;
            self.pending.extend(next.get(same..).unwrap_or_default());
            if self.out.tokens >= self.limit || self.job.constraint.as_ref().is_some_and(Constraint::complete) {
                break;
            }
        }
        tracing::trace!(rows = self.fed.len(), guessed = guess.len(), right, "pass");
        self.session.truncate(known + right);
        if let Some(draft) = &mut self.job.draft {
            draft.learn(guess.len(), right);
        }
        Ok(())
    }

    /// Chooses a token; it and what the grammar forces after it. Nothing where the answer ends.
    fn choose(&mut self, mut logits: Vec<f32>) -> Result<Vec<u32>> {
        if let Some(constraint) = &mut self.job.constraint {
            constraint.mask(&mut logits)?;
        }
        let token = self.job.sampler.choose(&logits).ok_or_else(|| {
            Error::Internal("the model's output is not a number, or the grammar allows nothing".into())
        })?;
        if self.out.vocabulary.stops.contains(&token) {
            self.finish = Some(FinishReason::Stop);
            return Ok(Vec::new());
        }
        let wanted = self.job.top_logprobs;
        self.out.add(token, (wanted > 0).then(|| logprobs(&logits, token, wanted)));
        let mut next = vec![token];
        if let Some(constraint) = &mut self.job.constraint {
            constraint.consume(token)?;
            next.extend(self.forced());
        }
        self.append(&next);
        let made = self.all.get(self.job.prompt.len()..).unwrap_or_default();
        let free = self.job.constraint.is_none() && self.job.sampler.is_greedy();
        if free && made.len().is_multiple_of(16) && repeats(made) {
            self.finish = Some(FinishReason::Repetition);
        }
        Ok(next)
    }

    /// The tokens that the grammar forces next, put out; no more than the limit allows.
    fn forced(&mut self) -> Vec<u32> {
        let mut forced = self.job.constraint.as_mut().map(Constraint::forced).unwrap_or_default();
        forced.retain(|token| !self.out.vocabulary.stops.contains(token));
        forced.truncate(self.limit.saturating_sub(self.out.tokens));
        for token in &forced {
            self.out.add(*token, (self.job.top_logprobs > 0).then(|| (0.0, vec![(*token, 0.0)])));
        }
        forced
    }

    fn append(&mut self, made: &[u32]) {
        self.all.extend(made);
        if let Some(draft) = &mut self.job.draft {
            draft.follow(made);
        }
    }

    fn end(&mut self, finish: FinishReason) {
        tracing::debug!(tokens = self.out.tokens, passes = self.passes, "generated");
        self.out.flush(true);
        self.out.send(Delta::End {
            usage: Usage {
                prompt_tokens: self.job.prompt.len() as u64,
                cached_tokens: self.cached.saturating_sub(self.job.fresh) as u64,
                completion_tokens: self.out.tokens as u64,
            },
            finish,
        });
    }

    /// Ends with an error instead.
    pub fn fail(&self, error: Error) {
        let _ = self.out.sink.unbounded_send(Err(error));
    }
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
