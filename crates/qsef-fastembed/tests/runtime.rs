//! What is no library of ONNX Runtime. In a process of its own: once one is loaded it stays.

use std::path::Path;

use qsef_core::Error;
use qsef_fastembed::Runtime;

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
