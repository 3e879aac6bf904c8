use std::collections::HashMap;

use candle_core::quantized::gguf_file::Value;
use qsef_core::{Error, Result};
use qsef_decode::Vocabulary as _;
use tokenizers::{
    AddedToken, PreTokenizerWrapper, SplitDelimiterBehavior, Tokenizer,
    decoders::byte_level::ByteLevel,
    models::bpe::{BPE, Vocab},
    normalizers::unicode::NFC,
    pre_tokenizers::{
        digits::Digits,
        sequence::Sequence,
        split::{Split, SplitPattern},
    },
};

use super::gguf::Gguf;

const QWEN2: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Tokens to text and back, as the GGUF file describes them.
pub(super) struct Vocabulary {
    tokenizer: Tokenizer,
    bytes: HashMap<char, u8>,
    /// Tokens outside the byte alphabet: their text, empty for special ones.
    added: HashMap<u32, String>,
    /// Names of tokens outside the byte alphabet, as they stand in prompts.
    names: Vec<String>,
    pub bos: Option<String>,
    pub eos: Option<String>,
    /// Tokens that end an answer.
    pub stops: Vec<u32>,
    add_bos: Option<u32>,
}

impl Vocabulary {
    /// Builds the tokenizer. Candle's own (`TokenizerFromGguf`) takes every tokenizer that it does not know, SmolLM's
    /// among them, for GPT-2 with a space put before each text, which is wrong for all of them.
    pub fn read(gguf: &Gguf) -> Result<Self> {
        let model = gguf.text("tokenizer.ggml.model").unwrap_or("none");
        if model != "gpt2" {
            return Err(gguf.error(format!("tokenizer `{model}` is not supported here; byte-level BPE (`gpt2`) is")));
        }
        let texts = |key: &str| -> Result<Vec<&str>> {
            let list = gguf.list(key).ok_or_else(|| gguf.error(format!("no `{key}`")))?;
            list.iter()
                .map(|v| match v {
                    Value::String(text) => Ok(text.as_str()),
                    _ => Err(gguf.error(format!("`{key}` holds something other than text"))),
                })
                .collect()
        };
        let names = texts("tokenizer.ggml.tokens")?;
        let merges = texts("tokenizer.ggml.merges")?
            .into_iter()
            .map(|merge| match merge.split_once(' ') {
                Some((a, b)) => Ok((a.to_owned(), b.to_owned())),
                None => Err(gguf.error(format!("a damaged merge, `{merge}`"))),
            })
            .collect::<Result<Vec<_>>>()?;
        let broken = |e: tokenizers::Error| gguf.error(format!("tokenizer: {e}"));
        let vocab: Vocab = names.iter().enumerate().map(|(id, name)| ((*name).to_owned(), id as u32)).collect();
        let bpe = BPE::builder().vocab_and_merges(vocab, merges).build().map_err(broken)?;
        let mut tokenizer = Tokenizer::new(bpe);
        let pre = gguf.text("tokenizer.ggml.pre").unwrap_or("default");
        tokenizer.with_pre_tokenizer(Some(pre_tokenizer(pre).map_err(broken)?));
        if pre == "qwen2" {
            tokenizer.with_normalizer(Some(NFC)).map_err(broken)?;
        }
        tokenizer.with_decoder(Some(ByteLevel::new(false, false, false)));
        let kinds = gguf.list("tokenizer.ggml.token_type").unwrap_or_default();
        // Of llama.cpp's kinds: 2 unknown, 3 control, 4 added by users, 5 unused.
        let mut added = HashMap::new();
        let mut tokens = Vec::new();
        let mut added_names = Vec::new();
        for (id, (name, kind)) in names.iter().zip(kinds).enumerate() {
            let kind = kind.to_i32().ok().or_else(|| kind.to_u32().ok()?.try_into().ok());
            if matches!(kind, Some(2..=5)) {
                let special = kind != Some(4);
                added.insert(id as u32, if special { String::new() } else { (*name).to_owned() });
                added_names.push((*name).to_owned());
                tokens.push(AddedToken::from((*name).to_owned(), special).normalized(false));
            }
        }
        tokenizer.add_tokens(tokens).map_err(broken)?;

        let id = |key: &str| gguf.number(&format!("tokenizer.ggml.{key}_token_id")).map(|id| id as u32);
        let name = |id: Option<u32>| names.get(id? as usize).map(|name| (*name).to_owned());
        let mut stops: Vec<u32> = ["eos", "eot", "eom"].into_iter().filter_map(id).collect();
        stops.extend(
            ["<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|end_of_text|>"]
                .into_iter()
                .filter_map(|name| tokenizer.token_to_id(name)),
        );
        stops.sort_unstable();
        stops.dedup();
        let wants_bos = matches!(gguf.value("tokenizer.ggml.add_bos_token"), Some(Value::Bool(true)));
        Ok(Self {
            bytes: byte_of_char(),
            added,
            names: added_names,
            bos: name(id("bos")),
            eos: name(id("eos")),
            stops,
            add_bos: id("bos").filter(|_| wants_bos),
            tokenizer,
        })
    }

