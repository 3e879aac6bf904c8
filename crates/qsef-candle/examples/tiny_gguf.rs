//! Writes small models of both architectures and several quantisations, without meaning, as seeds for the fuzzer:
//! `cargo run --release -p qsef-candle --example tiny_gguf -- DIR`.

use std::{fs::File, path::Path};

use candle_core::{
    Device, Result, Tensor,
    quantized::{GgmlDType, QTensor, gguf_file},
};
use gguf_file::Value;

fn main() -> Result<()> {
    let dir = std::env::args().nth(1).unwrap_or_else(|| "fuzz/corpus/gguf".into());
    std::fs::create_dir_all(&dir)?;
    for arch in ["qwen2", "llama"] {
        for dtype in [
            GgmlDType::F32,
            GgmlDType::Q4_0,
            GgmlDType::Q5_0,
            GgmlDType::Q4_1,
            GgmlDType::Q8_0,
            GgmlDType::Q4K,
            GgmlDType::Q6K,
        ] {
            write(&Path::new(&dir).join(format!("{arch}-{dtype:?}.gguf")), arch, dtype)?;
        }
    }
    Ok(())
}

/// Writes a model of this architecture with weights of this type.
pub fn write(path: &Path, arch: &str, dtype: GgmlDType) -> Result<()> {
    // One block wide, which is as small as it goes.
    let hidden = dtype.block_size().max(32);
    let (layers, heads, kv_heads, inner) = (1, 4, 2, hidden);
    let (dim, words) = (hidden / heads, ["a", "b", "ab", "Ġ", "Ġa", "<|im_start|>", "<|im_end|>", "ba"]);
    let number = |n: usize| Value::U32(n as u32);
    let texts = |list: &[&str]| Value::Array(list.iter().map(|t| Value::String((*t).into())).collect());
    let kinds = words.iter().map(|word| Value::I32(if word.starts_with('<') { 3 } else { 1 })).collect();
    let metadata = [
        ("general.architecture".to_owned(), Value::String(arch.into())),
        (format!("{arch}.block_count"), number(layers)),
        (format!("{arch}.context_length"), number(64)),
        (format!("{arch}.embedding_length"), number(hidden)),
        (format!("{arch}.feed_forward_length"), number(inner)),
        (format!("{arch}.attention.head_count"), number(heads)),
        (format!("{arch}.attention.head_count_kv"), number(kv_heads)),
        (format!("{arch}.attention.layer_norm_rms_epsilon"), Value::F32(1e-6)),
        (format!("{arch}.rope.freq_base"), Value::F32(10_000.0)),
        ("tokenizer.ggml.model".into(), Value::String("gpt2".into())),
        ("tokenizer.ggml.pre".into(), Value::String("qwen2".into())),
        ("tokenizer.ggml.tokens".into(), texts(&words)),
        ("tokenizer.ggml.merges".into(), texts(&["a b", "b a", "Ġ a"])),
        ("tokenizer.ggml.token_type".into(), Value::Array(kinds)),
        ("tokenizer.ggml.eos_token_id".into(), number(6)),
        ("tokenizer.chat_template".into(), Value::String("{% for m in messages %}{{ m.content }}{% endfor %}".into())),
    ];
    let mut tensors = vec![
        ("token_embd.weight".to_owned(), matrix(words.len(), hidden, dtype)?),
        ("output_norm.weight".to_owned(), vector(hidden)?),
    ];
    for layer in 0..layers {
        let name = |part: &str| format!("blk.{layer}.{part}.weight");
        for (part, rows, columns) in [
            ("attn_q", heads * dim, hidden),
            ("attn_k", kv_heads * dim, hidden),
            ("attn_v", kv_heads * dim, hidden),
            ("attn_output", hidden, heads * dim),
            ("ffn_gate", inner, hidden),
            ("ffn_up", inner, hidden),
            ("ffn_down", hidden, inner),
        ] {
            tensors.push((name(part), matrix(rows, columns, dtype)?));
        }
        tensors.push((name("attn_norm"), vector(hidden)?));
        tensors.push((name("ffn_norm"), vector(hidden)?));
    }
    let metadata: Vec<(&str, &Value)> = metadata.iter().map(|(key, value)| (key.as_str(), value)).collect();
    let tensors: Vec<(&str, &QTensor)> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    gguf_file::write(&mut File::create(path)?, &metadata, &tensors)
}

fn matrix(rows: usize, columns: usize, dtype: GgmlDType) -> Result<QTensor> {
    let numbers: Vec<f32> = (0..rows * columns).map(|i| ((i * 7919) % 401) as f32 / 2000.0 - 0.1).collect();
    QTensor::quantize(&Tensor::from_vec(numbers, (rows, columns), &Device::Cpu)?, dtype)
}

fn vector(len: usize) -> Result<QTensor> {
    QTensor::quantize(&Tensor::ones(len, candle_core::DType::F32, &Device::Cpu)?, GgmlDType::F32)
}
