//! The folder of a job: whose it is, and that nobody else works in it.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use qsef_core::{Error, Result};
use serde_json::Value;

/// A job's folder, held as long as this lives.
#[derive(Debug)]
pub(super) struct Folder {
    _lock: File,
    state: PathBuf,
}

/// The subfolder of what is needed to go on.
const STATE: &str = ".qsef";

impl Folder {
    /// Takes a folder for a job that is described by `job`: makes it, or goes on in it.
    ///
    /// # Errors
    /// [`Error::Input`] for a folder that is not empty or that another process works in, for one of this job without `resume`;
    /// [`Error::File`] with the field for one of another job.
    pub fn take(dir: &Path, job: &Value, resume: bool) -> Result<Self> {
        let state = dir.join(STATE);
        let path = state.join("job.json");
        let known = match std::fs::read_to_string(&path) {
            Ok(text) => Some(text),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
            Err(e) => return Err(Error::io("read", &path, e)),
        };
        let shown = dir.display();
        match known {
            Some(text) => {
                let known: Value = serde_json::from_str(&text).map_err(|e| Error::File {
                    path: path.clone(),
                    line: Some(e.line()),
                    field: None,
                    message: format!("{e}; choose another folder"),
                })?;
                if let Some((field, was, is)) = difference("", &known, job) {
                    let message = format!(
                        "{shown} is the folder of another job: its {field} was {was} and is {is}; choose another one"
                    );
                    return Err(Error::File { path, line: None, field: Some(field), message });
                }
                if !resume {
                    let done = dir.join("manifest.json").is_file();
                    let state = if done { "holds this curriculum already" } else { "holds a part of this job" };
                    return Err(Error::Input(format!("{shown} {state}; --resume goes on with what was answered")));
                }
            }
            None => {
                let is_empty = match std::fs::read_dir(dir) {
                    Ok(mut entries) => entries.all(|e| e.is_ok_and(|e| e.file_name() == STATE)),
                    Err(e) if e.kind() == std::io::ErrorKind::NotFound => true,
                    Err(e) => return Err(Error::io("read", dir, e)),
                };
                if !is_empty {
                    return Err(Error::Input(format!(
                        "{shown} is not empty, and no curriculum; choose another folder"
                    )));
                }
                std::fs::create_dir_all(&state).map_err(|e| Error::io("create", &state, e))?;
            }
        }
        let lock = lock(&state.join("lock"), dir)?;
        if !path.is_file() {
            let text = serde_json::to_string_pretty(job).map_err(|e| Error::Internal(e.to_string()))?;
            let part = path.with_extension("part");
            std::fs::write(&part, text + "\n")
                .and_then(|()| std::fs::rename(&part, &path))
                .map_err(|e| Error::io("write", &path, e))?;
        }
        Ok(Self { _lock: lock, state })
    }

    /// The subfolder of what is needed to go on, and of what waits.
    pub fn state(&self) -> &Path {
        &self.state
    }
}

fn lock(path: &PathBuf, dir: &Path) -> Result<File> {
    let file = File::create(path).map_err(|e| Error::io("write", path, e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(Error::Input(format!(
            "another process works in {}; wait for it, or choose another folder",
            dir.display()
        ))),
        Err(std::fs::TryLockError::Error(e)) => Err(Error::io("lock", path, e)),
    }
}

/// The first field that differs: its path, what it was, what it is.
fn difference(path: &str, was: &Value, is: &Value) -> Option<(String, String, String)> {
    match (was, is) {
        (Value::Object(a), Value::Object(b)) => {
            let keys = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key)));
            keys.filter_map(|key| {
                let name = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                difference(&name, a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null))
            })
            .next()
        }
        (was, is) if was == is => None,
        // A file may have had whole numbers where there are others now.
        (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => None,
        (was, is) => Some((path.to_owned(), was.to_string(), is.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_folder_is_of_one_job_and_one_process() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let job = json!({"model": "a", "settings": {"seed": 0}});
        let held = Folder::take(&out, &job, false).unwrap();
        assert!(Folder::take(&out, &job, true).unwrap_err().to_string().contains("another process"));
        drop(held);
        assert!(Folder::take(&out, &job, false).unwrap_err().to_string().contains("--resume"));
        let other = json!({"model": "a", "settings": {"seed": 7}});
        let error = Folder::take(&out, &other, true).unwrap_err().to_string();
        assert!(error.contains("settings.seed was 0 and is 7"), "{error}");
        drop(Folder::take(&out, &job, true).unwrap());
        std::fs::write(dir.path().join("mine.txt"), "x").unwrap();
        assert!(Folder::take(dir.path(), &job, true).unwrap_err().to_string().contains("not empty"));
    }
}
