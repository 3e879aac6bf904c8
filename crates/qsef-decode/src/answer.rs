use std::sync::Arc;

use qsef_core::{Delta, Error, FinishReason, Result, TokenLogprob, Usage};

use crate::{
    Constraint, Kernels, Sequence, Tail, Vocabulary, job::Job, sampler::logprobs, tools::Reader, utf8::Utf8Joiner,
};

/// Text and log-probabilities that wait for a whole character.
struct Writer<V, F> {
    vocabulary: Arc<V>,
    /// Where pieces go; false says that nobody listens any more.
    sink: F,
    is_heard: bool,
    joiner: Utf8Joiner,
    /// Where tools are offered: tells calls from text.
    reader: Option<Reader>,
    waiting: Vec<TokenLogprob>,
    text: String,
    tokens: usize,
}

impl<V: Vocabulary, F: FnMut(Delta) -> bool> Writer<V, F> {
    /// Adds a token; log-probabilities are those of the distribution it was drawn from, if they are wanted.
    fn add(&mut self, token: u32, ranks: Option<(f32, Vec<(u32, f32)>)>) {
        let bytes = self.vocabulary.bytes(token);
        self.tokens += 1;
        self.text.push_str(&self.joiner.push(&bytes));
        if let Some((logprob, top)) = ranks {
            let name = |token: u32| String::from_utf8_lossy(&self.vocabulary.bytes(token)).into_owned();
            let top_ids = top.iter().map(|(token, _)| *token).collect();
            let top = top.into_iter().map(|(token, logprob)| (name(token), logprob)).collect();
            self.waiting.push(TokenLogprob { token: name(token), logprob, top, top_ids });
        }
    }

    /// Sends what is whole.
    fn flush(&mut self, end: bool) {
        let mut calls = Vec::new();
        if let Some(reader) = &mut self.reader {
            (self.text, calls) = reader.push(&std::mem::take(&mut self.text));
            if end {
                self.text += &reader.finish();
            }
        }
        if !self.text.is_empty() || (end && !self.waiting.is_empty()) {
            let (text, logprobs) = (std::mem::take(&mut self.text), std::mem::take(&mut self.waiting));
            self.send(Delta::Text { text, logprobs });
        }
        calls.into_iter().for_each(|call| self.send(Delta::ToolCall(call)));
    }

