//! Weights whose types candle multiplies slowly, as Q8_0: made once, kept in a file, mapped from there.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use candle_core::quantized::{GgmlDType, QStorage};
use memmap2::Mmap;
use qsef_core::{Error, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::{blocks::Blocks, gguf::has_tiles, saved::Folder};
use crate::models::verify::hex;

/// The oldest files go when the folder holds more than this many bytes.
const MAX_BYTES: u64 = 8 << 30;
const MAGIC: &[u8; 8] = b"QSEFQ81\n";
/// Where tensors begin: at multiples of this, as in GGUF.
const ALIGN: usize = 32;

/// Where a tensor lies in the file, and the CRC-32 of its bytes.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry {
    start: usize,
    bytes: usize,
    crc: u32,
}

type Index = BTreeMap<String, Entry>;

/// The requantised weights of one model file.
///
/// A file is the magic, the tensors, each at a multiple of 32 bytes, an index of them (JSON), its length and its
/// CRC-32 (u32, little-endian). Checksums guard against damage; who can write in this folder can write models, too.
pub(super) struct Requantised(Option<Kept>);

struct Kept {
    folder: Folder,
    file: PathBuf,
    stored: Option<(Arc<Mmap>, Index)>,
    /// What this process made; none before the first tensor of it.
    writer: Mutex<Option<Result<Writer>>>,
}

impl Requantised {
    /// What is kept under `dir` of the model with this fingerprint; without a folder, nothing is.
    pub fn open(dir: Option<&Path>, fingerprint: &[u8]) -> Self {
        Self(dir.map(|dir| {
            let folder = Folder::new(dir.to_owned(), "q8", MAX_BYTES);
            // Other processors have other kernels, which round otherwise and want other widths.
            let parts = [MAGIC.as_slice(), std::env::consts::ARCH.as_bytes(), &[u8::from(has_tiles())], fingerprint];
            let hash = parts.iter().fold(Sha256::new(), |hash, part| hash.chain_update(part));
            let file = folder.file(&hex(hash));
            let stored = read(&file);
            if stored.is_none() && file.exists() {
                damaged(&file);
            }
            Kept { folder, file, stored, writer: Mutex::default() }
        }))
    }

    /// The Q8_0 blocks of a tensor, `bytes` long: those that are kept, else what `make` makes, which is kept then.
    pub fn blocks(
        &self,
        tensor: &str,
        bytes: usize,
        make: impl FnOnce() -> Result<Vec<u8>>,
    ) -> Result<(QStorage, Blocks)> {
        if let Some(found) = self.0.as_ref().and_then(|kept| kept.find(tensor, bytes)) {
            return Ok(found);
        }
        let made = make()?;
        if let Some(kept) = &self.0 {
            kept.add(tensor, &made);
        }
        Ok(Blocks::owned(&made, GgmlDType::Q8_0))
    }

    /// Writes what was made. A folder that cannot be written only costs the keeping.
    pub fn finish(self) {
        let Some(Kept { folder, file, stored, writer }) = self.0 else { return };
        let Some(writer) = writer.into_inner().unwrap_or_else(PoisonError::into_inner) else { return };
        let kept = match stored {
            None => writer.and_then(|writer| writer.keep(&folder, &file)),
            // Only what was damaged in it was made again: the next process makes a whole new one.
            Some(_) => fs::remove_file(&file).map_err(|e| Error::io("remove", &file, e)),
        };
        if let Err(error) = kept {
            tracing::warn!("requantised weights are not kept: {error}");
        }
    }
}

impl Kept {
    fn find(&self, tensor: &str, bytes: usize) -> Option<(QStorage, Blocks)> {
        let (map, index) = self.stored.as_ref()?;
        let found = index.get(tensor).filter(|entry| entry.bytes == bytes).and_then(|entry| {
            let range = entry.start..entry.start.checked_add(bytes)?;
            (crc32fast::hash(map.get(range.clone())?) == entry.crc).then_some(range)
        });
        if found.is_none() {
            damaged(&self.file);
        }
        Blocks::mapped(map, found?, GgmlDType::Q8_0)
    }

    fn add(&self, tensor: &str, data: &[u8]) {
        let mut slot = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let writer = slot.take().unwrap_or_else(|| Writer::new(&self.folder));
        *slot = Some(writer.and_then(|writer| writer.with(tensor, data)));
    }
}

/// A file in the making.
struct Writer {
    part: NamedTempFile,
    end: usize,
    index: Index,
}

impl Writer {
    fn new(folder: &Folder) -> Result<Self> {
        let mut part = folder.part()?;
        part.write_all(MAGIC).map_err(|e| Error::io("write", part.path(), e))?;
        Ok(Self { part, end: MAGIC.len(), index: Index::new() })
    }

    fn with(mut self, tensor: &str, data: &[u8]) -> Result<Self> {
        let start = self.end.next_multiple_of(ALIGN);
        let gap = vec![0; start - self.end];
        self.write(&gap)?;
        self.write(data)?;
        self.index.insert(tensor.to_owned(), Entry { start, bytes: data.len(), crc: crc32fast::hash(data) });
        Ok(self)
    }

    fn keep(mut self, folder: &Folder, file: &Path) -> Result<()> {
        let index = serde_json::to_vec(&self.index).map_err(|e| Error::Internal(e.to_string()))?;
        self.write(&index)?;
        self.write(&(index.len() as u32).to_le_bytes())?;
        self.write(&crc32fast::hash(&index).to_le_bytes())?;
        folder.keep(self.part, file, self.end as u64)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.part.write_all(bytes).map_err(|e| Error::io("write", self.part.path(), e))?;
        self.end += bytes.len();
        Ok(())
    }
}

fn damaged(file: &Path) {
    tracing::warn!("{} is damaged and will be made again", file.display());
}

/// Maps a file and reads its index, if it is whole.
fn read(file: &Path) -> Option<(Arc<Mmap>, Index)> {
    let file = File::open(file).ok()?;
    // SAFETY: as for the model's file itself (`Gguf::open`): these files are written under another name and renamed when whole.
    #[allow(unsafe_code)]
    let map = unsafe { Mmap::map(&file) }.ok()?;
    let rest = map.strip_prefix(MAGIC)?;
    let (rest, crc) = rest.split_last_chunk::<4>()?;
    let (rest, length) = rest.split_last_chunk::<4>()?;
    let (_, index) = rest.split_at_checked(rest.len().checked_sub(u32::from_le_bytes(*length) as usize)?)?;
    if crc32fast::hash(index) != u32::from_le_bytes(*crc) {
        return None;
    }
    let index = serde_json::from_slice(index).ok()?;
    Some((Arc::new(map), index))
}
