//! Files that spare another process a computation: written whole or not at all, the oldest removed where there is no room.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use qsef_core::{Error, Result};
use tempfile::NamedTempFile;

/// A folder of such files, all of one kind.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    dir: PathBuf,
    extension: &'static str,
    max_bytes: u64,
}

impl Folder {
    pub fn new(dir: PathBuf, extension: &'static str, max_bytes: u64) -> Self {
        Self { dir, extension, max_bytes }
    }

    /// The file of this name, which may not be there.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name).with_extension(self.extension)
    }

    /// A file to write to, which has no name yet; the folder is made.
    pub fn part(&self) -> Result<NamedTempFile> {
        let failed = |e| Error::io("write in", &self.dir, e);
        fs::create_dir_all(&self.dir).map_err(failed)?;
        NamedTempFile::new_in(&self.dir).map_err(failed)
    }

    /// Gives a finished part of `bytes` bytes its name, in one step: who reads at the same time sees all of it or nothing.
    pub fn keep(&self, part: NamedTempFile, file: &Path, bytes: u64) -> Result<()> {
        self.make_room(bytes);
        part.persist(file).map_err(|e| Error::io("write", file, e.error))?;
        Ok(())
    }

    /// Removes the oldest files until `more` bytes fit.
    fn make_room(&self, more: u64) {
        let Ok(entries) = fs::read_dir(&self.dir) else { return };
        let mut files: Vec<(SystemTime, u64, PathBuf)> = entries
            .flatten()
            .filter(|entry| entry.path().extension().is_some_and(|e| e == self.extension))
            .filter_map(|entry| {
                let data = entry.metadata().ok()?;
                Some((data.modified().ok()?, data.len(), entry.path()))
            })
            .collect();
        files.sort();
        let mut total = more + files.iter().map(|(_, size, _)| size).sum::<u64>();
        for (_, size, path) in files {
            if total <= self.max_bytes {
                break;
            }
            if fs::remove_file(&path).is_ok() {
                total -= size;
            }
        }
    }
}
