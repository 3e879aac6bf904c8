use std::{fs::File, io::Read, path::Path, sync::OnceLock};

use llama_cpp_2::{
    LogOptions,
    llama_backend::LlamaBackend,
    model::{LlamaModel, params::LlamaModelParams},
    send_logs_to_tracing,
};
use qsef_core::{Error, Result};

/// llama.cpp itself, started once for the process.
pub(crate) fn backend() -> Result<&'static LlamaBackend> {
    static BACKEND: OnceLock<Result<LlamaBackend, String>> = OnceLock::new();
    let started = BACKEND.get_or_init(|| {
        send_logs_to_tracing(LogOptions::default());
        LlamaBackend::init().map_err(|e| e.to_string())
    });
    started.as_ref().map_err(|e| Error::Internal(format!("llama.cpp does not start: {e}")))
}

/// Opens a model's file.
///
/// # Errors
/// [`Error::ModelFile`], naming the file, where it is missing, truncated, damaged or of an unknown architecture.
pub(crate) fn open(path: &Path, params: &LlamaModelParams) -> Result<LlamaModel> {
    // llama.cpp says of each failure the same: nothing.
    let name = path.display();
    let mut magic = [0; 4];
    let mut file = File::open(path).map_err(|e| Error::ModelFile(format!("cannot open the model file {name}: {e}")))?;
    if file.read_exact(&mut magic).is_err() || &magic != b"GGUF" {
        return Err(Error::ModelFile(format!("{name} is not a GGUF file")));
    }
    LlamaModel::load_from_file(backend()?, path, params).map_err(|_| {
        Error::ModelFile(format!(
            "llama.cpp cannot load {name}: the file is truncated or damaged (fetch it again), too large for the memory, or of an \
             architecture that this version does not know; its log says which (`QSEF_LOG=error`)"
        ))
    })
}
