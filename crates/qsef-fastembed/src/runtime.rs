use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use ort::{environment::Environment, logging::LogLevel};
use qsef_core::{Error, Result};

/// Name the library, in this order.
const VARIABLES: [&str; 2] = ["QSEF_ONNXRUNTIME", "ORT_DYLIB_PATH"];

/// ONNX Runtime, loaded. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Runtime(pub(crate) Environment);

impl Runtime {
    /// Loads ONNX Runtime 1.24 or later from its library (`libonnxruntime.so`, `onnxruntime.dll`, `libonnxruntime.dylib`). A process
    /// has one: what is loaded first stays, whatever library is named later.
    ///
    /// # Errors
    /// [`Error::ModelFile`], naming the file, where it is missing, no such library, of another platform or too old.
    pub fn load(library: &Path) -> Result<Self> {
        static LOADED: Mutex<Option<Runtime>> = Mutex::new(None);
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = loaded.as_ref() {
            return Ok(runtime.clone());
        }
        let bad = |why: String| {
            let name = library.display();
            Error::ModelFile(format!("cannot load ONNX Runtime from {name}: {why}"))
        };
        if !library.is_file() {
            return Err(bad("there is no such file".into()));
        }
        // A name without a directory would be looked for elsewhere.
        let path = std::path::absolute(library).map_err(|e| bad(e.to_string()))?;
        let builder = ort::init_from(path).map_err(|e| bad(e.to_string()))?;
        let environment = builder.with_logger(Arc::new(log)).build().map_err(|e| bad(e.to_string()))?;
        Ok(loaded.insert(Self(environment)).clone())
    }

    /// The library that the environment names, in `QSEF_ONNXRUNTIME` or `ORT_DYLIB_PATH`.
    pub fn named_by_environment() -> Option<PathBuf> {
        let named = VARIABLES.iter().filter_map(std::env::var_os);
        named.filter(|path| !path.is_empty()).map(PathBuf::from).next()
    }
}

fn log(level: LogLevel, category: &str, _id: &str, _place: &str, message: &str) {
    match level {
        LogLevel::Error | LogLevel::Fatal => tracing::error!(category, "{message}"),
        LogLevel::Warning => tracing::warn!(category, "{message}"),
        _ => tracing::trace!(category, "{message}"),
    }
}

/// In a process without others that load one: the first stays.
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_library_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let text = dir.path().join("text.so");
        std::fs::write(&text, "not a library").unwrap();
        let (absent, folder) = (Path::new("absent.so"), dir.path());
        for path in [text.as_path(), absent, folder] {
            let error = Runtime::load(path).unwrap_err();
            assert!(matches!(&error, Error::ModelFile(m) if m.contains(path.to_str().unwrap())), "{error}");
        }
        // A library, but another: the C library of this machine.
        let others = ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/libc.so.6", "/lib/aarch64-linux-gnu/libc.so.6"];
        if let Some(other) = others.iter().find(|path| Path::new(path).is_file()) {
            let error = Runtime::load(Path::new(other)).unwrap_err();
            assert!(matches!(&error, Error::ModelFile(m) if m.contains("OrtGetApiBase")), "{error}");
        }
    }
}
