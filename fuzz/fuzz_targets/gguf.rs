//! Loads whatever the fuzzer makes of small model files, and reads a prompt where that worked: there may be errors, and nothing else.
//!
//!     cargo run --manifest-path crates/qsef-candle/Cargo.toml --release --example tiny_gguf -- fuzz/corpus/gguf
//!     cargo +nightly fuzz run gguf -- -max_total_time=600 -rss_limit_mb=4096 -max_len=400000
#![no_main]

use std::io::Write;

use libfuzzer_sys::fuzz_target;
use qsef_candle::decoder::CandleModel;

fuzz_target!(|data: &[u8]| {
    let Ok(mut file) = tempfile::NamedTempFile::new_in("/dev/shm") else { return };
    if file.write_all(data).is_err() {
        return;
    }
    let Ok(model) = CandleModel::load("fuzzed", file.path()) else { return };
    let Ok(tokens) = model.tokenize("ab ba aab") else { return };
    let tokens: Vec<u32> = tokens.into_iter().take(8).collect();
    let _ = model.greedy(&tokens, 4);
});
