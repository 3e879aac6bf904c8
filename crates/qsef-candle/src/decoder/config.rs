use qsef_core::Result;

use super::gguf::Gguf;

/// How positions are rotated into queries and keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rope {
    /// Dimension `i` is paired with `i + d/2` (qwen2).
    Halves,
    /// Neighbouring dimensions are paired (llama, whose GGUF weights are permuted for it).
    Pairs,
}

/// The shape of a decoder, from the GGUF metadata.
#[derive(Debug, Clone)]
pub struct DecoderConfig {
    /// Transformer blocks.
    pub layers: usize,
    /// The most tokens of prompt and answer.
    pub context: usize,
    /// Width of a token's state.
    pub hidden: usize,
    /// Heads of queries.
    pub heads: usize,
    /// Heads of keys and values, each for as many heads of queries, one after the other.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// What is added to a mean square.
    pub eps: f64,
    /// How positions are rotated in.
    pub rope: Rope,
    /// The base of the rotation's speeds.
    pub rope_base: f64,
    /// Positions are divided by this.
    pub rope_scale: f64,
}

impl DecoderConfig {
    pub(super) fn read(gguf: &Gguf) -> Result<Self> {
        let arch = gguf.text("general.architecture").ok_or_else(|| gguf.error("no `general.architecture`"))?;
        let rope = match arch {
            "qwen2" => Rope::Halves,
            "llama" => Rope::Pairs,
            other => {
                return Err(gguf.error(format!(
                    "architecture `{other}` is not supported here; `qwen2` and `llama` are (other backends take more)"
                )));
            }
        };
        let number = |key: &str| {
            gguf.number(&format!("{arch}.{key}"))
                .filter(|n| (1..=1 << 24).contains(n))
                .ok_or_else(|| gguf.error(format!("`{arch}.{key}` is missing or out of range")))
        };
        let (hidden, heads) = (number("embedding_length")?, number("attention.head_count")?);
        let kv_heads = number("attention.head_count_kv").unwrap_or(heads);
        let head_dim = gguf.number(&format!("{arch}.attention.key_length")).unwrap_or(hidden / heads);
        let rotated = gguf.number(&format!("{arch}.rope.dimension_count")).unwrap_or(head_dim);
        if !heads.is_multiple_of(kv_heads) || head_dim == 0 || !head_dim.is_multiple_of(2) || rotated != head_dim {
            return Err(gguf.error(format!(
                "unsupported attention: {heads} heads, {kv_heads} key heads, {head_dim} dimensions, {rotated} rotated"
            )));
        }
        let rope_scale = match gguf.text(&format!("{arch}.rope.scaling.type")) {
            None | Some("none") => 1.0,
            Some("linear") => gguf.float(&format!("{arch}.rope.scaling.factor")).unwrap_or(1.0),
            Some(other) => return Err(gguf.error(format!("position scaling `{other}` is not supported"))),
        };
        Ok(Self {
            layers: number("block_count")?,
            context: number("context_length")?,
            hidden,
            heads,
            kv_heads,
            head_dim,
            eps: gguf.float(&format!("{arch}.attention.layer_norm_rms_epsilon")).unwrap_or(1e-5),
            rope,
            rope_base: gguf.float(&format!("{arch}.rope.freq_base")).unwrap_or(10_000.0),
            rope_scale,
        })
    }
}
