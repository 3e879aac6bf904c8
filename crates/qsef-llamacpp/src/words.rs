use std::sync::Arc;

use llama_cpp_2::{
    model::LlamaModel,
    token::LlamaToken,
    token_type::LlamaTokenAttr::{Control, Unknown},
};
use qsef_core::{Error, Result};
use qsef_decode::{Vocabulary, pieces, seam};

/// Tokens to text and back.
pub(crate) struct Words {
    model: Arc<LlamaModel>,
    /// Names of special tokens, as they stand in prompts.
    names: Vec<String>,
    stops: Vec<u32>,
}

impl Words {
    pub fn new(model: Arc<LlamaModel>) -> Self {
        let vocab = model.vocab();
        let special = |token: &LlamaToken| vocab.attr(*token).intersects(Control | Unknown);
        let name = |token: LlamaToken| vocab.text(token)?.to_str().ok().map(str::to_owned);
        let names = vocab.tokens().filter(special).filter_map(name).collect();
        let stops = vocab.tokens().filter(|token| vocab.is_eog(*token)).map(|token| token.0 as u32).collect();
        Self { names, stops, model }
    }

    pub fn model(&self) -> &LlamaModel {
        &self.model
    }

    /// The name of a token that the model may lack.
    pub fn name(&self, token: LlamaToken) -> Option<String> {
        self.model.vocab().text(token).filter(|_| token.0 >= 0)?.to_str().ok().map(str::to_owned)
    }

    /// A text in which names of special tokens are letters to [`Words::encode`].
    pub fn seam(&self, text: &str) -> String {
        seam(text, &self.names)
    }

    /// Splits a text; names of special tokens in it become those tokens, unless there is a seam in them.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        Ok(pieces(text).map(|piece| self.split(piece, true)).collect::<Result<Vec<_>>>()?.concat())
    }

    /// Puts the token before a prompt that the model wants there.
    pub fn begin(&self, mut prompt: Vec<u32>) -> Vec<u32> {
        let vocab = self.model.vocab();
        let bos = vocab.bos().0 as u32;
        if vocab.should_add_bos() && prompt.first() != Some(&bos) {
            prompt.insert(0, bos);
        }
        prompt
    }

    fn split(&self, text: &str, special: bool) -> Result<Vec<u32>> {
        if i32::try_from(text.len()).is_err() {
            return Err(Error::Input("a text of more than 2 GB cannot be split into tokens".into()));
        }
        let tokens = self.model.vocab().tokenize(text.as_bytes(), false, special);
        Ok(tokens.into_iter().map(|token| token.0 as u32).collect())
    }
}

impl Vocabulary for Words {
    fn bytes(&self, token: u32) -> Vec<u8> {
        self.model.vocab().token_to_piece(LlamaToken(token as i32), false, None)
    }

    fn stops(&self) -> &[u32] {
        &self.stops
    }

    fn encode_plain(&self, text: &str) -> Result<Vec<u32>> {
        self.split(text, false)
    }
}
