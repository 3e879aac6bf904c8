//! Damaged model files: an error or a model, and nothing else. `fuzz/` looks further.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // helpers of tests are test code

use candle_core::quantized::GgmlDType;
use qsef_candle::decoder::CandleModel;

#[allow(dead_code)]
#[path = "../examples/tiny_gguf.rs"]
mod tiny;

/// Pseudo-random numbers (SplitMix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % end as u64) as usize
    }
}

#[test]
fn damaged_models_are_errors_or_models() {
    let dir = tempfile::tempdir().unwrap();
    let mut chance = Chance(20);
    let (mut loaded, mut refused) = (0, 0);
    for (arch, dtype) in [("qwen2", GgmlDType::Q8_0), ("llama", GgmlDType::Q5_0), ("qwen2", GgmlDType::F32)] {
        let file = dir.path().join("tiny.gguf");
        tiny::write(&file, arch, dtype).unwrap();
        let whole = std::fs::read(&file).unwrap();
        let model = CandleModel::load("tiny", &file).unwrap();
        assert!(!model.greedy(&[0, 1], 2).unwrap().is_empty());
        // Metadata and the table of tensors, which say where everything is.
        let header = whole.len().min(3500);
        for round in 0..400 {
            let mut bytes = whole.clone();
            for _ in 0..1 + round % 4 {
                let at = chance.below(header);
                let values = [0, 1, 0x7F, 0x80, 0xFF, bytes[at] ^ (1 << chance.below(8))];
                bytes[at] = values[chance.below(values.len())];
            }
            if round % 10 == 0 {
                bytes.truncate(chance.below(whole.len()));
            }
            let damaged = dir.path().join("damaged.gguf");
            std::fs::write(&damaged, bytes).unwrap();
            match CandleModel::load("damaged", &damaged) {
                Ok(model) => {
                    loaded += 1;
                    let tokens: Vec<u32> = model.tokenize("ab ba").unwrap_or_default().into_iter().take(4).collect();
                    let _ = model.greedy(&tokens, 2);
                }
                Err(_) => refused += 1,
            }
        }
    }
    assert!(loaded > 50 && refused > 50, "{loaded} loaded, {refused} refused");
}
