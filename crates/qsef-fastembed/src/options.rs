use std::path::PathBuf;

/// How the vectors of a text's tokens become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pooling {
    /// Their mean.
    Mean,
    /// The first token's.
    First,
}

/// How an embedder is loaded and run.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub(crate) tokenizer: Option<PathBuf>,
    pub(crate) max_tokens: Option<usize>,
    pub(crate) pooling: Option<Pooling>,
    pub(crate) threads: Option<usize>,
}

impl Options {
    /// The most tokens of a text that are seen, where nothing else is asked for.
    pub const MAX_TOKENS: usize = 256;

    /// The directory with `tokenizer.json` and the other files of the tokenizer; the model's own unless this says otherwise.
    #[must_use]
    pub fn tokenizer(mut self, dir: impl Into<PathBuf>) -> Self {
        self.tokenizer = Some(dir.into());
        self
    }

    /// The most tokens of a text that are seen: 256 unless this says otherwise, and never more than `tokenizer_config.json` allows.
    #[must_use]
    pub fn max_tokens(mut self, tokens: usize) -> Self {
        self.max_tokens = Some(tokens);
        self
    }

    /// How tokens become a text: as `1_Pooling/config.json` says, and the mean where there is none, unless this says otherwise.
    #[must_use]
    pub fn pooling(mut self, pooling: Pooling) -> Self {
        self.pooling = Some(pooling);
        self
    }

    /// Threads that compute: as many as the machine has unless this says otherwise.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }
}
