//! Texts as tokens.

mod reduced;

use std::{collections::HashMap, path::Path};

use qsef_candle::tags::{Word, words};
use qsef_core::{Error, Result};
use tokenizers::{Encoding, Tokenizer};

pub use reduced::Reduced;

/// A text as tokens.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tokens {
    /// The tokens' numbers, at least one.
    pub ids: Vec<u32>,
    /// Its words, where classes are told of them and not of the text.
    pub words: Vec<Word>,
}

/// A tokenizer as it stands in `tokenizer.json`.
#[derive(Clone)]
pub struct Words {
    tokenizer: Tokenizer,
    /// The file's text.
    json: String,
    window: usize,
}

impl Words {
    /// Reads `tokenizer.json`; texts are cut after `window` tokens.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::ModelFile`] for what is no tokenizer.
    pub fn load(path: &Path, window: usize) -> Result<Self> {
        let json = std::fs::read_to_string(path).map_err(|e| Error::io("read", path, e))?;
        Self::parse(json, window).map_err(|e| Error::ModelFile(format!("{}: {e}", path.display())))
    }

    fn parse(json: String, window: usize) -> Result<Self, String> {
        let mut tokenizer: Tokenizer = json.parse().map_err(|e: tokenizers::Error| e.to_string())?;
        let truncation = tokenizers::TruncationParams { max_length: window, ..Default::default() };
        tokenizer.with_truncation(Some(truncation)).map_err(|e| e.to_string())?;
        tokenizer.with_padding(None);
        Ok(Self { tokenizer, json, window })
    }

    /// The file's text.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// Tokens that there are.
    pub fn vocabulary(&self) -> usize {
        self.tokenizer.get_vocab_size(true)
    }

    /// The tokens that are words of at least three letters, with their numbers.
    pub fn whole_words(&self) -> HashMap<String, u32> {
        let word = |(token, _): &(String, u32)| token.len() > 2 && token.chars().all(char::is_alphabetic);
        self.tokenizer.get_vocab(false).into_iter().filter(word).collect()
    }

    /// The most tokens of a text.
    pub fn window(&self) -> usize {
        self.window
    }

    /// The tokens' numbers, at least one.
    ///
    /// # Errors
    /// [`Error::Input`] for a text that has none.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        Ok(self.encoding(text)?.get_ids().to_vec())
    }

    /// The tokens and the words of a text, as far as the window holds them.
    ///
    /// # Errors
    /// [`Error::Input`] for a text that has none.
    pub fn encode_words(&self, text: &str) -> Result<Tokens> {
        self.tokens(text, &self.encoding(text)?)
    }

    /// As [`Words::encode_words`], of a text of which nothing may be lost.
    ///
    /// # Errors
    /// [`Error::Input`], too, for a text that the window does not hold.
    pub fn encode_whole(&self, text: &str) -> Result<Tokens> {
        let encoding = self.encoding(text)?;
        if !encoding.get_overflowing().is_empty() {
            let window = self.window;
            return Err(bad(
                text,
                &format!("it has more than `max_tokens` = {window} tokens: raise that, or cut the text"),
            ));
        }
        self.tokens(text, &encoding)
    }

    fn tokens(&self, text: &str, encoding: &Encoding) -> Result<Tokens> {
        let tokens = Tokens { ids: encoding.get_ids().to_vec(), words: words(encoding) };
        if tokens.words.is_empty() { Err(bad(text, "it has no words")) } else { Ok(tokens) }
    }

    fn encoding(&self, text: &str) -> Result<Encoding> {
        let encoding = self.tokenizer.encode(text, true).map_err(|e| bad(text, &e.to_string()))?;
        if encoding.get_ids().is_empty() { Err(bad(text, "it has no tokens")) } else { Ok(encoding) }
    }
}

fn bad(text: &str, why: &str) -> Error {
    // A long text is told by its beginning.
    let begins: String = text.chars().take(80).collect();
    Error::Input(format!("the text {begins:?} cannot be read: {why}"))
}
