use std::sync::{Arc, OnceLock};

use llguidance::{
    JsonCompileOptions, Matcher, ParserFactory,
    api::TopLevelGrammar,
    earley::SlicedBiasComputer,
    toktrie::{InferenceCapabilities, TokEnv, TokRxInfo, TokTrie, TokenId, TokenizerEnv},
};
use qsef_core::{Error, Result};
use serde_json::{Map, Value};

use crate::Vocabulary;

/// Compiles JSON Schemas to token masks for one vocabulary, whose index is built when it is first needed.
pub struct Grammars {
    build: Box<dyn Fn() -> Result<ParserFactory> + Send + Sync>,
    built: OnceLock<Result<ParserFactory, String>>,
}

impl Grammars {
    /// For a vocabulary; `size` is the number of logits.
    pub fn new<V: Vocabulary>(vocabulary: Arc<V>, size: usize) -> Self {
        Self { build: Box::new(move || Self::index(&vocabulary, size)), built: OnceLock::new() }
    }

    fn index<V: Vocabulary>(vocabulary: &Arc<V>, size: usize) -> Result<ParserFactory> {
        let failed = |e: &dyn std::fmt::Display| Error::Internal(format!("grammar: {e}"));
        let words: Vec<Vec<u8>> = (0..size as u32)
            .map(|token| {
                let bytes = vocabulary.bytes(token);
                // Special tokens are kept apart from text by a byte that UTF-8 never contains.
                let special = || [vec![TokTrie::SPECIAL_TOKEN_MARKER], format!("<[{token}]>").into_bytes()].concat();
                if bytes.is_empty() { special() } else { bytes }
            })
            .collect();
        let first = vocabulary.stops().first().copied().unwrap_or_default();
        let mut trie = TokTrie::from(&TokRxInfo::new(size as u32, first), &words);
        if vocabulary.stops().len() > 1 {
            trie = trie.with_eos_tokens(vocabulary.stops());
        }
        let environment: TokEnv = Arc::new(Environment { vocabulary: vocabulary.clone(), trie });
        let capabilities = InferenceCapabilities { ff_tokens: true, ..Default::default() };
        // Slices are masks of the tokens that fit common lexemes (a JSON string's inside), computed once.
        let slices = SlicedBiasComputer::json_slices();
        let mut factory = ParserFactory::new(&environment, capabilities, &slices).map_err(|e| failed(&e))?;
        factory.quiet();
        Ok(factory)
    }

    /// A matcher for compact JSON that conforms to `schema`.
    ///
    /// # Errors
    /// [`Error::Input`] for a schema that cannot be compiled, saying why; [`Error::Internal`] where llguidance cannot take the
    /// vocabulary.
    pub fn json(&self, schema: &Value) -> Result<Constraint> {
        let mut schema = match schema {
            Value::Bool(true) => Value::Object(Map::new()),
            Value::Object(_) => schema.clone(),
            other => return Err(Error::Input(format!("a JSON Schema is an object; this is `{other}`"))),
        };
        // No white space between tokens: small models otherwise fill their token limit with it.
        let options = JsonCompileOptions { whitespace_flexible: false, ..JsonCompileOptions::default() };
        options.apply_to(&mut schema);
        self.matcher(TopLevelGrammar::from_json_schema(schema), "the JSON Schema")
    }

    /// A matcher for a grammar in llguidance's dialect of Lark, such as [`crate::tools::grammar`].
    ///
    /// # Errors
    /// As [`Grammars::json`].
    pub fn lark(&self, grammar: String) -> Result<Constraint> {
        self.matcher(TopLevelGrammar::from_lark(grammar), "the grammar of the tools")
    }

    fn matcher(&self, grammar: TopLevelGrammar, what: &str) -> Result<Constraint> {
        let built = self.built.get_or_init(|| (self.build)().map_err(|e| e.to_string()));
        let factory = built.as_ref().map_err(|e| Error::Internal(e.clone()))?;
        let matcher = Matcher::new(factory.create_parser(grammar));
        match matcher.get_error() {
            Some(error) => Err(Error::Input(format!("{what} cannot be used: {error}"))),
            None => Ok(Constraint(matcher)),
        }
    }
}

/// Follows an answer and says what may come next.
pub struct Constraint(Matcher);

impl Constraint {
    /// The tokens that must come next, if the grammar leaves no choice; they are taken as written.
    pub fn forced(&mut self) -> Vec<u32> {
        if self.0.is_stopped() { Vec::new() } else { self.0.consume_ff_tokens() }
    }

    /// Puts the logits of impossible tokens to −∞.
    ///
    /// # Errors
    /// [`Error::Internal`] where llguidance fails, as on a grammar that takes too long.
    pub fn mask(&mut self, logits: &mut [f32]) -> Result<()> {
        let mask = self.0.compute_mask().map_err(|e| Error::Internal(format!("grammar: {e}")))?;
        for (token, logit) in logits.iter_mut().enumerate() {
            if !mask.get(token) {
                *logit = f32::NEG_INFINITY;
            }
        }
        Ok(())
    }

    /// Takes a token as written.
    ///
    /// # Errors
    /// [`Error::Internal`] for a token that the grammar does not allow.
    pub fn consume(&mut self, token: u32) -> Result<()> {
        self.0.consume_token(token).map_err(|e| Error::Internal(format!("grammar: {e}")))
    }

    /// Whether the document is complete and nothing can follow.
    pub fn complete(&self) -> bool {
        self.0.is_stopped()
    }
}

/// The vocabulary as llguidance wants it. (`toktrie_hf_tokenizers` would bring a second, older `tokenizers`.)
struct Environment<V> {
    vocabulary: Arc<V>,
    trie: TokTrie,
}

impl<V: Vocabulary> TokenizerEnv for Environment<V> {
    fn tok_trie(&self) -> &TokTrie {
        &self.trie
    }

    fn tokenize_bytes(&self, bytes: &[u8]) -> Vec<TokenId> {
        self.trie.tokenize_with_greedy_fallback(bytes, |text| {
            self.vocabulary.encode_plain(text).unwrap_or_else(|_| self.trie.greedy_tokenize(text.as_bytes()))
        })
    }
}
