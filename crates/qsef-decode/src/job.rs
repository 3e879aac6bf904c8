use qsef_core::{Error, OutputFormat, Request, Result};

use crate::{
    Vocabulary,
    draft::Draft,
    grammar::{Constraint, Grammars},
    sampler::Sampler,
};

/// What one answer needs besides the model's state.
pub struct Job {
    pub(crate) prompt: Vec<u32>,
    /// Of the prompt's state in the sequence, how many tokens were computed for this call.
    pub fresh: usize,
    pub(crate) constraint: Option<Constraint>,
    pub(crate) max_tokens: usize,
    pub(crate) context: usize,
    pub(crate) sampler: Sampler,
    pub(crate) top_logprobs: usize,
    /// Guesses what comes next.
    pub(crate) draft: Option<Draft>,
}

impl Job {
    /// What a request asks for of a model of this name, whose prompt and answer may have `context` tokens together.
    ///
    /// # Errors
    /// [`Error::Input`] for a prompt that leaves no room for an answer and for a schema that cannot be used.
    pub fn new(
        request: &Request,
        prompt: Vec<u32>,
        model: &str,
        context: usize,
        grammars: &Grammars,
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
            OutputFormat::JsonSchema(schema) => Some(grammars.json(schema)?),
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
}
