//! Files that land in their folder together.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use qsef_core::{Error, Result};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::prompts::hex;

const MANIFEST: &str = "manifest.json";

/// What a manifest says of a file.
pub(super) struct Written {
    pub(super) bytes: u64,
    /// In hexadecimal digits.
    pub(super) sha256: String,
}

/// A file that is being written beside its place.
pub(super) struct Part {
    name: String,
    path: PathBuf,
    file: BufWriter<File>,
    hash: Sha256,
    bytes: u64,
}

impl Part {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What could not be done to it, as an error that names it.
    pub(super) fn fault(&self, e: io::Error) -> Error {
        Error::io("write", &self.path, e)
    }
}

impl Write for Part {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or(bytes));
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A folder whose files are beside their places until it is finished; they are taken away if it is not.
pub(super) struct Folder {
    dir: PathBuf,
    files: BTreeMap<String, Written>,
    is_finished: bool,
}

impl Folder {
    pub(super) fn open(dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(dir).map_err(|e| Error::io("make", dir, e))?;
        Ok(Self { dir: dir.to_owned(), files: BTreeMap::new(), is_finished: false })
    }

    fn part(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.part"))
    }

    /// Begins a file. It is whole with [`Folder::end`].
    pub(super) fn begin(&mut self, name: &str) -> Result<Part> {
        let path = self.part(name);
        // Before it is there: what is half written is taken away, too.
        self.files.insert(name.to_owned(), Written { bytes: 0, sha256: String::new() });
        let file = File::create(&path).map_err(|e| Error::io("write", &path, e))?;
        Ok(Part { name: name.to_owned(), path, file: BufWriter::new(file), hash: Sha256::new(), bytes: 0 })
    }

    /// Ends a file that was begun here.
    pub(super) fn end(&mut self, part: Part) -> Result<()> {
        let Part { name, path, file, hash, bytes } = part;
        let file = file.into_inner().map_err(io::IntoInnerError::into_error);
        file.and_then(|file| file.sync_all()).map_err(|e| Error::io("write", &path, e))?;
        self.files.insert(name, Written { bytes, sha256: hex(&hash.finalize()) });
        Ok(())
    }

    pub(super) fn text(&mut self, name: &str, text: &str) -> Result<()> {
        let mut part = self.begin(name)?;
        part.write_all(text.as_bytes()).map_err(|e| part.fault(e))?;
        self.end(part)
    }

    /// Writes JSON lines.
    pub(super) fn lines<T: Serialize>(&mut self, name: &str, values: impl Iterator<Item = Result<T>>) -> Result<()> {
        let mut part = self.begin(name)?;
        for value in values {
            line(&mut part, &value?).map_err(|e| part.fault(e))?;
        }
        self.end(part)
    }

    /// The files, by name.
    pub(super) fn files(&self) -> impl Iterator<Item = (&str, &Written)> {
        self.files.iter().map(|(name, file)| (name.as_str(), file))
    }

    /// Moves all files to their places, the manifest last, and takes away the stale ones that were not written again.
    pub(super) fn finish(mut self, manifest: &str, is_stale: impl Fn(&str) -> bool) -> Result<()> {
        self.text(MANIFEST, manifest)?;
        // While files change there is no manifest: one that is there tells of the files beside it.
        remove(&self.dir.join(MANIFEST))?;
        for name in self.stale(is_stale)? {
            remove(&self.dir.join(name))?;
        }
        let names = self.files.keys().filter(|name| *name != MANIFEST).map(String::as_str);
        for name in names.chain([MANIFEST]) {
            let path = self.dir.join(name);
            std::fs::rename(self.part(name), &path).map_err(|e| Error::io("write", &path, e))?;
        }
        self.is_finished = true;
        Ok(())
    }

    fn stale(&self, is_stale: impl Fn(&str) -> bool) -> Result<Vec<String>> {
        let fault = |e| Error::io("read", &self.dir, e);
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.dir).map_err(fault)? {
            let name = entry.map_err(fault)?.file_name().to_string_lossy().into_owned();
            // Parts of a job that was killed, too.
            let whole = name.strip_suffix(".part").unwrap_or(&name);
            if is_stale(whole) && !self.files.contains_key(whole) {
                names.push(name);
            }
        }
        Ok(names)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.is_finished {
            for name in self.files.keys() {
                let _ = std::fs::remove_file(self.part(name));
            }
        }
    }
}

/// Writes a line of JSON.
pub(super) fn line(mut to: impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut to, value)?;
    to.write_all(b"\n")
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", path, e)),
        _ => Ok(()),
    }
}
