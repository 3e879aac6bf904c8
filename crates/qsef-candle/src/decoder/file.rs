//! A GGUF file for those who train: its numbers, its tokens, and the same file with other numbers.

use std::{collections::HashMap, fs::File, io::BufWriter, path::Path};

use candle_core::{
    Device, Tensor,
    quantized::{GgmlDType, QTensor, gguf_file},
};
use qsef_core::{Error, Message, Result};
use qsef_decode::{Template, Vocabulary as _};

use super::{
    config::DecoderConfig,
    gguf::{Gguf, first_line},
    model::encode,
    tokens::Vocabulary,
    weights::rope_speeds,
};

/// A GGUF file of a decoder, without its weights in memory.
pub struct DecoderFile {
    gguf: Gguf,
    config: DecoderConfig,
    vocabulary: Vocabulary,
    template: Template,
}

impl DecoderFile {
    /// Opens a file of architecture `qwen2` or `llama`.
    ///
    /// # Errors
    /// [`Error::ModelFile`], naming the file, where it is missing, truncated, damaged or of another architecture.
    pub fn open(path: &Path) -> Result<Self> {
        let gguf = Gguf::open(path)?;
        let config = DecoderConfig::read(&gguf)?;
        let vocabulary = Vocabulary::read(&gguf)?;
        let template =
            Template::new(gguf.text("tokenizer.chat_template"), vocabulary.bos.clone(), vocabulary.eos.clone())?;
        Ok(Self { gguf, config, vocabulary, template })
    }

    /// Its shape.
    pub fn config(&self) -> &DecoderConfig {
        &self.config
    }

    /// How fast each pair of a head's dimensions turns, in radians per position.
    ///
    /// # Errors
    /// [`Error::ModelFile`] for a damaged file.
    pub fn rope_speeds(&self) -> Result<Vec<f64>> {
        rope_speeds(&self.gguf, &self.config)
    }

    /// Whether it has a tensor.
    pub fn has(&self, tensor: &str) -> bool {
        self.gguf.has(tensor)
    }

    /// A tensor in 32 bits; of a matrix (outputs, inputs).
    ///
    /// # Errors
    /// [`Error::ModelFile`] for one that is not there.
    pub fn tensor(&self, tensor: &str) -> Result<Tensor> {
        let wide = self.gguf.tensor(tensor)?.dequantize(&Device::Cpu);
        wide.map_err(|e| self.gguf.error(format!("tensor `{tensor}`: {}", first_line(&e))))
    }

    /// The tokens of a conversation by the model's own template, up to where its answer begins if `answer` says so. What messages
    /// contain is text, whatever it looks like.
    ///
    /// # Errors
    /// [`Error::Input`] for one that the template refuses.
    pub fn encode(&self, messages: &[Message], answer: bool) -> Result<Vec<u32>> {
        encode(&self.template, &self.vocabulary, messages, &[], answer)
    }

    /// The tokens that end an answer.
    pub fn stops(&self) -> &[u32] {
        self.vocabulary.stops()
    }

    /// Writes a file with the same metadata and tensors, but for those that `changed` has, which become Q8_0, and the model's name.
    /// It is there whole or not at all.
    ///
    /// # Errors
    /// [`Error::Io`], as where the disk is full; [`Error::Internal`] for a tensor of another shape.
    pub fn write(&self, path: &Path, name: &str, changed: &HashMap<String, Tensor>) -> Result<()> {
        let internal = |e: candle_core::Error| Error::Internal(first_line(&e));
        let tensors = self.gguf.names().into_iter().map(|tensor| {
            let Some(new) = changed.get(tensor) else { return Ok((tensor, self.gguf.tensor(tensor)?)) };
            let old = self.gguf.tensor(tensor)?;
            if old.shape() != new.shape() {
                return Err(Error::Internal(format!("`{tensor}` is {:?}, the file's {:?}", new.shape(), old.shape())));
            }
            Ok((tensor, QTensor::quantize(new, GgmlDType::Q8_0).map_err(internal)?))
        });
        let tensors = tensors.collect::<Result<Vec<_>>>()?;
        let name = gguf_file::Value::String(name.to_owned());
        let metadata: Vec<(&str, &gguf_file::Value)> = self
            .gguf
            .metadata()
            .into_iter()
            // The writer has its own alignment.
            .filter(|(key, _)| *key != "general.alignment")
            .map(|(key, value)| (key, if key == "general.name" { &name } else { value }))
            .collect();
        let tensors: Vec<(&str, &QTensor)> = tensors.iter().map(|(name, tensor)| (*name, tensor)).collect();
        let part = path.with_extension("part");
        let write = || -> std::io::Result<()> {
            let mut file = BufWriter::new(File::create(&part)?);
            gguf_file::write(&mut file, &metadata, &tensors).map_err(|e| std::io::Error::other(first_line(&e)))?;
            file.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
            std::fs::rename(&part, path)
        };
        write().map_err(|e| {
            let _ = std::fs::remove_file(&part);
            Error::io("write", path, e)
        })
    }
}