    /// A text in which names of special tokens are letters to [`Vocabulary::encode`].
    pub fn seam(&self, text: &str) -> String {
        qsef_decode::seam(text, &self.names)
    }

    /// Splits a text; names of special tokens in it become those tokens, unless there is a seam in them.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let pieces = qsef_decode::pieces(text).map(|piece| self.encode_plain(piece)).collect::<Result<Vec<_>>>()?;
        let ids = pieces.concat();
        let bos = self.add_bos.filter(|bos| ids.first() != Some(bos));
        Ok(bos.into_iter().chain(ids.iter().copied()).collect())
    }
}

impl qsef_decode::Vocabulary for Vocabulary {
    fn bytes(&self, token: u32) -> Vec<u8> {
        match self.added.get(&token) {
            Some(text) => text.clone().into_bytes(),
            None => {
                let name = self.tokenizer.id_to_token(token).unwrap_or_default();
                name.chars().filter_map(|c| self.bytes.get(&c).copied()).collect()
            }
        }
    }

    fn stops(&self) -> &[u32] {
        &self.stops
    }

    fn encode_plain(&self, text: &str) -> Result<Vec<u32>> {
        let encoding =
            self.tokenizer.encode_fast(text, false).map_err(|e| Error::Internal(format!("tokenizer: {e}")))?;
        Ok(encoding.get_ids().to_vec())
    }
}

fn pre_tokenizer(pre: &str) -> Result<PreTokenizerWrapper, tokenizers::Error> {
    use tokenizers::pre_tokenizers::byte_level::ByteLevel;
    let split = |regex: &str| -> Result<PreTokenizerWrapper, tokenizers::Error> {
        let split = Split::new(SplitPattern::Regex(regex.into()), SplitDelimiterBehavior::Isolated, false)?;
        Ok(Sequence::new(vec![split.into(), ByteLevel::new(false, false, false).into()]).into())
    };
    match pre {
        "qwen2" => split(QWEN2),
        "llama3" | "llama-bpe" | "llama-v3" | "smaug-bpe" => split(LLAMA3),
        "smollm" => Ok(Sequence::new(vec![Digits::new(true).into(), ByteLevel::new(false, true, true).into()]).into()),
        _ => Ok(ByteLevel::new(false, true, true).into()),
    }
}

/// GPT-2's alphabet: printable Latin-1 characters stand for themselves, the other bytes for `U+0100` and on.
fn byte_of_char() -> HashMap<char, u8> {
    let itself = |byte: u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    let others = (0..=255u8).filter(|b| !itself(*b)).zip(0x100u32..).filter_map(|(b, c)| Some((char::from_u32(c)?, b)));
    (0..=255u8).filter(|b| itself(*b)).map(|b| (char::from(b), b)).chain(others).collect()
}
