//! The files below a path.

use std::path::{Path, PathBuf};

use ignore::WalkBuilder;
use qsef_core::{Error, Result};

use crate::{
    add::Left,
    documents::{DocumentKind, MAX_BYTES},
};

/// A file that may be a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct File {
    pub path: PathBuf,
    pub bytes: u64,
    pub modified_ns: i64,
}

/// The documents below paths, in order of their names, and what is left out. Directories are walked without following
/// links, so that a walk ends and stays where it was sent; hidden files and those that a `.gitignore` names are passed over, and so
/// are files whose names tell that they are no documents. A file that is named itself is taken whatever its name.
///
/// # Errors
/// [`Error::Input`] for a path that does not exist, or that is a device or a pipe.
pub(crate) fn walk(paths: &[PathBuf]) -> Result<(Vec<File>, Vec<Left>)> {
    let (mut files, mut left) = (Vec::new(), Vec::new());
    for path in paths {
        let root = canonical(path)?;
        if root.is_file() {
            push(&mut files, &mut left, root);
            continue;
        }
        if !root.is_dir() {
            return Err(Error::Input(format!("{} is neither a file nor a directory", path.display())));
        }
        let walk = WalkBuilder::new(&root).require_git(false).sort_by_file_name(|a, b| a.cmp(b)).build();
        for entry in walk {
            match entry {
                Ok(entry) => {
                    let is_file = entry.file_type().is_some_and(|kind| kind.is_file());
                    if is_file && DocumentKind::of(entry.path()).is_some() {
                        push(&mut files, &mut left, entry.into_path());
                    }
                }
                Err(error) => left.push(Left { path: path.clone(), why: error.to_string() }),
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files.dedup_by(|a, b| a.path == b.path);
    Ok((files, left))
}

/// A file that is named itself, whatever its size.
///
/// # Errors
/// [`Error::Input`] for what is no file.
pub(crate) fn one(path: &Path) -> Result<File> {
    let path = canonical(path)?;
    if !path.is_file() {
        return Err(Error::Input(format!("{} is no file", path.display())));
    }
    of(&path).map_err(|e| Error::io("read", &path, e))
}

fn canonical(path: &Path) -> Result<PathBuf> {
    path.canonicalize().map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => Error::Input(format!("there is no file or directory {}", path.display())),
        _ => Error::io("read", path, e),
    })
}

fn push(files: &mut Vec<File>, left: &mut Vec<Left>, path: PathBuf) {
    match file(&path) {
        Ok(file) => files.push(file),
        Err(why) => left.push(Left { path, why }),
    }
}

fn file(path: &Path) -> Result<File, String> {
    let file = of(path).map_err(|e| e.to_string())?;
    if file.bytes > MAX_BYTES {
        let (has, most) = (file.bytes >> 20, MAX_BYTES >> 20);
        return Err(format!("it has {has} MiB, and {most} MiB is the most; split it"));
    }
    Ok(file)
}

fn of(path: &Path) -> std::io::Result<File> {
    let data = std::fs::metadata(path)?;
    let modified = data.modified().ok().and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok());
    Ok(File { path: path.to_owned(), bytes: data.len(), modified_ns: modified.map_or(0, |d| d.as_nanos() as i64) })
}