    fn send(&mut self, delta: Delta) {
        self.is_heard = self.is_heard && (self.sink)(delta);
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
pub enum Step {
    /// Its [`Answer::fed`] tokens have to go through the layers.
    Feed,
    /// Nothing: it is at its end, or nobody listens any more.
    Done,
}

/// An answer in the making, in a sequence that keeps what it computed, so that a later call can reuse a common prefix.
///
/// Tokens that the grammar forces are not chosen, so no logits are computed for them: they go through the layers in one
/// pass with the token before them. So do tokens that are guessed (`draft.rs`); those that turn out wrong are forgotten, so that the
/// answer is the same as without guesses.
pub struct Answer<V, F> {
    job: Job,
    /// How many tokens go through the layers together at most.
    chunk: usize,
    out: Writer<V, F>,
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
    /// That the model ended the answer, or goes round in circles.
    finish: Option<FinishReason>,
}

impl<V: Vocabulary, F: FnMut(Delta) -> bool> Answer<V, F> {
    /// Begins an answer; `sequence` forgets what is not of the prompt. Pieces go to `sink`, until it says that nobody listens.
    ///
    /// # Errors
    /// As [`Sequence::truncate`].
    pub fn new<S: Sequence>(mut job: Job, sequence: &mut S, vocabulary: Arc<V>, sink: F) -> Result<Self> {
        // The logits after the last token are needed, so that one is computed again if need be.
        sequence.truncate(sequence.common(&job.prompt).min(job.prompt.len().saturating_sub(1)))?;
        let cached = sequence.tokens().len();
        let joiner = Utf8Joiner::default();
        Ok(Self {
            chunk: S::CHUNK,
            out: Writer {
                vocabulary,
                sink,
                is_heard: true,
                joiner,
                reader: job.reader.take(),
                waiting: Vec::new(),
                text: String::new(),
                tokens: 0,
            },
            cached,
            limit: job.max_tokens.min(job.context.saturating_sub(job.prompt.len())),
            all: job.prompt.clone(),
            pending: job.prompt.get(cached..).unwrap_or_default().to_vec(),
            fed: Vec::new(),
            guess: Vec::new(),
            passes: 0,
            finish: None,
            job,
        })
    }

    /// By what kernels the answer's next tokens are multiplied.
    pub fn kernels(&self) -> Kernels {
        if self.passes == 0 || !self.job.is_free { Kernels::Several } else { Kernels::One }
    }

    /// How many tokens, guesses aside, go through the layers next.
    pub fn waiting(&self) -> usize {
        self.pending.len().min(self.chunk)
    }

    /// The tokens that go through the layers in this step, and of how many, the last ones, it has to be known what comes after.
    pub fn fed(&self) -> (&[u32], usize) {
        (&self.fed, self.guess.len() + 1)
    }

    /// Sends what there is to send and says what is next; the sequence holds `held` tokens.
    pub fn step(&mut self, held: usize) -> Step {
        // A prompt that takes more than a moment is read with a word on how far it is.
        if self.pending.len() > self.chunk {
            let (done, total) = (held as u64, self.job.prompt.len() as u64);
            self.out.send(Delta::Reading { done, total });
            self.fed = self.pending.drain(..self.chunk).collect();
            return self.if_heard();
        }
        if self.passes == 0 {
            let forced = self.forced();
            self.append(&forced);
            self.pending.extend(forced);
        } else {
            // Nothing is put out before the prompt is read, so that the first piece tells how long that took.
            self.out.flush(false);
        }
        if let Some(finish) = self.finished() {
            self.end(finish);
            return Step::Done;
        }
        let room = (self.limit - self.out.tokens - 1).min(self.chunk.saturating_sub(self.pending.len()));
        let draft = self.job.draft.as_ref();
        self.guess = draft.map(|d| d.guess(&self.all, self.pending.len(), room).to_vec()).unwrap_or_default();
        self.fed = std::mem::take(&mut self.pending);
        self.fed.extend(&self.guess);
        self.if_heard()
    }

    /// Why the answer is at its end, if it is.
    fn finished(&self) -> Option<FinishReason> {
        let complete = self.job.constraint.as_ref().is_some_and(Constraint::complete);
        let full = self.out.tokens >= self.limit;
        self.finish.or(complete.then_some(FinishReason::Stop)).or(full.then_some(FinishReason::Length))
    }

    fn if_heard(&self) -> Step {
        if self.out.is_heard { Step::Feed } else { Step::Done }
    }

    /// Takes in what comes after the tokens that were fed; the sequence forgets those that were guessed wrong.
    ///
    /// # Errors
    /// As [`Sequence::truncate`] and [`Tail::logits`], and [`Error::Internal`] where no token can follow.
    pub fn take<S: Sequence>(&mut self, sequence: &mut S, tail: &mut S::Tail) -> Result<()> {
        // Part of a long prompt: more of it follows.
        if !self.pending.is_empty() {
            return Ok(());
        }
        self.passes += 1;
        let known = sequence.tokens().len().saturating_sub(self.guess.len());
        let guess = std::mem::take(&mut self.guess);
        let mut right = 0;
        // The token after those that were guessed right is chosen as if they had been fed one by one.
        while self.pending.is_empty() && self.finished().is_none() {
            let next = self.choose(tail.logits(right)?)?;
            let guessed = guess.get(right..).unwrap_or_default();
            let same = next.iter().zip(guessed).take_while(|(a, b)| a == b).count();
            right += same;
            self.pending.extend(next.get(same..).unwrap_or_default());
        }
        tracing::trace!(rows = self.fed.len(), guessed = guess.len(), right, "pass");
        sequence.truncate(known + right)?;
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
        if self.out.vocabulary.stops().contains(&token) {
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
        let free = self.job.is_free && self.job.sampler.is_greedy();
        if free && made.len().is_multiple_of(16) && repeats(made) {
            self.finish = Some(FinishReason::Repetition);
        }
        Ok(next)
    }

    /// The tokens that the grammar forces next, put out; no more than the limit allows.
    fn forced(&mut self) -> Vec<u32> {
        let mut forced = self.job.constraint.as_mut().map(Constraint::forced).unwrap_or_default();
        forced.retain(|token| !self.out.vocabulary.stops().contains(token));
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
        let calls = finish == FinishReason::Stop && self.out.reader.as_ref().is_some_and(Reader::has_read);
        let finish = if calls { FinishReason::ToolCalls } else { finish };
        self.out.send(Delta::End {
            usage: Usage {
                prompt_tokens: self.job.prompt.len() as u64,
                cached_tokens: self.cached.saturating_sub(self.job.fresh) as u64,
                completion_tokens: self.out.tokens as u64,
            },
            finish,
        });
    }
}

/// Makes an answer by itself, into `sink`, until `stop` says so.
///
/// # Errors
/// As [`Sequence::feed`] and [`Answer::take`].
pub fn generate<S: Sequence>(
    job: Job,
    sequence: &mut S,
    vocabulary: Arc<impl Vocabulary>,
    stop: &dyn Fn() -> bool,
    sink: impl FnMut(Delta) -> bool,
) -> Result<()> {
    let mut answer = Answer::new(job, sequence, vocabulary, sink)?;
    while let Step::Feed = answer.step(sequence.tokens().len()) {
        let (tokens, rows) = answer.fed();
        let Some(mut tail) = sequence.feed(tokens, answer.kernels(), rows, stop)? else { break };
        answer.take(sequence, &mut tail)?;
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
