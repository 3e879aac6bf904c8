//! Files that are there whole or not at all.

use std::{collections::HashMap, io::Write, path::Path};

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
