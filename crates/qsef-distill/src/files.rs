//! Files that are there whole or not at all.

use std::{collections::HashMap, fs::File, io::Write, path::Path};

use candle_core::Tensor;
use qsef_core::{Error, Result};

/// Writes a file beside its place and moves it there when all of it is on the disk: what was there before stays if that fails.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let temporary = path.with_extension("part");
    let written = std::fs::File::create(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.and_then(|()| std::fs::rename(&temporary, path)).map_err(|e| {
        let _ = std::fs::remove_file(&temporary);
        Error::io("write", path, e)
    })
}

/// As [`write`], of tensors.
pub(crate) fn save_tensors(path: &Path, tensors: &HashMap<String, Tensor>) -> Result<()> {
    let temporary = path.with_extension("part");
    let saved = candle_core::safetensors::save(tensors, &temporary).map_err(std::io::Error::other);
    saved.and_then(|()| std::fs::rename(&temporary, path)).map_err(|e| {
        let _ = std::fs::remove_file(&temporary);
        Error::io("write", path, e)
    })
}

/// Opens a log of JSON lines with a `step` to add to; those of steps after `kept`, which are made again, are gone.
pub(crate) fn log(path: &Path, kept: u64) -> Result<File> {
    #[derive(serde::Deserialize)]
    struct Step {
        step: u64,
    }
    let before = std::fs::read_to_string(path).unwrap_or_default();
    let stays = |line: &&str| serde_json::from_str(line).is_ok_and(|Step { step }| step <= kept);
    let lines: Vec<&str> = before.lines().filter(stays).collect();
    let text = lines.into_iter().fold(String::new(), |text, line| text + line + "\n");
    write(path, text.as_bytes())?;
    File::options().append(true).open(path).map_err(|e| Error::io("open", path, e))
}
