use serde::{Deserialize, Serialize};

/// The shape of an encoder, as `config.json` has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EncoderConfig {
    /// Width of a token's vector.
    pub hidden_size: usize,
    /// Width between the two maps of a layer.
    pub intermediate_size: usize,
    /// Heads of attention; they share the width.
    pub num_attention_heads: usize,
    /// Layers.
    pub num_hidden_layers: usize,
    /// The most tokens of a text.
    pub max_position_embeddings: usize,
    /// Kinds of segment, of which only the first is used.
    pub type_vocab_size: usize,
    /// Tokens that there are.
    pub vocab_size: usize,
    /// What is added to a variance.
    pub layer_norm_eps: f64,
}

impl EncoderConfig {
    /// An encoder for a vocabulary.
    pub fn new(vocab_size: usize, layers: usize, hidden: usize, heads: usize, positions: usize) -> Self {
        Self {
            hidden_size: hidden,
            intermediate_size: 4 * hidden,
            num_attention_heads: heads,
            num_hidden_layers: layers,
            max_position_embeddings: positions,
            type_vocab_size: 1,
            vocab_size,
            layer_norm_eps: 1e-12,
        }
    }

    /// What is wrong with it, in a line.
    ///
    /// # Errors
    /// The message.
    pub fn check(&self) -> Result<(), String> {
        let (hidden, heads) = (self.hidden_size, self.num_attention_heads);
        if heads == 0 || hidden == 0 || !hidden.is_multiple_of(heads) {
            return Err(format!("{hidden} values cannot be shared among {heads} heads"));
        }
        if self.vocab_size == 0 || self.max_position_embeddings == 0 || self.intermediate_size == 0 {
            return Err("an encoder needs a vocabulary, positions and an inner width".into());
        }
        if self.num_hidden_layers > 64 || hidden > 8192 || self.intermediate_size > 65_536 {
            return Err(format!("{} layers of {hidden} are too many", self.num_hidden_layers));
        }
        Ok(())
    }
}
