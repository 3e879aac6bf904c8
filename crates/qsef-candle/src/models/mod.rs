//! The manifest of models, and how their files get here: found on this machine or downloaded, checked against their
//! sha256, and put in place atomically.
//!
//! ```no_run
//! use std::sync::atomic::AtomicBool;
//! use qsef_candle::models::{ProgressEvent, Store};
//!
//! let store = Store::open_default()?;
//! let say = |event: ProgressEvent| eprintln!("{:?} {}/{}", event.phase, event.done, event.total);
//! let files = store.ensure("qwen2.5-coder-0.5b", &say, &AtomicBool::new(false))?;
//! println!("{}", files.main().display());
//! # Ok::<(), qsef_core::Error>(())
//! ```

mod ensure;
mod fetch;
mod manifest;
mod pip;
mod progress;
pub(crate) mod verify;
mod wheel;

use std::{
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use qsef_core::{Error, Result};

pub use self::{
    manifest::{FileSpec, ModelSpec, Source, Wheels},
    progress::{Phase, Progress, ProgressEvent},
};

/// Models on this machine, under one directory.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
    models: Vec<ModelSpec>,
    pip: Option<PathBuf>,
    local: Vec<PathBuf>,
}

/// A model's verified files.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelFiles {
    /// What the manifest says about the model.
    pub spec: ModelSpec,
    /// The directory that holds its files.
    pub dir: PathBuf,
}

impl ModelFiles {
    /// The file with the weights.
    pub fn main(&self) -> PathBuf {
        self.spec.files.first().map_or_else(|| self.dir.clone(), |f| self.dir.join(&f.name))
    }

    /// All files, in the manifest's order.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.spec.files.iter().map(|f| self.dir.join(&f.name)).collect()
    }
}

/// What is here of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// All files, verified.
    Ready,
    /// All files by name and size, not verified yet; [`Store::find`] and [`Store::ensure`] do so.
    Unverified,
    /// A download that was interrupted; [`Store::ensure`] continues it.
    Partial {
        /// Bytes of finished parts.
        done: u64,
    },
    /// Nothing.
    Missing,
}

impl Store {
    /// The store in `$QSEF_HOME`, or in the platform's data directory.
    ///
    /// # Errors
    /// [`Error::Input`] when there is neither.
    pub fn open_default() -> Result<Self> {
        let root = std::env::var_os("QSEF_HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
        let root = root.or_else(|| directories::ProjectDirs::from("", "", "qsef").map(|d| d.data_dir().to_owned()));
        let root =
            root.ok_or_else(|| Error::Input("no home directory: set QSEF_HOME to a directory for models".into()))?;
        let local = std::env::var_os("QSEF_MODELS").map(|v| std::env::split_paths(&v).collect()).unwrap_or_default();
        Ok(Self { local, ..Self::at(root)? })
    }

    /// A store in a directory, made when something is put in it. Reads no environment variable.
    ///
    /// # Errors
    /// [`Error::File`] when the manifest built into this crate is broken.
    pub fn at(root: impl Into<PathBuf>) -> Result<Self> {
        let models = manifest::parse(manifest::BUILT_IN, "models.toml")?;
        Ok(Self { root: root.into(), models, pip: None, local: Vec::new() })
    }

    /// Uses another manifest, in the format of `models.toml`.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be read.
    pub fn with_manifest(self, toml: &str) -> Result<Self> {
        Ok(Self { models: manifest::parse(toml, "manifest")?, ..self })
    }

    /// Uses this program as pip, instead of the first one found.
    #[must_use]
    pub fn pip_program(self, program: impl Into<PathBuf>) -> Self {
        Self { pip: Some(program.into()), ..self }
    }

    /// Directories that may hold the files already; `$QSEF_MODELS` for [`Store::open_default`].
    #[must_use]
    pub fn local_dirs(self, dirs: Vec<PathBuf>) -> Self {
        Self { local: dirs, ..self }
    }

    /// The directory of the store.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The manifest.
    pub fn models(&self) -> &[ModelSpec] {
        &self.models
    }

    /// One model of the manifest.
    ///
    /// # Errors
    /// [`Error::Input`] when there is none of that name; the message lists the names.
    pub fn spec(&self, name: &str) -> Result<&ModelSpec> {
        self.models.iter().find(|m| m.name == name).ok_or_else(|| {
            let names: Vec<_> = self.models.iter().map(|m| m.name.as_str()).collect();
            Error::Input(format!("no model `{name}` in the manifest; there are {}", names.join(", ")))
        })
    }

    /// Where a model's files lie, or would lie.
    pub fn model_dir(&self, name: &str) -> PathBuf {
        self.root.join("models").join(name)
    }

    /// What is here of a model. Hashes nothing.
    ///
    /// # Errors
    /// [`Error::Input`] for an unknown name.
    pub fn status(&self, name: &str) -> Result<Status> {
        let spec = self.spec(name)?;
        let dir = self.model_dir(name);
        if spec.files.iter().all(|f| verify::is_marked(&dir, f)) {
            return Ok(Status::Ready);
        }
        let same_size = |f: &FileSpec| std::fs::metadata(dir.join(&f.name)).is_ok_and(|m| m.len() == f.size);
        if spec.files.iter().all(same_size) {
            return Ok(Status::Unverified);
        }
        let parts = std::fs::read_dir(self.partial_dir(name)).into_iter().flatten().filter_map(|e| e.ok());
        let parts = parts.filter(|e| e.path().extension().is_some_and(|x| x == "bin"));
        let done = parts.filter_map(|e| e.metadata().ok().map(|m| m.len())).sum();
        Ok(if done > 0 { Status::Partial { done } } else { Status::Missing })
    }

    /// The files, when they are all here and right; fetches nothing. Hashes files that were not verified yet.
    ///
    /// # Errors
    /// [`Error::Input`] for an unknown name, [`Error::Io`] when a file cannot be read.
    pub fn find(&self, name: &str) -> Result<Option<ModelFiles>> {
        let spec = self.spec(name)?;
        let dir = self.model_dir(name);
        for file in &spec.files {
            let path = dir.join(&file.name);
            if verify::is_marked(&dir, file) {
                continue;
            }
            if !path.is_file() || !verify::matches(&path, file, &AtomicBool::new(false), |_| {})? {
                return Ok(None);
            }
            verify::mark(&dir, file);
        }
        Ok(Some(ModelFiles { spec: spec.clone(), dir }))
    }

    fn partial_dir(&self, name: &str) -> PathBuf {
        self.root.join("models").join(".partial").join(name)
    }
}
