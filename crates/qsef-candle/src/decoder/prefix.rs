use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use half::f16;
use qsef_core::{Error, Result};
use qsef_decode::{Kernels, Sequence};
use sha2::{Digest, Sha256};

use super::{saved::Folder, session::Session};
use crate::models::verify::hex;

/// Shorter prefixes are computed faster than they are worth a file.
const MIN_TOKENS: usize = 64;
/// The oldest files go when the folder holds more than this many bytes.
const MAX_BYTES: u64 = 2 << 30;
const MAGIC: &[u8; 8] = b"QSEFKV3\n";
const HASH: usize = 32;

/// Saved attention state of prompt prefixes: one file per model and prefix.
///
/// A file is the magic, the number of tokens (u32), the tokens (u32), keys and values per layer (f16, as in the cache),
/// all little-endian, and the SHA-256 of all that.
pub(super) struct PrefixStore {
    folder: Folder,
    model: Vec<u8>,
}

impl PrefixStore {
    /// `model` identifies the weights and the template.
    pub fn new(dir: PathBuf, model: Vec<u8>) -> Self {
        Self { folder: Folder::new(dir, "kv", MAX_BYTES), model }
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
        self.folder.file(&hex(hash))
    }

    fn write(&self, file: &Path, prefix: &[u32], state: &[f16]) -> Result<()> {
        let mut bytes = MAGIC.to_vec();
        bytes.reserve(4 * (prefix.len() + 1) + 2 * state.len() + HASH);
        bytes.extend((prefix.len() as u32).to_le_bytes());
        prefix.iter().for_each(|token| bytes.extend(token.to_le_bytes()));
        state.iter().for_each(|number| bytes.extend(number.to_le_bytes()));
        let hash = Sha256::digest(&bytes);
        bytes.extend(hash);
        let mut part = self.folder.part()?;
        part.write_all(&bytes).map_err(|e| Error::io("write", part.path(), e))?;
        self.folder.keep(part, file, bytes.len() as u64)
    }
}

/// The state in a file, if the file is whole and of this prefix.
fn read(file: &Path, prefix: &[u32]) -> Option<Vec<f16>> {
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
    Some(state.as_chunks::<2>().0.iter().map(|b| f16::from_le_bytes(*b)).collect())
}
