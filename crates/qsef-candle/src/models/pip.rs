//! The registry's ordinary client, as a child process.

use std::{
    ffi::OsString,
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

/// How to start pip: a program and its first arguments.
#[derive(Debug, Clone)]
pub(super) struct Pip(Vec<OsString>);

pub(super) enum PipError {
    Cancelled,
    /// The last line that says something.
    Failed(String),
}

impl Pip {
    /// A program that is pip itself.
    pub fn program(path: &Path) -> Self {
        Self(vec![path.into()])
    }

    /// The first pip that starts on this machine.
    pub fn locate() -> Option<Self> {
        let candidates: [&[&str]; 4] = [&["python3", "-m", "pip"], &["python", "-m", "pip"], &["pip3"], &["pip"]];
        candidates.iter().map(|words| Self(words.iter().map(OsString::from).collect())).find(|pip| {
            let status = pip.command().arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
            status.is_ok_and(|s| s.success())
        })
    }

    fn command(&self) -> Command {
        let mut words = self.0.iter();
        let mut command = Command::new(words.next().cloned().unwrap_or_default());
        command.args(words).stdin(Stdio::null());
        command
    }

    /// Downloads one wheel into `dir`, with pip's temporary files in `dir` too, and returns its path; `pins` are arguments that
    /// say which of several it is. Wheels only: an sdist would run its own code while pip reads its name.
    pub fn download(
        &self,
        requirement: &str,
        pins: &[&str],
        dir: &Path,
        cancel: &AtomicBool,
    ) -> Result<PathBuf, PipError> {
        let failed = |e: std::io::Error| PipError::Failed(format!("cannot run pip: {e}"));
        let log = dir.join("pip.log");
        // A file, not a pipe: a grandchild that survives a kill cannot make us wait.
        let errors = File::create(&log).map_err(failed)?;
        let child = self
            .command()
            .args(["download", "-q", "--progress-bar", "off", "--no-deps", "--only-binary", ":all:"])
            .args(["--no-cache-dir", "--no-input", "--disable-pip-version-check"])
            .args(pins)
            .arg("-d")
            .arg(dir)
            .arg(requirement)
            .envs(["TMPDIR", "TEMP", "TMP"].map(|name| (name, dir)))
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn()
            .map_err(failed)?;
        let success = wait(child, cancel)?;
        let wheel = std::fs::read_dir(dir)
            .map_err(failed)?
            .filter_map(|entry| entry.ok().map(|e| e.path()))
            .find(|path| path.extension().is_some_and(|e| e == "whl"));
        match wheel {
            Some(path) if success => Ok(path),
            _ => Err(PipError::Failed(last_line(&log))),
        }
    }
}

fn wait(mut child: Child, cancel: &AtomicBool) -> Result<bool, PipError> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status.success()),
            Ok(None) if !cancel.load(Ordering::Relaxed) => std::thread::sleep(Duration::from_millis(50)),
            other => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(match other {
                    Err(e) => PipError::Failed(format!("cannot wait for pip: {e}")),
                    Ok(_) => PipError::Cancelled,
                });
            }
        }
    }
}

fn last_line(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let mut lines = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with("[notice]"));
    lines.next_back().map_or_else(|| "pip gave no wheel and no reason".to_owned(), str::to_owned)
}
