use std::path::Path;

use qsef_core::{Error, Result};
use serde_json::Value;

/// Where the model of a directory may be, in this order: as in the store of models, and as exporters write it.
const MODELS: [&str; 3] = ["model.onnx", "onnx/model.onnx", "onnx/model_quantized.onnx"];

/// An [`Error::ModelFile`] about a file.
pub(crate) fn bad(path: &Path, why: impl std::fmt::Display) -> Error {
    Error::ModelFile(format!("{}: {why}", path.display()))
}

/// The bytes of a file.
///
/// # Errors
/// [`Error::ModelFile`] where it cannot be read.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|e| bad(path, e))
}

/// The bytes of a directory's model, and their file.
///
/// # Errors
/// [`Error::ModelFile`] where there is none.
pub(crate) fn model(dir: &Path) -> Result<(std::path::PathBuf, Vec<u8>)> {
    let path = MODELS.iter().map(|name| dir.join(name)).find(|path| path.is_file());
    let path = path.ok_or_else(|| bad(dir, format!("no {} there", MODELS.join(", "))))?;
    let bytes = read(&path)?;
    Ok((path, bytes))
}

/// A JSON file; None where there is none.
///
/// # Errors
/// [`Error::ModelFile`] where it cannot be read or is not JSON.
pub(crate) fn json(path: &Path) -> Result<Option<Value>> {
    if !path.is_file() {
        return Ok(None);
    }
    serde_json::from_slice(&read(path)?).map(Some).map_err(|e| bad(path, e))
}
