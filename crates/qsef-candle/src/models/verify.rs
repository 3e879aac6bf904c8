//! Hashes, and the markers that spare a second hashing.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{Read, Write},
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::UNIX_EPOCH,
};

use qsef_core::{Error, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::manifest::FileSpec;

const MARKER: &str = ".verified.json";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Mark {
    sha256: String,
    size: u64,
    mtime_ns: u64,
}

type Marks = BTreeMap<String, Mark>;

fn marks(dir: &Path) -> Marks {
    fs::read(dir.join(MARKER)).ok().and_then(|b| serde_json::from_slice(&b).ok()).unwrap_or_default()
}

fn mark_of(path: &Path, sha256: &str) -> Option<Mark> {
    let meta = fs::metadata(path).ok()?;
    let mtime = meta.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    let mtime_ns = u64::try_from(mtime.as_nanos()).ok()?;
    Some(Mark { sha256: sha256.to_owned(), size: meta.len(), mtime_ns })
}

/// Is the file there, unchanged since it was verified?
pub(super) fn is_marked(dir: &Path, file: &FileSpec) -> bool {
    let now = mark_of(&dir.join(&file.name), &file.sha256);
    now.as_ref().is_some_and(|m| m.size == file.size) && marks(dir).get(&file.name) == now.as_ref()
}

/// Records that the file was verified. Best effort: without the marker it is hashed again, no more.
pub(super) fn mark(dir: &Path, file: &FileSpec) {
    let Some(mark) = mark_of(&dir.join(&file.name), &file.sha256) else { return };
    let mut all = marks(dir);
    all.insert(file.name.clone(), mark);
    let written = serde_json::to_vec_pretty(&all).map_err(std::io::Error::from).and_then(|bytes| {
        let mut temporary = tempfile::NamedTempFile::new_in(dir)?;
        temporary.write_all(&bytes)?;
        temporary.persist(dir.join(MARKER)).map_err(|e| e.error)
    });
    if let Err(e) = written {
        tracing::debug!("no marker in {}: {e}", dir.display());
    }
}

/// Copies `from` into `to` while hashing; `seen` is called with the bytes of each step.
pub(super) fn hash_copy(
    from: &mut dyn Read,
    to: &mut dyn Write,
    hash: &mut Sha256,
    cancel: &AtomicBool,
    mut seen: impl FnMut(u64),
) -> std::io::Result<u64> {
    let mut buffer = vec![0_u8; 1 << 20];
    let mut total = 0;
    loop {
        if cancel.load(Ordering::Relaxed) {
            return Err(std::io::Error::new(std::io::ErrorKind::Interrupted, "cancelled"));
        }
        let n = from.read(&mut buffer)?;
        let Some(bytes) = buffer.get(..n).filter(|b| !b.is_empty()) else { return Ok(total) };
        hash.update(bytes);
        to.write_all(bytes)?;
        total += n as u64;
        seen(n as u64);
    }
}

/// A finished hash in hexadecimal.
pub(crate) fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

/// Is a file what the manifest says? Hashes only when the size fits.
pub(super) fn matches(path: &Path, file: &FileSpec, cancel: &AtomicBool, seen: impl FnMut(u64)) -> Result<bool> {
    let mut input = File::open(path).map_err(|e| Error::io("open", path, e))?;
    if input.metadata().map_err(|e| Error::io("read", path, e))?.len() != file.size {
        return Ok(false);
    }
    let mut hash = Sha256::new();
    match hash_copy(&mut input, &mut std::io::sink(), &mut hash, cancel, seen) {
        Ok(_) => Ok(hex(hash) == file.sha256),
        Err(e) if e.kind() == std::io::ErrorKind::Interrupted => Err(Error::Cancelled),
        Err(e) => Err(Error::io("read", path, e)),
    }
}
