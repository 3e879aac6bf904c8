use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use candle_core::quantized::QTensor;
use qsef_core::{Error, Result};

use super::{config::DecoderConfig, gguf::Gguf, gguf::first_line, linear::Linear, requantised::Requantised};

/// The weights of one transformer block.
pub(super) struct Layer {
    pub attn_norm: Vec<f32>,
    pub q: Linear,
    pub k: Linear,
    pub v: Linear,
    pub out: Linear,
    pub ffn_norm: Vec<f32>,
    pub gate: Linear,
    pub up: Linear,
    pub down: Linear,
}

/// All weights of a decoder; shared between sessions.
pub(super) struct Weights {
    pub config: DecoderConfig,
    pub embedding: Arc<QTensor>,
    pub layers: Vec<Layer>,
    pub norm: Vec<f32>,
    pub output: Linear,
    /// One rotation speed per pair of dimensions, radians per position.
    pub rope_speeds: Vec<f64>,
    pub vocabulary: usize,
}

impl Weights {
    /// Reads all tensors, layers in parallel on every core.
    ///
    /// Candle multiplies Q4_K, Q6_K and Q8_0 by kernels that want the weight in tiles of 16 rows, and makes that copy, on
    /// one thread, when a weight is first used: 7 s for a model of 1.5B. Doing it here, a layer per thread, while the
    /// other layers are still being read, divides that by the number of cores.
    pub fn read(gguf: &Gguf, requantised: &Requantised) -> Result<Self> {
        let config = DecoderConfig::read(gguf)?;
        let slots: Vec<Mutex<Option<Result<Layer>>>> = (0..config.layers).map(|_| Mutex::new(None)).collect();
        let next = AtomicUsize::new(0);
        let threads = std::thread::available_parallelism().map_or(1, |n| n.get()).min(config.layers);
        let ends = std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some(slot) = slots.get(index) else { break };
                        let layer = read_layer(gguf, requantised, &config, index);
                        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(layer);
                    }
                });
            }
            read_ends(gguf, requantised, &config)
        });
        let (embedding, output, norm, vocabulary) = ends?;
        let layers = slots
            .into_iter()
            .map(|slot| {
                slot.into_inner()
                    .unwrap_or_else(PoisonError::into_inner)
                    .unwrap_or_else(|| Err(Error::Internal("a layer was not read".into())))
            })
            .collect::<Result<_>>()?;
        let rope_speeds = rope_speeds(gguf, &config)?;
        Ok(Self { config, embedding, layers, norm, output, rope_speeds, vocabulary })
    }
}

fn read_ends(
    gguf: &Gguf,
    requantised: &Requantised,
    config: &DecoderConfig,
) -> Result<(Arc<QTensor>, Linear, Vec<f32>, usize)> {
    let wrap = |e: candle_core::Error| gguf.error(first_line(&e));
    let embedding = Arc::new(gguf.tensor("token_embd.weight")?);
    let (vocabulary, width) = embedding.shape().dims2().map_err(wrap)?;
    if width != config.hidden {
        return Err(gguf.error(format!("`token_embd.weight` is {width} wide, the model {}", config.hidden)));
    }
    let output = if gguf.has("output.weight") { "output.weight" } else { "token_embd.weight" };
    let (output, _) = gguf.matrix(output, (vocabulary, width), false, requantised)?;
    let norm = gguf.floats("output_norm.weight", config.hidden)?;
    Ok((embedding, Linear::new(output, None).map_err(wrap)?, norm, vocabulary))
}

fn read_layer(gguf: &Gguf, requantised: &Requantised, config: &DecoderConfig, index: usize) -> Result<Layer> {
    let name = |part: &str, kind: &str| format!("blk.{index}.{part}.{kind}");
    let linear = |part: &str, outputs: usize, inputs: usize| -> Result<Linear> {
        let tensor = name(part, "weight");
        let wrap = |e: candle_core::Error| gguf.error(format!("tensor `{tensor}`: {}", first_line(&e)));
        let (weight, blocks) = gguf.matrix(&tensor, (outputs, inputs), true, requantised)?;
        let bias = name(part, "bias");
        let bias = gguf.has(&bias).then(|| gguf.floats(&bias, outputs)).transpose()?;
        let linear = Linear::new(weight, bias).map_err(wrap)?;
        linear.pack(blocks).map_err(wrap)?;
        Ok(linear)
    };
    let hidden = config.hidden;
    let (queries, keys) = (config.heads * config.head_dim, config.kv_heads * config.head_dim);
    let inner = gguf.elements(&name("ffn_gate", "weight"))? / hidden;
    Ok(Layer {
        attn_norm: gguf.floats(&name("attn_norm", "weight"), hidden)?,
        q: linear("attn_q", queries, hidden)?,
        k: linear("attn_k", keys, hidden)?,
        v: linear("attn_v", keys, hidden)?,
        out: linear("attn_output", hidden, queries)?,
        ffn_norm: gguf.floats(&name("ffn_norm", "weight"), hidden)?,
        gate: linear("ffn_gate", inner, hidden)?,
        up: linear("ffn_up", inner, hidden)?,
        down: linear("ffn_down", hidden, inner)?,
    })
}

pub(super) fn rope_speeds(gguf: &Gguf, config: &DecoderConfig) -> Result<Vec<f64>> {
    let half = config.head_dim / 2;
    let speeds = (0..half)
        .map(|i| config.rope_base.powf(-((2 * i) as f64) / config.head_dim as f64) / config.rope_scale)
        .collect::<Vec<_>>();
    if !gguf.has("rope_freqs.weight") {
        return Ok(speeds);
    }
    let factors = gguf.floats("rope_freqs.weight", half)?;
    Ok(speeds.iter().zip(&factors).map(|(speed, factor)| speed / f64::from(*factor)).collect())
}
