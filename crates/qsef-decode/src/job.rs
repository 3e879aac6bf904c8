use qsef_core::{Error, OutputFormat, Request, Result, ToolChoice};

use crate::{
    Vocabulary,
    draft::Draft,
    grammar::{Constraint, Grammars},
    sampler::Sampler,
    tools,
};

/// What one answer needs besides the model's state.
pub struct Job {
    pub(crate) prompt: Vec<u32>,
    /// Of the prompt's state in the sequence, how many tokens were computed for this call.
    pub fresh: usize,
    pub(crate) constraint: Option<Constraint>,
    /// Whether it may be any text.
    pub(crate) is_free: bool,
    /// Tells calls of tools from text.
    pub(crate) reader: Option<tools::Reader>,
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
    /// [`Error::Input`] for a prompt that leaves no room for an answer and for a schema or tools that cannot be used.
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
        request.check_tools()?;
        let constraint = match (tools::grammar(request), &request.format) {
            (Some(grammar), _) => Some(grammars.lark(grammar)?),
            (None, OutputFormat::Text) => None,
            (None, OutputFormat::JsonSchema(schema)) => Some(grammars.json(schema)?),
            (None, other) => return Err(Error::Input(format!("output format {other:?} is not supported here"))),
        };
        let is_free = request.format == OutputFormat::Text && request.tool_choice == ToolChoice::Auto;
        let sampler = Sampler::new(request.temperature, request.seed);
        // In free text guesses are seldom right.
        let draft = if !is_free && sampler.is_greedy() {
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
            is_free,
            reader: tools::Reader::new(request),
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
