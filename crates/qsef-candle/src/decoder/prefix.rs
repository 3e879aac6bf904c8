use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    time::SystemTime,
};

use qsef_core::{Error, Result};
use qsef_decode::{Kernels, Sequence};
use sha2::{Digest, Sha256};

use super::session::Session;
use crate::models::verify::hex;

/// Shorter prefixes are computed faster than they are worth a file.
const MIN_TOKENS: usize = 64;
/// The oldest files go when the folder holds more than this many bytes.
const MAX_BYTES: u64 = 2 << 30;
const MAGIC: &[u8; 8] = b"QSEFKV2\n";
const HASH: usize = 32;

/// Saved attention state of prompt prefixes: one file per model and prefix.
///
/// A file is the magic, the number of tokens (u32), the tokens (u32), keys and values per layer (f32), all little-endian,
/// and the SHA-256 of all that. State is kept in f32, so an answer does not depend on whether its prefix was saved.
pub(super) struct PrefixStore {
    dir: PathBuf,
    model: Vec<u8>,
}

impl PrefixStore {
    /// `model` identifies the weights and the template.
    pub fn new(dir: PathBuf, model: Vec<u8>) -> Self {
        Self { dir, model }
    }

    /// Puts the state of `prefix` into the session, from memory, from its file or by computing it; what was computed is
    /// saved. Returns how many tokens were computed. A folder that cannot be written only costs the saving.
    pub fn prepare(&self, session: &mut Session, prefix: &[u32], stop: &dyn Fn() -> bool) -> Result<usize> {
        if prefix.len() < MIN_TOKENS {
            return Ok(0);
        }
        let file = self.file(prefix);
        if session.common(prefix) < prefix.len()
            && let Some(state) = read(&file, prefix)
            && session.import(prefix, &state).is_ok()
        {
            return Ok(0);
        }
        let common = session.common(prefix);
        let missing = prefix.get(common..).unwrap_or_default();
        if !missing.is_empty() {
            session.truncate(common)?;
            if session.feed(missing, Kernels::Several, 1, stop)?.is_none() {
                return Ok(session.tokens().len().saturating_sub(common));
            }
        }
        if !file.exists()
            && let Err(error) = self.write(&file, prefix, &session.export(prefix.len()))
        {
            tracing::warn!("the prompt's prefix is not saved: {error}");
        }
        Ok(missing.len())
    }

    fn file(&self, prefix: &[u32]) -> PathBuf {
        let mut hash = Sha256::new_with_prefix(MAGIC);
        // Other processors have other kernels, which round otherwise.
        hash.update(std::env::consts::ARCH);
        hash.update(&self.model);
        prefix.iter().for_each(|token| hash.update(token.to_le_bytes()));
        self.dir.join(hex(hash)).with_extension("kv")
    }

    fn write(&self, file: &Path, prefix: &[u32], state: &[f32]) -> Result<()> {
        fs::create_dir_all(&self.dir).map_err(|e| Error::io("create", &self.dir, e))?;
        let mut bytes = MAGIC.to_vec();
        bytes.reserve(4 * (prefix.len() + state.len() + 1) + HASH);
        bytes.extend((prefix.len() as u32).to_le_bytes());
        prefix.iter().for_each(|token| bytes.extend(token.to_le_bytes()));
        state.iter().for_each(|number| bytes.extend(number.to_le_bytes()));
        let hash = Sha256::digest(&bytes);
        bytes.extend(hash);
        self.make_room(bytes.len() as u64);
        let failed = |e| Error::io("write", file, e);
        let mut part = tempfile::NamedTempFile::new_in(&self.dir).map_err(failed)?;
        part.write_all(&bytes).map_err(failed)?;
        part.persist(file).map_err(|e| failed(e.error))?;
        Ok(())
    }

    /// Removes the oldest files until `more` bytes fit.
    fn make_room(&self, more: u64) {
        let Ok(entries) = fs::read_dir(&self.dir) else { return };
        let mut files: Vec<(SystemTime, u64, PathBuf)> = entries
            .flatten()
            .filter(|entry| entry.path().extension().is_some_and(|e| e == "kv"))
            .filter_map(|entry| {
                let data = entry.metadata().ok()?;
                Some((data.modified().ok()?, data.len(), entry.path()))
            })
            .collect();
        files.sort();
        let mut total = more + files.iter().map(|(_, size, _)| size).sum::<u64>();
        for (_, size, path) in files {
            if total <= MAX_BYTES {
                break;
            }
            if fs::remove_file(&path).is_ok() {
                total -= size;
            }
        }
    }
}

/// The state in a file, if the file is whole and of this prefix.
fn read(file: &Path, prefix: &[u32]) -> Option<Vec<f32>> {
    let bytes = fs::read(file).ok()?;
    let (body, hash) = bytes.split_at_checked(bytes.len().checked_sub(HASH)?)?;
    let rest = body.strip_prefix(MAGIC)?;
    let (count, rest) = rest.split_at_checked(4)?;
    let (tokens, state) = rest.split_at_checked(prefix.len().checked_mul(4)?)?;
    let same = tokens.as_chunks::<4>().0.iter().map(|b| u32::from_le_bytes(*b)).eq(prefix.iter().copied());
    if count != (prefix.len() as u32).to_le_bytes() || !same || Sha256::digest(body).as_slice() != hash {
        tracing::warn!("{} is damaged and will not be used", file.display());
        let _ = fs::remove_file(file);
        return None;
    }
    Some(state.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect())
}
