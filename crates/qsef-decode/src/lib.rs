//! What the backends share that decode in the application's process: chat templates ([`Template`]), sampling ([`Sampler`]),
//! grammars ([`Grammars`]), calls of tools ([`tools`]) and answers in the making ([`Answer`], [`generate`]).
//!
//! A backend brings a [`Vocabulary`] and a [`Sequence`].

mod answer;
mod draft;
mod grammar;
mod job;
mod sampler;
mod seam;
mod template;
pub mod tools;
mod utf8;

use qsef_core::{Error, Result};

pub use answer::{Answer, Step, generate};
pub use grammar::{Constraint, Grammars};
pub use job::Job;
pub use sampler::Sampler;
pub use seam::{pieces, seam};
pub use template::{Template, text};

/// What tokens stand for.
pub trait Vocabulary: Send + Sync + 'static {
    /// The bytes that a token stands for; none for special tokens.
    fn bytes(&self, token: u32) -> Vec<u8>;

    /// The tokens that end an answer.
    fn stops(&self) -> &[u32];

    /// Splits a part of a text.
    ///
    /// # Errors
    /// [`qsef_core::Error::Internal`] where the tokenizer fails.
    fn encode_plain(&self, text: &str) -> Result<Vec<u32>>;
}

/// By what kernels rows are multiplied where a backend has others for one row than for several and can choose.
///
/// With either, a row's product has the same bits whatever rows are beside it, as far as the backend's kernels allow. So an
/// answer does not depend on which of its tokens went through together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernels {
    /// Those for several rows: for prompts, and for answers whose tokens mostly go through in groups.
    Several,
    /// Those for one row, for answers that are made token by token.
    One,
}

/// A sequence of tokens and the attention state that the model computed for them.
pub trait Sequence {
    /// How many tokens go through the model together at most.
    const CHUNK: usize;

    /// What a feed leaves behind.
    type Tail: Tail;

    /// The tokens whose state is held.
    fn tokens(&self) -> &[u32];

    /// Forgets all but the first `len` tokens; all of them where the model cannot keep a part.
    ///
    /// # Errors
    /// [`qsef_core::Error::Internal`] where the model fails.
    fn truncate(&mut self, len: usize) -> Result<()>;

    /// Appends tokens and returns what comes after each of the last `rows` of them, or None when `stop` said so on the way; what
    /// was computed until then is kept. There may be more than [`Sequence::CHUNK`] tokens only where `rows` is 1.
    ///
    /// # Errors
    /// [`qsef_core::Error::Input`] for tokens that do not fit the context, [`qsef_core::Error::Internal`] where the model fails.
    fn feed(
        &mut self,
        tokens: &[u32],
        kernels: Kernels,
        rows: usize,
        stop: &dyn Fn() -> bool,
    ) -> Result<Option<Self::Tail>>;

    /// How many of `tokens`, from the first on, are held already.
    fn common(&self, tokens: &[u32]) -> usize {
        common(self.tokens(), tokens)
    }
}

/// The outputs of the last rows of a feed.
pub trait Tail {
    /// The logits after one of the tokens, counted from the first of the tail. Each is asked for once.
    ///
    /// # Errors
    /// [`qsef_core::Error::Internal`] where the model fails.
    fn logits(&mut self, row: usize) -> Result<Vec<f32>>;
}

/// An error of a decoder as the error of the model of this name.
pub fn named(model: &str, error: Error) -> Error {
    match error {
        Error::Internal(message) => Error::Model { model: model.to_owned(), message },
        other => other,
    }
}

/// How many tokens two sequences begin with alike.
pub fn common(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}
